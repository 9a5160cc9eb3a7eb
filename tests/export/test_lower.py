"""NIR to Network: what is composed, what is assumed and said, and what is refused."""

from __future__ import annotations

from pathlib import Path

import nir
import numpy as np
import pytest

from snndeploy.export.lower import lower
from snndeploy.export.metadata import Metadata
from tests.export.graphs import (
    ALL,
    ASSUMED_DT,
    ASSUMED_RESET,
    DT,
    W,
    chain,
    cuba,
    graph,
    lif,
    refusals,
    weights,
)


class Odd(nir.NIRNode):  # type: ignore[misc]
    """A node that NIR may have one day."""

    def __init__(self) -> None:
        self.input_type = self.output_type = {}


def test_affine_chains_are_composed_with_gain_and_bias() -> None:
    second = nir.Affine(weight=2 * np.eye(2), bias=np.array([10.0, 20.0]))
    network = lower(chain(nir.Affine(weight=W, bias=np.ones(2)), second, lif(r=4.0)))
    assert weights(network) == {"in-n2": (4 * W).tolist()}  # gain 4 * 1/2 on 2 * W
    bias = network.population("n2").bias
    assert bias is not None
    assert bias.tolist() == [24.0, 44.0]
    assert network.population("n2").parameters["beta"].tolist() == [0.5, 0.5]
    assert network.notes == (ASSUMED_DT, ASSUMED_RESET)
    assert network.outputs == ("n2",)


def test_fan_in_is_summed_and_edges_without_weights_are_identities() -> None:
    nodes = {"a": nir.Linear(W), "b": nir.Linear(W), "x": lif(), "y": lif()}
    network = lower(graph(nodes, "in a", "in b", "a x", "b x", "x y", "in y", "y out"), dt=DT)
    eye = np.eye(2).tolist()
    assert weights(network) == {"in-x": (2 * W).tolist(), "in-y": eye, "x-y": eye}
    assert [p.name for p in network.populations] == ["in", "x", "y"]


def test_synaptic_current_and_integrator() -> None:
    network = lower(chain(cuba(), nir.IF(r=np.full(2, 3 / DT), v_threshold=np.ones(2))))
    first, second = network.population("n0"), network.population("n1")
    assert first.parameters["alpha"].tolist() == [0.5, 0.5]
    assert first.parameters["beta"].tolist() == [0.75, 0.75]
    assert second.parameters["beta"].tolist() == [1.0, 1.0]
    assert weights(network) == {"in-n0": [[3.0, 0.0], [0.0, 3.0]], "n0-n1": [[3.0, 0.0], [0.0, 3.0]]}  # 8/4 * 3/2


def test_a_leak_is_a_bias() -> None:
    bias = lower(chain(lif(v_leak=6.0))).population("n0").bias
    assert bias is not None
    assert bias.tolist() == [3.0, 3.0]
    assert refusals(chain(cuba(v_leak=6.0))) == [
        "g: n0.v_leak: expected 0 in a neuron with synaptic current, where a leak is no constant current, "
        "found 6.0 at [0] (and 1 more)"
    ]


def test_flatten_keeps_the_order() -> None:
    flatten = nir.Flatten({"input": np.array([1, 2])}, start_dim=0)
    made = chain(flatten, nir.Linear(W), lif())
    made.nodes["in"] = nir.Input(np.array([1, 2]))
    network = lower(made)
    assert network.population("in").shape == (1, 2)
    assert weights(network) == {"in-n2": W.tolist()}


def test_metadata_gives_dt_reset_and_delay() -> None:
    said = Metadata(2e-4, {"n0": "subtract"})
    network = lower(chain(lif(tau=8e-4), said=said))
    assert network.dt == 2e-4
    assert network.population("n0").reset == "subtract"
    assert network.population("n0").parameters["beta"].tolist() == [0.75, 0.75]
    assert network.notes == ()
    assert refusals(chain(lif(tau=8e-4), said=said), 1e-4) == [
        "g: dt: the graph was exported with 0.0002 s, not 0.0001 s; leave dt out"
    ]


def test_delays_add_up_along_a_path() -> None:
    nodes = {"x": lif(), "rec": nir.Linear(W)}
    said = Metadata(DT, {"x": "zero"}, {("x", "rec"): 1, ("rec", "x"): 2})
    network = lower(graph(nodes, "in x", "x rec", "rec x", "x out", said=said))
    assert {p.name: p.delay for p in network.projections} == {"in-x": 0, "x-x": 3}


def test_two_delays_between_two_populations_are_two_projections() -> None:
    nodes = {"x": lif(), "late": nir.Linear(W), "y": lif()}
    said = Metadata(DT, {"x": "zero", "y": "none"}, {("x", "late"): 1})
    network = lower(graph(nodes, "in x", "x late", "late y", "x y", "y out", said=said))
    assert {p.name: p.delay for p in network.projections} == {"in-x": 0, "x-y.0": 0, "x-y.1": 1}


def test_a_loop_to_itself_takes_a_step_where_nothing_is_said() -> None:
    nodes = {"x": lif(), "rec": nir.Affine(weight=W, bias=np.ones(2))}
    network = lower(graph(nodes, "in x", "x rec", "rec x", "x out"), DT)
    assert {p.name: p.delay for p in network.projections} == {"in-x": 0, "x-x": 1}
    assert network.notes == (
        "NIR does not say the delay of the loop of 'x' to itself: assumed one step",
        ASSUMED_RESET,
    )


