"""The NIR graph of a model while forward is followed, and how to run the model beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import nir
import numpy as np

from snndeploy.errors import Problems
from snndeploy.export.names import legal
from snndeploy.network import Floats


@dataclass
class Graph:
    """The graph in parts.

    `paths`: node -> module path or function; `neurons`: node -> path of the module that has its spikes. `arguments`:
    arguments of forward that hold states -> (node, state), None where one is not used. `inputs`: argument of forward ->
    Input node. `returned`: (node, part) of every tensor that forward returns, flattened; `outputs`: the neurons among
    them. `factors`: what a neuron multiplies its spikes with. `steps`: the time steps that one call of forward makes,
    taken from `axis` of each input, None where every step gets the same input.
    """

    problems: Problems
    dt: float
    nodes: dict[str, nir.NIRNode] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    resets: dict[str, str] = field(default_factory=dict)
    delays: dict[tuple[str, str], int] = field(default_factory=dict)
    neurons: dict[str, str] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, tuple[str, str] | None] = field(default_factory=dict)
    returned: list[tuple[str, str]] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    factors: dict[str, Floats] = field(default_factory=dict)
    steps: int = 1
    axis: int | None = None
    _folded: dict[str, str] = field(default_factory=dict)

    def add(self, path: str, node: nir.NIRNode, sources: Sequence[str], shapes: tuple[Any, Any]) -> str:
        """Add `node`, that makes shapes[1] of shapes[0], and the edges from `sources`.

        Returns its name, legal, made from `path` and not taken yet.
        """
        name = first = legal(path, type(node).__name__)
        count = 1
        while name in self.nodes:
            count += 1
            name = f"{first}.{count}"
        if not isinstance(node, nir.Input | nir.Output | nir.Flatten):
            # nir takes the first kernel size for all, and no notice of groups.
            node.input_type = {"input": np.array(shapes[0])}
            node.output_type = {"output": np.array(shapes[1])}
        self.nodes[name] = node
        self.paths[name] = path
        self.edges += [(source, name) for source in sources]
        return name

    def sources(self, name: str) -> list[str]:
        """The nodes that an edge leads from to `name`."""
        return [source for source, target in self.edges if target == name]

    def spiking(self, name: str, path: str, reset: str) -> None:
        """Say that `name` is a neuron, and has the spikes of the module `path`."""
        self.resets[name] = reset
        self.neurons[name] = path

    def fold(self, old: str, new: str) -> None:
        """Say that `new` was made of `old`, which is left out if nothing else uses it."""
        self._folded[new] = old
        self.paths[new] = self.paths[old]

    def finish(self) -> None:
        """Leave out the nodes that were folded into others, which take their names; report others that lead nowhere."""
        for new, old in reversed(self._folded.items()):
            if not any(source == old for source, _ in self.edges):
                self._remove(old)
                self._rename(new, old)
        used = {edge[0] for edge in self.edges if edge not in self.delays} | set(self.outputs)
        for name in sorted(self.nodes.keys() - used):
            what = "its input" if isinstance(self.nodes[name], nir.Input) else f"the result of {self.paths[name]!r}"
            self.problems.add("forward", f"{what} is not used; use it, or leave it out")
        if self.problems.found:
            return
        for output in self.outputs:
            shape = self.nodes[output].output_type["output"]
            name = "output" if output == self.outputs[0] else f"output.{output}"
            self.add(name, nir.Output(np.array(shape)), [output], (shape, shape))

    def _remove(self, name: str) -> None:
        del self.nodes[name], self.paths[name]
        self.edges = [edge for edge in self.edges if edge[1] != name]

    def _rename(self, old: str, new: str) -> None:
        self.nodes = {new if name == old else name: node for name, node in self.nodes.items()}
        self.paths[new] = self.paths.pop(old)
        self.edges = [(new if a == old else a, new if b == old else b) for a, b in self.edges]
