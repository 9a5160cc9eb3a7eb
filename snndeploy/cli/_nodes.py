"""What a chip does with every node of a graph: what lowering tells of it, and the integers that became of that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import nir

from snndeploy.artifact import Artifact
from snndeploy.cli._report import input_line
from snndeploy.errors import shortened
from snndeploy.export.origins import Origins
from snndeploy.network import Network
from snndeploy.program import Input, Projection

SHOWN = 2  # projections of one node


def nodes_of(graph: nir.NIRGraph, lead: str = "") -> Iterator[tuple[str, nir.NIRNode]]:
    """All nodes of a graph by their full names, those of graphs in it behind each."""
    for name, node in graph.nodes.items():
        yield lead + name, node
        if isinstance(node, nir.NIRGraph):
            yield from nodes_of(node, f"{lead}{name}.")


class Fates:
    """Puts into words what became of a node: lowering's report, and the artifact of the network that it gave."""

    def __init__(self, network: Network, origins: Origins, artifact: Artifact) -> None:
        self.origins, self.artifact = origins, artifact
        self.populations = {p.name: p for p in network.populations}
        self.projections = {q.name: q for q in network.projections}
        self.given = _inverse(origins.weights)
        self.biases = _inverse(origins.biases)
        self.parts: dict[str, list[Projection]] = {}  # those of the program by the name of the network's
        self.alone: dict[str, list[str]] = {}  # populations that send to another without weights
        for part in artifact.program.projections:
            name = part.name if part.name in self.projections else part.name.rpartition(".")[0]  # "a-b", "a-b.2"
            self.parts.setdefault(name, []).append(part)
        for q in network.projections:
            if not origins.weights[q.name]:
                self.alone.setdefault(q.target, []).append(repr(q.source))

    def of(self, name: str, node: nir.NIRNode) -> str:
        """What became of the node `name`."""
        told = self.origins
        if name in told.populations:
            return self._population(told.populations[name], name)
        if name in told.outputs:
            read = told.outputs[name]
            what = "v" if self.populations[read].neuron == "li" else "the spikes"
            start = _count(self.artifact.program.end(read).start, "step")
            return f"output: {what} of {read!r}, {start} after the input"
        found = []
        if name in told.delays:
            span = _span(*told.delays[name])
            found.append(f"{span} step{'s' * (span != '1')} of delay")
        if name in told.composed:
            found.append(f"composed into {shortened([repr(into) for into in told.composed[name]])}")
        weights, biases = self.given.get(name, []), self.biases.get(name, [])
        found += map(self._weights, weights[:SHOWN])
        found += map(self._bias, biases[:SHOWN])
        more = len(weights[SHOWN:]) + len(biases[SHOWN:])
        found += [f"and {more} more"] if more else []
        return "; ".join(found) or _structure(node)

    def _population(self, name: str, node: str) -> str:
        entry = self.artifact.program.end(name)
        if isinstance(entry, Input):
            return f"input {input_line(entry)}"
        cores = sum(core.population == name for core in self.artifact.placement.cores)
        called = "" if name == node else f" {name!r}"
        text = f"population{called} of {_count(entry.size, f'{entry.neuron} neuron')}, {_count(cores, 'neurocore')}"
        found = [text]
        gain = _span(*(f"{end:.3g}" for end in self.origins.gains[node]))
        if gain != "1":
            found.append(f"gain {gain} in its weights")
        if node in self.origins.leaks:
            found.append("v_leak as bias")
        if alone := self.alone.get(name):
            found.append(f"one to one from {shortened(alone)}")
        return "; ".join(found)

    def _weights(self, name: str) -> str:
        """A projection of the network in the integers that it became."""
        q, parts = self.projections[name], self.parts[name]
        exponents = " and ".join(str(part.exponent) for part in parts)
        each = f"{parts[0].weight_bits} bits, exponent{'s' * (len(parts) > 1)} {exponents}"
        later = parts[0].delay - q.delay  # so that paths of several lengths meet
        wait = f", {_count(later, 'more step')} of delay" if later > 0 else ""
        return f"{q.kind} weights {name!r}: {each}{wait}"

    def _bias(self, population: str) -> str:
        program = self.artifact.program
        built_in = {entry.name for entry in program.inputs if entry.kind == "one"}
        sent = any(q.source in built_in and q.target == population for q in program.projections)
        return f"bias of {population!r}{', sent in every step' if sent else ''}"


def _inverse(made_of: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """What each node gave something to."""
    found: dict[str, list[str]] = {}
    for made, nodes in made_of.items():
        for node in dict.fromkeys(nodes):
            found.setdefault(node, []).append(made)
    return found


def _structure(node: nir.NIRNode) -> str:
    """What became of a node that lowering does not tell of, for nothing is left of it."""
    if isinstance(node, nir.NIRGraph):
        return f"inlined: {len(node.nodes)} nodes"
    if isinstance(node, nir.Input | nir.Output):
        return "taken out: its edges are joined"
    return "no synapses: only another shape"


def _span(least: object, most: object) -> str:
    return f"{least}" if least == most else f"{least} to {most}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
