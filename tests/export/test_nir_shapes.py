"""Shapes along the edges of a NIR graph: what follows from what, and each mistake by its edge or node."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

from snndeploy.errors import BadInput, Problems
from snndeploy.export import loops, nir_repairs
from snndeploy.export.lower import lower
from snndeploy.export.nir_file import read_nir, write_nir
from snndeploy.export.nir_repairs import Repairs
from snndeploy.export.nir_shapes import resolve


def conv(weight: tuple[int, ...], shape: Any = None, **changed: Any) -> nir.Conv2d:
    values = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": np.zeros(weight[0]), **changed}
    node = nir.Conv2d(None, np.ones(weight), **values)
    node.input_shape = shape  # as the reader does it: nir's constructor cannot take all of them
    return node


def conv1d(weight: tuple[int, ...], shape: Any = None, **changed: Any) -> nir.Conv1d:
    values = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": np.zeros(weight[0]), **changed}
    node = nir.Conv1d(None, np.ones(weight), **values)
    node.input_shape = shape
    return node


def pool(kernel: int, stride: int, padding: int = 0) -> nir.SumPool2d:
    return nir.SumPool2d(np.full(2, kernel), np.full(2, stride), np.full(2, padding))


def flatten(shape: Any, start: int = 0, end: int = -1) -> nir.Flatten:
    return nir.Flatten({"input": None if shape is None else np.array(shape)}, start, end)


def scale(*shape: int) -> nir.Scale:
    return nir.Scale(np.ones(shape))


def chain(inputs: tuple[int, ...], outputs: tuple[int, ...], *nodes: nir.NIRNode) -> nir.NIRGraph:
    """in -> n0 -> n1 -> ... -> out."""
    named = {"in": nir.Input(np.array(inputs)), **{f"n{i}": node for i, node in enumerate(nodes)}}
    named["out"] = nir.Output(np.array(outputs))
    return nir.NIRGraph(named, list(pairwise(named)), {}, type_check=False)


def resolved(graph: nir.NIRGraph) -> tuple[list[tuple[int, ...]], list[str]]:
    """The shapes that the nodes give, in the order of the graph, and the repairs."""
    repairs = Repairs()
    resolve(graph, Problems("g"), repairs)
    return [tuple(node.output_type["output"].tolist()) for node in graph.nodes.values()], repairs.lines()


@pytest.mark.parametrize(
    ("node", "given", "taken"),
    [
        (conv((4, 2, 3, 5), (8, 9)), (2, 8, 9), (4, 6, 5)),  # nir: a kernel of 3x3
        (conv((4, 1, 3, 3), (8, 9), groups=2), (2, 8, 9), (4, 6, 7)),  # nir: one channel
        (conv((4, 2, 3, 3), (8, 9), stride=(2, 3), padding=(1, 0), dilation=(1, 2)), (2, 8, 9), (4, 4, 2)),
        (conv((4, 2, 2, 3), (8, 9), padding="same"), (2, 8, 9), (4, 8, 9)),
        (conv((4, 2, 2, 3), (8, 9), padding="valid", stride=np.array([2])), (2, 8, 9), (4, 4, 4)),
        (conv1d((4, 2, 3), 8, stride=2), (2, 8), (4, 3)),
        (conv1d((4, 1, 3), np.array([8]), groups=2), (2, 8), (4, 6)),
        (pool(2, 2), (3, 5, 4), (3, 2, 2)),
        (pool(3, 1, 1), (3, 5, 4), (3, 5, 4)),
        (flatten((2, 3, 4), 1), (2, 3, 4), (2, 12)),
        (flatten(None, -3, 1), (2, 3, 4), (6, 4)),
        (nir.Linear(np.ones((5, 3))), (3,), (5,)),
        (nir.Threshold(np.ones((2, 3))), (2, 3), (2, 3)),
    ],
)
def test_what_a_node_gives(node: nir.NIRNode, given: tuple[int, ...], taken: tuple[int, ...]) -> None:
    assert resolved(chain(given, taken, node)) == ([given, taken, taken], [])


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (
            chain((4,), (2,), nir.Linear(np.ones((2, 3)))),
            "in -> n0: the first gives the shape (4,), the second takes (3,)",
        ),
        (
            chain((2,), (3,), nir.Linear(np.ones((2, 3)))),
            "in -> n0: the first gives the shape (2,), the second takes (3,); "
            "is its weight transposed? NIR has (outputs, inputs)",
        ),
        (
            chain((3,), (3,), nir.Linear(np.ones((2, 3)))),
            "n0 -> out: the first gives the shape (2,), the second takes (3,)",
        ),
        (
            chain((3, 8, 9), (4, 6, 7), conv((4, 2, 3, 3), groups=2)),
            "in -> n0: the first gives the shape (3, 8, 9), the second takes (4, 8, 9)",
        ),
        (
            chain((2, 2, 9), (4, 6, 7), conv((4, 2, 3, 3))),
            "n0: its kernel does not fit into (2, 9) with its padding",
        ),
        (
            chain((2, 8, 9), (4, 8, 9), conv((4, 2, 3, 3), padding="same", stride=2)),
            "n0: padding 'same' needs a stride of 1",
        ),
        (
            chain((2, 8, 9), (4, 6, 7), conv((4, 2, 3, 3), stride=np.ones(3))),
            "n0: stride: expected one number or 2, found 3",
        ),
        (chain((4, 4), (2, 2), pool(2, 2)), "n0: takes 3 axes (channels first), the shape (4, 4) arrives"),
        (chain((2, 3), (6,), flatten((2, 3), 0, 2)), "n0: there are no axes 0 to 2 in the shape (2, 3)"),
        (chain((2, 3), (6,), flatten((0, 0, 0, 0))), "n0: has 4 axes without lengths, where the shape (2, 3) arrives"),
        (chain((2, 2), (2,), scale(2)), None),  # repaired, below
    ],
)
def test_mistakes(graph: nir.NIRGraph, expected: str | None) -> None:
    if expected is None:
        resolved(graph)
        return
    with pytest.raises(BadInput) as refused:
        resolved(graph)
    assert refused.value.lines()[0] == f"g: {expected}"


@pytest.mark.parametrize(
    ("graph", "shapes", "lines"),
    [
        (
            chain((2, 8, 9), (4, 6, 7), conv((4, 2, 3, 3))),
            [(2, 8, 9), (4, 6, 7), (4, 6, 7)],
            ["n0: without input_shape, inferred from what arrives"],
        ),
        (
            chain((2, 8), (4, 6), conv1d((4, 2, 3))),
            [(2, 8), (4, 6), (4, 6)],
            ["n0: without input_shape, inferred from what arrives"],
        ),
        (
            chain((50, 3), (3,), scale(3)),
            [(3,), (3,), (3,)],
            ["in: the shape (50, 3) is read as (3,), which what follows takes"],
        ),
        (
            chain((3,), (3,), scale(1, 3)),
            [(3,), (3,), (3,)],
            ["n0: a leading axis of length 1, which nothing before it has, is taken off"],
        ),
    ],
)
def test_repairs(graph: nir.NIRGraph, shapes: list[tuple[int, ...]], lines: list[str]) -> None:
    assert resolved(graph) == (shapes, [f"repaired: {line}" for line in lines])


def test_what_no_input_leads_to() -> None:
    graph = chain((3,), (3,), scale(3))
    graph.nodes |= {"a": pool(1, 1), "b": nir.IF(np.ones((1, 2, 2)), np.ones((1, 2, 2))), "c": pool(1, 1)}
    graph.edges += [("b", "a"), ("a", "b"), ("c", "n0")]
    with pytest.raises(BadInput) as refused:
        resolved(graph)
    assert refused.value.lines() == ["g: c: its shape cannot be told: no Input leads to it"]


def test_a_loop_is_shown() -> None:
    edges = [("x", "b"), ("b", "c"), ("c", "a"), ("a", "b"), ("c", "y"), ("y", "z")]
    assert loops.cycle("abcxyz", edges) == ["a", "b", "c"]
    assert loops.cycle("bcxyz", edges) == []
    assert loops.shown(["a", "b"]) == "a -> b -> a"
    assert loops.shown([str(i) for i in range(20)], 2) == "0 -> 1 -> ... 18 more -> 0"


def test_the_repairs_are_in_the_report_of_every_later_step(tmp_path: Path) -> None:
    ones = np.ones(2)
    graph = chain((7, 2), (2,), nir.LIF(tau=ones, r=ones, v_leak=0 * ones, v_threshold=ones))
    line = "repaired: in: the shape (7, 2) is read as (2,), which what follows takes"
    with pytest.raises(BadInput) as refused:
        write_nir(graph, tmp_path / "x.nir")
    assert refused.value.lines() == [f"{tmp_path / 'x.nir'}: {line}"]
    nir.write(tmp_path / "x.nir", graph)
    assert lower(read_nir(tmp_path / "x.nir")).notes[0] == line
    graph.metadata["snndeploy.repaired"] = np.ones(3)
    with pytest.raises(BadInput, match=r"metadata\.snndeploy\.repaired: expected a text of at most 65536 characters$"):
        lower(graph)


def test_a_graph_spread_over_its_outer_one() -> None:
    def tree(*edges: str, **kinds: str) -> dict[str, Any]:
        names = {name.replace("_", "."): {"type": kind} for name, kind in kinds.items()}
        return {"nodes": names, "edges": [edge.split() for edge in edges]}

    inner = {"g_i": "Input", "g_x": "LIF", "g_o": "Output"}
    spread = tree("a g", "g.i g.x", "g.x g.o", "g b", **inner, a="Linear", b="Linear")
    repairs = Repairs()
    assert nir_repairs.regroup(spread, "", repairs) == {
        "nodes": {
            "a": {"type": "Linear"},
            "b": {"type": "Linear"},
            "g": {
                "type": "NIRGraph",
                "nodes": {"i": {"type": "Input"}, "x": {"type": "LIF"}, "o": {"type": "Output"}},
                "edges": [["i", "x"], ["x", "o"]],
            },
        },
        "edges": [["a", "g"], ["g", "b"]],
    }
    assert repairs.lines() == ["repaired: g: edges name it and it is no node; read as a graph of g.i, g.x, g.o"]
    for unclear in (
        tree("a g", "g.i g.x", "g.x b", **inner, a="Linear", b="Linear"),  # an edge past the port
        tree("a g", "g b", g_x="LIF", a="Linear", b="Linear"),  # no ports
        tree("a g", "g.i g.x", a="Linear", g_i="Input", g_j="Input", g_x="LIF", g_o="Output"),
    ):
        assert nir_repairs.regroup(unclear, "", Repairs()) == unclear
