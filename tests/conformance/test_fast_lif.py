"""The fast engine, LIF in vector code: every decay, what pads a row, thresholds, and currents that wrap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from snndeploy.integers import STATE_LIMIT, Ints
from snndeploy.neurons import lif
from snndeploy.program import Input, Population, Program, Projection
from snndeploy.simulators import fast
from tests.conformance.equal import LIF, require_equal

STEPS = ("step_memory", "step_memory_bounded", "step_plain", "step_plain_bounded")


def stepped(name: str, a: Ints, u: Ints, v: Ints, parameters: list[Ints]) -> tuple[Ints, Ints, Ints]:
    """Spikes, u and v after a step of `_fast_lif`, for a multiple of 64 neurons."""
    from snndeploy.simulators import _fast_lif
    from snndeploy.simulators._fast_intrinsics import inlined
    from snndeploy.simulators._fast_pools import lif_columns, lif_parameters

    vector_step: Any = getattr(_fast_lif, name)

    @inlined
    def run(a: int, states: int, parameters: int, bits: int, row: int) -> None:
        vector_step(a, states, parameters, bits, row, 1)

    states, bits = np.stack([u, v]).astype(np.int32), np.zeros(a.size // 64, np.uint64)
    held = [a.astype(np.int32), states, lif_parameters(*lif_columns(*parameters)), bits]
    run(*(array.ctypes.data for array in held), a.size)
    return np.unpackbits(bits.view(np.uint8), bitorder="little"), *states.astype(np.int64)


def states_around(kept: Ints, draw: np.random.Generator) -> Ints:
    """States of all sizes; half of them where kept / 4096 of them is just below, at or just above an integer."""
    largest = STATE_LIMIT - 1
    sizes = np.minimum(2.0 ** draw.uniform(0, 23.1, kept.size), largest).astype(np.int64)
    near = draw.integers(0, 2**23, kept.size) * 4096 // np.maximum(kept, 1) + draw.integers(-1, 2, kept.size)
    chosen = np.where(draw.random(kept.size) < 0.5, sizes, np.clip(near, -largest, largest))
    return chosen * draw.choice([-1, 1], kept.size)


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("seed", range(4))
def test_every_decay_rounds_as_the_definition_says(name: str, seed: int) -> None:
    draw = np.random.default_rng(seed)
    dv = np.tile(np.arange(4097), 64)
    zero = np.zeros(dv.size, np.int64)
    du = draw.permutation(np.tile(np.arange(-1, 4096), 64)) if "memory" in name else zero + 4095
    u, v = states_around(4095 - du, draw), states_around(4096 - dv, draw)
    bound = 2**15 if "bounded" in name else 2**24
    a = np.where(draw.random(dv.size) < 0.2, draw.integers(-bound, bound, dv.size), 0)
    if "bounded" in name:
        u = np.clip(u, -(STATE_LIMIT - 2**21), STATE_LIMIT - 2**21)
    bias = np.where(draw.random(dv.size) < 0.2, draw.integers(-4096, 4096, dv.size), 0)
    parameters = [du, dv, bias, draw.integers(0, 8, dv.size), draw.integers(0, 2**17, dv.size)]
    expected = lif.step(a, u if "memory" in name else zero, v, *parameters)
    found = stepped(name, a, u if "memory" in name else zero, v, parameters)
    for what, one, other in zip(("spikes", "u", "v"), expected, found, strict=True):
        np.testing.assert_array_equal(other, one, err_msg=what)
    assert 0.02 < expected[0].mean() < 0.9


@pytest.mark.parametrize("size", [1, 63, 64, 100])
@pytest.mark.parametrize("differs", ["", "du", "dv", "bias_mant", "vth"])
def test_what_pads_a_row_does_not_spike(size: int, differs: str) -> None:
    """Neurons that spike in every step by their bias, alike in all parameters but one."""
    parameters: dict[str, Any] = {"du": 4094, "dv": 4095, "bias_mant": 400, "bias_exp": 0, "vth": 1}
    if differs:
        parameters[differs] = parameters[differs] + np.arange(size) % 2
    program = Program(
        (Input("in", (1,)),),
        (
            Population("layer", (size,), "lif", parameters, 1),
            Population("sum", (1,), "li", {"du": 4095, "dv": 0, "bias_mant": 0, "bias_exp": 0}, 2),
        ),
        (
            Projection("i", "in", "layer", np.zeros((size, 1), int)),
            Projection("q", "layer", "sum", np.full((1, size), 2)),
        ),
        ("sum",),
    )
    program.check()
    sent = {"in": np.zeros((2, 5, 1), np.int64)}
    assert fast.simulate(program, sent, ["layer.spikes"])["layer.spikes"][:, 1:].all()
    require_equal(program, sent, f"{size} neurons, {differs} differs")


@pytest.mark.parametrize("du", [-1, 0, 2000, 4094, 4095])
@pytest.mark.parametrize("exponent", [-8, 0, 7])
def test_synaptic_currents_that_may_wrap_and_that_cannot(du: int, exponent: int) -> None:
    """Both sides of the proof that u cannot wrap, for u with and without memory."""
    draw = np.random.default_rng(du + 8)
    weights = draw.choice([-256, 254], (40, 300))
    layer = Population("out", (40,), "lif", {**LIF, "du": du, "vth": 131071}, 1)
    q = Projection("q", "in", "out", weights, exponent=exponent)
    program = Program((Input("in", (300,)),), (layer,), (q,), ("out",))
    program.check()
    require_equal(program, {"in": (draw.random((4, 60, 300)) < draw.random((4, 60, 1))).astype(np.int64)}, f"du {du}")


@pytest.mark.parametrize("dv", [0, 4096])
@pytest.mark.parametrize("du", [2000, 4095])
def test_neurons_just_below_at_and_above_their_threshold(du: int, dv: int) -> None:
    weights = 2 * np.arange(120)
    thresholds = np.maximum(weights + np.arange(120) % 3 - 1, 0)
    layer = Population("out", (120,), "lif", {**LIF, "du": du, "dv": dv, "bias_mant": 0, "vth": thresholds}, 1)
    q = Projection("q", "in", "out", weights[:, None])
    program = Program((Input("in", (1,)),), (layer,), (q,), ("out",))
    program.check()
    spikes = fast.simulate(program, {"in": np.ones((1, 1, 1), bool)}, ["out.spikes"])["out.spikes"]
    assert spikes[0, 1].tolist() == (weights > thresholds).tolist()
    require_equal(program, {"in": np.tile([1, 0, 1, 1], 5).reshape(1, 20, 1)}, f"du {du}, dv {dv}")
