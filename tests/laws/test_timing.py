"""The start rule: what arrives together in the float model arrives together on the chip."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from snndeploy.errors import BadInput
from snndeploy.floats import simulate
from snndeploy.inputs import payloads
from snndeploy.network import Network, Population, Projection
from snndeploy.runs import all_probes, in_sample_time
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


def random_network(seed: int) -> Network:
    """One or two inputs and up to five populations without a leak, joined forward and back with drawn delays."""
    draw = np.random.default_rng(seed)

    def powers(*shape: int) -> Any:
        return draw.choice([-1, 1, 1, 1], shape) * 2.0 ** draw.integers(-3, 1, shape)

    inputs = [Population(f"i{k}", (int(draw.integers(1, 6)),), "input") for k in range(draw.integers(1, 3))]
    populations = list(inputs)
    for k in range(draw.integers(1, 6)):
        size, parameters = int(draw.integers(1, 7)), {"alpha": 0, "beta": 1, "threshold": draw.integers(2, 6)}
        bias = powers(size) / 2 if draw.random() < 0.5 else None
        populations.append(Population(f"n{k}", (size,), "lif", parameters, bias))
    first, joined = len(inputs), []
    for j, target in enumerate(populations[first:], first):
        for i, source in enumerate(populations):
            if j == i + 1 or i < j == first or draw.random() < 0.25:
                delay = int(draw.choice([0, 0, 0, 1, 2, 5] if i < j else [1, 2, 3, 4, 7, 20]))
                ends = source.name, target.name
                joined.append(Projection("-".join(ends), *ends, powers(target.size, source.size), delay))
    return Network(tuple(populations), tuple(joined), (populations[-1].name,), 1e-4)


def too_fast(network: Network) -> list[str]:
    """The projections with less delay than the start rule asks for: starts are the longest ways without a delay."""
    starts = {p.name: int(p.neuron != "input") for p in network.populations}
    for _ in network.populations:
        for q in network.projections:
            if q.delay == 0:
                starts[q.target] = max(starts[q.target], starts[q.source] + 1)
    return [q.name for q in network.projections if q.delay < starts[q.source] - starts[q.target] + 1]


def test_random_networks_keep_their_timing_or_their_fast_projections_are_refused() -> None:
    """Without a leak powers of two are exact, so that integers and floats differ in no step, unless v saturates."""
    kept = refused = spikes = 0
    for seed in range(200):
        network = random_network(seed)
        if wrong := too_fast(network):
            with pytest.raises(BadInput) as error:
                timing(network)
            assert [line.split(": ")[1] for line in error.value.lines()] == wrong
            refused += 1
            continue
        program, draw = Quantize()(network), np.random.default_rng(seed)
        x = {p.name: (draw.random((2, 40, *p.shape)) < 0.4).astype(np.int64) for p in network.inputs()}
        records = reference.simulate(program, payloads(program, x), all_probes(program))
        if any(records[f"{p.name}.v"].min() == 1 - 2**23 for p in program.populations):
            assert any(row.saturates for row in program.report)  # it is said
            continue
        for name, expected in simulate(network, x).items():
            found = in_sample_time(program, f"{name}.spikes", records[f"{name}.spikes"], 40)
            np.testing.assert_array_equal(found, expected, err_msg=f"seed {seed}: {name}")
            spikes += int(found.sum())
        kept += 1
    assert kept > 80
    assert refused > 40
    assert spikes > 5000
