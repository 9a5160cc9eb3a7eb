"""What lowering a NIR graph takes, from its edges and shapes alone: refused before anything is allocated.

Every neuron gets one matrix for each population and delay that reaches it. On the way there are identities (neurons
that are connected without weights), the arrays of the file, and products and sums of both, which must be made.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import nir
import numpy as np
from numpy.typing import NDArray

from snndeploy.errors import Problems, shortened
from snndeploy.export import loops, nir_conv, nir_neurons
from snndeploy.export.linear import Linear, diagonal
from snndeploy.export.loops import in_order

WEIGHTS = (nir.Affine, nir.Linear)
MAPS = (*nir_conv.CONVS, *nir_conv.POOLS, nir.Scale)
STATELESS = (*WEIGHTS, *MAPS, nir.Flatten, nir.Delay)
POPULATIONS = (nir.Input, *nir_neurons.CLASSES)
ENDS = (nir.Output, *nir_neurons.CLASSES)

MAX_WEIGHTS = 2**24  # of one matrix that is made, which is dense: 128 MiB of float64
MAX_ALL_WEIGHTS = 2**27  # of all matrices of a graph: 1 GiB of float64, as much as a file may hold
MAX_WORK = 2**31  # multiplications in products: about two seconds
MAX_VALUES = 2**24  # of all populations, and of all that convolutions, pools and Scales make: 128 MiB a parameter
MAX_KERNELS = 2**28  # places of kernels times values that they make: quantizing so many takes about four seconds
PLACE = 2**13  # values: what a place of a kernel costs at least
TERM = 2**12  # weights: what a matrix costs at least, so that there are at most 2**15 of them
LOOP = 2**12  # multiplications: what one of the outer products costs at least that a product is made of
IDENTITY, GIVEN, MADE, LISTED = range(4)  # LISTED: a convolution or single synapses, which `linear` counts
SPARSE, MATRIX = {IDENTITY, LISTED}, {GIVEN, MADE}

Edge = tuple[str, str]
Term = tuple[str, int]  # population, delay in steps
Steps = NDArray[np.int64]


def shape(node: nir.NIRNode) -> tuple[int, ...]:
    """The shape of an Input, an Output or a neuron."""
    if isinstance(node, (nir.Input, nir.Output)):
        return tuple(int(length) for length in node.input_type["input"])
    return tuple(np.shape(getattr(node, nir_neurons.PARAMETERS[type(node)][-1])))


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
    order, left = in_order(waiting, edges)
    if left:
        problems.add(loops.shown(loops.cycle(left, edges)), "a loop without a neuron; put a neuron into the loop")
        problems.raise_if_any()
    return order


def check_sizes(shapes: Collection[tuple[int, ...]], problems: Problems) -> None:
    """Report a graph of more values than memory has room for. Raises BadInput."""
    values = sum(map(math.prod, shapes))
    problems.require(values <= MAX_VALUES, "", f"its nodes hold {values} values, at most {MAX_VALUES} fit")
    problems.raise_if_any()


def check_kernels(maps: Collection[tuple[str, Linear]], problems: Problems) -> None:
    """Report convolutions whose kernels have too many places: sums go through them one by one. Raises BadInput."""
    convs = [(name, own.weights.shape[2:], own.target) for name, own in maps if own.kind == "conv"]
    costs = [math.prod(kernel) * (PLACE + math.prod(target)) for _, kernel, target in convs]
    if sum(costs) > MAX_KERNELS:
        name, kernel, target = convs[costs.index(max(costs))]
        text = f"its kernel has {' x '.join(map(str, kernel))} places, for {math.prod(target)} values"
        text += f": adding them up, with the graph's other kernels, takes more than {MAX_KERNELS} steps, the limit"
        problems.add(name, f"{text}; use smaller kernels: one that covers its whole source is a Linear")
    problems.raise_if_any()


def check(
    graph: nir.NIRGraph,
    order: Collection[str],
    delays: Mapping[Edge, int],
    assume: bool,
    problems: Problems,
    late: Mapping[str, Steps] | None = None,
) -> dict[str, Linear]:
    """Report matrices that are too large, and loops without a delay; `assume` that a neuron's own has one.

    `late` are the steps of Delay nodes, one for each of their values. Returns the maps of the convolutions,
    pools and Scales.
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
            is_scale = isinstance(node, nir.Scale)
            made = (_scale if is_scale else nir_conv.from_nir)(name, node, arrives, problems)
            problems.raise_if_any()
            assert made is not None
            maps[name], shapes[name] = made, made.target
            costs.weights += made.weights.size
            sent[name] = {term: MADE if kind in MATRIX else LISTED for term, kind in arriving.items()}
            for (origin, _), kind in arriving.items():
                costs.matrix(name, math.prod(made.target) if kind in MATRIX else 0, size[origin], made=True)
        elif isinstance(node, nir.Flatten):
            sent[name], shapes[name] = arriving, (columns,)
        elif isinstance(node, nir.Delay):
            own = np.unique((late or {})[name]).tolist()
            sent[name], shapes[name] = {}, arrives
            for (origin, steps), kind in arriving.items():
                parted = MADE if kind in MATRIX else LISTED
                for step in own:
                    costs.matrix(name, columns if kind in MATRIX else 0, size[origin], made=len(own) > 1)
                    costs.term()
                    sent[name][origin, steps + step] = parted if len(own) > 1 else kind
                    costs.raise_if_too_high()
        elif not isinstance(node, nir.Output):
            for (origin, steps), kind in arriving.items():
                listed = kind == LISTED or (kind == IDENTITY and len(arrives) > 1)
                costs.matrix(name, 0 if listed else size[name], size[origin], made=kind == IDENTITY)
                if steps == 0 and not (assume and origin == name):
                    edges.add((origin, name))
        costs.raise_if_too_high()
    check_sizes([own.target for own in maps.values()], problems)
    check_kernels(maps.items(), problems)
    _check_loops(edges, assume, problems)
    return maps


def _scale(name: str, node: nir.Scale, arriving: tuple[int, ...], problems: Problems) -> Linear | None:
    """Each value times its own factor."""
    factors = np.asarray(node.scale, np.float64)
    finite = bool(np.isfinite(factors).all())
    problems.require(finite, f"{name}.scale", "expected finite numbers, found NaN or infinity")
    fits = factors.size == math.prod(arriving)
    problems.require(fits, name, f"expected {factors.size} values, {math.prod(arriving)} arrive")
    return diagonal(factors.ravel(), arriving) if finite and fits else None


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
    _, behind = in_order(names, edges)
    _, loop = in_order(behind, {(target, source) for source, target in edges})
    why = "NIR does not say which projection waits a step" if assume else "the metadata gives none of its edges a delay"
    if loop:
        problems.add(
            shortened(sorted(loop)),
            f"a loop without a delay: {why}; export it with snndeploy, or give an edge a delay in the metadata",
        )
