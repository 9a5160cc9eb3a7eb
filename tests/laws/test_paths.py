"""Skip connections and loops of NIR graphs: integers on the chip's time equal the floats, spike for spike, aligned."""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
import pytest

import snndeploy
from snndeploy.errors import BadInput
from snndeploy.export.lower import lower
from snndeploy.floats import simulate

DT = 1e-4


def lif() -> nir.LIF:
    """Of two neurons, beta 0.5, gain 1, threshold 1: exact in integers."""
    full = [np.full(2, value) for value in (2 * DT, 2.0, 0.0, 1.0, 0.0)]
    return nir.LIF(*full)


def linear(*rows: list[float]) -> nir.Linear:
    return nir.Linear(np.array(rows))


W = linear([0.75, 0.5], [0.25, 1.25])


def graph(nodes: dict[str, Any], *edges: str) -> nir.NIRGraph:
    ends = {"in": nir.Input(np.array([2])), "out": nir.Output(np.array([2]))}
    pairs: Any = [tuple(edge.split()) for edge in edges]
    return nir.NIRGraph({**ends, **nodes}, pairs, type_check=False)


def later(steps: int) -> nir.Delay:
    return nir.Delay(np.full(2, steps * DT))


GRAPHS = {
    "a skip over two populations": graph(
        {"a": lif(), "b": lif(), "c": lif(), "w": W, "v": W, "skip": W},
        *("in w", "w a", "a v", "v b", "b c", "in skip", "skip c", "a c", "c out"),
    ),
    "a skip with a delay of its own": graph(
        {"a": lif(), "b": lif(), "w": W, "late": later(2)}, "in w", "w a", "a b", "in late", "late b", "b out"
    ),
    "a loop of one population": graph({"a": lif(), "w": W, "r": W}, "in w", "w a", "a r", "r a", "a out"),
    "a loop through two populations, two steps": graph(
        {"a": lif(), "b": lif(), "w": W, "r": W, "late": later(2)},
        *("in w", "w a", "a b", "b r", "r late", "late a", "b out"),
    ),
    "a threshold, which keeps nothing": graph(
        {
            "a": lif(),
            "t": nir.Threshold(np.array([0.5, 1.0])),
            "b": lif(),
            "w": W,
            "v": linear([0.75, 0.25], [0.5, -0.25]),
        },
        *("in w", "w a", "a v", "in v", "v t", "t b", "b out"),
    ),
    "two delays between two populations": graph(
        {"a": lif(), "b": lif(), "w": W, "late": nir.Delay(np.array([DT, 3 * DT]))},
        *("in w", "w a", "a late", "late b", "a b", "b out"),
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_integers_equal_floats(name: str) -> None:
    made = GRAPHS[name]
    x = np.random.default_rng(3).random((8, 60, 2)) < 0.4
    artifact = snndeploy.compile(made, dt=DT)
    names = [p.name for p in artifact.program.populations]
    found = snndeploy.run(artifact, x, probes=[f"{n}.spikes" for n in names]).probes
    expected = simulate(lower(made, DT), x)
    assert snndeploy.verify(artifact, x[:2], against=["loihi2-sim"])[0].differences == 0
    for n in names:
        assert np.array_equal(found[f"{n}.spikes"], expected[n]), n
        assert 0.02 < expected[n].mean() < 0.98, n


def test_a_loop_through_two_populations_in_one_step_is_refused() -> None:
    made = graph(
        {"a": lif(), "b": lif(), "w": W, "late": later(1)}, *("in w", "w a", "a b", "b late", "late a", "b out")
    )
    with pytest.raises(BadInput) as refused:
        snndeploy.compile(made, dt=DT)
    assert refused.value.lines() == [
        "loihi2: b-a: takes 1 step(s) in the model; on the chip this way back needs at least 2: "
        "'b' starts in step 2, 'a' in step 1; the way there: a-b"
    ]
