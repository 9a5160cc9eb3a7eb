"""The reference simulator: the integer definition, step by step, and nothing else.

One raw step, in this order: every projection delivers what its source sent one step (plus its delay) ago, summed per
target; every population that has started updates, spikes and resets. Slow and plain on purpose: other engines are
tested against it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snndeploy.integers import Ints, deliver, int32
from snndeploy.program import Program, Projection
from snndeploy.registry import part

TARGET = "loihi2-sim"
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
    parameters = {p.name: {k: v.reshape(-1).astype(np.int64) for k, v in p.parameters.items()} for p in populations}
    models = {p.name: part("neurons", p.neuron) for p in populations}
    states: dict[str, dict[str, Ints]] = {p.name: models[p.name].rest((samples, p.size)) for p in populations}
    records = {probe: _empty_record(program, probe, samples, raw_steps) for probe in probes}
    for t in range(1, raw_steps + 1):
        for population in populations:
            name = population.name
            if t <= population.start:
                continue
            activation = np.zeros((samples, population.size), np.int64)
            for deliver_from in arriving[name]:
                activation = int32(activation + deliver_from(sent, t))
            states[name], spikes = models[name].step(states[name], activation, parameters[name])
            sent[name][:, t] = spikes
        for probe, record in records.items():
            name, _, state = probe.rpartition(".")
            record[:, t - 1] = sent[name][:, t] if state == "spikes" else states[name][state]
    return records


def _synapses(program: Program, projection: Projection) -> Callable[[Mapping[str, Ints], int], Ints]:
    """What the projection brings its target in raw step t, given all that was sent."""
    weights = projection.weights.astype(np.int64)
    graded = program.end(projection.source).message_bits > 0

    def deliver_from(sent: Mapping[str, Ints], t: int) -> Ints:
        messages = sent[projection.source][:, max(t - 1 - projection.delay, 0)]
        return deliver(messages, weights, projection.exponent, graded)

    return deliver_from


def _empty_record(program: Program, probe: str, samples: int, raw_steps: int) -> NDArray[Any]:
    name, _, state = probe.rpartition(".")
    return np.zeros((samples, raw_steps, program.end(name).size), bool if state == "spikes" else np.int32)
