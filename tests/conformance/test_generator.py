"""The generator of programs reaches the corners that it is there for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from snndeploy import integers
from snndeploy.integers import Ints
from snndeploy.program import MAX_DELAY, Program, Projection
from snndeploy.registry import parts
from snndeploy.runs import all_probes
from snndeploy.simulators import lava, reference
from tests.conformance.test_lava import NETWORKS
from tests.programs import random_program

SEEDS = range(128)  # of which a run in CI has more: test_fast.py 500
LAVA_SEEDS = range(NETWORKS)  # those of test_lava.py

CORNERS = {
    *("spikes", "v at its lower limit", "u beyond half its range", "u wraps", "odd negative u", "odd negative v"),
    *("silent", "always sending", "1 step", "1 sample", "several samples"),
    *("mixed", "excitatory", "inhibitory", *(f"{bits} bits" for bits in range(1, 9))),
    *("no delay", "delay", "delay 62", "recurrence", "loop of two", "several into one", "a payload as a spike"),
    *("exponent -8", "exponent 0", "exponent 7", "negative exponent", "positive exponent"),
    *(f"{kind}, {messages}" for kind in parts("projections") for messages in ("binary", "graded")),
    *("dense, delays", "sparse, delays", "1 axes", "2 axes", "groups", "depthwise"),
    *("stride", "padding", "dilation", "weights all 0", "weights all the smallest"),
    *("binary", "graded", "one", "signed payloads", "1 layers", "4 layers"),
    *("du=-1", "du=0", "du=4095", "dv=0", "dv=4096", "vth=0", "vth=131071"),
}


def in_networks(models: Iterable[str]) -> set[str]:
    return {f"{model} {does}" for model in models for does in ("hears a population", "is heard")}


def reached(program: Program, payloads: dict[str, Ints]) -> Iterator[str]:
    """The corners that a program reaches."""
    samples, steps, _ = next(iter(payloads.values())).shape
    yield "1 sample" if samples == 1 else "several samples"
    yield f"{steps} step"
    yield f"{len(program.populations)} layers"
    for entry in program.inputs:
        yield entry.kind
        yield "signed payloads" if entry.minimum < 0 else ""
    for p in program.populations:
        yield "several into one" if sum(q.target == p.name for q in program.projections) > 1 else ""
        for key, values in p.parameters.items():
            yield from (f"{key}={edge}" for edge in (-1, 0, 4095, 4096, 131071) if edge in values)
    starts = {end.name: end.start for end in program.ends()}
    models = {p.name: p.neuron for p in program.populations}
    for q in program.projections:
        yield "recurrence" if q.source == q.target else ""
        yield "loop of two" if starts[q.source] > starts[q.target] else ""
        if q.source in models and q.source != q.target:
            yield f"{models[q.source]} is heard"
            yield f"{models[q.target]} hears a population"
        yield "a payload as a spike" if program.end(q.source).message_bits and not q.message_bits else ""
        yield from reached_by_synapses(q)
    yield from reached_by_states(program, payloads)


def reached_by_synapses(q: Projection) -> Iterator[str]:
    yield q.sign_mode
    yield f"{q.weight_bits} bits"
    yield f"exponent {q.exponent}"
    yield "negative exponent" if q.exponent < 0 else "positive exponent" if q.exponent else ""
    yield f"{q.kind}, {'graded' if q.message_bits else 'binary'}"
    delays = q.delay + q.extra.get("delays", np.zeros(1)).reshape(-1)
    yield f"{q.kind}, delays" if len(np.unique(delays)) > 1 else "delay" if q.delay else "no delay"
    yield "delay 62" if delays.max(initial=0) == MAX_DELAY else ""
    smallest = 2 ** (8 - q.weight_bits + (q.sign_mode == "mixed"))
    for size in np.unique(np.abs(q.weights)) if q.weights.size and np.ptp(q.weights) == 0 else ():
        yield {0: "weights all 0", smallest: "weights all the smallest"}.get(size, "")
    if q.kind == "conv":
        yield f"{q.weights.ndim - 2} axes"
        yield from (key for key, default in (("stride", 1), ("padding", 0), ("dilation", 1)) if more(q, key, default))
        yield "groups" if more(q, "groups", 1) else ""
        yield "depthwise" if more(q, "groups", 1) and q.weights.shape[1] == 1 else ""


def more(q: Projection, key: str, default: int) -> bool:
    return bool((q.extra.get(key, np.array(default)) > default).any())


def reached_by_states(program: Program, payloads: dict[str, Ints]) -> Iterator[str]:
    probes = all_probes(program)
    records = reference.simulate(program, payloads, probes)
    for probe, record in records.items():
        if probe.endswith(".spikes"):
            start = program.end(probe.removesuffix(".spikes")).start
            yield "spikes" if record.any() else "silent"
            yield "always sending" if record[:, start:].all() else ""
        elif probe.endswith((".u", ".v")):
            yield f"odd negative {probe[-1]}" if ((record < 0) & (record % 2 == 1)).any() else ""
            # The upper limit of v cannot be seen: it lies above every threshold, so v is reset from there.
            yield "v at its lower limit" if probe.endswith(".v") and record.min() == 1 - 2**23 else ""
            yield "u beyond half its range" if np.abs(record.astype(np.int64)).max() > 2**22 else ""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(integers, "wrap", lambda u: u)
        unwrapped = reference.simulate(program, payloads, probes)
    yield "u wraps" if any((unwrapped[probe] != records[probe]).any() for probe in probes) else ""


@pytest.mark.parametrize("for_lava", [False, True])
def test_the_generated_programs_reach_every_corner(for_lava: bool) -> None:
    seeds, models = (LAVA_SEEDS, lava.NEURONS) if for_lava else (SEEDS, parts("neurons"))
    found = Counter(corner for seed in seeds for corner in set(reached(*random_program(seed, for_lava=for_lava))))
    seldom = {corner: found[corner] for corner in CORNERS | in_networks(models) if found[corner] < 5}
    assert not seldom, seldom


def test_the_same_seed_gives_the_same_program() -> None:
    (a, x), (b, y) = random_program(3), random_program(3)
    assert repr(a) == repr(b)
    assert all(np.array_equal(x[name], y[name]) for name in x)
