"""Every kind of projection: against plain loops over its definition, against torch, against Lava, and its refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from snndeploy.api import compared
from snndeploy.artifact import Artifact, load
from snndeploy.cli._report import projection_rows
from snndeploy.errors import BadInput
from snndeploy.integers import Ints, bring
from snndeploy.program import Input, Population, Program, Projection
from snndeploy.projections import conv
from snndeploy.registry import part, parts
from snndeploy.runs import all_probes
from snndeploy.simulators import lava, reference
from snndeploy.targets.loihi2.place import place
from tests.conformance.conftest import RunLava
from tests.programs import random_program

KINDS = list(parts("projections"))
Shape = tuple[int, ...]
Synapse = tuple[int, int, int, int]  # source, target, weight, delay


def dense_loops(q: Projection, source: Shape, target: Shape) -> Iterator[Synapse]:
    for i, row in enumerate(q.weights.tolist()):
        for j, weight in enumerate(row):
            yield j, i, weight, q.delay + (int(q.extra["delays"][i, j]) if "delays" in q.extra else 0)


def sparse_loops(q: Projection, source: Shape, target: Shape) -> Iterator[Synapse]:
    for i in range(len(q.extra["indptr"]) - 1):
        for n in range(q.extra["indptr"][i], q.extra["indptr"][i + 1]):
            delay = q.delay + (int(q.extra["delays"][n]) if "delays" in q.extra else 0)
            yield int(q.extra["indices"][n]), i, int(q.weights[n]), delay


def conv_loops(q: Projection, source: Shape, target: Shape) -> Iterator[Synapse]:
    axes = len(source) - 1
    stride = q.extra["stride"].tolist() if "stride" in q.extra else [1] * axes
    padding = q.extra["padding"].tolist() if "padding" in q.extra else [0] * axes
    dilation = q.extra["dilation"].tolist() if "dilation" in q.extra else [1] * axes
    groups = int(q.extra["groups"]) if "groups" in q.extra else 1
    numbers = np.arange(np.prod(source)).reshape(source)
    for i, (channel, *y) in enumerate(np.ndindex(*target)):
        first = channel // (target[0] // groups) * (source[0] // groups)
        for inner, *k in np.ndindex(*q.weights.shape[1:]):
            x = [stride[a] * y[a] + dilation[a] * k[a] - padding[a] for a in range(axes)]
            if all(0 <= x[a] < source[1 + a] for a in range(axes)):
                yield int(numbers[(first + inner, *x)]), i, int(q.weights[(channel, inner, *k)]), q.delay


LOOPS: dict[str, Callable[[Projection, Shape, Shape], Iterator[Synapse]]] = {
    "conv": conv_loops,
    "dense": dense_loops,
    "sparse": sparse_loops,
}


def drawn(seed: int, kind: str) -> list[tuple[Projection, Shape, Shape]]:
    """The projections of that kind in a generated program, with the shapes of their ends."""
    program, _ = random_program(seed, kind=kind)
    found = [q for q in program.projections if q.kind == kind]
    return [(q, program.end(q.source).shape, program.end(q.target).shape) for q in found]


def listed(q: Projection, source: Shape, target: Shape) -> list[Synapse]:
    arrays = part("projections", q.kind).synapses(q, source, target)
    assert all(array.dtype == np.int64 for array in arrays)
    return list(zip(*(array.tolist() for array in arrays), strict=True))


def weighted(synapses: list[Synapse], messages: Ints, targets: int) -> dict[int, Ints]:
    """For each delay the weighted sums (samples, targets) of the messages."""
    sums: dict[int, Ints] = {}
    for j, i, weight, delay in synapses:
        sums.setdefault(delay, np.zeros((len(messages), targets), np.int64))[:, i] += weight * messages[:, j]
    return sums


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_synapses_are_those_of_plain_loops(kind: str, seed: int) -> None:
    for q, source, target in drawn(seed, kind):
        expected = [synapse for synapse in LOOPS[kind](q, source, target) if synapse[2] != 0]
        assert sorted(listed(q, source, target)) == sorted(expected)


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1))
def test_parts_are_the_synapses_in_another_form(kind: str, seed: int) -> None:
    for q, source, target in drawn(seed, kind):
        messages = np.random.default_rng(seed).integers(-(2**23), 2**23, (3, int(np.prod(source))))
        expected = weighted(listed(q, source, target), messages, int(np.prod(target)))
        found = part("projections", kind).parts(q, source, target)
        assert len({delay for delay, _ in found}) == len(found)
        for delay, brought in found:
            silent = np.zeros((3, int(np.prod(target))), np.int64)
            np.testing.assert_array_equal(brought(messages), expected.pop(delay, silent))
        assert not expected


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_totals_are_sums_of_the_synapses(kind: str, seed: int) -> None:
    for q, source, target in drawn(seed, kind):
        _, targets, weights, _ = part("projections", kind).synapses(q, source, target)
        found = part("projections", kind).totals(q, source, target)
        np.testing.assert_array_equal(found, np.bincount(targets, weights, int(np.prod(target))))


def test_the_generated_projections_are_of_all_kinds() -> None:
    """Nothing above is true because there was nothing to test."""
    for kind in KINDS:
        found = [entry for seed in range(10) for entry in drawn(seed, kind)]
        assert sum(len(listed(*entry)) > 0 for entry in found) >= 5


def convolution(weights: Any, source: Shape, **extra: Any) -> tuple[Projection, Shape]:
    """A convolution with these weights (or random ones of that shape), and the target's shape."""
    if isinstance(weights, tuple):
        weights = np.random.default_rng(0).integers(-128, 128, weights) * 2
    q = Projection("c", "in", "out", weights, kind="conv", extra={k: np.array(v) for k, v in extra.items()})
    return q, conv.out_shape(q, source)


