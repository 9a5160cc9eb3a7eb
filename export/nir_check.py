"""What a NIR file must hold: one table of node types, and checks that name the node and the parameter.

Works on the nested dicts of `hdf5_walk.read_tree`. What the time step and Loihi 2 can keep is for the steps after
reading.
"""

from __future__ import annotations

import difflib
import re
from typing import Any

import nir
import numpy as np

from snndeploy.errors import Problems, shortened
from snndeploy.export import nir_repairs
from snndeploy.export.nir_repairs import Repairs
from snndeploy.files import noting

# Other tools name nodes "0" and "1_LIFNeuronTorch"; otherwise the rule is snndeploy's own for names.
NODE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")

# Node type -> required parameters, optional parameters (the constructors and readers of nir 1.0.8).
NODE_TYPES: dict[str, tuple[str, str]] = {
    "Affine": ("weight bias", ""),
    "AvgPool2d": ("kernel_size stride padding", ""),
    "Conv1d": ("weight stride padding dilation groups bias", "input_shape"),
    "Conv2d": ("weight stride padding dilation groups bias", "input_shape"),
    "CubaLI": ("tau_syn tau_mem r v_leak", "w_in"),
    "CubaLIF": ("tau_syn tau_mem r v_leak v_threshold", "v_reset w_in"),
    "Delay": ("delay", ""),
    "Flatten": ("", "input_type start_dim end_dim"),
    "I": ("r", ""),
    "IF": ("r v_threshold", "v_reset"),
    "Input": ("shape", ""),
    "LI": ("tau r v_leak", ""),
    "LIF": ("tau r v_leak v_threshold", "v_reset"),
    "Linear": ("weight", ""),
    "NIRGraph": ("nodes edges", ""),
    "Output": ("shape", ""),
    "Scale": ("scale", ""),
    "SumPool2d": ("kernel_size stride padding", ""),
    "Threshold": ("threshold", ""),
}
NEURONS = ("CubaLI", "CubaLIF", "IF", "LI", "LIF")
WEIGHT_AXES = {"Affine": "out, in", "Linear": "out, in", "Conv1d": "out, in, k", "Conv2d": "out, in, kh, kw"}
# Parameters that are whole numbers -> the least that makes sense.
INTEGERS = {
    "shape": 1,
    "input_shape": 1,
    "input_type": 0,  # old files have zeros: not known
    "kernel_size": 1,
    "stride": 1,
    "dilation": 1,
    "groups": 1,
    "padding": 0,
    "start_dim": -32,
    "end_dim": -32,
}
POSITIVE = ("tau", "tau_syn", "tau_mem", "v_threshold", "threshold")


def graph_of(tree: dict[str, Any], problems: Problems, repairs: Repairs, place: str = "") -> nir.NIRGraph | None:
    """The NIR graph that `tree` (type, nodes, edges, metadata) describes; None where there were problems.

    Its shapes are not looked at. What is missing and can be meant in one way only is put in, and noted in `repairs`.
    """
    before = len(problems.found)
    where = place or "/node"
    if not _has_parameters("NIRGraph", tree, where, problems):
        return None
    if not isinstance(tree["nodes"], dict):
        problems.add(where, "'nodes' is data, expected a group")
        return None
    if not tree["nodes"]:
        problems.add(where, "the graph has no nodes")
        return None
    tree = nir_repairs.regroup(tree, place, repairs)
    nodes = {}
    for name, node in tree["nodes"].items():
        inside = f"{place}.{name}" if place else name
        good = NODE_NAME.fullmatch(name) is not None
        problems.require(good, inside[:64], "not a node name: expected letters, digits, '_', '.', '-', at most 128")
        nodes[name] = _node_of(node, inside, problems, repairs)
    alike: dict[str, list[str]] = {}
    for name in nodes:
        alike.setdefault(name.casefold(), []).append(name)
    for names in alike.values():
        same = shortened(names)
        problems.require(len(names) == 1, where, f"node names that differ in upper and lower case only: {same}")
    edges = _edges(tree["edges"], nodes, f"{place}.edges" if place else "edges", problems)
    if edges is not None:
        _check_ends(tree["nodes"], edges, _ports(nodes), place, problems)
    if len(problems.found) > before or edges is None:
        return None
    return nir.NIRGraph(nodes, edges, tree.get("metadata", {}), type_check=False)


