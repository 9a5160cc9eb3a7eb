"""Graphs in graphs, put into the outermost: names, ports, and what has no meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

from snndeploy.errors import BadInput, Problems
from snndeploy.export.inline import MAX_EDGES, inline
from snndeploy.export.lower import lower
from snndeploy.export.nir_file import read_nir
from snndeploy.floats import simulate

ONE = np.array([1])


def graph(nodes: dict[str, Any], *edges: str, inputs: str = "in", outputs: str = "out") -> nir.NIRGraph:
    ports: dict[str, Any] = {name: nir.Input(ONE) for name in inputs.split()}
    ports |= {name: nir.Output(ONE) for name in outputs.split()}
    pairs: Any = [tuple(edge.split()) for edge in edges]
    return nir.NIRGraph({**ports, **nodes}, pairs, {}, type_check=False)


def linear(weight: float = 1.0) -> nir.Linear:
    return nir.Linear(np.array([[weight]]))


def opened(made: nir.NIRGraph) -> tuple[list[str], list[str], list[str]]:
    """Its nodes, its edges and the lines of the report."""
    flat, lines = inline(made, Problems("g"))
    return sorted(flat.nodes), sorted(" ".join(edge) for edge in flat.edges), lines


def refusals(made: nir.NIRGraph) -> list[str]:
    with pytest.raises(BadInput) as refused:
        inline(made, Problems("g"))
    return refused.value.lines()


def test_a_graph_without_graphs_is_left_alone() -> None:
    made = graph({"a": linear()}, "in a", "a out")
    flat, lines = inline(made, Problems("g"))
    assert flat is made
    assert lines == []


def test_recurrence_and_graphs_in_graphs() -> None:
    inner = graph({"x": linear(), "w": linear()}, "in x", "x w", "w x", "x out")
    outer = graph({"rec": inner}, "in rec", "rec out")
    assert opened(graph({"a": linear(), "sub": outer}, "in a", "a sub", "sub a", "sub out")) == (
        ["a", "in", "out", "sub.rec.w", "sub.rec.x"],
        ["a sub.rec.x", "in a", "sub.rec.w sub.rec.x", "sub.rec.x a", "sub.rec.x out", "sub.rec.x sub.rec.w"],
        ["inlined the graph 'sub': 3 nodes", "inlined the graph 'sub.rec': 4 nodes"],
    )


def test_several_ports_are_named_and_fan_out() -> None:
    two = graph({"x": linear(), "y": linear()}, "p x", "p y", "q y", "x s", "y t", inputs="p q", outputs="s t")
    nodes, edges, _ = opened(graph({"sub": two, "a": linear()}, "in sub.p", "a sub.q", "in a", "sub.s out", "sub.t a"))
    assert nodes == ["a", "in", "out", "sub.x", "sub.y"]
    assert edges == ["a sub.y", "in a", "in sub.x", "in sub.y", "sub.x out", "sub.y a"]


def test_an_input_that_is_an_output() -> None:
    wire = graph({}, "in out")
    assert opened(graph({"sub": wire, "a": linear()}, "in sub", "sub a", "a out"))[1] == ["a out", "in a"]


SEVERAL = "has not one Input but several, or none; name the one that is meant, sub.NAME"


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (
            graph({"sub": graph({}, "p out", "q out", inputs="p q")}, "in sub", "sub out"),
            [f"g: in -> sub: 'sub' {SEVERAL}"],
        ),
        (
            graph({"sub": graph({"x": linear()}, "in x", "x out"), "sub.x": linear()}, "in sub", "sub sub.x"),
            ["g: sub.x: is a node of the graph, and one of the graph 'sub' in it"],
        ),
        (
            graph({"sub": graph({"x": linear()}, "in x", "x out"), "a": linear()}, "in a", "a out", "in sub"),
            ["g: sub.out: no edge leaves it; connect it or leave it out"],
        ),
        (
            graph({"sub": graph({"x": linear()}, "in x", "x out", "in x")}, "in sub", "sub out"),
            ["g: sub.in -> sub.x: the edge is there twice"],
        ),
        (
            graph({"sub": graph({}, "in out"), "a": linear()}, "in sub", "sub a", "in a", "a out"),
            ["g: in -> a: through 'sub.out' and beside it; add a Scale of 2"],
        ),
        (
            graph({"sub": graph({}, "in out")}, "in sub", "sub sub", "sub out"),
            ["g: sub.out: a loop without a neuron; put a neuron into the loop"],
        ),
    ],
)
def test_refusals(made: nir.NIRGraph, expected: list[str]) -> None:
    assert refusals(made) == expected


def test_metadata_of_ours_belongs_to_the_outermost_graph() -> None:
    inner = graph({"x": linear()}, "in x", "x out")
    inner.metadata["snndeploy"] = "{}"
    assert refusals(graph({"sub": inner}, "in sub", "sub out")) == [
        "g: sub: has metadata 'snndeploy' of its own; put all into the outermost"
    ]


def test_depth_and_edges_have_limits() -> None:
    endless = graph({}, "in a", "a out")
    endless.nodes["a"] = endless
    assert refusals(endless) == ["g: more than 64 graphs in each other, the limit"]
    many = {f"x{i}": linear() for i in range(300)}
    fan = graph({"sub": graph(many, *(f"in {x}" for x in many), *(f"{x} out" for x in many)), **many})
    fan.edges += [(x, "sub") for x in many] + [("sub", "out")]
    assert refusals(fan) == [f"g: sub.in: more than {MAX_EDGES} edges without it, the limit"]


def test_the_braille_graph_is_the_same_flat_and_in_a_subgraph(shared: Path) -> None:
    flat, inner = (lower(read_nir(shared / "nir" / f"braille_zero_{kind}.nir")) for kind in ("flat", "subgraph"))
    assert "inlined the graph 'lif1': 4 nodes" in inner.notes
    x = np.random.default_rng(0).random((20, 256, 12)) < 0.05
    spikes, same = simulate(flat, x), simulate(inner, x)
    assert spikes["lif1.lif"].any()
    assert np.array_equal(spikes["lif1.lif"], same["lif1.lif1"])
    assert np.array_equal(spikes["lif2"], same["lif2"])
