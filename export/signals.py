"""What every node of a NIR graph sends, as linear functions of what populations sent: composed, added, delayed.

Each step tells `snndeploy.export.origins` what it made of a node.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import nir
import numpy as np

from snndeploy.errors import Problems
from snndeploy.export import composition
from snndeploy.export.composition import ENDS, POPULATIONS, WEIGHTS, Edge, Steps, common_shape, shape
from snndeploy.export.linear import Budget, Linear, added, applied, composed, diagonal, identity
from snndeploy.export.origins import BIAS, By, Origins, Term
from snndeploy.network import Floats


@dataclass(frozen=True)
class Signal:
    """What a node sends, of the given shape, as a linear function of what populations sent.

    `terms` gives for (source, delay in steps) the map, None for the identity; `by` the nodes whose weights that has.
    """

    shape: tuple[int, ...]
    terms: Mapping[Term, Linear | None] = field(default_factory=dict)
    bias: Floats | float = 0.0
    by: By = field(default_factory=dict)

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def signals(
    graph: nir.NIRGraph,
    order: list[str],
    delays: Mapping[Edge, int],
    maps: Mapping[str, Linear],
    late: Mapping[str, Steps],
    budget: Budget,
    origins: Origins,
) -> dict[str, Signal]:
    """What arrives at each neuron and at the Output, and what leaves each other node."""
    problems = budget.problems
    sources = composition.sources(graph)
    sent = {name: _population_signal(name, node) for name, node in graph.nodes.items() if isinstance(node, POPULATIONS)}
    for name in order:
        node, signal = graph.nodes[name], _sum(name, sources[name], sent, delays, budget)
        if name in late:
            sent[name] = _delayed(name, late[name], signal, budget, origins)
            continue
        own = maps.get(name) or _own_map(name, node, signal, problems)
        sent[name] = _transformed(name, node, own, signal, budget, origins)
    arriving = {}
    for name, node in sorted(graph.nodes.items()):
        if isinstance(node, ENDS):
            signal = arriving[name] = _sum(name, sources[name], sent, delays, budget)
            expected = math.prod(shape(node))
            problems.require(signal.size == expected, name, f"expected {expected} values, {signal.size} arrive")
    return {**sent, **arriving}


def _population_signal(name: str, node: nir.NIRNode) -> Signal:
    return Signal(shape(node), {(name, 0): None})


def _sum(
    name: str, sources: list[str], sent: Mapping[str, Signal], delays: Mapping[Edge, int], budget: Budget
) -> Signal:
    """The sum of what `sources` send to `name`, each delayed as its edge says."""
    problems = budget.problems
    total: dict[Term, Linear | None] = {}
    by: dict[Term, dict[str, None]] = {}
    bias: Floats | float = 0.0
    sizes = {sent[source].size for source in sources}
    out = common_shape([sent[source].shape for source in sources])
    if not problems.require(len(sizes) == 1, name, f"signals of different sizes are added: {sorted(sizes)}"):
        return Signal(out)
    for source in sources:
        delay = delays.get((source, name), 0)
        late = delay > 0 and bool(np.any(sent[source].bias))
        problems.require(not late, f"{source} -> {name}", "a delay behind a bias; put it on the edge before the bias")
        bias = bias + sent[source].bias
        for (origin, steps), own in sent[source].terms.items():
            key = (origin, steps + delay)
            if key in total:
                total[key] = added(total[key] or identity(out), own or identity(out), name, budget)
            else:
                total[key] = own
            by.setdefault(key, {}).update(dict.fromkeys(sent[source].by.get((origin, steps), ())))
        by.setdefault(BIAS, {}).update(dict.fromkeys(sent[source].by.get(BIAS, ())))
    return Signal(out, total, bias, {term: tuple(nodes) for term, nodes in by.items()})


def _own_map(name: str, node: nir.NIRNode, signal: Signal, problems: Problems) -> Linear | None:
    """The matrix of an Affine or a Linear, where it can act on `signal`; None of a Flatten."""
    if not isinstance(node, WEIGHTS):
        return None
    weight = np.asarray(node.weight, np.float64)
    finite = bool(np.isfinite(weight).all())
    problems.require(finite, f"{name}.weight", "expected finite numbers, found NaN or infinity")
    inputs = weight.shape[1]
    problems.require(signal.size == inputs, name, f"expected {inputs} values, {signal.size} arrive")
    return Linear(weight, signal.shape, weight.shape[:1])


def _transformed(
    name: str, node: nir.NIRNode, own: Linear | None, signal: Signal, budget: Budget, origins: Origins
) -> Signal:
    """What the stateless `node` makes of `signal`: `own`, and its bias."""
    by = origins.passed(name, signal.by, [*signal.terms, BIAS], has_weights=own is not None)
    if own is None:
        return Signal((signal.size,), signal.terms, signal.bias, by)  # Flatten keeps the order (C)
    offset = _offset(name, node, own, budget.problems)
    if budget.problems.found:
        return Signal(own.target)
    terms = {key: own if term is None else composed(own, term, name, budget) for key, term in signal.terms.items()}
    if np.any(signal.bias):
        offset = applied(own, np.broadcast_to(signal.bias, signal.size), name, budget) + offset
    by[BIAS] = (name,) if np.any(offset) else ()
    return Signal(own.target, terms, offset, by)


def _delayed(name: str, steps: Steps, signal: Signal, budget: Budget, origins: Origins) -> Signal:
    """`signal`, each of its values as many steps later as `steps` says."""
    problems = budget.problems
    if not problems.require(signal.size == steps.size, name, f"expected {steps.size} values, {signal.size} arrive"):
        return Signal(signal.shape)
    early = not np.any((steps > 0) & (signal.bias != 0))
    problems.require(early, name, "a delay behind a bias; put it before the bias")
    terms: dict[Term, Linear | None] = {}
    origins.delays[name] = int(steps.min()), int(steps.max())
    by = origins.passed(name, signal.by, [*signal.terms, BIAS], has_weights=steps.min() < steps.max())
    behind = {BIAS: by[BIAS]}
    for step in np.unique(steps).tolist():
        own = steps == step
        chosen = None if own.all() else diagonal(own.astype(np.float64), signal.shape)
        for (origin, before), term in signal.terms.items():
            kept = term
            if chosen is not None:
                kept = chosen if term is None else composed(chosen, term, name, budget)
            key = (origin, before + step)
            if key in terms:  # delays that add up to the same number of steps
                everything = identity(signal.shape)
                kept = added(terms[key] or everything, kept or everything, name, budget)
            terms[key] = kept
            behind[key] = by[origin, before]
    return Signal(signal.shape, terms, signal.bias, behind)


def _offset(name: str, node: nir.NIRNode, own: Linear, problems: Problems) -> Floats:
    """The bias of a node, flat: one for each output, or for each channel of a convolution."""
    channels = own.target[:1]
    offset = np.asarray(getattr(node, "bias", np.zeros(channels)), np.float64)
    finite = bool(np.isfinite(offset).all())
    problems.require(finite, f"{name}.bias", "expected finite numbers, found NaN or infinity")
    text = f"expected the shape {channels}, found {offset.shape}"
    if not problems.require(offset.shape == channels, f"{name}.bias", text):
        return np.zeros(math.prod(own.target))
    return np.repeat(offset, math.prod(own.target[1:]))