def _node_of(node: Any, place: str, problems: Problems, repairs: Repairs) -> nir.NIRNode | None:
    if not isinstance(node, dict):
        problems.add(place, "is data, expected a group that describes a node")
        return None
    kind = node.get("type")
    if not isinstance(kind, str):
        problems.add(place, "has no 'type'" if kind is None else "'type' is not one text")
        return None
    if kind not in NODE_TYPES:
        near = difflib.get_close_matches(kind[:64], NODE_TYPES, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        problems.add(place, f"unknown node type {kind[:64]!r}; {hint}NIR has {', '.join(NODE_TYPES)}")
        return None
    if kind == "NIRGraph":
        return graph_of(node, problems, repairs, place)
    before = len(problems.found)
    if _has_parameters(kind, node, place, problems):
        for name, value in node.items():
            if name not in ("type", "metadata"):
                _check_parameter(name, value, f"{place}.{name}", problems)
    if len(problems.found) == before:
        _check_shapes(kind, node, place, problems)
    built = None
    if len(problems.found) == before:
        with noting(problems, place):
            whole = nir_repairs.filled_in(node, NODE_TYPES[kind][1], place, repairs)
            built = nir.dict2NIRNode({**whole, "input_shape": None} if "input_shape" in whole else whole)
            if "input_shape" in whole:  # afterwards: nir infers an output from it, which is wrong or impossible
                built.input_shape = whole["input_shape"]
    return built


def _has_parameters(kind: str, node: dict[str, Any], place: str, problems: Problems) -> bool:
    required, optional = (names.split() for names in NODE_TYPES[kind])
    known = {*required, *optional, "type", "metadata"}
    missing = [name for name in required if name not in node]
    extra = sorted(node.keys() - known)
    for name in missing:
        problems.add(place, f"parameter {name!r} of {kind} is missing")
    for name in extra:
        near = ", ".join(required + optional) or "none"
        problems.add(place, f"{kind} has no parameter {name!r}; it has {near}")
    mapping = isinstance(node.get("metadata", {}), dict)
    problems.require(mapping, place, "'metadata' is data, expected a group")
    return mapping and not missing and not extra


def _check_parameter(name: str, value: Any, place: str, problems: Problems) -> None:
    if name == "padding" and isinstance(value, str) and value in ("same", "valid"):
        return
    if not isinstance(value, np.ndarray | np.generic):
        found = "a group" if isinstance(value, dict) else "text"
        problems.add(place, f"expected numbers, found {found}")
        return
    array = np.asarray(value)
    if array.size == 0:
        problems.add(place, f"expected numbers, found none (shape {array.shape})")
    elif name not in INTEGERS:
        finite = problems.require_all(array, np.isfinite(array), place, "expected finite numbers")
        if finite and name in POSITIVE:
            problems.require_all(array, array > 0, place, "expected numbers above 0")
        elif finite and name == "delay":
            problems.require_all(array, array >= 0, place, "expected numbers from 0 on")
    elif array.dtype.kind not in "iu":
        problems.add(place, f"expected whole numbers, found {array.dtype}")
    else:
        problems.require_all(array, array >= INTEGERS[name], place, f"expected at least {INTEGERS[name]}")


def _check_shapes(kind: str, node: dict[str, Any], place: str, problems: Problems) -> None:
    shapes = {name: np.shape(value) for name, value in node.items() if name not in ("type", "metadata")}
    if kind in WEIGHT_AXES:
        axes, found = WEIGHT_AXES[kind], shapes["weight"]
        rank = len(axes.split())
        text = f"expected {rank} dimensions ({axes}), found {len(found)}: {found}"
        ranked = problems.require(len(found) == rank, f"{place}.weight", text)
        if ranked and shapes["bias" if "bias" in shapes else "weight"] not in ((), found, found[:1]):
            problems.add(
                f"{place}.bias", f"expected shape {found[:1]} like the outputs of weight, found {shapes['bias']}"
            )
        if ranked and "groups" in node:
            groups = node["groups"]
            fits = np.ndim(groups) == 0 and found[0] % groups == 0
            problems.require(fits, f"{place}.groups", f"expected a divisor of the {found[0]} outputs, found {groups}")
    for name in ("shape", "input_type"):
        if name in shapes:
            text = f"expected a list of sizes, found shape {shapes[name]}"
            problems.require(len(shapes[name]) == 1, f"{place}.{name}", text)
    if kind in NEURONS:
        one = {shape for name, shape in shapes.items() if name != "w_in" or shape != ()}
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        problems.require(len(one) == 1, place, f"parameters of one neuron must have one shape, found {listed}")


def _edges(value: Any, nodes: dict[str, Any], place: str, problems: Problems) -> list[tuple[str, str]] | None:
    if isinstance(value, np.ndarray) and value.size == 0:  # an empty list has no dtype of its own
        value = []
    if not isinstance(value, list):
        problems.add(place, "expected rows of two node names, found numbers" if np.shape(value) else "expected a list")
        return None
    if not value:
        problems.add(place, f"none between {len(nodes)} nodes")
        return None
    before = len(problems.found)
    known = nodes.keys() | _ports(nodes).keys()
    seen: dict[tuple[str, str], int] = {}
    for row, edge in enumerate(value):
        if not isinstance(edge, list) or len(edge) != 2 or not all(isinstance(end, str) for end in edge):
            problems.add(place, f"row {row}: expected two node names, found shape {np.shape(value)} in all")
            return None
        source, target = edge
        written = f"row {row} ({source[:64]} -> {target[:64]})"
        for end in dict.fromkeys(edge):
            problems.require(end in known, place, f"{written}: no node {end[:64]!r}")
        first = seen.setdefault((source, target), row)
        problems.require(first == row, place, f"{written}: the same edge as row {first}")
    return list(seen) if len(problems.found) == before else None


def _ports(nodes: dict[str, Any]) -> dict[str, str]:
    """The ports of graphs among `nodes` as an edge can name them, GRAPH.PORT -> the name of the graph."""
    graphs = {name: node for name, node in nodes.items() if isinstance(node, nir.NIRGraph)}
    return {f"{name}.{own}": name for name, node in graphs.items() for own in (*node.inputs, *node.outputs)}


def _check_ends(
    nodes: dict[str, Any], edges: list[tuple[str, str]], ports: dict[str, str], place: str, problems: Problems
) -> None:
    """Without these nir would invent nodes: an input and an output, and nodes that something flows into and out of."""
    kinds = {name: node.get("type") if isinstance(node, dict) else None for name, node in nodes.items()}
    absent = [kind for kind in ("Input", "Output") if kind not in kinds.values()]
    if absent:
        problems.add(place or "/node", f"the graph has no {' and no '.join(absent)} node")
        return
    sources, targets = ({ports.get(edge[side], edge[side]) for edge in edges} for side in (0, 1))
    for name in (name for name, kind in kinds.items() if kind is not None):
        leaves = name in sources or kinds[name] == "Output"
        enters = name in targets or kinds[name] == "Input"
        missing = " or ".join(verb for verb, there in (("enters", enters), ("leaves", leaves)) if not there)
        problems.require(not missing, f"{place}.{name}" if place else name, f"no edge {missing} this node")
