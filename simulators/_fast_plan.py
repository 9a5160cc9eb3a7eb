"""A Program as the tables and flat arrays that the compiled kernels walk over.

Everything here is numpy and runs once per program. Neurons of a population lie in rows padded to whole vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snndeploy.integers import Ints
from snndeploy.program import Input, Population, Program, Projection
from snndeploy.simulators._fast_conv import order as placewise
from snndeploy.simulators._fast_intrinsics import LANES
from snndeploy.simulators._fast_layouts import ARRIVAL, arrivals
from snndeploy.simulators._fast_pools import Pools, aligned, joined, padded
from snndeploy.simulators._fast_together import TARGETS, TOGETHER

CHUNK = 16  # steps that a group of populations goes through at once, unless it has many neurons:
CHUNK_NEURONS = 4096  # their activations (16 KiB) should stay in the first cache

SPIKES = -1  # the number of a state in a record of what a population sends
LIF_VARIANTS = 4  # steps below are those of `_fast_lif`, others the addresses of compiled models

END = np.dtype([(name, np.int64) for name in ("size", "words", "bits", "row", "values")])
POPULATION = np.dtype(
    [(name, np.int64) for name in ("end", "start", "size", "row", "activations", "states", "parameters", "step")]
    # Arrivals from `loops` on are sent by its group while it steps; `together` of all are held for many samples.
    + [(name, np.int64) for name in ("order", "first", "loops", "last", "together")]
)
GROUP = np.dtype([(name, np.int64) for name in ("first", "last", "chunk", "inner")])


@dataclass(frozen=True)
class Plan:
    """The tables, and what they point into.

    `bits` and `values` are the words and integers that all ends send in one step of a sample, `activations` the
    integers that arrive at a group in a chunk of it; `most_together` the most arrivals of a population that are held
    for many samples.
    """

    ends: NDArray[Any]
    populations: NDArray[Any]
    groups: NDArray[Any]
    arrivals: NDArray[Any]
    weights: NDArray[np.uint8]
    halves: NDArray[np.int16]
    wide: NDArray[np.int32]
    index: NDArray[np.int32]
    rest: Ints
    parameters: Ints
    bits: int
    values: int
    activations: int
    row: int
    most_together: int
    places: Mapping[str, int]

    @property
    def together(self) -> int:
        """The samples that go through a step together."""
        return TOGETHER if self.most_together else 1

    def tables(self) -> tuple[NDArray[Any], ...]:
        """The tables, as the compiled loop takes them."""
        return self.ends, self.populations, self.groups, self.arrivals

    def pools(self) -> tuple[NDArray[Any], ...]:
        """What the tables point into, likewise."""
        return self.weights, self.halves, self.wide, self.index, self.rest, self.parameters


def room(plan: Plan, raw: int) -> tuple[NDArray[Any], ...]:
    """What one thread works in for samples of `raw` steps: the last arguments of the compiled loop."""
    rows = raw + 1  # the first is the step before the sample
    return (
        aligned((plan.together, plan.bits * rows), np.uint64),
        aligned((plan.together, plan.values * rows), np.int32),
        aligned((plan.together, plan.rest.size), np.int64),
        aligned((plan.together, plan.activations), np.int32),
        aligned(plan.row, np.int16),
        aligned(plan.row, np.int32),
        aligned(plan.row + LANES, np.int32),
        aligned(plan.row, np.int32),
        aligned((plan.most_together, plan.row), np.uint32),
        aligned(TOGETHER, np.uint64),
        aligned(TARGETS * TOGETHER, np.int32),
        aligned(plan.most_together, np.int64),
        aligned(len(plan.populations), np.int64),
    )


def plan(program: Program) -> Plan:
    """All tables of a program."""
    groups = _groups(program)
    populations = [population for group in groups for population in group]
    ends: list[Input | Population] = [*program.inputs, *populations]
    places = {end.name: i for i, end in enumerate(ends)}
    end_table, bits, values = _ends(ends)
    pools, orders = Pools(), _orders(program)
    population_table = np.zeros(len(populations), POPULATION)
    group_table = np.zeros(len(groups), GROUP)
    brought: list[dict[str, int]] = []
    first = most = 0
    for group_row, group in zip(group_table, groups, strict=True):
        chunk, inner = _chunks(program, group)
        last, activations = first + len(group), 0
        group_row["first"], group_row["last"], group_row["chunk"], group_row["inner"] = first, last, chunk, inner
        for row, population in zip(population_table[first:last], group, strict=True):
            row["end"], row["start"] = places[population.name], population.start
            row["size"], row["row"], row["activations"] = population.size, padded(population.size), activations
            activations += chunk * int(row["row"])
            order = orders[population.name]
            reach = np.zeros(population.size)
            for column, projections in zip(("first", "loops"), _heard(program, population, group), strict=True):
                row[column] = len(brought)
                for q in projections:
                    for fields, sums in arrivals(q, program.end(q.source), population, places, orders, pools):
                        brought.append(fields)
                        reach += sums
            row["last"] = len(brought)
            if inner == chunk:  # what the group sends arrives after the chunk, none while it steps
                row["loops"] = row["last"]
            row["together"] = sum(fields.get("together", 0) > 0 for fields in brought[row["first"] :])
            row["step"], row["states"], row["parameters"] = pools.add_neurons(population, reach, order)
            row["order"] = pools.add(pools.index, order.astype(np.int32))
        first, most = last, max(most, activations)
    arrival_table = np.zeros(len(brought), ARRIVAL)
    for row, fields in zip(arrival_table, brought, strict=True):
        for key, value in fields.items():
            row[key] = value
    return Plan(
        end_table,
        population_table,
        group_table,
        arrival_table,
        joined(pools.weights, np.uint8),
        joined(pools.halves, np.int16),
        joined(pools.wide, np.int32),
        joined(pools.index, np.int32),
        joined(pools.rest, np.int64),
        joined(pools.parameters, np.int64),
        bits,
        values,
        most,
        max(int(end_table["row"].max()), LANES),
        int(population_table["together"].max()),
        places,
    )


def _ends(ends: list[Input | Population]) -> tuple[NDArray[Any], int, int]:
    """The table of the ends, and the words and integers that they send in one step."""
    table = np.zeros(len(ends), END)
    bits = values = 0
    for row, end in zip(table, ends, strict=True):
        row["size"], row["row"], row["words"] = end.size, padded(end.size), padded(end.size) // LANES
        row["bits"], row["values"] = bits, values if end.message_bits else -1
        bits += row["words"]
        values += row["row"] if end.message_bits else 0
    return table, bits, values


def _groups(program: Program) -> list[list[Population]]:
    """The populations in groups that loop within themselves, each after all that it hears from."""
    names = [p.name for p in program.populations]
    heard = {name: {name} for name in names}
    while True:
        before = sum(map(len, heard.values()))
        for q in program.projections:
            heard[q.target] |= heard.get(q.source, set())
        if sum(map(len, heard.values())) == before:
            break
    groups: dict[frozenset[str], list[Population]] = {}
    for population in sorted(program.populations, key=lambda p: len(heard[p.name])):
        groups.setdefault(frozenset(heard[population.name]), []).append(population)
    return list(groups.values())


def _chunks(program: Program, group: list[Population]) -> tuple[int, int]:
    """Steps that a group sums up at once what comes from outside, and steps that its neurons can take at once.

    What a group sends itself arrives after them.
    """
    chunk = min(CHUNK, max(1, CHUNK_NEURONS // sum(padded(p.size) for p in group)))
    lags = [1 + _shortest_delay(q) for p in group for q in _heard(program, p, group)[1]]
    return chunk, min([chunk, *lags])


def _heard(program: Program, population: Population, group: list[Population]) -> tuple[list[Projection], ...]:
    """The projections that a population hears: those from outside its group, and those from within."""
    names = {p.name for p in group}
    heard = [q for q in program.projections if q.target == population.name]
    return [q for q in heard if q.source not in names], [q for q in heard if q.source in names]


def _shortest_delay(q: Projection) -> int:
    delays = q.extra.get("delays")
    return q.delay + (0 if delays is None or not delays.size else int(delays.min()))


def _orders(program: Program) -> dict[str, Ints]:
    """The order in which the neurons of each end lie."""
    reached = {q.target for q in program.projections if q.kind == "conv"}
    return {end.name: placewise(end.shape) if end.name in reached else np.arange(end.size) for end in program.ends()}
