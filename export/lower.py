"""NIR to Network: seconds become time steps, weights between neurons become projections.

Everything between two populations (Affine, Linear, Flatten, sums at a fan-in) is linear, so it is composed into one
matrix for each pair of populations and delay, and all biases on the way into one bias for each population. Nothing
depends on the order of the nodes in the graph, which HDF5 does not keep.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import nir
import numpy as np

from snndeploy.errors import Problems, shortened
from snndeploy.export import composition, metadata, nir_neurons
from snndeploy.export.composition import ENDS, POPULATIONS, STATELESS, WEIGHTS, Edge, shape
from snndeploy.export.names import legal, shortened_name
from snndeploy.export.nir_neurons import Neuron
from snndeploy.network import Floats, Network, Population, Projection

DEFAULT_DT = 1e-4  # seconds: what snnTorch 1.0.0 writes (export_nir.py)
BLOCK = 2**16  # numbers: half a MiB, so that a product stays in a processor's cache
SUPPORTED = (nir.Input, nir.Output, *STATELESS, *nir_neurons.CLASSES)

Key = tuple[str, str, int]  # source, target, delay in steps


@dataclass(frozen=True)
class _Signal:
    """What a node sends, flattened, as a linear function of what populations sent.

    `terms` gives for (source, delay in steps) the matrix (size, source's size), None for the identity.
    """

    size: int
    terms: Mapping[tuple[str, int], Floats | None] = field(default_factory=dict)
    bias: Floats | float = 0.0


def lower(graph: nir.NIRGraph, dt: float | None = None, where: str = "NIR graph") -> Network:
    """The Network that `graph` describes, with names of populations from its nodes and projections `SOURCE-TARGET`.

    The time step in seconds comes from our metadata, else from `dt`, else it is 1e-4; reset kinds and delays come from
    the metadata. What is assumed instead is said in `notes`. Raises BadInput, all problems together, for everything
    that cannot be kept exactly; `where` leads its lines.
    """
    problems, notes = Problems(where), list[str]()
    said = metadata.read(graph, problems)
    step = _time_step(said, dt, problems, notes)
    _check_structure(graph, problems)
    problems.raise_if_any()
    cells = {}
    for name, node in sorted(graph.nodes.items()):
        if isinstance(node, nir_neurons.CLASSES) and (cell := nir_neurons.from_nir(name, node, step, problems)):
            cells[name] = cell
    problems.raise_if_any()
    order, delays = composition.stateless_order(graph, problems), said.delays if said else {}
    composition.check(graph, order, delays, said is None, problems)
    problems.raise_if_any()
    signals = _signals(graph, order, delays, problems)
    problems.raise_if_any()
    weights = _weights(signals, cells, said is None, notes)
    (input_name,) = (name for name, node in graph.nodes.items() if isinstance(node, nir.Input))
    (output_name,) = (name for name, node in graph.nodes.items() if isinstance(node, nir.Output))
    output = _read_out(output_name, signals[output_name], cells.keys(), problems)
    problems.raise_if_any()
    names = {name: legal(name, type(graph.nodes[name]).__name__) for name in (input_name, *cells)}
    notes += [f"the node {old!r} is the population {new!r}" for old, new in names.items() if old != new]
    if said is None:
        notes.append(
            "NIR does not say the reset kind: assumed 'zero' (v becomes 0 on the spiking step) for all neurons"
        )
    populations = [Population(names[input_name], shape(graph.nodes[input_name]), "input")]
    for name, cell in cells.items():
        reset = said.resets[name] if said else "zero"
        populations.append(_population(names[name], cell, signals[name].bias, reset))
    projections = _named(weights, names)
    draft = Network(tuple(populations), projections, (names[output],), step, tuple(notes))
    network = Network(tuple(map(draft.population, draft.order())), draft.projections, draft.outputs, step, draft.notes)
    network.check(where)
    return network


def _time_step(said: metadata.Metadata | None, dt: float | None, problems: Problems, notes: list[str]) -> float:
    if dt is not None and not (math.isfinite(dt) and dt > 0):
        problems.add("dt", f"expected seconds above 0, found {dt}")
        return DEFAULT_DT
    if said is not None:
        agree = dt is None or dt == said.dt
        problems.require(agree, "dt", f"the graph was exported with {said.dt} s, not {dt} s; leave dt out")
        return said.dt
    if dt is None:
        notes.append(f"NIR does not say the time step: assumed {DEFAULT_DT} s")
    return DEFAULT_DT if dt is None else dt


def _check_structure(graph: nir.NIRGraph, problems: Problems) -> None:
    names = ", ".join(kind.__name__ for kind in SUPPORTED)
    for name, node in sorted(graph.nodes.items()):
        if isinstance(node, nir.NIRGraph):
            problems.add(name, "a graph in the graph is not supported; put its nodes into the graph itself")
        else:
            problems.require(
                type(node) in SUPPORTED, name, f"{type(node).__name__} is not supported; supported: {names}"
            )
    for kind in (nir.Input, nir.Output):
        found = sorted(name for name, node in graph.nodes.items() if isinstance(node, kind))
        problems.require(
            len(found) == 1, "", f"expected one {kind.__name__}, found {len(found)}: {shortened(found)}".rstrip(": ")
        )
    edges = Counter((str(source), str(target)) for source, target in graph.edges)
    for source, target in sorted(edges):
        for end in {source, target} - graph.nodes.keys():
            problems.add(f"{source} -> {target}", f"an edge of a node {end!r} that is not in the graph")
        problems.require(edges[source, target] == 1, f"{source} -> {target}", "the edge is there twice")
    sources, targets = {source for source, _ in edges}, {target for _, target in edges}
    for name, node in sorted(graph.nodes.items()):
        if isinstance(node, nir.Input):
            problems.require(name not in targets, name, "an edge leads into the Input")
        elif isinstance(node, SUPPORTED):
            problems.require(name in targets, name, "no edge leads to it; connect it or leave it out")
        if isinstance(node, STATELESS):
            problems.require(name in sources, name, "no edge leaves it; connect it or leave it out")
        if isinstance(node, nir.Output):
            problems.require(name not in sources, name, "an edge leaves the Output")
        if isinstance(node, WEIGHTS):
            found = np.shape(node.weight)
            text = f"expected (outputs, inputs), found the shape {found}"
            problems.require(len(found) == 2, f"{name}.weight", text)


def _signals(
    graph: nir.NIRGraph, order: list[str], delays: Mapping[Edge, int], problems: Problems
) -> dict[str, _Signal]:
    """What arrives at each neuron and at the Output, and what leaves each other node."""
    sources = composition.sources(graph)
    sent = {name: _population_signal(name, node) for name, node in graph.nodes.items() if isinstance(node, POPULATIONS)}
    for name in order:
        sent[name] = _transformed(name, graph.nodes[name], _sum(name, sources[name], sent, delays, problems), problems)
    arriving = {}
    for name, node in sorted(graph.nodes.items()):
        if isinstance(node, ENDS):
            signal = arriving[name] = _sum(name, sources[name], sent, delays, problems)
            expected = math.prod(shape(node))
            problems.require(signal.size == expected, name, f"expected {expected} values, {signal.size} arrive")
    return {**sent, **arriving}


def _population_signal(name: str, node: nir.NIRNode) -> _Signal:
    return _Signal(math.prod(shape(node)), {(name, 0): None})


def _sum(
    name: str, sources: list[str], sent: Mapping[str, _Signal], delays: Mapping[Edge, int], problems: Problems
) -> _Signal:
    """The sum of what `sources` send to `name`, each delayed as its edge says."""
    total: dict[tuple[str, int], Floats | None] = {}
    bias: Floats | float = 0.0
    sizes = {sent[source].size for source in sources}
    if not problems.require(len(sizes) == 1, name, f"signals of different sizes are added: {sorted(sizes)}"):
        return _Signal(max(sizes))
    (size,) = sizes
    for source in sources:
        delay = delays.get((source, name), 0)
        late = delay > 0 and bool(np.any(sent[source].bias))
        problems.require(not late, f"{source} -> {name}", "a delay behind a bias; put it on the edge before the bias")
        bias = bias + sent[source].bias
        for (origin, steps), matrix in sent[source].terms.items():
            key = (origin, steps + delay)
            total[key] = _dense(total[key], size) + _dense(matrix, size) if key in total else matrix
    return _Signal(size, total, bias)


def _transformed(name: str, node: nir.NIRNode, signal: _Signal, problems: Problems) -> _Signal:
    """What the stateless `node` makes of `signal`."""
    if isinstance(node, nir.Flatten):
        return signal  # signals are flat already, in the same (C) order
    weight = np.asarray(node.weight, np.float64)
    offset = np.asarray(getattr(node, "bias", np.zeros(weight.shape[0])), np.float64)
    outputs, inputs = weight.shape
    good = [
        problems.require(
            bool(np.isfinite(array).all()), f"{name}.{key}", "expected finite numbers, found NaN or infinity"
        )
        for key, array in (("weight", weight), ("bias", offset))
    ]
    text = f"expected the shape ({outputs},), found {offset.shape}"
    good.append(problems.require(offset.shape == (outputs,), f"{name}.bias", text))
    good.append(problems.require(signal.size == inputs, name, f"expected {inputs} values, {signal.size} arrive"))
    if not all(good):
        return _Signal(outputs)
    terms = {k: weight if matrix is None else _product(weight, matrix) for k, matrix in signal.terms.items()}
    passed = np.zeros(outputs)
    if np.any(signal.bias):
        passed = _product(weight, np.broadcast_to(signal.bias, inputs)[:, None])[:, 0]
    return _Signal(outputs, terms, passed + offset)


def _product(a: Floats, b: Floats) -> Floats:
    """The matrix product, summed in one order: BLAS has another on every machine, and artifacts must be the same."""
    total = np.zeros((a.shape[0], b.shape[1]))
    count = max(1, BLOCK // max(1, b.shape[1]))
    for start in range(0, len(a), count):
        rows = slice(start, start + count)
        for column, row in zip(a[rows].T, b, strict=True):
            total[rows] += np.outer(column, row)
    return total


def _weights(
    signals: Mapping[str, _Signal], cells: Mapping[str, Neuron], assume: bool, notes: list[str]
) -> dict[Key, Floats]:
    """The weights into every neuron node by source, target and delay, gains multiplied in."""
    found: dict[Key, Floats] = {}
    for target, cell in cells.items():
        for (source, given), matrix in signals[target].terms.items():
            delay = given
            if source == target and given == 0 and assume:
                delay = 1
                notes.append(f"NIR does not say the delay of the loop of {target!r} to itself: assumed one step")
            found[source, target, delay] = cell.gain.reshape(-1, 1) * _dense(matrix, signals[target].size)
    return found


def _named(weights: Mapping[Key, Floats], names: Mapping[str, str]) -> tuple[Projection, ...]:
    """The projections, sorted: `SOURCE-TARGET`, with `.DELAY` where there are several between the two."""
    pairs = Counter((source, target) for source, target, _ in weights)
    projections, taken = list[Projection](), set[str]()
    for (source, target, delay), matrix in sorted(weights.items(), key=lambda item: item[0]):
        several = f".{delay}" if pairs[source, target] > 1 else ""
        source, target = names[source], names[target]
        name = f"{source}-{target}{several}"
        if name in taken:  # the names of populations may hold "-" and "." too
            name = shortened_name(name, f"{source} {target} {delay}")
        taken.add(name)
        projections.append(Projection(name, source, target, matrix, delay))
    return tuple(projections)


def _read_out(name: str, signal: _Signal, populations: Collection[str], problems: Problems) -> str:
    """The population whose spikes the Output takes as they are."""
    terms = list(signal.terms.items())
    (source, delay), matrix = terms[0] if terms else (("", 0), None)
    direct = len(terms) == 1 and matrix is None and delay == 0 and source in populations
    problems.require(
        direct, name, "expected the spikes of one neuron node, and nothing in between; end the graph with a neuron"
    )
    return source


def _population(name: str, cell: Neuron, arriving_bias: Floats | float, reset: str) -> Population:
    bias = cell.gain * np.broadcast_to(arriving_bias, cell.gain.size).reshape(cell.gain.shape) + cell.bias
    parameters = {"alpha": cell.alpha, "beta": cell.beta, "threshold": cell.threshold}
    return Population(name, cell.gain.shape, "lif", parameters, bias if bias.any() else None, reset)


def _dense(matrix: Floats | None, size: int) -> Floats:
    return np.eye(size) if matrix is None else matrix
