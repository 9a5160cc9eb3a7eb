"""A Program as the tables and flat arrays that the compiled kernels walk over.

Everything here is numpy and runs once per program. Neurons of a population lie in rows padded to whole vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from snndeploy.integers import ALIGN_BITS, DECAY_BITS, STATE_LIMIT, SYNAPTIC_DECAY_OFFSET, Ints, int32, shift
from snndeploy.neurons import lif
from snndeploy.program import Input, Population, Program, Projection
from snndeploy.projections.conv import geometry
from snndeploy.registry import part
from snndeploy.simulators._fast_conv import order as placewise
from snndeploy.simulators._fast_conv import runs
from snndeploy.simulators._fast_intrinsics import LANES
from snndeploy.simulators._fast_models import compiled_step

CACHE_LINE = 64  # bytes
CHUNK = 16  # steps that a population without a loop goes through at once, unless it has many neurons:
CHUNK_NEURONS = 4096  # their activations (16 KiB) should stay in the first cache

# How an arrival holds its synapses: a padded row of bytes or a list for each source, or runs that places share.
ROWS, LIST, RUNS, NARROW_RUNS = range(4)  # of narrow runs 16 bits hold every sum
SPIKES = -1  # the number of a state in a record of what a population sends
LIF_VARIANTS = 4  # steps below are those of `_fast_lif`, others the addresses of compiled models

END = np.dtype([(name, np.int64) for name in ("size", "words", "bits", "row", "values")])
POPULATION = np.dtype(
    [
        (name, np.int64)
        for name in ("end", "start", "size", "row", "first", "last", "states", "parameters", "step", "order")
    ]
)
GROUP = np.dtype([(name, np.int64) for name in ("first", "last", "chunk")])
ARRIVAL = np.dtype(
    [
        (name, np.int64)
        for name in ("source", "lag", "layout", "graded", "exponent", "bits", "weights", "row", "index", "factor")
    ]
    + [(name, np.int64) for name in ("offset", "places", "channels", "placewise", "shift", "group")]
)


@dataclass(frozen=True)
class Plan:
    """The tables, and what they point into.

    `bits` and `values` are the words and integers that all ends send in one step; `order` says where each record finds
    the neurons of a population.
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
    row: int
    events: int
    places: Mapping[str, int]

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
        aligned(plan.bits * rows, np.uint64),
        aligned(plan.values * rows, np.int32),
        aligned(plan.rest.size, np.int64),
        aligned(max(CHUNK_NEURONS, plan.row), np.int32),
        aligned(plan.row, np.int16),
        aligned(plan.row, np.int32),
        aligned(plan.events + LANES, np.int32),
        aligned(plan.row, np.int32),
    )


