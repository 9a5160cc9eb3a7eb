"""The generator of programs reaches the corners that it is there for."""

from __future__ import annotations

import numpy as np

from snndeploy.registry import parts
from snndeploy.runs import all_probes
from snndeploy.simulators import reference
from tests.programs import random_program

SEEDS = range(64)


def test_the_generated_programs_reach_every_corner() -> None:
    reached: set[str] = set()
    for seed in SEEDS:
        program, payloads = random_program(seed)
        records = reference.simulate(program, payloads, all_probes(program))
        for name, record in records.items():
            if name.endswith(".spikes"):
                reached |= {"spikes"} if record.any() else set()
            elif name.endswith(".v"):
                # The upper limit cannot be seen: it lies above every threshold, so v is reset from there.
                reached |= {"v at its lower limit"} if record.min() == 1 - 2**23 else set()
            else:
                reached |= {"u beyond half its range"} if np.abs(record.astype(np.int64)).max() > 2**22 else set()
        starts = {end.name: end.start for end in program.ends()}
        for q in program.projections:
            reached |= {q.sign_mode, f"{q.weight_bits} bits"}
            reached |= {"delay"} if q.delay else set()
            reached |= {"negative exponent"} if q.exponent < 0 else {"positive exponent"} if q.exponent > 0 else set()
            reached |= {f"{q.kind}, {'graded' if q.message_bits else 'binary'}"}
            reached |= {f"{q.kind}, delays"} if len(np.unique(q.extra.get("delays", ()))) > 1 else set()
            reached |= {"delay 62"} if q.delay + q.extra.get("delays", np.zeros(1)).max(initial=0) == 62 else set()
            reached |= {f"{q.weights.ndim - 2} axes"} if q.kind == "conv" else set()
            reached |= {"groups"} if q.extra.get("groups", 1) > 1 else set()
            reached |= {"depthwise"} if q.extra.get("groups", 1) > 1 == q.weights.shape[1] else set()
            smallest = 2 ** (8 - q.weight_bits + (q.sign_mode == "mixed"))
            same = {0: "weights all 0", smallest: "weights all the smallest"}
            reached |= {same.get(size, "") for size in np.unique(np.abs(q.weights)) if np.ptp(q.weights) == 0}
            reached |= {"recurrence"} if q.source == q.target else set()
            reached |= {"loop of two"} if starts[q.source] > starts[q.target] else set()
        reached |= {entry.kind for entry in program.inputs}
        reached |= {"signed payloads"} if any(entry.minimum < 0 for entry in program.inputs) else set()
        reached |= {f"{len(program.populations)} layers"}
        for p in program.populations:
            reached |= {p.neuron}
            for key, values in p.parameters.items():
                reached |= {f"{key}={edge}" for edge in (-1, 0, 4095, 4096, 131071) if edge in values}
    corners = {
        *("spikes", "v at its lower limit", "u beyond half its range"),
        *("mixed", "excitatory", "inhibitory", *(f"{bits} bits" for bits in range(1, 9))),
        *("delay", "negative exponent", "positive exponent", "recurrence", "loop of two"),
        *(f"{kind}, {messages}" for kind in parts("projections") for messages in ("binary", "graded")),
        *("dense, delays", "sparse, delays", "delay 62", "1 axes", "2 axes", "groups", "depthwise"),
        *("weights all 0", "weights all the smallest"),
        *("binary", "graded", "one", "signed payloads", "1 layers", "4 layers"),
        *parts("neurons"),
        *("du=-1", "du=0", "du=4095", "dv=0", "dv=4096", "vth=0", "vth=131071"),
    }
    assert corners <= reached, sorted(corners - reached)


def test_the_same_seed_gives_the_same_program() -> None:
    (a, x), (b, y) = random_program(3), random_program(3)
    assert repr(a) == repr(b)
    assert all(np.array_equal(x[name], y[name]) for name in x)


def test_u_wraps_in_some_generated_program() -> None:
    """With a state twice as wide nothing would wrap: the values must differ from it somewhere."""
    from snndeploy import integers

    wrapped = 0
    for seed in SEEDS:
        program, payloads = random_program(seed)
        us = [probe for probe in all_probes(program) if probe.endswith(".u")]
        with_wrap = reference.simulate(program, payloads, us)
        original = integers.wrap
        try:
            integers.wrap = lambda u: u
            without = reference.simulate(program, payloads, us)
        finally:
            integers.wrap = original
        wrapped += any(not np.array_equal(with_wrap[u], without[u]) for u in us)
    assert wrapped >= 5
