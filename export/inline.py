"""Graphs in a graph, put into the graph itself: nodes get the names `GRAPH.NODE`, edges go where their ports lead.

An edge to a graph means its Input, one from it its Output. NIR has no word for which of several is meant: here an edge
names it, `GRAPH.PORT`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import nir

from snndeploy.errors import Problems
from snndeploy.export.metadata import KEY

MAX_DEPTH = 64  # graphs in graphs; a file has room for half of them
MAX_EDGES = 2**16  # what fans of edges may multiply to

Edge = tuple[str, str]


@dataclass(frozen=True)
class Opened:
    """The nodes of a graph and of all graphs in it by their full names, edges between them; `ports` are inner ones."""

    nodes: Mapping[str, nir.NIRNode]
    edges: list[Edge]
    ports: Collection[str]
    lines: list[str]


def inline(graph: nir.NIRGraph, problems: Problems) -> tuple[nir.NIRGraph, list[str]]:
    """`graph` without graphs in it, and a line for each that was in it. Raises BadInput for what has no meaning."""
    found = opened(graph, problems)
    if not found.lines:
        return graph, []
    edges = _joined(found.edges, found.ports, problems)
    nodes = {name: node for name, node in found.nodes.items() if name not in found.ports}
    return nir.NIRGraph(nodes, edges, graph.metadata, type_check=False), found.lines


def opened(graph: nir.NIRGraph, problems: Problems) -> Opened:
    """All nodes of `graph` side by side, the ports of inner graphs among them. Raises BadInput where edges are unclear.

    The nodes are those of `graph`, not copies.
    """
    found = Opened(graph.nodes, list(graph.edges), set(), [])
    for _ in range(MAX_DEPTH):
        inner = {name: node for name, node in sorted(found.nodes.items()) if isinstance(node, nir.NIRGraph)}
        if not inner:
            return found
        found = _opened(found, inner, problems)
        problems.raise_if_any()
    problems.add("", f"more than {MAX_DEPTH} graphs in each other, the limit")
    problems.raise_if_any()
    raise AssertionError


def port(graph: nir.NIRGraph, kind: type[nir.NIRNode]) -> str | None:
    """The name of the only node of this kind, Input or Output; None where there are several, or none."""
    found = [name for name, node in graph.nodes.items() if isinstance(node, kind)]
    return found[0] if len(found) == 1 else None


def _opened(outer: Opened, inner: Mapping[str, nir.NIRGraph], problems: Problems) -> Opened:
    """`outer` with the nodes of each graph in `inner` in its place; those may be graphs again."""
    nodes = {name: node for name, node in outer.nodes.items() if name not in inner}
    edges = [_resolved(edge, inner, problems) for edge in outer.edges]
    ports, lines = set(outer.ports), list(outer.lines)
    for name, sub in inner.items():
        lines.append(f"inlined the graph {name!r}: {len(sub.nodes)} nodes")
        problems.require(KEY not in sub.metadata, name, f"has metadata {KEY!r} of its own; put all into the outermost")
        for own, node in sub.nodes.items():
            full = f"{name}.{own}"
            problems.require(full not in nodes, full, f"is a node of the graph, and one of the graph {name!r} in it")
            nodes[full] = node
            if isinstance(node, (nir.Input, nir.Output)):
                ports.add(full)
        edges += [(f"{name}.{source}", f"{name}.{target}") for source, target in sub.edges]
    return Opened(nodes, edges, ports, lines)


def _resolved(edge: Edge, inner: Mapping[str, nir.NIRGraph], problems: Problems) -> Edge:
    """`edge` with the only port of a graph in place of the graph's name."""
    ends = []
    for end, kind in zip(edge, (nir.Output, nir.Input), strict=True):
        if end in inner:
            own = port(inner[end], kind)
            text = f"{end!r} has not one {kind.__name__} but several, or none; name the one that is meant, {end}.NAME"
            problems.require(own is not None, f"{edge[0]} -> {edge[1]}", text)
            end = f"{end}.{own}"
        ends.append(end)
    return ends[0], ends[1]


def _joined(edges: list[Edge], ports: Collection[str], problems: Problems) -> list[Edge]:
    """`edges` with the ports taken out: what led to one leads to all that it led to."""
    entering: dict[str, dict[str, None]] = {}
    leaving: dict[str, dict[str, None]] = {}
    for source, target in edges:
        twice = target in leaving.get(source, {})
        problems.require(not twice, f"{source} -> {target}", "the edge is there twice")
        leaving.setdefault(source, {})[target] = None
        entering.setdefault(target, {})[source] = None
    count = len(edges)
    for name in sorted(ports):
        before, after = entering.pop(name, {}), leaving.pop(name, {})
        problems.require(bool(before), name, "no edge leads to it; connect it or leave it out")
        problems.require(bool(after), name, "no edge leaves it; connect it or leave it out")
        problems.require(name not in before, name, "a loop without a neuron; put a neuron into the loop")
        count += len(before) * len(after)
        problems.require(count <= MAX_EDGES, name, f"more than {MAX_EDGES} edges without it, the limit")
        problems.raise_if_any()
        for source in before:
            del leaving[source][name]
        for target in after:
            del entering[target][name]
        for source in before:
            for target in after:
                single = target not in leaving[source]
                problems.require(single, f"{source} -> {target}", f"through {name!r} and beside it; add a Scale of 2")
                leaving[source][target] = entering[target][source] = None
    problems.raise_if_any()
    return [(source, target) for source, targets in leaving.items() for target in targets]
