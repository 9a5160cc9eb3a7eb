"""The vector code of LIF, apart from the loops around it: every decay, and what pads a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from snndeploy.integers import STATE_LIMIT, Ints
from snndeploy.neurons import lif
from snndeploy.program import Input, Population, Program, Projection
from snndeploy.runs import all_probes
from snndeploy.simulators import fast, reference

STEPS = ("step_memory", "step_memory_bounded", "step_plain", "step_plain_bounded")


def stepped(name: str, a: Ints, u: Ints, v: Ints, parameters: list[Ints]) -> tuple[Ints, Ints, Ints]:
    """Spikes, u and v after a step of `_fast_lif`, for a multiple of 64 neurons."""
    from snndeploy.simulators import _fast_lif
    from snndeploy.simulators._fast_intrinsics import inlined
    from snndeploy.simulators._fast_pools import lif_columns, lif_parameters

    vector_step: Any = getattr(_fast_lif, name)

    @inlined
    def run(a: int, states: int, parameters: int, bits: int, row: int) -> None:
        vector_step(a, states, parameters, bits, row)

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
    probes, sent = all_probes(program), {"in": np.zeros((2, 5, 1), bool)}
    expected, found = (engine.simulate(program, sent, probes) for engine in (reference, fast))
    assert found["layer.spikes"][:, 1:].all()
    for probe in probes:
        np.testing.assert_array_equal(found[probe], expected[probe], err_msg=probe)
