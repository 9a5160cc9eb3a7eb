"""What reading a NIR file repaired: mistakes of other writers that can be understood in one way only.

The lines travel with the graph, in its metadata, so that every report that is made from it can name them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import nir
import numpy as np

from snndeploy.errors import Problems, shortened

KEY = "snndeploy.repaired"
MAX_TEXT = 2**16  # characters
MAX_GROUPS = 8  # that are looked for in one graph; each takes a look at all nodes and edges
# Parameters that older files do not have -> what NIR means then, and a parameter of the same shape.
DEFAULTS = {"v_reset": (0, "v_threshold"), "w_in": (1, "v_leak")}


class Repairs:
    """Collects repairs: what was done, and the nodes that it was done to."""

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = {}

    def add(self, text: str, name: str) -> None:
        """Note the repair of the node `name`; those with the same text share a line."""
        self.found.setdefault(text, []).append(name)

    def lines(self) -> list[str]:
        return [f"repaired: {shortened(names)}: {text}" for text, names in self.found.items()]


def write(graph: nir.NIRGraph, repairs: Repairs) -> None:
    """Put the lines into the graph's metadata, behind those of earlier readers."""
    if repairs.found:
        graph.metadata[KEY] = "\n".join([*graph.metadata.get(KEY, "").splitlines(), *repairs.lines()])


def read(metadata: Mapping[str, Any], problems: Problems) -> list[str]:
    """The lines in a graph's metadata; anything else under the key is reported."""
    text = metadata.get(KEY, "")
    good = isinstance(text, str) and len(text) <= MAX_TEXT
    problems.require(good, f"metadata.{KEY}", f"expected a text of at most {MAX_TEXT} characters")
    return text.splitlines() if good else []


def filled_in(node: dict[str, Any], optional: str, place: str, repairs: Repairs) -> dict[str, Any]:
    """A copy of `node` with what it does not say and means all the same; `optional` are parameters that it may have."""
    node = dict(node)
    for name, (value, like) in DEFAULTS.items():
        if name in optional.split() and name not in node:
            repairs.add(f"without {name}, taken as {value}", place)
            node[name] = np.full_like(node[like], value)
    if "bias" in node and np.shape(node["bias"]) == ():
        repairs.add("the bias is one number, taken for every output", place)
        node["bias"] = np.full(len(node["weight"]), node["bias"])
    if node["type"] in ("Conv1d", "Conv2d"):
        node.setdefault("input_shape", None)
    return node


def regroup(tree: dict[str, Any], place: str, repairs: Repairs) -> dict[str, Any]:
    """`tree` with a graph for each end of an edge that is no node, but whose nodes are there with its name in front.

    Some writers spread a graph G over its outer one as G.input, G.lif, G.output, and leave the edges to G as they are.
    """
    nodes, edges = tree["nodes"], tree["edges"]
    if not isinstance(nodes, dict) or not isinstance(edges, list):
        return tree
    pairs = [
        edge for edge in edges if isinstance(edge, list) and len(edge) == 2 and all(isinstance(e, str) for e in edge)
    ]
    if len(pairs) != len(edges):
        return tree
    leads = {name[:at] for name in nodes for at in range(len(name)) if name[at] == "."}
    for absent in sorted(({end for edge in pairs for end in edge} - nodes.keys()) & leads)[:MAX_GROUPS]:
        lead = f"{absent}."
        own = {name.removeprefix(lead): node for name, node in nodes.items() if name.startswith(lead)}
        kinds = [node.get("type") for node in own.values() if isinstance(node, dict)]
        inside = [edge for edge in pairs if all(end.startswith(lead) for end in edge)]
        outside = [edge for edge in pairs if not any(end.startswith(lead) for end in edge)]
        if kinds.count("Input") != 1 or kinds.count("Output") != 1 or len(inside) + len(outside) != len(pairs):
            continue
        inner = {"type": "NIRGraph", "nodes": own, "edges": [[end.removeprefix(lead) for end in e] for e in inside]}
        nodes = {name: node for name, node in nodes.items() if not name.startswith(lead)} | {absent: inner}
        pairs = outside
        name = f"{place}/{absent}" if place else absent
        repairs.add(
            f"edges name it and it is no node; read as a graph of {shortened([lead + n for n in own], 8)}", name
        )
    return {**tree, "nodes": nodes, "edges": pairs}
