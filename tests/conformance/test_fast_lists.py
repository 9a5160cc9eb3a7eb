"""The fast engine, lists of synapses: walked event by event, or together for many samples."""

from __future__ import annotations

import numpy as np
import pytest

from snndeploy.program import Input, Population, Program, Projection
from tests.conformance.equal import LIF, require_equal
from tests.programs import random_program


@pytest.fixture
def lists_walked_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every list of synapses, however short, is held twice; activity decides how it is walked."""
    from snndeploy.simulators import _fast_layouts

    monkeypatch.setattr(_fast_layouts, "MANY_SYNAPSES", 0)


@pytest.mark.usefixtures("lists_walked_together")
@pytest.mark.parametrize("seed", range(100))
def test_generated_programs_in_batches_that_step_together(seed: int) -> None:
    """Batches of less than 32 samples, of 32, and of more; with delays, loops and other layouts beside the lists."""
    program, payloads = random_program(seed, kind="sparse" if seed % 2 else "")
    steps = next(iter(payloads.values())).shape[1]
    for samples in (1, 5, 32, 71):
        many = {name: np.resize(np.roll(x, samples), (samples, steps, x.shape[2])) for name, x in payloads.items()}
        require_equal(program, many, f"seed {seed}, {samples} samples")


def sparse_loop(size: int, synapses: int, largest: int, draw: np.random.Generator, exponent: int = 0) -> Program:
    """An input to each of `size` neurons, which hear `synapses` of each other at random, one and four steps later."""
    indices = np.sort(np.argsort(draw.random((size, size)), axis=1)[:, :synapses], axis=1)
    extra = {"indptr": np.arange(size + 1) * synapses, "indices": indices.reshape(-1)}
    extra["delays"] = draw.choice([0, 3], indices.size)
    weights = draw.integers(-largest, largest + 1, indices.size) * 2
    one = {"indptr": np.arange(size + 1), "indices": np.arange(size)}
    program = Program(
        (Input("in", (size,)),),
        (Population("loop", (size,), "lif", LIF, 1),),
        (
            Projection("i", "in", "loop", np.full(size, 200), kind="sparse", exponent=1, extra=one),
            Projection("q", "loop", "loop", weights, kind="sparse", exponent=exponent, extra=extra),
        ),
        ("loop",),
    )
    program.check()
    return program


@pytest.mark.parametrize("density", [0.0, 0.003, 0.05, 0.5, 1.0])
@pytest.mark.parametrize(("synapses", "largest", "exponent"), [(150, 60, 0), (200, 127, 7), (290, 127, 2)])
def test_many_synapses_of_many_samples(synapses: int, largest: int, exponent: int, density: float) -> None:
    """Both ways through a list that is held twice, chosen by activity, with sums of 16 bits and of 32."""
    from snndeploy.simulators import _fast_layouts

    draw = np.random.default_rng(synapses)
    program = sparse_loop(900, synapses, largest, draw, exponent)
    assert program.projections[1].weights.size > _fast_layouts.MANY_SYNAPSES
    require_equal(program, {"in": (draw.random((37, 9, 900)) < density).astype(np.int64)}, f"density {density}")


def test_synapses_in_words_of_32_bits() -> None:
    """What does not fit is walked event by event."""
    from snndeploy.simulators._fast_together import packed

    sources, weights = np.array([0, 2**23 - 1, 5]), np.array([-256, 255, 0])
    words = packed(sources, weights)
    assert words is not None
    assert (words.view(np.uint32) >> 9).tolist() == sources.tolist()
    assert ((words & 511) - 256).tolist() == weights.tolist()
    for source, weight in ((2**23, 0), (0, 256), (0, -257)):
        assert packed(np.array([1, source]), np.array([1, weight])) is None
