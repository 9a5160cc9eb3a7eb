"""The reference simulator: the integer definition, step by step, and nothing else.

One raw step, in this order: every projection delivers what its source sent one step (plus its delay) ago, summed per
target; every population that has started updates, spikes and resets. Slow and plain on purpose: other engines are
tested against it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snndeploy.integers import Ints, bring, int32
from snndeploy.program import Population, Program, Projection
from snndeploy.registry import part

TARGET = "reference"
BLOCK = 64  # samples simulated together: bounds the memory, changes no value


def simulate(
    program: Program,
    payloads: Mapping[str, Ints],
    probes: Collection[str],
    advance: Callable[[int], None] = lambda samples: None,
) -> dict[str, NDArray[Any]]:
    """Run every sample from rest and record raw steps.

    `payloads` holds (samples, steps, size) int64 for each input of the program; `probes` are names `POPULATION.STATE`
    or `POPULATION.spikes`. Returns for each probe (samples, steps + latency, size): int32 states, bool spikes.
    """
    samples = next(iter(payloads.values())).shape[0]
    blocks = []
    for first in range(0, max(samples, 1), BLOCK):
        block = {name: x[first : first + BLOCK] for name, x in payloads.items()}
        blocks.append(_simulate_block(program, block, probes))
        advance(min(BLOCK, samples - first))
    return {probe: np.concatenate([block[probe] for block in blocks]) for probe in probes}


def _simulate_block(program: Program, payloads: Mapping[str, Ints], probes: Collection[str]) -> dict[str, NDArray[Any]]:
    samples, steps = next(iter(payloads.values())).shape[:2]
    raw_steps = steps + program.latency
    # sent[name][:, t] is what it sends in raw step t; step 0 lies before the sample, nothing is sent in it.
    sent = {end.name: np.zeros((samples, raw_steps + 1, end.size), np.int64) for end in program.ends()}
    for name, x in payloads.items():
        sent[name][:, 1 : steps + 1] = x
    populations = program.populations
    arriving = {p.name: [_synapses(program, q) for q in program.projections if q.target == p.name] for p in populations}
    models = {p.name: part("neurons", p.neuron) for p in populations}
    parameters = {p.name: _ordered(p, models[p.name].PARAMETERS) for p in populations}
    states = {p.name: _rested(models[p.name], parameters[p.name], samples) for p in populations}
    records = {probe: _empty_record(program, probe, samples, raw_steps) for probe in probes}
    for t in range(1, raw_steps + 1):
        for population in populations:
            name = population.name
            if t <= population.start:
                continue
            activation = np.zeros((samples, population.size), np.int64)
            for brought in arriving[name]:
                activation = int32(activation + brought(sent, t))
            sent[name][:, t], *states[name] = models[name].step(activation, *states[name], *parameters[name])
        for probe, record in records.items():
            name, _, state = probe.rpartition(".")
            seen = sent[name][:, t] if state == "spikes" else states[name][models[name].STATES.index(state)]
            record[:, t - 1] = seen
    return records


def _ordered(population: Population, names: Iterable[str]) -> list[Ints]:
    """The parameters in the order of the model, flat."""
    return [population.parameters[name].reshape(-1).astype(np.int64) for name in names]


def _rested(model: ModuleType, parameters: list[Ints], samples: int) -> list[Ints]:
    """The states of every sample before the first step."""
    return [np.tile(state, (samples, 1)) for state in model.rest(*parameters)]


def _synapses(program: Program, q: Projection) -> Callable[[Mapping[str, Ints], int], Ints]:
    """What the projection brings its target in raw step t, given all that was sent."""
    kind = part("projections", q.kind)
    parts = kind.parts(q, program.end(q.source).shape, program.end(q.target).shape)
    graded = q.message_bits > 0

    def brought(sent: Mapping[str, Ints], t: int) -> Ints:
        total: Ints = np.zeros(1, np.int64)
        for delay, weighted in parts:
            messages = sent[q.source][:, max(t - 1 - delay, 0)]
            seen = messages if graded else (messages != 0).astype(np.int64)
            total = total + bring(weighted(seen), q.exponent, graded, kind.SUM_BITS)
        return total

    return brought


def _empty_record(program: Program, probe: str, samples: int, raw_steps: int) -> NDArray[Any]:
    name, _, state = probe.rpartition(".")
    end = program.end(name)
    binary = state == "spikes" and end.message_bits == 0
    return np.zeros((samples, raw_steps, end.size), bool if binary else np.int32)
