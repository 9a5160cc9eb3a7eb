"""Laws of the quantizer for convolutions and sparse projections: kinds are kept, bounds hold, exact stays exact."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from snndeploy.api import run
from snndeploy.artifact import Artifact, load
from snndeploy.floats import simulate
from snndeploy.inputs import payloads
from snndeploy.network import Network, Population, Projection
from snndeploy.program import Input, Program
from snndeploy.program import Population as IntegerPopulation
from snndeploy.program import Projection as IntegerProjection
from snndeploy.runs import all_probes
from snndeploy.simulators import reference
from snndeploy.targets.loihi2.place import place
from snndeploy.targets.loihi2.quantize import InputRange, Quantize

Draw = np.random.Generator
SHAPES = {"in": (2, 9, 8), "one": (4, 5, 4), "two": (6, 4, 4), "out": (5,)}
FIRST = {"stride": np.array([2, 2]), "padding": np.array([1, 1])}
SECOND = {"dilation": np.array([1, 2]), "padding": np.array([0, 1]), "groups": np.array(2)}


def lif(name: str, alpha: float = 0.0, bias: Any = None) -> Population:
    shape = SHAPES[name]
    return Population(name, shape, "lif", {"alpha": alpha, "beta": 0.75, "threshold": 1.0}, bias)


def conv_net(weights: Any, alpha: float = 0.0, biased: bool = False) -> Network:
    """Two convolutions and a sparse projection; `weights` makes the weights of a shape."""
    kept = np.arange(5 * 96).reshape(5, 96) % 7 < 2
    _, sources = np.nonzero(kept)
    csr = {"indices": sources, "indptr": np.append(0, np.cumsum(kept.sum(axis=1)))}
    bias = np.broadcast_to(weights((4, 1, 1)) / 4, SHAPES["one"]) if biased else None
    populations = (
        Population("in", SHAPES["in"], "input"),
        lif("one", alpha, bias),
        lif("two"),
        lif("out"),
    )
    projections = (
        Projection("in-one", "in", "one", weights((4, 2, 3, 3)), kind="conv", extra=FIRST),
        Projection("one-two", "one", "two", weights((6, 2, 2, 2)), kind="conv", extra=SECOND),
        Projection("two-out", "two", "out", weights((int(kept.sum()),)), kind="sparse", extra=csr),
    )
    network = Network(populations, projections, ("out",), 1e-4)
    network.check()
    return network


def normal(draw: Draw, spread: float) -> Any:
    return lambda shape: draw.normal(0.05, spread, shape)


def powers(draw: Draw) -> Any:
    return lambda shape: draw.choice([-1, 1, 1], shape) * 2.0 ** draw.integers(-3, 1, shape)


def trains(draw: Draw, steps: int = 12, rate: float = 0.4) -> NDArray[Any]:
    return (draw.random((4, steps, *SHAPES["in"])) < rate).astype(float)


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_kinds_are_kept_in_the_form_that_the_chip_has(alpha: float) -> None:
    network = conv_net(normal(np.random.default_rng(0), 0.3), alpha, biased=True)
    program = Quantize()(network)
    scales = {p.name: p.scale for p in program.populations}
    held = {q.name: q for q in program.projections}
    for floats in network.projections:
        q = held[floats.name]
        assert q.kind == floats.kind
        assert q.extra.keys() == floats.extra.keys()
        assert all(np.array_equal(q.extra[key], floats.extra[key]) for key in q.extra)
        assert q.sign_mode == "mixed"
        assert not (q.weights % 2).any()
        assert q.exponent == 0 or q.kind != "conv"
        step = 2 * 2.0**q.exponent / scales[q.target]
        assert np.abs(q.weights * 2.0**q.exponent / scales[q.target] - floats.weights).max() <= step / 2 * (1 + 1e-12)


@pytest.mark.parametrize("seed", range(12))
def test_powers_of_two_spike_as_the_floats_do(seed: int) -> None:
    draw = np.random.default_rng(seed)
    network = conv_net(powers(draw), alpha=(0.0, 0.5)[seed % 2], biased=seed % 3 == 0)
    program = Quantize()(network)
    assert [row.error for row in program.report] == [0, 0, 0]
    x = trains(draw)
    spikes = simulate(network, x)
    found = run(Artifact(program, place(program)), x, target="reference", probes=[f"{name}.spikes" for name in spikes])
    for name, expected in spikes.items():
        assert expected.any()
        np.testing.assert_array_equal(found.probes[f"{name}.spikes"], expected)


@pytest.mark.parametrize("samples", [InputRange(), InputRange("graded", -7, 30), InputRange("float", -0.5, 2.5)])
@pytest.mark.parametrize("alpha", [0.0, 0.9])
def test_no_admitted_input_takes_u_beyond_its_bound(samples: InputRange, alpha: float) -> None:
    draw = np.random.default_rng(1)
    program = Quantize(input=samples)(conv_net(normal(draw, 0.3), alpha, biased=True))
    entry = program.inputs[0]
    x = draw.choice([entry.minimum, entry.maximum], (6, 20, *SHAPES["in"]))
    x[0], x[1] = entry.maximum, entry.minimum
    us = [probe for probe in all_probes(program) if probe.endswith(".u")]
    records = reference.simulate(program, payloads(program, x / entry.scale), us)
    for row in program.report:
        assert row.proven
        assert 0 < np.abs(records[f"{row.population}.u"].astype(np.int64)).max() <= row.bound * 2**23


def test_the_bound_of_a_conv_is_reached_by_its_worst_input() -> None:
    """One neuron's kernel, at a place where all of it lies within the source."""
    network = conv_net(normal(np.random.default_rng(2), 0.3))
    program = Quantize(input=InputRange("graded", 0, 50))(network)
    q, target = program.projections[0], np.zeros((4, *SHAPES["in"]), np.int64)
    for channel in range(4):  # the neuron at (2, 2) of each channel sees rows and columns 3 to 5
        target[channel, :, 3:6, 3:6] = np.where(q.weights[channel] > 0, 50, 0)
    other = np.where(target > 0, 0, 50)
    x = np.concatenate([target, other])[:, None].repeat(2, 1)
    u = reference.simulate(program, payloads(program, x), ["one.u"])["one.u"]
    assert np.abs(u).max() == program.report[0].bound * 2**23