GEOMETRIES = {
    "1d": convolution((4, 3, 5), (3, 20)),
    "1d, all": convolution((4, 3, 3), (6, 20), stride=[2], padding=[3], dilation=[4], groups=2),
    "2d": convolution((4, 3, 3, 2), (3, 7, 6)),
    "2d, nothing square": convolution((2, 3, 2, 4), (3, 9, 11), stride=[3, 2], padding=[1, 4], dilation=[2, 3]),
    "groups": convolution((6, 2, 2, 3), (4, 5, 6), padding=[1, 0], groups=2),
    "depthwise": convolution((6, 1, 3, 3), (6, 5, 4), stride=[1, 2], padding=[1, 1], groups=6),
    "depthwise, two each": convolution((6, 1, 3), (3, 8), groups=3),
    "padding beyond the kernel": convolution((1, 1, 2, 1), (1, 2, 2), padding=[3, 2], stride=[2, 1]),
}
SOURCES = {
    "1d": (3, 20),
    "1d, all": (6, 20),
    "2d": (3, 7, 6),
    "2d, nothing square": (3, 9, 11),
    "groups": (4, 5, 6),
    "depthwise": (6, 5, 4),
    "depthwise, two each": (3, 8),
    "padding beyond the kernel": (1, 2, 2),
}


@pytest.mark.parametrize("name", GEOMETRIES)
def test_conv_is_that_of_torch(name: str) -> None:
    (q, target), source = GEOMETRIES[name], SOURCES[name]
    messages = np.random.default_rng(1).integers(-(2**23), 2**23, (5, *source))
    function = torch.nn.functional.conv1d if len(source) == 2 else torch.nn.functional.conv2d
    options = {**conv.geometry(q)._asdict()}
    # float64 is exact here: sums stay far below 2**53
    expected = function(torch.from_numpy(messages).double(), torch.from_numpy(q.weights.copy()).double(), **options)
    assert expected.shape[1:] == target
    [(delay, correlated)] = conv.parts(q, source, target)
    assert delay == 0
    np.testing.assert_array_equal(correlated(messages.reshape(5, -1)), expected.numpy().reshape(5, -1).astype(np.int64))