def test_other_loops_without_a_delay_are_refused() -> None:
    nodes = {"x": lif(), "y": lif(), "z": lif()}
    loop = ("in x", "x y", "y x", "y z", "z out")
    advice = "export it with snndeploy, or give an edge a delay in the metadata"
    assert refusals(graph(nodes, *loop)) == [
        f"g: x, y: a loop without a delay: NIR does not say which projection waits a step; {advice}"
    ]
    said = Metadata(DT, dict.fromkeys(nodes, "zero"))
    assert refusals(graph(nodes, *loop, said=said)) == [
        f"g: x, y: a loop without a delay: the metadata gives none of its edges a delay; {advice}"
    ]
    kept = Metadata(DT, dict.fromkeys(nodes, "zero"), {("y", "x"): 1})
    assert {p.name: p.delay for p in lower(graph(nodes, *loop, said=kept)).projections}["y-x"] == 1


def test_a_delay_behind_a_bias_is_refused() -> None:
    nodes = {"x": lif(), "rec": nir.Affine(weight=W, bias=np.ones(2))}
    said = Metadata(DT, {"x": "zero"}, {("rec", "x"): 1})
    assert refusals(graph(nodes, "in x", "x rec", "rec x", "x out", said=said)) == [
        "g: rec -> x: a delay behind a bias; put it on the edge before the bias"
    ]


def test_names_of_other_tools() -> None:
    network = lower(graph({"0": nir.Linear(W), "1": lif()}, "in 0", "0 1", "1 out"), DT)
    assert weights(network) == {"in-lif_1": W.tolist()}
    assert network.notes == ("the node '1' is the population 'lif_1'", ASSUMED_RESET)


def test_nothing_depends_on_the_order_of_nodes_and_edges(tmp_path: Path) -> None:
    nodes = {"z": nir.Affine(weight=W, bias=np.ones(2)), "b": lif(), "a": cuba()}
    made = graph(nodes, "in z", "z b", "b a", "in a", "a out")
    turned = nir.NIRGraph(dict(reversed(made.nodes.items())), made.edges[::-1])
    nir.write(tmp_path / "g.nir", made)
    networks = [lower(g) for g in (made, turned, nir.read(tmp_path / "g.nir"))]
    for network in networks:
        assert [p.name for p in network.populations] == ["in", "b", "a"]
        assert weights(network) == weights(networks[0])
        assert [p.name for p in network.projections] == [p.name for p in networks[0].projections]


def test_all_that_is_wrong_with_neurons_is_told_at_once() -> None:
    broken = lif(tau=0.5 * DT, v_reset=0.25)
    broken.v_leak = np.array([0.0, np.nan])
    broken.v_threshold = np.array([1.0, -1.0])
    broken.r = np.ones(3)
    assert refusals(chain(broken)) == [
        "g: n0.tau: expected at least the time step of 0.0001 s, found 5e-05 at [0] (and 1 more)",
        "g: n0.r: expected the shape (2,) of v_threshold, found (3,)",
        "g: n0.v_leak: expected a finite number, found nan at [1]",
        "g: n0.v_threshold: expected a number above 0, found -1.0 at [1]",
        "g: n0.v_reset: expected 0 (a reset to another potential is not supported), found 0.25 at [0] (and 1 more)",
    ]


def test_all_that_is_wrong_with_the_structure_is_told_at_once() -> None:
    nodes = {
        "odd": Odd(),
        "dead": nir.Linear(W),
        "n": lif(),
    }
    assert refusals(graph(nodes, "in n", "in n", "in dead", "nowhere n", "n odd", "odd n")) == [
        f"g: odd: Odd is not supported; supported: {ALL}",
        "g: in -> n: the edge is there twice",
        "g: nowhere -> n: an edge of a node 'nowhere' that is not in the graph",
        "g: dead: no edge leaves it; connect it or leave it out",
        "g: out: no edge leads to it; connect it or leave it out",
    ]


def test_no_output() -> None:
    made = chain(lif())
    del made.nodes["out"]
    made.edges = made.edges[:-1]
    assert refusals(made) == ["g: expected one Output or more, found none"]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (chain(nir.Linear(np.ones((2, 3))), lif()), ["g: n0: expected 3 values, 2 arrive"]),
        (chain(nir.Linear(np.ones((3, 2))), lif()), ["g: n1: expected 2 values, 3 arrive"]),
        (
            chain(nir.Linear(np.ones((1, 2, 2))), lif()),
            ["g: n0.weight: expected (outputs, inputs), found the shape (1, 2, 2)"],
        ),
        (
            chain(nir.Linear(np.full((2, 2), np.inf)), lif()),
            ["g: n0.weight: expected finite numbers, found NaN or infinity"],
        ),
        (chain(nir.Affine(np.eye(2), np.ones(1)), lif()), ["g: n0.bias: expected the shape (2,), found (1,)"]),
        (
            graph({"a": nir.Linear(W), "b": nir.Linear(W), "n": lif()}, "in a", "a b", "b a", "b n", "n out"),
            ["g: a -> b -> a: a loop without a neuron; put a neuron into the loop"],
        ),
        (
            chain(lif(), nir.Linear(W)),
            ["g: out: expected what one neuron node sends, and nothing in between; end the graph with a neuron"],
        ),
    ],
)
def test_refusals(made: nir.NIRGraph, expected: list[str]) -> None:
    assert refusals(made) == expected


@pytest.mark.parametrize("dt", [0.0, -1.0, float("nan")])
def test_dt(dt: float) -> None:
    assert refusals(chain(lif()), dt) == [f"g: dt: expected seconds above 0, found {dt}"]