def test_the_sum_of_a_conv_is_bound_where_u_is_only_calibrated() -> None:
    """Two convolutions that cancel: u stays small whatever the input, and each would wrap at 24 bits."""
    kernel = np.ones((1, 1, 40))
    populations = (
        Population("in", (1, 40), "input"),
        Population("n", (1, 1), "lif", {"alpha": 0, "beta": 0.5, "threshold": 1}),
    )
    projections = tuple(
        Projection(name, "in", "n", sign * kernel, kind="conv") for name, sign in (("a", 1.0), ("b", -0.999))
    )
    network = Network(populations, projections, ("n",), 1e-4)
    x = np.full((1, 3, 1, 40), 2.0**16)
    program = Quantize(bound="calibrated", input=InputRange("graded", 0, 2**16))(network, x)
    for q in program.projections:
        assert 2**22 < 40 * 2**16 * int(np.abs(q.weights).max()) < 2**23
    assert program.report[0].bound < 0.5  # u had room for twice the scale, the convolutions had not


def test_a_calibrated_bound_sees_what_convolutions_bring() -> None:
    draw = np.random.default_rng(3)
    network, x = conv_net(normal(draw, 0.3)), trains(draw)
    program = Quantize(bound="calibrated")(network, x)
    records = run(Artifact(program, place(program)), x, target="reference", probes=["one.u"]).probes["one.u"]
    row = program.report[0]
    assert not row.proven
    assert 0.7 * row.bound * 2**23 < np.abs(records).max() < row.bound * 2**23  # its margin is a quarter


@pytest.mark.parametrize("seed", range(2))
def test_what_is_compiled_is_what_lava_computes(seed: int) -> None:
    draw = np.random.default_rng(seed)
    samples = (InputRange(), InputRange("graded", -3, 12))[seed]
    program = Quantize(input=samples)(conv_net(normal(draw, 0.4), (0.0, 0.5)[seed], biased=True))
    artifact = Artifact(program, place(program))
    x = draw.integers(int(samples.low), int(samples.high) + 1, (2, 6, *SHAPES["in"]))
    ours, lava = (run(artifact, x, target=t, probes=all_probes(program)) for t in ("reference", "loihi2-lava"))
    assert all(ours.probes[f"{p.name}.spikes"].any() for p in program.populations)
    for probe, record in ours.probes.items():
        np.testing.assert_array_equal(lava.probes[probe], record, err_msg=probe)


def test_an_artifact_keeps_kinds(tmp_path: Any) -> None:
    program = Quantize()(conv_net(normal(np.random.default_rng(4), 0.3)))
    Artifact(program, place(program)).save(tmp_path / "net.snn")
    kept = load(tmp_path / "net.snn")
    assert kept.to_bytes() == Artifact(program, place(program)).to_bytes()
    assert [q.kind for q in kept.program.projections] == ["conv", "conv", "sparse"]


def used(q: IntegerProjection, source: tuple[int, ...], target: tuple[int, ...]) -> list[dict[str, int]]:
    populations = (IntegerPopulation("out", target, "lif", {}, 1),)
    program = Program((Input("in", source),), populations, (q,), ("out",))
    return [dict(core.used) for core in place(program).cores]


def test_a_core_stores_a_kernel_once_and_of_a_sparse_projection_what_there_is() -> None:
    # A conv: 2 * 3 * 3 entries of 10 bits and 8 bits for each of 4 channels, which fit a word of 8 bytes.
    conv = IntegerProjection("q", "in", "out", np.ones((4, 2, 3, 3)), kind="conv")
    assert used(conv, (2, 34, 34), (4, 32, 32)) == [{"neurons": 4096, "synapse_bytes": 18 * 8}]
    # On two cores of two channels each: as many entries in each.
    twice = replace(conv, weights=np.ones((4, 2, 1, 1)))
    assert used(twice, (2, 64, 64), (4, 64, 64)) == [{"neurons": 8192, "synapse_bytes": 2 * 8}] * 2
    # Sparse: of 1000 sources one has 9 synapses, each with 8 bits and 7 that name one of 100 targets: 3 words.
    indptr = np.minimum(np.arange(101), 9)
    sparse = IntegerProjection(
        "q", "in", "out", np.ones(9), kind="sparse", extra={"indices": np.full(9, 500), "indptr": indptr}
    )
    assert used(sparse, (1000,), (100,)) == [{"neurons": 100, "synapse_bytes": math.ceil((10 + 9 * 15) / 64) * 8}]
