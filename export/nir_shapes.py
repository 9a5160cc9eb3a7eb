"""The shape of what flows along every edge of a NIR graph, from its Inputs on: mistakes named, or repaired by name.

A neuron, a weight, a convolution with an input shape say what they take; the rest follows from what arrives. nir's own
inference is not used: it takes the height of a kernel for its width too, and a group's channels for all.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import nir
import numpy as np

from snndeploy.errors import Problems
from snndeploy.export import loops
from snndeploy.export.inline import Opened, opened
from snndeploy.export.nir_repairs import Repairs

CONVOLUTIONS = (nir.Conv1d, nir.Conv2d)
POOLS = (nir.SumPool2d, nir.AvgPool2d)
WEIGHTS = (nir.Affine, nir.Linear)
STATEFUL = (nir.CubaLI, nir.CubaLIF, nir.I, nir.IF, nir.LI, nir.LIF)
# Nodes that do something to every element -> their parameters, of one value each.
ELEMENTWISE = {
    nir.CubaLI: ("tau_syn", "tau_mem", "r", "v_leak", "w_in"),
    nir.CubaLIF: ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in"),
    nir.Delay: ("delay",),
    nir.I: ("r",),
    nir.IF: ("r", "v_threshold", "v_reset"),
    nir.LI: ("tau", "r", "v_leak"),
    nir.LIF: ("tau", "r", "v_leak", "v_threshold", "v_reset"),
    nir.Scale: ("scale",),
    nir.Threshold: ("threshold",),
}
LOOKS = 2**16  # at edges behind Inputs: beyond, their shapes are taken as they are
BATCH = "a leading axis of length 1, which nothing before it has, is taken off"

Shape = tuple[int, ...]


def resolve(graph: nir.NIRGraph, problems: Problems, repairs: Repairs) -> None:
    """Fill in the types of all nodes of `graph` and of the graphs in it; report edges whose ends do not fit.

    Repairs what can be meant in one way only: missing input shapes, ports whose shape is not that of what they join,
    leading axes that nothing else has. Raises BadInput with all problems.
    """
    found = opened(graph, problems)
    _check_loops(found, problems)
    problems.raise_if_any()
    walk = _Walk(found, problems, repairs)
    walk.run()
    problems.raise_if_any()
    for name, node in found.nodes.items():
        node.input_type = {"input": np.array(walk.takes[name])}
        node.output_type = {"output": np.array(walk.gives[name])}
    _update(graph)


def _check_loops(found: Opened, problems: Problems) -> None:
    """Report a loop in which nothing has a state: its values would depend on themselves."""
    stateless = {name for name, node in found.nodes.items() if not isinstance(node, STATEFUL) and not _delays(node)}
    loop = loops.cycle(stateless, found.edges)
    if loop:
        problems.add(loops.shown(loop), "a loop without a neuron; put a neuron into the loop")


def _delays(node: nir.NIRNode) -> bool:
    return isinstance(node, nir.Delay) and bool((node.delay > 0).all())


def _update(graph: nir.NIRGraph) -> None:
    """Let every graph in `graph`, and itself, take its types from its ports."""
    for node in graph.nodes.values():
        if isinstance(node, nir.NIRGraph):
            _update(node)
    graph.__post_init__()


class _Walk:
    """Follows the edges, first from the Inputs, then from nodes that they do not reach."""

    def __init__(self, found: Opened, problems: Problems, repairs: Repairs) -> None:
        self.nodes, self.ports, self.problems, self.repairs = found.nodes, found.ports, problems, repairs
        self.edges = sorted(found.edges)
        self.leaving: dict[str, list[str]] = {name: [] for name in found.nodes}
        for source, target in self.edges:
            self.leaving[source].append(target)
        self.looks = LOOKS
        self.takes: dict[str, Shape] = {}
        self.gives: dict[str, Shape] = {}

    def run(self) -> None:
        inputs = [n for n, node in sorted(self.nodes.items()) if isinstance(node, nir.Input) and n not in self.ports]
        for name in inputs:
            self.enter(name, self.input_shape(name))
        self.follow(inputs)
        for name, node in sorted(self.nodes.items()):
            shape = wanted(node)
            if name not in self.takes and shape is not None and name not in self.ports:
                self.enter(name, shape)
                self.follow([name])
        self.problems.raise_if_any()
        for name in sorted(self.nodes.keys() - self.takes.keys()):
            self.problems.add(name, "its shape cannot be told: no Input leads to it")
        self.problems.raise_if_any()
        for source, target in self.edges:
            given, taken = self.gives[source], self.takes[target]
            text = f"the first gives the shape {given}, the second takes {taken}{self.hint(target, given)}"
            self.problems.require(given == taken, f"{source} -> {target}", text)

    def input_shape(self, name: str) -> Shape:
        """The shape of an outer Input: as it says, or without leading axes that nothing behind it has."""
        declared = wanted(self.nodes[name]) or ()
        behind = self.behind(name)
        shapes = {shape for node in behind if (shape := wanted(node)) is not None}
        if len(shapes) == 1:
            (shape,) = shapes
        elif not shapes and declared[:1] == (1,) and all(_rank(node) == len(declared) - 1 for node in behind):
            shape = declared[1:]
        else:
            return declared
        if len(shape) < len(declared) and declared[-len(shape) :] == shape:
            self.repairs.add(f"the shape {declared} is read as {shape}, which what follows takes", name)
            return shape
        return declared

    def behind(self, name: str) -> list[nir.NIRNode]:
        """The nodes that `name` leads to, through ports of inner graphs."""
        found, seen, waiting = list[nir.NIRNode](), set[str](), list(self.leaving[name])
        while waiting and self.looks > 0:
            self.looks -= 1
            target = waiting.pop()
            if target in seen:
                continue
            seen.add(target)
            if target in self.ports:
                waiting += self.leaving[target]
            else:
                found.append(self.nodes[target])
        return found

    def follow(self, names: list[str]) -> None:
        """Carry shapes on from nodes that have one, to those that have none yet."""
        waiting = deque(names)
        while waiting:
            source = waiting.popleft()
            for target in self.leaving[source]:
                if target not in self.takes and source in self.gives:
                    self.enter(target, self.arrived(target, self.gives[source]))
                    waiting.append(target)

    def enter(self, name: str, shape: Shape) -> None:
        """Node `name` takes `shape`; what it gives follows."""
        self.takes[name] = shape
        try:
            self.gives[name] = given(self.nodes[name], shape)
        except ValueError as error:
            self.problems.add(name, str(error))

    def arrived(self, name: str, shape: Shape) -> Shape:
        """What node `name` takes where `shape` arrives, repaired where one reading only is left."""
        node, own = self.nodes[name], wanted(self.nodes[name])
        if isinstance(node, CONVOLUTIONS) and own is None and len(shape) == _rank(node):
            node.input_shape = np.array(shape[1:]) if isinstance(node, nir.Conv2d) else shape[1]
            self.repairs.add("without input_shape, inferred from what arrives", name)
            return (wanted(node) or shape)[:1] + shape[1:]
        if own == shape or own is None:
            return shape
        if name in self.ports or (isinstance(node, nir.Output) and own[-len(shape) :] == shape):
            self.repairs.add(f"the shape {own} is read as {shape}, which arrives", name)
            return shape
        if isinstance(node, nir.Flatten) and not all(own):
            return self.flattened(name, node, shape, len(own))
        if own == (1, *shape) and type(node) in ELEMENTWISE:
            for key in ELEMENTWISE[type(node)]:
                setattr(node, key, np.reshape(getattr(node, key), shape))
            self.repairs.add(BATCH, name)
            return shape
        return own

    def flattened(self, name: str, node: nir.Flatten, shape: Shape, rank: int) -> Shape:
        """What a Flatten takes that says only how many axes it had, maybe one of a batch in front."""
        if rank == len(shape) + 1:
            node.start_dim, node.end_dim = (max(d - 1, 0) if d >= 0 else d for d in (node.start_dim, node.end_dim))
            self.repairs.add(f"{BATCH}, and its axes are counted without it", name)
        elif rank != len(shape):
            self.problems.add(name, f"has {rank} axes without lengths, where the shape {shape} arrives")
        self.repairs.add("without the lengths of its axes, inferred from what arrives", name)
        return shape

    def hint(self, name: str, shape: Shape) -> str:
        node = self.nodes[name]
        turned = isinstance(node, WEIGHTS) and shape == np.shape(node.weight)[:1]
        return "; is its weight transposed? NIR has (outputs, inputs)" if turned else ""


def wanted(node: nir.NIRNode) -> Shape | None:
    """The shape that a node says it takes; None where it does not say."""
    if type(node) in ELEMENTWISE:
        return _whole(np.shape(getattr(node, ELEMENTWISE[type(node)][0])))
    if isinstance(node, WEIGHTS):
        return (int(np.shape(node.weight)[-1]),)
    if isinstance(node, CONVOLUTIONS):
        channels = int(np.shape(node.weight)[1]) * int(node.groups)
        return None if node.input_shape is None else (channels, *_whole(node.input_shape))
    if isinstance(node, POOLS) or node.input_type["input"] is None:
        return None
    return _whole(node.input_type["input"])


def given(node: nir.NIRNode, shape: Shape) -> Shape:
    """The shape that a node gives where it takes `shape`. Raises ValueError where it cannot take it."""
    if isinstance(node, WEIGHTS):
        return (int(np.shape(node.weight)[0]),)
    if isinstance(node, nir.Flatten):
        rank = len(shape)
        good = -rank <= node.start_dim < rank and -rank <= node.end_dim < rank
        start, end = int(node.start_dim) % rank, int(node.end_dim) % rank
        if not good or start > end:
            raise ValueError(f"there are no axes {node.start_dim} to {node.end_dim} in the shape {shape}")
        return (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])
    if isinstance(node, (*CONVOLUTIONS, *POOLS)):
        if len(shape) != _rank(node):
            raise ValueError(f"takes {_rank(node)} axes (channels first), the shape {shape} arrives")
        pool = isinstance(node, POOLS)
        kernel = node.kernel_size if pool else np.shape(node.weight)[2:]
        channels = shape[0] if pool else int(np.shape(node.weight)[0])
        return (channels, *_places(node, shape[1:], kernel, 1 if pool else node.dilation))
    return shape


def _places(node: Any, lengths: Shape, kernel: Any, dilation: Any) -> list[int]:
    """How often a kernel fits along each axis."""
    axes = len(lengths)
    if isinstance(node.padding, str) and node.padding == "same":
        if _axes("stride", node.stride, axes) != [1] * axes:
            raise ValueError("padding 'same' needs a stride of 1")
        return list(lengths)
    padding = 0 if isinstance(node.padding, str) else node.padding
    values = {"kernel_size": kernel, "stride": node.stride, "padding": padding, "dilation": dilation}
    places = []
    for length, k, s, p, d in zip(lengths, *(_axes(key, value, axes) for key, value in values.items()), strict=True):
        places.append((length + 2 * p - d * (k - 1) - 1) // s + 1)
    if min(places) < 1:
        raise ValueError(f"its kernel does not fit into {lengths} with its padding")
    return places


def _axes(key: str, value: Any, axes: int) -> list[int]:
    """`value`, one number or one for each axis, for each axis."""
    numbers = [int(number) for number in np.ravel(value)]
    if len(numbers) not in (1, axes):
        raise ValueError(f"{key}: expected one number or {axes}, found {len(numbers)}")
    return numbers * axes if len(numbers) == 1 else numbers


def _rank(node: nir.NIRNode) -> int:
    """How many axes a convolution or a pool takes, the channels among them; 0 for other nodes."""
    return 2 if isinstance(node, nir.Conv1d) else 3 if isinstance(node, (nir.Conv2d, *POOLS)) else 0


def _whole(values: Any) -> Shape:
    return tuple(int(value) for value in np.ravel(values))