def padded(size: int) -> int:
    """The size of a row for that many neurons."""
    return -(-size // LANES) * LANES


def plan(program: Program) -> Plan:
    """All tables of a program."""
    groups = _groups(program)
    populations = [population for group in groups for population in group]
    ends: list[Input | Population] = [*program.inputs, *populations]
    places = {end.name: i for i, end in enumerate(ends)}
    end_table = np.zeros(len(ends), END)
    bits = values = 0
    for row, end in zip(end_table, ends, strict=True):
        row["size"], row["row"], row["words"] = end.size, padded(end.size), padded(end.size) // LANES
        row["bits"], row["values"] = bits, values if end.message_bits else -1
        bits += row["words"]
        values += row["row"] if end.message_bits else 0
    pools = _Pools()
    orders = _orders(program)
    population_table = np.zeros(len(program.populations), POPULATION)
    arrivals: list[dict[str, int]] = []
    for row, population in zip(population_table, populations, strict=True):
        row["end"], row["start"] = places[population.name], population.start
        row["size"], row["row"] = population.size, padded(population.size)
        row["first"] = len(arrivals)
        reach = np.zeros(population.size)
        for q in program.projections:
            if q.target == population.name:
                found = _arrivals(q, program.end(q.source), population, places, orders, pools)
                arrivals += [arrival for arrival, _ in found]
                reach += sum((sums for _, sums in found), np.zeros(population.size))
        row["last"] = len(arrivals)
        row["step"], row["states"], row["parameters"] = pools.add_neurons(population, reach, orders[population.name])
        row["order"] = pools.add(pools.index, orders[population.name].astype(np.int32))
    group_table = np.zeros(len(groups), GROUP)
    first = 0
    for row, group in zip(group_table, groups, strict=True):
        row["first"], row["last"], row["chunk"] = first, first + len(group), _chunk(program, group)
        first += len(group)
    arrival_table = np.zeros(len(arrivals), ARRIVAL)
    for row, arrival in zip(arrival_table, arrivals, strict=True):
        for key, value in arrival.items():
            row[key] = value
    return Plan(
        end_table,
        population_table,
        group_table,
        arrival_table,
        _joined(pools.weights, np.uint8),
        _joined(pools.halves, np.int16),
        _joined(pools.wide, np.int32),
        _joined(pools.index, np.int32),
        _joined(pools.rest, np.int64),
        _joined(pools.parameters, np.int64),
        bits,
        values,
        max(int(end_table["row"].max()), LANES),
        int(end_table["size"].max()),
        places,
    )


def aligned(shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Zeros that begin at a cache line: vectors that lie across two of them take twice as long."""
    count = int(np.prod(shape))
    room = np.zeros(count * np.dtype(dtype).itemsize + CACHE_LINE, np.uint8)
    begin = -room.ctypes.data % CACHE_LINE
    return room[begin : begin + count * np.dtype(dtype).itemsize].view(dtype).reshape(shape)


def _joined(arrays: list[NDArray[Any]], dtype: DTypeLike) -> NDArray[Any]:
    joined = aligned(sum(array.size for array in arrays), dtype)
    return np.concatenate([np.zeros(0, dtype), *arrays], out=joined)


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


def _chunk(program: Program, group: list[Population]) -> int:
    """Steps that a group can take at once: what it sends itself arrives after them."""
    names = {p.name for p in group}
    lags = [1 + _shortest_delay(q) for q in program.projections if q.source in names and q.target in names]
    return min([CHUNK, *lags, max(1, CHUNK_NEURONS // max(padded(p.size) for p in group))])


def _shortest_delay(q: Projection) -> int:
    delays = q.extra.get("delays")
    return q.delay + (0 if delays is None or not delays.size else int(delays.min()))


def _orders(program: Program) -> dict[str, Ints]:
    """The order in which the neurons of each end lie."""
    reached = {q.target for q in program.projections if q.kind == "conv"}
    return {end.name: placewise(end.shape) if end.name in reached else np.arange(end.size) for end in program.ends()}


class _Pools:
    """The flat arrays while they grow."""

    def __init__(self) -> None:
        self.weights: list[NDArray[np.uint8]] = []
        self.halves: list[NDArray[np.int16]] = []
        self.wide: list[NDArray[np.int32]] = []
        self.index: list[NDArray[np.int32]] = []
        self.rest: list[Ints] = []
        self.parameters: list[Ints] = []
        self._lengths: dict[int, int] = {}

    def add(self, pool: list[NDArray[Any]], array: NDArray[Any]) -> int:
        """Add `array` to one of the pools; returns where it begins."""
        begins = self._lengths.get(id(pool), 0)
        pool.append(array.reshape(-1))
        self._lengths[id(pool)] = begins + array.size
        return begins

    def add_neurons(self, population: Population, reach: NDArray[Any], order: Ints) -> tuple[int, int, int]:
        """Step, and where states and parameters begin; `reach` bounds the activation of each neuron."""
        model = part("neurons", population.neuron)
        parameters = [population.parameters[name].reshape(-1).astype(np.int64) for name in model.PARAMETERS]
        states = [np.broadcast_to(state, population.size)[order] for state in model.rest(*parameters)]
        if model is lif:
            columns = [column.astype(np.int32)[order] for column in lif_columns(*parameters)]
            packed = _rows(columns, population.size, np.int32).view(np.int64)
            begin = self.add(self.rest, np.zeros(padded(population.size), np.int64))  # u and v, int32
            return lif_variant(parameters[0], reach), begin, self.add(self.parameters, packed)
        step = compiled_step(model)
        return (
            step,
            self.add(self.rest, _rows(states, population.size, np.int64)),
            self.add(self.parameters, _rows([p[order] for p in parameters], population.size, np.int64)),
        )


def _rows(columns: list[NDArray[Any]], size: int, dtype: Any) -> NDArray[Any]:
    """The columns one after the other, each padded with zeros."""
    rows = np.zeros((len(columns), padded(size)), dtype)
    for row, column in zip(rows, columns, strict=True):
        row[:size] = column
    return rows.reshape(-1)


def lif_columns(du: Ints, dv: Ints, bias_mant: Ints, bias_exp: Ints, vth: Ints) -> list[Ints]:
    """What stays of u and v in a step (4096ths), the effective bias, and the aligned threshold."""
    one = 2**DECAY_BITS
    bias = int32(shift(bias_mant, bias_exp))
    return [one - (du + SYNAPTIC_DECAY_OFFSET), one - dv, bias, vth << ALIGN_BITS]


def lif_variant(du: Ints, reach: NDArray[Any]) -> int:
    """Which of the LIF steps of `_fast_lif` serves: whether u keeps anything, and whether it is proven not to wrap.

    What decays by (du + 1)/4096 in each step adds up to no more than 4096/(du + 1) times what comes in.
    """
    lost = np.maximum(du + SYNAPTIC_DECAY_OFFSET, 0) / 2**DECAY_BITS
    bounded = bool((reach * 2**ALIGN_BITS < STATE_LIMIT * lost).all())
    return 2 * int((lost == 1).all()) + bounded


Arrival = tuple[dict[str, int], NDArray[Any]]  # its fields, and how much it can bring each neuron


def _arrivals(
    q: Projection,
    source: Input | Population,
    target: Population,
    places: Mapping[str, int],
    orders: Mapping[str, Ints],
    pools: _Pools,
) -> list[Arrival]:
    """A projection as what arrives with each of its delays."""
    kind = part("projections", q.kind)
    shared = {
        "source": places[source.name],
        "graded": int(q.message_bits > 0 and source.message_bits > 0),
        "exponent": q.exponent,
        "bits": kind.SUM_BITS,
        "factor": 1,
    }
    scale = _largest_payload(source, bool(shared["graded"])) * 2.0 ** max(q.exponent, 0)
    if q.kind == "dense" and "delays" not in q.extra:
        rows = _bytes(q.weights[np.ix_(orders[target.name], orders[source.name])])
        if rows is not None:
            reach = np.abs(q.weights).sum(axis=1) * scale
            return [({**shared, **_dense(rows, pools), "lag": 1 + q.delay}, reach)]
    if q.kind == "conv":
        of_channels = np.abs(q.weights).reshape(len(q.weights), -1).sum(axis=1)
        reach = np.repeat(of_channels, target.size // len(q.weights))
        narrow = not shared["graded"] and reach.max() < 2**15
        fields = _runs(q, source, target, orders[source.name], pools)
        layout = NARROW_RUNS if narrow else RUNS
        if (reach * scale).max() < 2 ** (kind.SUM_BITS - 1):
            shared["bits"] = 32  # nothing wraps
        return [({**shared, **fields, "layout": layout, "lag": 1 + q.delay}, reach * scale)]
    sources, targets, weights, delays = kind.synapses(q, source.shape, target.shape)
    into, onto = np.argsort(orders[target.name]), np.argsort(orders[source.name])
    found: list[Arrival] = []
    for delay in np.unique(delays):
        there = delays == delay
        fields = _list(onto[sources[there]], into[targets[there]], weights[there], source.size, pools)
        reach = np.bincount(targets[there], np.abs(weights[there]), target.size) * scale
        found.append(({**shared, **fields, "lag": 1 + int(delay)}, reach))
    return found


def _largest_payload(source: Input | Population, graded: bool) -> float:
    """The largest |payload| that counts: what a population sends is an int32."""
    if not graded:
        return 1.0
    return float(max(-source.minimum, source.maximum)) if isinstance(source, Input) else 2.0**31


def _bytes(weights: NDArray[np.int32]) -> tuple[NDArray[np.uint8], int, int] | None:
    """Weights as (bytes - offset) * factor; None where they do not fit."""
    low, high = int(weights.min()), int(weights.max())
    for factor, offset in ((1, 0), (-1, 0), (1, 128), (2, 128)):
        ends = (low // factor + offset, high // factor + offset)
        if min(ends) >= 0 and max(ends) <= 255 and not (weights % factor).any():
            return (weights // factor + offset).astype(np.uint8), offset, factor
    return None


def interleaved(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Rows in which each vector's second half lies between the bytes of its first, as `add_rows` takes them."""
    halves = rows.reshape(*rows.shape[:-1], -1, 2, LANES // 2)
    return halves.swapaxes(-1, -2).reshape(rows.shape)


def _dense(held: tuple[NDArray[np.uint8], int, int], pools: _Pools) -> dict[str, int]:
    """A padded row of bytes for each source."""
    weights, offset, factor = held
    targets, sources = weights.shape
    rows = np.full((sources, padded(targets)), offset, np.uint8)
    rows[:, :targets] = weights.T
    begin = pools.add(pools.weights, interleaved(rows))
    return {"layout": ROWS, "weights": begin, "row": rows.shape[1], "factor": factor, "offset": offset}


def _list(sources: Ints, targets: Ints, weights: Ints, size: int, pools: _Pools) -> dict[str, int]:
    """The synapses of each source one after the other: where they begin, their targets, their weights."""
    order = np.argsort(sources, kind="stable")
    begins = np.searchsorted(sources[order], np.arange(size + 1)).astype(np.int32)
    return {
        "layout": LIST,
        "weights": pools.add(pools.wide, weights[order].astype(np.int32)),
        "index": pools.add(pools.index, np.concatenate([begins, targets[order].astype(np.int32)])),
    }


def _runs(q: Projection, source: Input | Population, target: Population, order: Ints, pools: _Pools) -> dict[str, int]:
    """A convolution: where its runs begin for each place, the runs, and the weights that they share."""
    weights, begins, found = runs(q, source.shape, target.shape)
    groups = geometry(q).groups
    index = np.concatenate([begins, found.reshape(-1)]).astype(np.int32)
    channels = source.shape[0]
    return {
        "weights": pools.add(pools.halves, weights.astype(np.int16)),
        "index": pools.add(pools.index, index),
        "row": weights.size // channels,
        "channels": channels,
        "places": source.size // channels,
        "placewise": int(not np.array_equal(order, np.arange(source.size))),
        "group": channels // groups,
        "shift": len(q.weights) // groups,
    }
