"""What lowering a NIR graph takes, from its edges and shapes alone: refused before anything is allocated.

Every neuron gets one matrix for each population and delay that reaches it. On the way there are identities (neurons
that are connected without weights), the arrays of the file, and products and sums of both, which must be made.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import nir
import numpy as np

from snndeploy.errors import Problems, shortened
from snndeploy.export import nir_conv, nir_neurons
from snndeploy.export.linear import Linear

WEIGHTS = (nir.Affine, nir.Linear)
MAPS = (*nir_conv.CONVS, *nir_conv.POOLS)
STATELESS = (*WEIGHTS, *MAPS, nir.Flatten)
POPULATIONS = (nir.Input, *nir_neurons.CLASSES)
ENDS = (nir.Output, *nir_neurons.CLASSES)

MAX_WEIGHTS = 2**24  # of one matrix that is made, which is dense: 128 MiB of float64
MAX_ALL_WEIGHTS = 2**27  # of all matrices of a graph: 1 GiB of float64, as much as a file may hold
MAX_WORK = 2**31  # multiplications in products: about two seconds
TERM = 2**12  # weights: what a matrix costs at least, so that there are at most 2**15 of them
LOOP = 2**12  # multiplications: what one of the outer products costs at least that a product is made of
IDENTITY, GIVEN, MADE, LISTED = range(4)  # LISTED: a convolution or single synapses, which `linear` counts
SPARSE, MATRIX = {IDENTITY, LISTED}, {GIVEN, MADE}

Edge = tuple[str, str]
Term = tuple[str, int]  # population, delay in steps


def shape(node: nir.NIRNode) -> tuple[int, ...]:
    """The shape of an Input, an Output or a neuron."""
    found = node.input_type["input"] if isinstance(node, (nir.Input, nir.Output)) else np.shape(node.v_threshold)
    return tuple(int(length) for length in found)


def sources(graph: nir.NIRGraph) -> dict[str, list[str]]:
    """For every node those that an edge leads from, sorted."""
    found: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for source, target in sorted(graph.edges):
        found[target].append(source)
    return found


def stateless_order(graph: nir.NIRGraph, problems: Problems) -> list[str]:
    """The nodes between neurons, each after those that send to it. Raises BadInput where they are in a loop."""
    waiting = {name for name, node in sorted(graph.nodes.items()) if isinstance(node, STATELESS)}
    edges = {(str(source), str(target)) for source, target in graph.edges if {source, target} <= waiting}
    order, left = _sorted(waiting, edges)
    if left:
        text = "a loop without a neuron, or nodes behind one; put a neuron into the loop"
        problems.add(shortened(sorted(left)), text)
        problems.raise_if_any()
    return order


def check(
    graph: nir.NIRGraph, order: Collection[str], delays: Mapping[Edge, int], assume: bool, problems: Problems
) -> dict[str, Linear]:
    """Report matrices that are too large, and loops without a delay; `assume` that a neuron's own has one.

    Returns the maps of the convolutions and pools.
    """
    maps: dict[str, Linear] = {}
    costs = _Costs(problems)
    entering = sources(graph)
    size = {name: math.prod(shape(node)) for name, node in graph.nodes.items() if isinstance(node, POPULATIONS)}
    sent: dict[str, dict[Term, int]] = {name: {(name, 0): IDENTITY} for name in size}
    shapes = {name: shape(node) for name, node in graph.nodes.items() if isinstance(node, POPULATIONS)}
    edges: set[Edge] = set()
    for name in (*order, *(name for name, node in sorted(graph.nodes.items()) if isinstance(node, ENDS))):
        node = graph.nodes[name]
        arriving: dict[Term, int] = {}
        arrives = common_shape([shapes[source] for source in entering[name]])
        columns = math.prod(arrives)
        for source in entering[name]:
            for (origin, steps), kind in sent[source].items():
                term = (origin, steps + delays.get((source, name), 0))
                if term in arriving:
                    kinds = {kind, arriving[term]}
                    kind = LISTED if kinds <= SPARSE and (LISTED in kinds or len(arrives) > 1) else MADE
                    costs.matrix(name, columns if kind == MADE else 0, size[origin], made=True)
                arriving[term] = kind
                costs.term()
        costs.raise_if_too_high()
        if isinstance(node, WEIGHTS):
            rows, columns = np.shape(node.weight)
            for (origin, _), kind in arriving.items():
                costs.matrix(name, rows, size[origin], made=kind != IDENTITY)
                costs.work += columns * (rows * size[origin] + LOOP) if kind in MATRIX else 0
            biased = any(kind != IDENTITY for kind in arriving.values())
            costs.work += columns * (rows + LOOP) if biased else 0
            sent[name] = {term: GIVEN if kind == IDENTITY else MADE for term, kind in arriving.items()}
            shapes[name] = (rows,)
        elif isinstance(node, MAPS):
            made = nir_conv.from_nir(name, node, arrives, problems)
            problems.raise_if_any()
            assert made is not None
            maps[name], shapes[name] = made, made.target
            costs.weights += made.weights.size
            sent[name] = {term: MADE if kind in MATRIX else LISTED for term, kind in arriving.items()}
            for (origin, _), kind in arriving.items():
                costs.matrix(name, math.prod(made.target) if kind in MATRIX else 0, size[origin], made=True)
        elif isinstance(node, nir.Flatten):
            sent[name], shapes[name] = arriving, (columns,)
        elif not isinstance(node, nir.Output):
            for (origin, steps), kind in arriving.items():
                listed = kind == LISTED or (kind == IDENTITY and len(arrives) > 1)
                costs.matrix(name, 0 if listed else size[name], size[origin], made=kind == IDENTITY)
                if steps == 0 and not (assume and origin == name):
                    edges.add((origin, name))
        costs.raise_if_too_high()
    _check_loops(edges, assume, problems)
    return maps


def common_shape(shapes: Collection[tuple[int, ...]]) -> tuple[int, ...]:
    """The shape of a sum: that of its parts, flat where they differ."""
    return next(iter(shapes)) if len(set(shapes)) == 1 else (max(map(math.prod, shapes)),)


@dataclass
class _Costs:
    problems: Problems
    weights: int = 0
    work: int = 0

    def term(self) -> None:
        self.weights += TERM

    def matrix(self, name: str, rows: int, columns: int, made: bool) -> None:
        """Count a matrix; report one that must be made and is too large."""
        self.weights += rows * columns
        text = f"a projection of {rows} x {columns} weights; at most {MAX_WEIGHTS} fit"
        self.problems.require(not made or rows * columns <= MAX_WEIGHTS, name, text)

    def raise_if_too_high(self) -> None:
        self.problems.raise_if_any()
        if self.weights > MAX_ALL_WEIGHTS:
            text = f"its projections, dense, take more than {MAX_ALL_WEIGHTS} weights, the limit"
            self.problems.add("", f"{text}; put weights between fewer or smaller populations")
        if self.work > MAX_WORK:
            text = f"multiplying its weights takes more than {MAX_WORK} multiplications, the limit"
            self.problems.add("", f"{text}; merge the Linear and Affine nodes that follow each other")
        self.problems.raise_if_any()


def _check_loops(edges: set[Edge], assume: bool, problems: Problems) -> None:
    """Report loops of projections without a delay, by the names of the populations on and between them."""
    names = {end for edge in edges for end in edge}
    _, behind = _sorted(names, edges)
    _, loop = _sorted(behind, {(target, source) for source, target in edges})
    why = "NIR does not say which projection waits a step" if assume else "the metadata gives none of its edges a delay"
    if loop:
        problems.add(
            shortened(sorted(loop)),
            f"a loop without a delay: {why}; export it with snndeploy, or give an edge a delay in the metadata",
        )


def _sorted(names: Collection[str], edges: Collection[Edge]) -> tuple[list[str], set[str]]:
    """`names` so that every edge between them goes forward, and those that are in a loop or behind one."""
    inside = [edge for edge in sorted(edges) if edge[0] in names and edge[1] in names]
    missing = Counter(target for _, target in inside)
    targets: dict[str, list[str]] = {name: [] for name in names}
    for source, target in inside:
        targets[source].append(target)
    ready = deque(sorted(name for name in names if not missing[name]))
    order = []
    while ready:
        name = ready.popleft()
        order.append(name)
        for target in targets[name]:
            missing[target] -= 1
            if not missing[target]:
                ready.append(target)
    return order, set(names) - set(order)
