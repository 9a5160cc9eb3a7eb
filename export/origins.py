"""What became of the nodes of a NIR graph in its Network, told by the passes of lowering while they do it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Term = tuple[str, int]  # a population, and the delay in steps after which what it sends arrives
BIAS = ("", -1)  # among the terms of a signal: its constant part
By = Mapping[Term, tuple[str, ...]]  # for every term of a signal the nodes whose weights it has, one behind a node


@dataclass
class Origins:
    """Names of nodes are those of the graph without graphs in it: `GRAPH.NODE`.

    `populations`: a neuron or Input -> its population. `composed`: a node between neurons -> those that its weights
    were multiplied or added into. `weights`: a projection -> the nodes that gave its weights, none for an identity.
    `biases`: a population -> the nodes that gave its bias. `delays`: a Delay -> its least and its most steps.
    `outputs`: an Output -> the population that it reads. `gains`: a neuron -> the least and the most that its r, w_in
    and time constants multiply its weights with; `leaks`: neurons whose v_leak became a bias.
    """

    populations: dict[str, str] = field(default_factory=dict)
    composed: dict[str, dict[str, None]] = field(default_factory=dict)
    weights: dict[str, tuple[str, ...]] = field(default_factory=dict)
    biases: dict[str, tuple[str, ...]] = field(default_factory=dict)
    delays: dict[str, tuple[int, int]] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    gains: dict[str, tuple[float, float]] = field(default_factory=dict)
    leaks: set[str] = field(default_factory=set)

    def passed(self, name: str, by: By, terms: Iterable[Term], has_weights: bool) -> dict[Term, tuple[str, ...]]:
        """Who made the `terms` that leave the node `name`, into which those in `by` arrive.

        That is the node itself where it has weights, or where it adds what several nodes send.
        """
        behind = {}
        for term in terms:
            nodes = by.get(term, ())
            new = has_weights or len(nodes) > 1
            for node in nodes if new else ():
                self.composed.setdefault(node, {})[name] = None
            behind[term] = (name,) if new and (nodes or term != BIAS) else nodes
        return behind
