"""The start rule: what arrives together in the float model arrives together on the chip."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from snndeploy.errors import BadInput
from snndeploy.floats import simulate
from snndeploy.inputs import payloads
from snndeploy.network import Network, Population, Projection
from snndeploy.runs import in_sample_time
from snndeploy.simulators import reference
from snndeploy.targets.loihi2.quantize import Quantize
from snndeploy.targets.loihi2.timing import timing

SIZE = 5


def network(*projections: tuple[str, str, int], bias: bool = True) -> Network:
    """Populations in, a, b, c with power-of-two parameters, joined by (source, target, delay in the float model)."""
    draw = np.random.default_rng(0)

    def powers(*shape: int) -> Any:
        return draw.choice([-1, 1, 1], shape) * 2.0 ** draw.integers(-3, 1, shape)

    names = sorted({name for source, target, _ in projections for name in (source, target)} - {"in"})
    parameters = {"alpha": 0.0, "beta": 0.5, "threshold": 1.0}
    populations = [Population("in", (SIZE,), "input")]
    populations += [Population(name, (SIZE,), "lif", parameters, powers(SIZE) if bias else None) for name in names]
    joined = [Projection(f"{s}-{t}", s, t, powers(SIZE, SIZE), delay) for s, t, delay in projections]
    return Network(tuple(populations), tuple(joined), (names[-1],), 1e-4)


KEPT = {
    "chain": (("in", "a", 0), ("a", "b", 0), ("b", "c", 0)),
    "skip connection": (("in", "a", 0), ("a", "b", 0), ("b", "c", 0), ("in", "c", 0), ("a", "c", 0)),
    "self-recurrence": (("in", "a", 0), ("a", "a", 1), ("a", "b", 0)),
    "loop of two steps through two": (("in", "a", 0), ("a", "b", 0), ("b", "a", 2), ("b", "c", 0)),
    "slow feed-forward projection": (("in", "a", 0), ("a", "b", 3), ("a", "c", 0), ("b", "c", 0)),
}


@pytest.mark.parametrize("name", KEPT)
def test_integers_keep_the_timing_of_the_float_network(name: str) -> None:
    floating = network(*KEPT[name])
    program = Quantize()(floating)
    assert all(row.error == 0 for row in program.report)
    x = (np.random.default_rng(1).random((3, 30, SIZE)) < 0.4).astype(np.int64)
    expected = simulate(floating, x)
    probes = [f"{p.name}.spikes" for p in program.populations]
    records = reference.simulate(program, payloads(program, x), probes)
    for p in program.populations:
        found = in_sample_time(program, f"{p.name}.spikes", records[f"{p.name}.spikes"], x.shape[1])
        assert expected[p.name].any()
        np.testing.assert_array_equal(found, expected[p.name])


def test_starts_and_delays_of_a_skip_connection() -> None:
    times = timing(network(*KEPT["skip connection"]))
    assert dict(times.starts) == {"in": 0, "a": 1, "b": 2, "c": 3}
    assert dict(times.delays) == {"in-a": 0, "a-b": 0, "b-c": 0, "in-c": 2, "a-c": 1}


def test_a_loop_that_is_too_fast_is_refused_with_the_steps_it_needs() -> None:
    with pytest.raises(BadInput) as error:
        timing(network(("in", "a", 0), ("a", "b", 0), ("b", "a", 1)))
    assert error.value.lines() == [
        "loihi2: b-a: takes 1 step(s) in the model; on the chip this way back needs at least 2: "
        "'b' starts in step 2, 'a' in step 1; the way there: a-b"
    ]


def test_a_path_that_is_too_long_to_balance_is_refused() -> None:
    with pytest.raises(BadInput) as error:
        timing(network(("in", "a", 0), ("a", "a", 64)))
    assert error.value.lines() == ["loihi2: a-a: needs a delay of 63, the chip has 0 to 62"]


def test_without_the_start_rule_a_biased_layer_would_run_ahead() -> None:
    """The rule has an effect: with every start at 0 the same integers give other spikes."""
    import dataclasses

    program = Quantize()(network(*KEPT["chain"]))
    early = dataclasses.replace(
        program, populations=tuple(dataclasses.replace(p, start=0) for p in program.populations)
    )
    x = payloads(program, np.zeros((1, 10, SIZE), np.int64))
    kept = reference.simulate(program, x, ["c.spikes"])["c.spikes"][:, 3:]
    ahead = reference.simulate(early, x, ["c.spikes"])["c.spikes"]
    assert not np.array_equal(kept, ahead)
