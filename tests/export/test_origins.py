"""What lowering tells of the nodes: which became which projection, and through which others."""

from __future__ import annotations

import nir
import numpy as np

from snndeploy.export.lower import lower, lowered
from snndeploy.floats import simulate

ONE = np.ones(1)


def graph(edges: str, **nodes: nir.NIRNode) -> nir.NIRGraph:
    ends = {"input": nir.Input(np.array([1])), "output": nir.Output(np.array([1]))}
    pairs = [tuple(edge.split()) for edge in edges.split(", ")]
    return nir.NIRGraph({**ends, **nodes}, pairs, {}, type_check=False)


def lif() -> nir.LIF:
    return nir.LIF(tau=2e-4 * ONE, r=2 * ONE, v_leak=0 * ONE, v_threshold=ONE, v_reset=0 * ONE)


def linear(weight: float) -> nir.Linear:
    return nir.Linear(np.array([[weight]]))


def affine(weight: float) -> nir.Affine:
    return nir.Affine(np.array([[weight]]), 0.5 * ONE)


def flat() -> nir.Flatten:
    return nir.Flatten({"input": np.array([1])}, 0, -1)


def test_a_chain_is_composed_into_its_last_node() -> None:
    edges = "input a, a f, f b, b g, g n, n output"
    _, told = lowered(graph(edges, a=affine(2.0), f=flat(), b=linear(3.0), g=flat(), n=lif()))
    assert told.composed == {"a": {"b": None}}
    assert told.weights == {"input-n": ("b",)}
    assert told.biases == {"n": ("b",)}  # that of a, times the weight of b
    assert told.populations == {"input": "input", "n": "n"}
    assert told.outputs == {"output": "n"}


def test_what_is_added() -> None:
    """Two layers meet at a neuron, two at a Flatten, and a signal goes past all of them."""
    edges = "input a, input b, a n, b n, n c, n d, c f, d f, f m, m k, input k, m output, k output2"
    nodes = {"a": linear(1.0), "b": affine(2.0), "c": linear(1.0), "d": affine(2.0), "f": flat()}
    made = graph(edges, **nodes, n=lif(), m=lif(), k=lif(), output2=nir.Output(np.array([1])))
    network, told = lowered(made)
    assert told.composed == {"c": {"f": None}, "d": {"f": None}}
    assert told.weights == {"input-n": ("a", "b"), "n-m": ("f",), "m-k": (), "input-k": ()}
    assert told.biases == {"n": ("b",), "m": ("d",), "k": ()}
    assert told.outputs == {"output": "m", "output2": "k"}
    assert {q.name: float(q.weights.ravel()[0]) for q in network.projections} == {
        "input-n": 3.0,
        "n-m": 3.0,
        "m-k": 1.0,
        "input-k": 1.0,
    }


def test_a_loop_with_and_one_without_a_delay_are_added() -> None:
    """The one without takes a step by assumption, so that both do."""
    delay = nir.Delay(1e-4 * ONE)
    edges = "input n, n a, a n, n b, b d, d n, n output"
    made = graph(edges, a=linear(-1.0), b=linear(0.25), d=delay, n=lif())
    network, told = lowered(made)
    (loop,) = (q for q in network.projections if q.source == q.target)
    assert (loop.weights.tolist(), loop.delay) == ([[-0.75]], 1)
    assert told.weights["n-n"] == ("a", "b")
    assert told.delays == {"d": (1, 1)}
    alone = lower(graph("input n, n a, a n, n output", a=linear(-0.75), n=lif()))
    x = np.random.default_rng(0).uniform(0, 3, (4, 40, 1))
    assert np.array_equal(simulate(network, x)["n"], simulate(alone, x)["n"])
