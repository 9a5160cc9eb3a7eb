"""Laws of weights of more than 8 bits: two projections carry them exactly, and every neuron has a scale of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snndeploy.api import run, verify
from snndeploy.artifact import Artifact
from snndeploy.errors import BadInput
from snndeploy.floats import simulate
from snndeploy.integers import effective_weights
from snndeploy.network import Network, Population, Projection
from snndeploy.program import Program
from snndeploy.program import Projection as IntegerProjection
from snndeploy.targets.loihi2.place import place
from snndeploy.targets.loihi2.quantize import InputRange, Quantize
from snndeploy.targets.loihi2.weights import mantissa_range, mantissa_step, sign_mode, split

Draw = np.random.Generator


def lif(name: str, shape: tuple[int, ...], alpha: float, bias: Any = None, threshold: float = 1.0) -> Population:
    return Population(name, shape, "lif", {"alpha": alpha, "beta": 0.8, "threshold": threshold}, bias)


def every_kind(draw: Draw, alpha: float = 0.5) -> Network:
    """A convolution, dense projections with delays per synapse and with one delay, a sparse one, and biases."""
    kept = np.arange(5 * 12).reshape(5, 12) % 5 < 2
    _, sources = np.nonzero(kept)
    csr = {"indices": sources, "indptr": np.append(0, np.cumsum(kept.sum(axis=1)))}
    populations = (
        Population("in", (2, 5, 4), "input"),
        lif("conv", (3, 4, 3), alpha),
        lif("dense", (12,), alpha, draw.normal(0.05, 0.1, 12)),
        lif("out", (5,), 0.0, draw.normal(0.05, 0.1, 5)),
    )
    delays = {"delays": draw.integers(0, 3, (12, 36))}
    spread = draw.lognormal(-1, 1, (12, 1))  # rows of different size
    projections = (
        Projection("a", "in", "conv", draw.normal(0.1, 0.4, (3, 2, 2, 2)), kind="conv"),
        Projection("b", "conv", "dense", spread * draw.normal(0.05, 0.5, (12, 36)), extra=delays),
        Projection("c", "dense", "dense", draw.normal(0, 0.2, (12, 12)), delay=3),
        Projection("d", "dense", "out", draw.normal(0.1, 0.5, int(kept.sum())), kind="sparse", extra=csr),
    )
    network = Network(populations, projections, ("out",), 1e-4)
    network.check()
    return network


def carriers(program: Program, name: str) -> list[IntegerProjection]:
    """What carries a projection: itself, or its high and its low part."""
    return [q for q in program.projections if q.name in (name, f"{name}.high", f"{name}.low")]


def held(program: Program, name: str) -> Any:
    return sum(q.weights.astype(np.int64) << q.exponent for q in carriers(program, name))


def by_row(values: Any, floats: Projection) -> Any:
    """Values of the targets of a population, beside the weights of a projection."""
    if floats.kind == "sparse":
        return np.repeat(values.ravel(), np.diff(floats.extra["indptr"]))
    if floats.kind == "conv":
        return values[:, :1, :1, None]
    return values.ravel()[:, None]


@given(
    mode=st.sampled_from(["mixed", "excitatory", "inhibitory"]),
    bits=st.integers(2, 15),
    seed=st.integers(0, 2**32),
    share=st.floats(0, 1),
    count=st.integers(1, 40),
)
@settings(max_examples=300, deadline=None)
def test_high_and_low_are_the_weight(mode: str, bits: int, seed: int, share: float, count: int) -> None:
    draw = np.random.default_rng(seed)
    step, (low, high) = mantissa_step(mode, bits), mantissa_range(mode, bits)
    ends = [round(share * end / step) * step for end in (low, high)]
    mantissas = draw.integers(ends[0] // step, ends[1] // step + 1, count) * step
    mantissas[0] = ends[draw.integers(2)]
    if mode == "mixed":
        mode = sign_mode(mantissas)  # it may have drawn one sign only
    parts = split(mantissas, 0, mode)
    assert np.array_equal(sum(part.mantissas << part.exponent for part in parts), mantissas)
    assert [part.suffix for part in parts] in ([""], [".high", ".low"])
    for part in parts:
        assert 0 <= part.exponent <= 7
        assert np.array_equal(effective_weights(part.mantissas, 8, part.sign_mode), part.mantissas)
    assert len(parts) == 1 or bits > 8
    assert parts[-1].exponent == 0 or len(parts) == 1


@pytest.mark.parametrize("bits", [9, 12, 14, 15])
def test_two_projections_carry_a_rounded_weight(bits: int) -> None:
    """They differ in nothing but weights, sign mode and exponent; their sum is the weight, rounded once."""
    network = every_kind(np.random.default_rng(0))
    program = Quantize(bits)(network)
    eight = Quantize()(network)
    for floats in network.projections:
        high, low = carriers(program, floats.name)
        (alone,) = carriers(eight, floats.name)
        assert (high.name, low.name) == (f"{floats.name}.high", f"{floats.name}.low")
        for q in (high, low):
            for part in ("source", "target", "kind", "delay", "weight_bits", "message_bits"):
                assert getattr(q, part) == getattr(alone, part)
            assert q.extra.keys() == floats.extra.keys()
            assert all(np.array_equal(q.extra[key], floats.extra[key]) for key in q.extra)
        total = held(program, floats.name)
        scales = by_row(np.asarray(program.end(floats.target).parameters["vth"], float), floats)  # the threshold is 1
        grid = 2**low.exponent
        mode = sign_mode(floats.weights)
        assert mantissa_range(mode, bits)[0] <= total.min() / grid
        assert total.max() / grid <= mantissa_range(mode, bits)[1]
        off = np.abs(total - scales * floats.weights)
        assert (off <= grid / 2 + np.abs(floats.weights) / 2 + 1e-6).all()  # half a step, and half one of the threshold


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_error_falls_with_bits(alpha: float) -> None:
    network = every_kind(np.random.default_rng(1), alpha)
    errors = [sum(row.error for row in Quantize(bits)(network).report) for bits in range(2, 16)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[6] / 40  # of 8 bits


def test_a_weight_that_8_bits_hold_stays_one_projection() -> None:
    populations = (Population("in", (2,), "input"), lif("out", (1,), 0.5))
    projection = Projection("q", "in", "out", np.array([[0.5, -0.25]]))
    program = Quantize(14)(Network(populations, (projection,), ("out",), 1e-4))
    assert [q.name for q in program.projections] == ["q"]
    assert program.report[0].error == 0


def test_spikes_follow_the_floats_more_closely() -> None:
    network = every_kind(np.random.default_rng(2))
    x = np.random.default_rng(3).random((40, 60, 2, 5, 4)) < 0.3
    floats = simulate(network, x)
    assert all(spikes.any() for spikes in floats.values())
    wrong = []
    for bits in (8, 14):
        program = Quantize(bits)(network)
        found = run(Artifact(program, place(program)), x, probes=[f"{name}.spikes" for name in floats])
        wrong.append(sum(int((found.probes[f"{name}.spikes"] != spikes).sum()) for name, spikes in floats.items()))
    assert wrong[1] < wrong[0] / 10


@pytest.mark.parametrize("samples", [InputRange(), InputRange("graded", -3, 12)])
def test_what_two_projections_bring_is_what_lava_computes(samples: InputRange) -> None:
    """Every u, v and spike of all engines."""
    draw = np.random.default_rng(4)
    program = Quantize(14, input=samples)(every_kind(draw))
    x = draw.integers(int(samples.low), int(samples.high) + 1, (2, 8, 2, 5, 4))
    fast, lava = verify(Artifact(program, place(program)), x)
    assert (fast.target, fast.differences) == ("loihi2-sim", 0)
    assert (lava.target, lava.differences) == ("loihi2-lava", 0)
    assert fast.values_compared > 2000
    found = run(Artifact(program, place(program)), x, probes=[f"{p.name}.spikes" for p in program.populations])
    assert all(spikes.any() for spikes in found.probes.values())


def test_a_neuron_has_a_scale_of_its_own() -> None:
    """Rows of weights that differ by far are held equally well."""
    weights = np.random.default_rng(5).normal(0, 1, (3, 10)) * np.array([[10], [1], [0.1]])
    populations = (Population("in", (10,), "input"), lif("out", (3,), 0.0))
    network = Network(populations, (Projection("q", "in", "out", weights),), ("out",), 1e-4)
    program, eight = Quantize(14)(network), Quantize()(network)
    vth = program.populations[0].parameters["vth"]
    errors = np.abs(held(program, "q") / vth[:, None] - weights).max(axis=1) / np.abs(weights).max(axis=1)
    assert errors.max() < 2e-3
    ratio = f"{vth.max() / vth.min():.3g}"
    assert program.notes == (f"'out': each neuron has its own scale, up to {ratio} times the smallest; 3 thresholds",)
    assert (eight.notes, len(np.unique(eight.populations[0].parameters["vth"]))) == ((), 1)


@pytest.mark.parametrize("sign", [1, -1])
def test_neurons_of_one_sign_have_scales_of_their_own(sign: int) -> None:
    """As inhibition beside excitation has: the rows of both fit as well as those of mixed signs."""
    weights = np.random.default_rng(5).uniform(0.3, 1, (3, 10)) * np.array([[10], [1], [0.1]])
    populations = (Population("in", (10,), "input"), lif("out", (3,), 0.0))
    projections = (Projection("q", "in", "out", sign * weights), Projection("r", "in", "out", weights[:, ::-1]))
    program = Quantize(14)(Network(populations, projections, ("out",), 1e-4))
    vth = program.populations[0].parameters["vth"]
    for q in projections:
        errors = np.abs(held(program, q.name) / vth[:, None] - q.weights).max(axis=1) / np.abs(q.weights).max(axis=1)
        assert errors.max() < 2e-3


def test_neurons_that_share_a_kernel_share_their_scale() -> None:
    program = Quantize(14)(every_kind(np.random.default_rng(6)))
    vth = program.populations[0].parameters["vth"]
    assert len(np.unique(vth)) > 1
    for channel in vth:
        assert len(np.unique(channel)) == 1


def test_an_integrator_keeps_one_scale() -> None:
    """Its v is read, in units of one scale."""
    populations = (Population("in", (3,), "input"), Population("out", (2,), "li", {"alpha": 0.5, "beta": 0.9}, None))
    weights = np.array([[0.11, -0.2, 0.03], [1.1, 2.3, -1.7]])
    network = Network(populations, (Projection("q", "in", "out", weights),), ("out",), 1e-4)
    program = Quantize(14)(network)
    assert program.notes == ()
    x = np.random.default_rng(7).random((3, 40, 3)) < 0.5
    v = run(Artifact(program, place(program)), x).probes["out.v"] / (64 * program.populations[0].scale)
    floats = simulate(network, x)["out"]
    assert np.abs(v - floats).max() < 2e-3 * np.abs(floats).max()


def test_what_a_bias_rounds_off_goes_to_the_register_of_v() -> None:
    """A constant current of less than one unit: u cannot hold it, and v comes to what the floats say."""
    weights = np.array([[1.7, -2.1]])
    populations = (Population("in", (2,), "input"), lif("out", (1,), 0.9, np.array([0.0123456]), 20.0))
    network = Network(populations, (Projection("q", "in", "out", weights),), ("out",), 1e-4)
    program = Quantize()(network)
    assert program.populations[0].parameters["bias_mant"].any()
    v = run(Artifact(program, place(program)), np.zeros((1, 200, 2), int), probes=["out.v"]).probes["out.v"]
    stands = 0.0123456 / 0.1 / 0.2
    assert abs(v[0, -1, 0] / (64 * program.populations[0].scale) - stands) < 2e-3 * stands
    assert program.report[0].bias_error < 1e-3


def test_calibration_gives_v_room_for_what_it_fell() -> None:
    """On its own data v then saturates nowhere, where it would fall deeper than two steps can bring it."""
    draw = np.random.default_rng(8)
    weights = np.concatenate([draw.uniform(0, 0.5, (4, 6)), -draw.uniform(3, 4, (4, 2))], axis=1)
    populations = (
        Population("in", (8,), "input"),
        Population("out", (4,), "lif", {"alpha": 0.5, "beta": 0.98, "threshold": 1.0}),
    )
    network = Network(populations, (Projection("q", "in", "out", weights),), ("out",), 1e-4)
    x = draw.random((8, 120, 8)) < np.array([0.4] * 6 + [0.8] * 2)
    lowest = []
    for bound in ("proven", "calibrated"):
        program = Quantize(14, bound)(network, x.astype(float))
        v = run(Artifact(program, place(program)), x, probes=["out.v"]).probes["out.v"]
        lowest.append(int(v.min()))
    assert lowest[0] == 1 - 2**23
    assert 0.7 * (1 - 2**23) > lowest[1] > 1 - 2**23  # a margin of a quarter


def test_two_projections_take_the_room_of_two() -> None:
    weights = np.random.default_rng(9).normal(0, 1, (40, 30))
    populations = (Population("in", (30,), "input"), lif("out", (40,), 0.0))
    network = Network(populations, (Projection("q", "in", "out", weights),), ("out",), 1e-4)
    one, two = (place(Quantize(bits)(network)).cores[0].used["synapse_bytes"] for bits in (8, 14))
    assert two == 2 * one


@pytest.mark.parametrize(
    ("size", "samples", "limit", "full"),
    [
        (1.0, InputRange(), "weights", True),
        (0.01, InputRange(), "threshold", False),
        (1.0, InputRange("graded", 0, 255), "u", False),
    ],
)
def test_what_a_report_says_of_the_room(size: float, samples: InputRange, limit: str, full: bool) -> None:
    """The weights have all their bits, or what keeps the scale from being larger is named."""
    weights = size * np.random.default_rng(10).uniform(0.5, 1, (3, 4))
    populations = (Population("in", (4,), "input"), lif("out", (3,), 0.0))
    network = Network(populations, (Projection("q", "in", "out", weights),), ("out",), 1e-4)
    (row,) = Quantize(14, input=samples)(network).report
    assert (row.limit, row.weight_max >= 2**13) == (limit, full)


def test_a_convolution_with_an_exponent_is_noted() -> None:
    program = Quantize(14)(every_kind(np.random.default_rng(0)))
    assert program.notes[-1] == "'a.high': a convolution with an exponent; Lava's has none (lava issue 803)"


def test_a_name_that_a_part_needs_is_refused() -> None:
    populations = (Population("in", (4,), "input"), lif("out", (3,), 0.0))
    weights = np.random.default_rng(11).normal(0, 1, (3, 4))
    projections = (Projection("q", "in", "out", weights), Projection("q.low", "in", "out", np.ones((3, 4)), delay=1))
    with pytest.raises(BadInput) as error:
        Quantize(14)(Network(populations, projections, ("out",), 1e-4))
    assert "loihi2: q.low: the name is used twice" in error.value.lines()


@pytest.mark.parametrize("bits", [1, 16, -3])
def test_bits_that_there_are_not(bits: int) -> None:
    with pytest.raises(BadInput) as error:
        Quantize(bits)(every_kind(np.random.default_rng(0)))
    assert error.value.lines() == [f"bits: expected 2 to 15, found {bits}"]


def chip_of(weights: dict[str, tuple[str, str, np.ndarray[Any, Any]]], threshold: float, inputs: int) -> Network:
    """An input `in` and LIF populations without synaptic memory, by the targets of `weights`."""
    sizes = {target: len(w) for _, target, w in weights.values()}
    neurons = {"alpha": 0.0, "beta": 0.9, "threshold": threshold}
    populations = [Population(name, (size,), "lif", neurons) for name, size in sizes.items()]
    projections = [Projection(name, *ends) for name, ends in weights.items()]
    return Network((Population("in", (inputs,), "input"), *populations), tuple(projections), (list(sizes)[-1],), 1e-4)


@pytest.mark.parametrize("bits", [8, 9, 12, 15])
def test_what_compiles_with_8_bits_compiles_with_more(bits: int) -> None:
    """Where u limits the scale there is no room to ask for v too."""
    weights = {
        "x": ("in", "a", np.full((1, 48), 0.5)),
        "y": ("in", "b", np.full((1, 48), 0.8)),
        "z": ("a", "b", np.array([[-0.03]])),
    }
    program = Quantize(bits, input=InputRange("graded", -128, 127))(chip_of(weights, 1.0, 48))
    assert program.report[1].limit == "u"
    assert program.report[1].error < 0.005


@pytest.mark.parametrize("bits", [8, 9, 10, 15])
def test_a_neuron_that_nothing_reaches_takes_no_room_of_others(bits: int) -> None:
    weights = {"x": ("in", "a", np.array([[1.0, -0.7, 0.5, 0.3], [0, 0, 0, 0]]))}
    (row,) = Quantize(bits)(chip_of(weights, 0.0015, 4)).report
    assert row.threshold_error < 0.005
    assert row.error < 0.005
