"""Laws of the quantizer: what it promises holds for networks that nobody picked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from snndeploy.errors import BadInput
from snndeploy.inputs import payloads
from snndeploy.network import Network, Population, Projection
from snndeploy.program import Program
from snndeploy.runs import all_probes
from snndeploy.simulators import reference
from snndeploy.targets.loihi2.quantize import InputRange, Quantize

Draw = np.random.Generator


def layer(name: str, size: int, alpha: Any = 0, beta: Any = 0.9, threshold: Any = 1, bias: Any = None) -> Population:
    return Population(name, (size,), "lif", {"alpha": alpha, "beta": beta, "threshold": threshold}, bias)


def two_layers(draw: Draw, spread: float = 0.5, alpha: float = 0.0, bias: bool = True) -> Network:
    """8 inputs, 16 recurrent neurons, 4 outputs, with weights of the given spread and thresholds per neuron."""
    populations = (
        Population("in", (8,), "input"),
        layer("hidden", 16, alpha, 0.9, draw.uniform(0.5, 2, 16), draw.normal(0, 0.3, 16) if bias else None),
        layer("out", 4),
    )
    projections = (
        Projection("in-hidden", "in", "hidden", draw.normal(0, spread, (16, 8))),
        Projection("hidden-hidden", "hidden", "hidden", draw.normal(0, spread / 4, (16, 16)), delay=1),
        Projection("hidden-out", "hidden", "out", draw.normal(0, spread, (4, 16))),
    )
    return Network(populations, projections, ("out",), 1e-4)


@given(
    seed=st.integers(0, 2**32),
    spread=st.floats(1e-3, 3),
    alpha=st.sampled_from([0.0, 0.5, 0.95]),
    bits=st.integers(2, 15),
    samples=st.sampled_from([InputRange(), InputRange("graded", -7, 30), InputRange("float", -0.5, 2.5)]),
)
@settings(max_examples=60, deadline=None)
def test_no_admitted_input_takes_u_beyond_its_bound(
    seed: int, spread: float, alpha: float, bits: int, samples: InputRange
) -> None:
    draw = np.random.default_rng(seed)
    try:
        program = Quantize(bits, input=samples)(two_layers(draw, spread, alpha))
    except BadInput:
        assume(False)  # few bits, many payloads and a long memory: there is no such program
    entry = program.inputs[0]
    x = draw.choice([entry.minimum, entry.maximum], (3, 60, 8))
    x[0] = np.where(program.projections[0].weights[0] > 0, entry.maximum, entry.minimum)  # the worst for neuron 0
    us = [probe for probe in all_probes(program) if probe.endswith(".u")]
    records = reference.simulate(program, payloads(program, x), us)
    for row in program.report:
        assert row.proven
        assert row.bound < 1
        assert np.abs(records[f"{row.population}.u"].astype(np.int64)).max() <= row.bound * 2**23


def test_the_bound_is_reached_where_the_worst_input_is_constant() -> None:
    """Without recurrence and memory the bound is not only safe but exact."""
    draw = np.random.default_rng(0)
    weights = draw.normal(0, 1, (6, 8))
    network = Network(
        (Population("in", (8,), "input"), layer("out", 6)),
        (Projection("in-out", "in", "out", weights),),
        ("out",),
        1e-4,
    )
    program = Quantize(input=InputRange("graded", 0, 100))(network)
    held = program.projections[0].weights
    x = np.where(held > 0, 100, 0)[:, None, :].repeat(2, 1)
    x = np.concatenate([x, np.where(held < 0, 100, 0)[:, None, :].repeat(2, 1)])
    u = reference.simulate(program, payloads(program, x), ["out.u"])["out.u"]
    assert np.abs(u).max() == program.report[0].bound * 2**23


def test_the_bound_covers_the_steps_before_a_delayed_message_arrives() -> None:
    """A range without 0: two paths cancel once both are there, and only then."""
    weights = np.full((1, 1), 1.0)
    network = Network(
        (Population("in", (1,), "input"), layer("out", 1)),
        (Projection("a", "in", "out", weights), Projection("b", "in", "out", -weights, delay=1)),
        ("out",),
        1e-4,
    )
    program = Quantize(input=InputRange("graded", 2000, 2001))(network)
    u = reference.simulate(program, payloads(program, np.full((1, 4, 1), 2001)), ["out.u"])["out.u"]
    assert 0 < np.abs(u).max() <= program.report[0].bound * 2**23


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_error_falls_with_bits(alpha: float) -> None:
    network = two_layers(np.random.default_rng(1), alpha=alpha)
    errors = [sum(row.error for row in Quantize(bits)(network).report) for bits in range(2, 9)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 40


@given(seed=st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_powers_of_two_are_kept_exactly(seed: int) -> None:
    draw = np.random.default_rng(seed)

    def powers(*shape: int) -> Any:
        return draw.choice([-1, 1], shape) * 2.0 ** draw.integers(-3, 1, shape)

    populations = (Population("in", (8,), "input"), layer("out", 6, 0.5, 0.75, 1.0, powers(6)))
    network = Network(populations, (Projection("in-out", "in", "out", powers(6, 8)),), ("out",), 1e-4)
    program = Quantize()(network)
    assert program.report[0].error == 0


def test_a_bias_enters_u_where_u_has_memory() -> None:
    """It is a projection from the built-in input, two of them where eight bits are too coarse.

    What is less than a unit is left to bias_mant, as it would come to in v.
    """
    program = Quantize()(two_layers(np.random.default_rng(2), alpha=0.9))
    carried = [q for q in program.projections if q.source == "one"]
    assert [q.name for q in carried] == ["hidden.bias.high", "hidden.bias.low"]
    hidden, _ = program.populations
    left = hidden.parameters["bias_mant"] * 2.0 ** hidden.parameters["bias_exp"] / 64 * (hidden.parameters["du"] + 1)
    assert 0 < np.abs(left).max() <= 4096 / 2 * 1.001
    assert carried[0].delay == hidden.start - 1


def test_without_memory_of_u_the_bias_is_a_register() -> None:
    program = Quantize()(two_layers(np.random.default_rng(2)))
    assert "one" not in {entry.name for entry in program.inputs}
    assert program.populations[0].parameters["bias_mant"].any()


def test_one_scale_serves_all_projections_of_a_population() -> None:
    network = two_layers(np.random.default_rng(3))
    program = Quantize()(network)
    scales = {p.name: p.scale for p in program.populations}
    for q, floats in zip(program.projections, network.projections, strict=True):
        held = q.weights * 2.0**q.exponent / scales[q.target]
        step = 2 * 2.0**q.exponent / scales[q.target]
        assert np.abs(held - floats.weights).max() <= step / 2 * (1 + 1e-12)
        assert q.exponent >= 0


def test_the_price_of_the_bound_is_reported() -> None:
    """Many graded inputs leave little room for weights; the calibrated bound buys it back and says so."""
    draw = np.random.default_rng(4)
    weights = draw.normal(0, 0.05, (10, 784))
    network = Network(
        (Population("in", (784,), "input"), layer("out", 10)),
        (Projection("in-out", "in", "out", weights),),
        ("out",),
        1e-4,
    )
    samples = InputRange("graded", 0, 255)
    proven = Quantize(input=samples)(network).report[0]
    assert proven.proven
    assert proven.error > 3 * proven.error_unbounded
    x = (draw.integers(0, 256, (5, 1, 784)) * (draw.random((5, 1, 784)) < 0.2)).repeat(4, 1).astype(float)
    calibrated = Quantize(bound="calibrated", input=samples)(network, x).report[0]
    assert not calibrated.proven
    assert calibrated.error < proven.error / 3


def test_float_inputs_share_payload_and_weight_bits() -> None:
    """With more inputs there is less room: fewer payload bits, and the two errors stay of one size."""
    bits = []
    for size in (16, 784):
        weights = np.random.default_rng(5).normal(0, 0.3, (10, size))
        populations = (Population("in", (size,), "input"), layer("out", 10))
        network = Network(populations, (Projection("in-out", "in", "out", weights),), ("out",), 1e-4)
        program = Quantize(input=InputRange("float", 0, 1))(network)
        bits.append(program.inputs[0].message_bits)
    assert bits[0] > bits[1] > 1


def quantized(populations: tuple[Population, ...], projections: tuple[Projection, ...], **options: Any) -> Program:
    return Quantize(**options)(Network(populations, projections, (populations[-1].name,), 1e-4))


def refusal(population: Population, **options: Any) -> list[str]:
    size = population.size
    with pytest.raises(BadInput) as error:
        quantized(
            (Population("in", (4,), "input"), population),
            (Projection("in-out", "in", "out", np.full((size, 4), 0.5)),),
            **options,
        )
    return error.value.lines()


def test_refusals() -> None:
    reset = Population("out", (2,), "lif", {"alpha": 0, "beta": 0.9, "threshold": 1}, None, "subtract-next")
    assert refusal(reset) == [
        "loihi2: out: reset 'subtract-next': Loihi's LIF sets v to 0 on the spiking step; "
        'train with reset_mechanism="zero", reset_delay=False'
    ]
    assert refusal(layer("out", 2, beta=0.99999)) == [
        "loihi2: out: decays slower than the chip's slowest, 1/4096 a step; use a larger time step"
    ]
    assert refusal(layer("out", 2, beta=np.array([0, 0.5]))) == [  # where all are 0, it is cleared in every step
        "loihi2: out: beta 0 needs a decay of 4096, the register holds 0 to 4095; use beta >= 1/4096"
    ]
    assert refusal(layer("out", 2, threshold=1e9)) == [
        "loihi2: out: no scale fits weights, bias, threshold and u: "
        "their sizes lie too far apart for the chip's integers"
    ]
    assert refusal(layer("out", 2), bound="calibrated") == ["calibrate: a calibrated bound needs data"]
    assert refusal(layer("out", 2), input=InputRange("graded", 0, 1.5)) == [
        "input: a graded input has integers of at most 24 bits, found 0 to 1.5"
    ]
    assert refusal(layer("out", 2), input=InputRange("graded", 0, 1e300)) == [
        "input: a graded input has integers of at most 24 bits, found 0 to 1e+300"
    ]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 5, 3)), "in: expected (samples, steps, 4), found (2, 5, 3)"),
        (np.zeros((0, 5, 4)), "in: expected (samples, steps, 4), found (0, 5, 4)"),
        (np.full((1, 1, 4), 2.0), "in: expected 0 to 1, found 2.0 at [0, 0, 0] (and 3 more)"),
        (np.full((1, 1, 4), np.nan), "in: expected 0 to 1, found nan at [0, 0, 0] (and 3 more)"),
        (np.zeros((2, 5, 4)), "out: the data bring no current here, so they bound nothing"),
    ],
)
def test_calibration_data_that_do_not_fit_are_refused(x: Any, message: str) -> None:
    populations = (Population("in", (4,), "input"), layer("out", 2))
    network = Network(populations, (Projection("in-out", "in", "out", np.ones((2, 4))),), ("out",), 1e-4)
    with pytest.raises(BadInput) as error:
        Quantize(bound="calibrated")(network, x)
    assert error.value.lines() == [f"calibrate: {message}"]