@pytest.mark.parametrize("bits", [24, 32])
def test_the_sum_wraps_after_the_exponent(bits: int) -> None:
    edge = 2 ** (bits - 1)
    totals = np.array([edge - 1, edge, -edge, -edge - 1, edge // 2])
    assert bring(totals, 0, True, bits).tolist() == [edge - 1, -edge, -edge, edge - 1, edge // 2]
    assert bring(totals, 1, False, bits).tolist() == [-2, 0, 0, -2, -edge]


def program_of(q: Projection, source: Shape, target: Shape, top: int = 1) -> Program:
    """One projection from an input (graded, -top..top - 1, where `top` is more than 1) into LIF neurons, u = a << 6."""
    entry = Input("in", source) if top == 1 else Input("in", source, "graded", -top, top - 1)
    parameters = {"du": 4095, "dv": 300, "bias_mant": 0, "bias_exp": 0, "vth": 200}
    population = Population("out", target, "lif", {key: np.array(value) for key, value in parameters.items()}, 1)
    q = replace(q, name="c", source="in", target="out", message_bits=entry.message_bits)
    program = Program((entry,), (population,), (q,), ("out",))
    program.check()
    return program


def csr(weights: Ints, delays: Ints | None = None, **options: Any) -> Projection:
    """The non-zero weights of a matrix as a sparse projection."""
    targets, sources = np.nonzero(weights)
    extra = {"indptr": np.searchsorted(targets, np.arange(len(weights) + 1)), "indices": sources}
    if delays is not None:
        extra["delays"] = delays[targets, sources]
    return Projection("c", "in", "out", weights[targets, sources], kind="sparse", extra=extra, **options)


def corners() -> dict[str, Program]:
    draw = np.random.default_rng(3)
    matrix = draw.integers(-128, 128, (5, 7)) * 2 * (draw.random((5, 7)) < 0.6)
    delays = draw.choice([0, 1, 61, 62], matrix.shape)
    delays[0, :2], matrix[0, :2] = (0, 62), (20, 40)
    dense = Projection("c", "in", "out", matrix, extra={"delays": delays})
    q, target = GEOMETRIES["2d, nothing square"]
    programs = {
        "dense, delays 0 to 62": program_of(dense, (7,), (5,)),
        "dense, delays, sums beyond 32 bits shifted back": program_of(replace(dense, exponent=-8), (7,), (5,), 2**23),
        "dense, sums beyond 32 bits shifted back": program_of(
            Projection("c", "in", "out", matrix, exponent=-8), (7,), (5,), 2**23
        ),
        "sparse, delays 0 to 62": program_of(csr(matrix, delays, exponent=-3), (7,), (5,)),
        "sparse, 24-bit payloads": program_of(csr(matrix, delays, exponent=-8), (7,), (5,), 2**23),
        "sparse, no synapse": program_of(csr(0 * matrix), (7,), (5,)),
        "sparse, no synapse, delayed": program_of(csr(0 * matrix, delay=3), (7,), (5,)),
        "conv, delay 1": program_of(replace(q, delay=1), SOURCES["2d, nothing square"], target),
        "conv, delay 62, exponent": program_of(replace(q, delay=62, exponent=3), SOURCES["2d, nothing square"], target),
        "conv beyond 24 bits": program_of(replace(q, exponent=2), SOURCES["2d, nothing square"], target, 2**14),
        "conv beyond 24 bits, delayed": program_of(
            replace(q, exponent=2, delay=2), SOURCES["2d, nothing square"], target, 2**14
        ),
    }
    programs.update({f"conv, {n}": program_of(q, SOURCES[n], target) for n, (q, target) in GEOMETRIES.items()})
    return programs


def samples_for(program: Program, steps: int) -> dict[str, Ints]:
    draw, entry = np.random.default_rng(5), program.inputs[0]
    shape = (2, steps, entry.size)
    payloads = draw.integers(entry.minimum, entry.maximum + 1, shape)
    payloads[0, 0] = entry.minimum if entry.minimum else 1
    return {"in": payloads * (draw.random(shape) < 0.5)}


@pytest.mark.long
def test_the_corners_equal_lava(run_lava: RunLava) -> None:
    programs = corners()
    jobs = []
    for program in programs.values():
        steps = 10 + max(delay for *_, delay in [(0,), *listed_of(program)])
        jobs.append(lava.Job(program, samples_for(program, steps), all_probes(program)))
    for name, job, found in zip(programs, jobs, run_lava(jobs), strict=True):
        expected = reference.simulate(job.program, job.payloads, job.probes)
        comparison = compared(Artifact(job.program, place(job.program)), "lava", expected, found)
        assert comparison.differences == 0, f"{name}: {comparison.first}"
        assert expected["out.u"].any() == ("no synapse" not in name), name


def listed_of(program: Program) -> list[Synapse]:
    [q] = program.projections
    return listed(q, program.inputs[0].shape, program.populations[0].shape)


def test_the_corners_need_their_widths(monkeypatch: pytest.MonkeyPatch) -> None:
    """The convolution that goes beyond 24 bits would be another one with 32; sums beyond 32 bits with 64."""
    program = corners()["conv beyond 24 bits"]
    payloads = samples_for(program, 10)
    before = reference.simulate(program, payloads, ["out.u"])["out.u"]
    monkeypatch.setattr(conv, "SUM_BITS", 32)
    assert (reference.simulate(program, payloads, ["out.u"])["out.u"] != before).any()
    program = corners()["dense, delays, sums beyond 32 bits shifted back"]
    payloads = samples_for(program, 100)
    before = reference.simulate(program, payloads, ["out.u"])["out.u"]
    monkeypatch.setattr(reference, "bring", lambda total, exponent, graded, bits: bring(total, exponent, False, bits))
    assert (reference.simulate(program, payloads, ["out.u"])["out.u"] != before).any()


@pytest.mark.long
@pytest.mark.parametrize("kind", lava.PROJECTIONS)
def test_generated_projections_equal_lava(kind: str, run_lava: RunLava) -> None:
    programs = [random_program(seed, kind=kind, for_lava=True) for seed in range(1000, 1020)]
    jobs = [lava.Job(program, payloads, all_probes(program)) for program, payloads in programs]
    assert sum(q.kind == kind for job in jobs for q in job.program.projections) >= 20
    for seed, job, found in zip(range(1000, 1020), jobs, run_lava(jobs), strict=True):
        expected = reference.simulate(job.program, job.payloads, job.probes)
        comparison = compared(Artifact(job.program, place(job.program)), "lava", expected, found)
        assert comparison.differences == 0, f"seed {seed}: {comparison.first}"


def test_every_kind_is_kept_in_the_artifact(tmp_path: Path) -> None:
    for name, program in corners().items():
        written = Artifact(program, place(program))
        written.save(tmp_path / "net.snn")
        assert load(tmp_path / "net.snn").to_bytes() == written.to_bytes(), name


def test_every_kind_can_be_shown() -> None:
    rows = {name: projection_rows(program) for name, program in corners().items()}
    assert rows["sparse, no synapse"] == [("c", "in -> out", "0", "8 bit mixed none", 0, 0)]
    assert rows["conv, delay 1"] == [("c", "in -> out", "2x3x2x4", "8 bit mixed -256..240", 0, 1)]


def refused(q: Projection, source: Shape, target: Shape) -> list[str]:
    entry, parameters = Input("in", source), {"du": 0, "dv": 0, "bias_mant": 0, "bias_exp": 0, "vth": 1}
    population = Population("out", target, "lif", {key: np.array(value) for key, value in parameters.items()}, 1)
    with pytest.raises(BadInput) as error:
        Program((entry,), (population,), (q,), ("out",)).check("p")
    return error.value.lines()


MATRIX = np.array([[2, 0, 4], [0, 6, 8]])


@pytest.mark.parametrize(
    ("extra", "problems"),
    [
        ({"indptr": None}, ["c: a sparse projection needs indptr"]),
        ({"indptr": None, "indices": None}, ["c: a sparse projection needs indices, indptr"]),
        ({"indptr": [0, 4]}, ["c.indptr: expected (targets + 1,) (3,), found (2,)"]),
        ({"indptr": [0, 2, 5]}, ["c.indptr: expected to rise from 0 to the number of synapses, 4"]),
        ({"indptr": [0, 9, 4]}, ["c.indptr: expected to rise from 0 to the number of synapses, 4"]),
        ({"indptr": [-1, 2, 4]}, ["c.indptr: expected to rise from 0 to the number of synapses, 4"]),
        ({"indices": [0, 2, 1]}, ["c.indices: expected (4,), found (3,)"]),
        ({"indices": [0, 2, 1, 3]}, ["c.indices: expected 0 to 2, found 3 at [3]"]),
        ({"indices": [-1, 2, 1, 2]}, ["c.indices: expected 0 to 2, found -1 at [0]"]),
        ({"indices": [0, 0, 1, 2]}, ["c.indices: expected to rise within a target, no synapse twice, found 0 at [1]"]),
        ({"delays": [0, 1, 2]}, ["c.delays: expected (4,), found (3,)"]),
        ({"delays": [0, 1, 2, 63]}, ["c.delays: expected 0 to 62, found 63 at [3]"]),
        ({"stride": [1]}, ["c: a sparse projection has no stride"]),
    ],
)
def test_sparse_refusals(extra: dict[str, Any], problems: list[str]) -> None:
    q = csr(MATRIX)
    arrays = {key: np.array(value) for key, value in {**q.extra, **extra}.items() if value is not None}
    assert refused(replace(q, extra=arrays), (3,), (2,)) == [f"p: {problem}" for problem in problems]


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_delays_and_the_projections_own_are_at_most_62(kind: str) -> None:
    delays = np.where(MATRIX, 59, 0)
    delays[1, 2] = 60
    dense = Projection("c", "in", "out", MATRIX, delay=3, extra={"delays": delays})
    q, place = {"dense": (dense, [1, 2]), "sparse": (csr(MATRIX, delays, delay=3), [3])}[kind]
    assert refused(q, (3,), (2,)) == [f"p: c.delays: expected 0 to 59, found 60 at {place}"]


def test_sparse_weights_are_flat() -> None:
    q = replace(csr(MATRIX), weights=np.zeros((2, 2)))
    assert refused(q, (3,), (2,)) == ["p: c: expected weights (synapses,) (4,), found (2, 2)"]


FORM = "c: expected weights (out channels, in channels / groups, *kernel) with 1 or 2 axes, found"


@pytest.mark.parametrize(
    ("weights", "source", "target", "extra", "problems"),
    [
        ((2, 3), (3, 4), (2, 4), {}, [f"{FORM} (2, 3)"]),
        ((2, 3, 0), (3, 4), (2, 4), {}, [f"{FORM} (2, 3, 0)"]),
        ((2, 3, 1, 1, 1), (3, 4), (2, 4), {}, [f"{FORM} (2, 3, 1, 1, 1)"]),
        ((2, 3, 1), (12,), (2, 4), {}, ["c: expected ends (channels, length), found (12,) and (2, 4)"]),
        ((2, 3, 1, 1), (3, 4), (2, 4), {}, ["c: expected ends (channels, height, width), found (3, 4) and (2, 4)"]),
        ((2, 3, 3), (3, 4), (2, 4), {}, ["c: expected a target of shape (2, 2), found (2, 4)"]),
        ((2, 3, 9), (3, 4), (2, 4), {}, ["c: expected a target of shape (2, -4), found (2, 4)"]),
        ((2, 2, 1), (3, 4), (2, 4), {}, ["c: expected 2 source channels, found 3"]),
        ((2, 2, 1), (3, 4), (2, 4), {"groups": 2}, ["c: expected 4 source channels, found 3"]),
        ((2, 1, 1), (3, 4), (2, 4), {"groups": 3}, ["c.groups: expected a divisor of 2 target channels, found 3"]),
        ((2, 1, 1), (3, 4), (2, 4), {"groups": 0}, ["c.groups: expected a divisor of 2 target channels, found 0"]),
        ((2, 3, 1), (3, 4), (2, 4), {"groups": [1]}, ["c.groups: expected a divisor of 2 target channels, found [1]"]),
        ((2, 3, 1), (3, 4), (2, 4), {"stride": [0]}, ["c.stride: expected 1 to 127, found 0 at [0]"]),
        ((2, 3, 1), (3, 4), (2, 4), {"padding": [128]}, ["c.padding: expected 0 to 127, found 128 at [0]"]),
        ((2, 3, 1), (3, 4), (2, 4), {"dilation": [1, 1]}, ["c.dilation: expected (1,), found (2,)"]),
        ((2, 3, 1), (3, 4), (2, 4), {"delays": [1]}, ["c: a conv projection has no delays"]),
    ],
)
def test_conv_refusals(weights: Shape, source: Shape, target: Shape, extra: Any, problems: list[str]) -> None:
    arrays = {key: np.array(value) for key, value in extra.items()}
    q = Projection("c", "in", "out", np.zeros(weights), kind="conv", extra=arrays)
    assert refused(q, source, target) == [f"p: {problem}" for problem in problems]


def test_conv_takes_no_negative_exponent() -> None:
    q = Projection("c", "in", "out", np.zeros((2, 3, 1)), kind="conv", exponent=-1)
    assert refused(q, (3, 4), (2, 4)) == ["p: c.exponent: expected 0 to 7, found -1"]


@pytest.mark.parametrize(
    ("weights", "extra", "top", "problem"),
    [
        (
            np.ones((128, 1, 1)) * 2,
            {"groups": 128},
            1,
            "c: Lava's Conv counts in 8 bits: expected groups to 127, found 128",
        ),
        (
            np.ones((1, 128, 128)) * 2,
            {"padding": [64]},
            1,
            "c: Lava's Conv counts in 8 bits: expected kernel size to 127, found 128",
        ),
        (
            np.ones((1, 128, 1)) * 2,
            {},
            2**23,
            "c: Lava's Conv adds in 32 bits: expected sums below 2**31, found 2147483648",
        ),
    ],
)
def test_what_lava_would_get_wrong_is_refused(weights: Ints, extra: Any, top: int, problem: str) -> None:
    q, target = convolution(weights, (128, 3), **extra)
    program = program_of(q, (128, 3), target, top)
    with pytest.raises(BadInput) as error:
        lava.simulate(program, samples_for(program, 3), ["out.u"])
    assert error.value.lines() == [f"loihi2-lava: {problem}"]
