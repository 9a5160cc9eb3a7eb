"""NIR to Network: seconds become time steps, weights between neurons become projections.

Everything between two populations (Affine, Linear, convolutions, pools, Flatten, sums at a fan-in) is linear, so it is
composed into one map (`snndeploy.export.linear`) for each pair of populations and delay, and all biases on the way into
one bias for each population. Nothing depends on the order of the nodes in the graph, which HDF5 does not keep.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping

import nir
import numpy as np

from snndeploy import arguments
from snndeploy.errors import Problems, shortened
from snndeploy.export import composition, metadata, nir_neurons, nir_repairs
from snndeploy.export.casts import casts
from snndeploy.export.composition import POPULATIONS, STATELESS, WEIGHTS, Steps, shape
from snndeploy.export.inline import inline
from snndeploy.export.linear import Budget, Linear, added, between, identity
from snndeploy.export.names import legal, shortened_name
from snndeploy.export.nir_neurons import Neuron
from snndeploy.export.origins import BIAS, Origins
from snndeploy.export.signals import Signal, signals
from snndeploy.network import Floats, Network, Population, Projection

DEFAULT_DT = 1e-4  # seconds: what snnTorch 1.0.0 writes (export_nir.py)
ROUNDED = 2.0**-20  # relative: what a delay in seconds may differ from whole steps, for those stored as float32
SUPPORTED = (nir.Input, nir.Output, *STATELESS, *nir_neurons.CLASSES)

Key = tuple[str, str, int]  # source, target, delay in steps


def lower(graph: nir.NIRGraph, dt: float | None = None, where: str = "NIR graph") -> Network:
    """The Network that `graph` describes, with names of populations from its nodes and projections `SOURCE-TARGET`.

    The time step in seconds comes from our metadata, else from `dt`, else it is 1e-4; reset kinds and delays come from
    the metadata. What is assumed instead is said in `notes`. Raises BadInput, all problems together, for everything
    that cannot be kept exactly; `where` leads its lines.
    """
    return lowered(graph, dt, where)[0]


def lowered(graph: nir.NIRGraph, dt: float | None = None, where: str = "NIR graph") -> tuple[Network, Origins]:
    """What `lower` gives, and what became of each node."""
    arguments.require("graph", graph, nir.NIRGraph, "a NIR graph", arguments.GRAPH)
    arguments.require("dt", dt, (*arguments.REAL, type(None)), "seconds")
    problems = Problems(where)
    repaired = nir_repairs.read(graph.metadata, problems)
    graph, inlined = inline(graph, problems)
    notes = repaired + inlined
    said = metadata.read(graph, problems)
    step = _time_step(said, dt, problems, notes)
    _check_structure(graph, problems)
    problems.raise_if_any()
    shapes = {name: shape(node) for name, node in graph.nodes.items() if isinstance(node, POPULATIONS)}
    composition.check_sizes(shapes.values(), problems)
    notes += casts(graph, problems)
    problems.raise_if_any()
    cells = {}
    for name, node in sorted(graph.nodes.items()):
        if isinstance(node, nir_neurons.CLASSES) and (cell := nir_neurons.from_nir(name, node, step, problems)):
            cells[name] = cell
    late = {n: _steps(n, node, step, problems) for n, node in graph.nodes.items() if isinstance(node, nir.Delay)}
    problems.raise_if_any()
    order, delays = composition.stateless_order(graph, problems), said.delays if said else {}
    maps = composition.check(graph, order, delays, said is None, problems, late)
    problems.raise_if_any()
    budget, origins = Budget(problems), Origins()
    arriving = signals(graph, order, delays, maps, late, budget, origins)
    problems.raise_if_any()
    weights, given = _weights(arriving, cells, shapes, said is None, notes, budget)
    composition.check_kernels([(f"{key[0]} -> {key[1]}", own) for key, own in weights.items()], problems)
    inputs, outputs = (_of_kind(graph, kind) for kind in (nir.Input, nir.Output))
    read = [_read_out(name, arriving[name], cells.keys(), problems) for name in outputs]
    problems.raise_if_any()
    names = {name: legal(name, type(graph.nodes[name]).__name__) for name in (*inputs, *cells)}
    for own in sorted(Counter(names.values()) - Counter(set(names.values()))):
        same = " and ".join(repr(name) for name in names if names[name] == own)
        problems.add(own, f"the nodes {same} would be populations of this name; rename all but one")
    problems.raise_if_any()
    notes += [f"the node {old!r} is the population {new!r}" for old, new in names.items() if old != new]
    read_by_v = [names[name] for name, cell in cells.items() if cell.threshold is None]
    notes += [f"{name!r} never spikes: read its v, {name}.v" for name in read_by_v]
    if said is None and any(isinstance(graph.nodes[name], nir_neurons.SPIKING) for name in cells):
        notes.append(
            "NIR does not say the reset kind: assumed 'zero' (v becomes 0 on the spiking step) for all neurons"
        )
    populations = [Population(names[name], shape(graph.nodes[name]), "input") for name in inputs]
    for name, cell in cells.items():
        reset = said.resets.get(name, "zero") if said else "zero"
        populations.append(_population(names[name], cell, arriving[name].bias, reset))
    projections = _named(weights, names)
    origins.populations = names
    origins.weights = {q.name: given[key] for key, q in projections.items()}
    origins.biases = {names[name]: arriving[name].by[BIAS] for name in cells}
    origins.gains = {name: (float(cell.gain.min()), float(cell.gain.max())) for name, cell in cells.items()}
    origins.leaks = {name for name, cell in cells.items() if np.any(cell.bias)}
    origins.outputs = {name: names[source] for name, source in zip(outputs, read, strict=True)}
    heard = tuple(dict.fromkeys(names[name] for name in read))
    draft = Network(tuple(populations), tuple(projections.values()), heard, step, tuple(notes))
    network = Network(tuple(map(draft.population, draft.order())), draft.projections, draft.outputs, step, draft.notes)
    network.check(where)
    return network, origins


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
        problems.require(type(node) in SUPPORTED, name, f"{type(node).__name__} is not supported; supported: {names}")
    for kind in (nir.Input, nir.Output):
        problems.require(bool(_of_kind(graph, kind)), "", f"expected one {kind.__name__} or more, found none")
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
        if isinstance(node, nir_neurons.INTEGRATORS):
            others = sorted(t for s, t in edges if s == name and not isinstance(graph.nodes.get(t), nir.Output))
            text = "sends numbers, no spikes: a node of this kind may lead to an Output only, not to "
            problems.require(not others, name, text + shortened(others))
        if isinstance(node, WEIGHTS):
            found = np.shape(node.weight)
            text = f"expected (outputs, inputs), found the shape {found}"
            problems.require(len(found) == 2, f"{name}.weight", text)


def _of_kind(graph: nir.NIRGraph, kind: type[nir.NIRNode]) -> list[str]:
    """The nodes of this kind, sorted: "output" is before "output.NEURON", and so the first output."""
    return sorted(name for name, node in graph.nodes.items() if isinstance(node, kind))


def _steps(name: str, node: nir.Delay, dt: float, problems: Problems) -> Steps:
    """A Delay in time steps, for each of its values."""
    delay = np.asarray(node.delay, np.float64).ravel()
    steps = np.where(np.isfinite(delay), delay, 0) / dt
    whole = np.abs(steps - np.rint(steps)) <= ROUNDED * np.maximum(steps, 1)
    good = np.isfinite(delay) & (delay >= 0) & (steps <= metadata.MAX_DELAY) & whole
    text = f"expected multiples of the time step of {dt} s, up to {metadata.MAX_DELAY} of them"
    problems.require_all(node.delay, good.reshape(np.shape(node.delay)), f"{name}.delay", text)
    return np.rint(np.where(good, steps, 0)).astype(np.int64)


def _weights(
    arriving: Mapping[str, Signal],
    cells: Mapping[str, Neuron],
    shapes: Mapping[str, tuple[int, ...]],
    assume: bool,
    notes: list[str],
    budget: Budget,
) -> tuple[dict[Key, Linear], dict[Key, tuple[str, ...]]]:
    """The weights into every neuron node by source, target and delay, gains multiplied in; the nodes that gave them."""
    found: dict[Key, Linear] = {}
    given: dict[Key, tuple[str, ...]] = {}
    for target, cell in cells.items():
        for (source, steps), own in arriving[target].terms.items():
            delay = steps
            if source == target and steps == 0 and assume:
                delay = 1
                notes.append(f"NIR does not say the delay of the loop of {target!r} to itself: assumed one step")
            brought = between(own or identity(shapes[target]), shapes[source], shapes[target], target, budget)
            brought = brought.scaled(cell.gain, target, budget)
            key = source, target, delay
            found[key] = added(found[key], brought, target, budget) if key in found else brought
            given[key] = (*given.get(key, ()), *arriving[target].by[source, steps])
    return found, given


def _named(weights: Mapping[Key, Linear], names: Mapping[str, str]) -> dict[Key, Projection]:
    """The projections, sorted: `SOURCE-TARGET`, with `.DELAY` where there are several between the two."""
    pairs = Counter((source, target) for source, target, _ in weights)
    projections, taken = dict[Key, Projection](), set[str]()
    for key, own in sorted(weights.items(), key=lambda item: item[0]):
        source, target, delay = key
        several = f".{delay}" if pairs[source, target] > 1 else ""
        source, target = names[source], names[target]
        name = f"{source}-{target}{several}"
        if name in taken:  # the names of populations may hold "-" and "." too
            name = shortened_name(name, f"{source} {target} {delay}")
        taken.add(name)
        projections[key] = Projection(name, source, target, own.weights, delay, own.kind, own.extra)
    return projections


def _read_out(name: str, signal: Signal, populations: Collection[str], problems: Problems) -> str:
    """The population whose spikes the Output takes as they are."""
    terms = list(signal.terms.items())
    (source, delay), own = terms[0] if terms else (("", 0), None)
    direct = len(terms) == 1 and own is None and delay == 0 and source in populations
    problems.require(
        direct, name, "expected what one neuron node sends, and nothing in between; end the graph with a neuron"
    )
    return source


def _population(name: str, cell: Neuron, arriving_bias: Floats | float, reset: str) -> Population:
    bias = cell.gain * np.broadcast_to(arriving_bias, cell.gain.size).reshape(cell.gain.shape) + cell.bias
    parameters, neuron = {"alpha": cell.alpha, "beta": cell.beta}, "li"
    if cell.threshold is not None:
        neuron, parameters["threshold"] = "lif", cell.threshold
    return Population(name, cell.gain.shape, neuron, parameters, bias if bias.any() else None, reset)
