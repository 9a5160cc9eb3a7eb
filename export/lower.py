"""NIR to Network: seconds become time steps, weights between neurons become projections.

Everything between two populations (Affine, Linear, convolutions, pools, Flatten, sums at a fan-in) is linear, so it is
composed into one map (`snndeploy.export.linear`) for each pair of populations and delay, and all biases on the way into
one bias for each population. Nothing depends on the order of the nodes in the graph, which HDF5 does not keep.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import nir
import numpy as np

from snndeploy import arguments
from snndeploy.errors import Problems, shortened
from snndeploy.export import composition, metadata, nir_neurons, nir_repairs
from snndeploy.export.composition import ENDS, POPULATIONS, STATELESS, WEIGHTS, Edge, Steps, common_shape, shape
from snndeploy.export.inline import inline
from snndeploy.export.linear import Budget, Linear, added, applied, between, composed, diagonal, identity
from snndeploy.export.names import legal, shortened_name
from snndeploy.export.nir_neurons import Neuron
from snndeploy.export.nir_shapes import ELEMENTWISE
from snndeploy.network import Floats, Network, Population, Projection

DEFAULT_DT = 1e-4  # seconds: what snnTorch 1.0.0 writes (export_nir.py)
ROUNDED = 2.0**-20  # relative: what a delay in seconds may differ from whole steps, for those stored as float32
SUPPORTED = (nir.Input, nir.Output, *STATELESS, *nir_neurons.CLASSES)

Key = tuple[str, str, int]  # source, target, delay in steps


@dataclass(frozen=True)
class _Signal:
    """What a node sends, of the given shape, as a linear function of what populations sent.

    `terms` gives for (source, delay in steps) the map, None for the identity.
    """

    shape: tuple[int, ...]
    terms: Mapping[tuple[str, int], Linear | None] = field(default_factory=dict)
    bias: Floats | float = 0.0

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def lower(graph: nir.NIRGraph, dt: float | None = None, where: str = "NIR graph") -> Network:
    """The Network that `graph` describes, with names of populations from its nodes and projections `SOURCE-TARGET`.

    The time step in seconds comes from our metadata, else from `dt`, else it is 1e-4; reset kinds and delays come from
    the metadata. What is assumed instead is said in `notes`. Raises BadInput, all problems together, for everything
    that cannot be kept exactly; `where` leads its lines.
    """
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
    notes += _casts(graph, problems)
    cells = {}
    for name, node in sorted(graph.nodes.items()):
        if isinstance(node, nir_neurons.CLASSES) and (cell := nir_neurons.from_nir(name, node, step, problems)):
            cells[name] = cell
    late = {n: _steps(n, node, step, problems) for n, node in graph.nodes.items() if isinstance(node, nir.Delay)}
    problems.raise_if_any()
    order, delays = composition.stateless_order(graph, problems), said.delays if said else {}
    maps = composition.check(graph, order, delays, said is None, problems, late)
    problems.raise_if_any()
    budget = Budget(problems)
    signals = _signals(graph, order, delays, maps, late, budget)
    problems.raise_if_any()
    weights = _weights(signals, cells, shapes, said is None, notes, budget)
    composition.check_kernels([(f"{key[0]} -> {key[1]}", own) for key, own in weights.items()], problems)
    inputs, outputs = (_of_kind(graph, kind) for kind in (nir.Input, nir.Output))
    read = [_read_out(name, signals[name], cells.keys(), problems) for name in outputs]
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
        populations.append(_population(names[name], cell, signals[name].bias, reset))
    projections = _named(weights, names)
    heard = tuple(dict.fromkeys(names[name] for name in read))
    draft = Network(tuple(populations), projections, heard, step, tuple(notes))
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


def _casts(graph: nir.NIRGraph, problems: Problems) -> list[str]:
    """A line for each type of numbers that is neither float64 nor float32, whose numbers are taken as float64."""
    places: dict[str, list[str]] = {}
    for name, node in sorted(graph.nodes.items()):
        for key in ("weight", "bias", *ELEMENTWISE.get(type(node), ())):
            array = np.asarray(getattr(node, key, 0.0))
            if array.dtype not in (np.float64, np.float32):
                places.setdefault(str(array.dtype), []).append(f"{name}.{key}")
                exact = (array >= -(2**53)) & (array <= 2**53) if array.dtype.kind in "iu" else np.isfinite(array)
                problems.require_all(array, exact, f"{name}.{key}", "expected numbers that float64 holds, to 2**53")
    return [f"numbers of {dtype} are taken as float64: {shortened(found)}" for dtype, found in places.items()]


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


def _signals(
    graph: nir.NIRGraph,
    order: list[str],
    delays: Mapping[Edge, int],
    maps: Mapping[str, Linear],
    late: Mapping[str, Steps],
    budget: Budget,
) -> dict[str, _Signal]:
    """What arrives at each neuron and at the Output, and what leaves each other node."""
    problems = budget.problems
    sources = composition.sources(graph)
    sent = {name: _population_signal(name, node) for name, node in graph.nodes.items() if isinstance(node, POPULATIONS)}
    for name in order:
        node, signal = graph.nodes[name], _sum(name, sources[name], sent, delays, budget)
        if name in late:
            sent[name] = _delayed(name, late[name], signal, budget)
            continue
        own = maps.get(name) or _own_map(name, node, signal, problems)
        sent[name] = _transformed(name, node, own, signal, budget)
    arriving = {}
    for name, node in sorted(graph.nodes.items()):
        if isinstance(node, ENDS):
            signal = arriving[name] = _sum(name, sources[name], sent, delays, budget)
            expected = math.prod(shape(node))
            problems.require(signal.size == expected, name, f"expected {expected} values, {signal.size} arrive")
    return {**sent, **arriving}


def _population_signal(name: str, node: nir.NIRNode) -> _Signal:
    return _Signal(shape(node), {(name, 0): None})


def _sum(
    name: str, sources: list[str], sent: Mapping[str, _Signal], delays: Mapping[Edge, int], budget: Budget
) -> _Signal:
    """The sum of what `sources` send to `name`, each delayed as its edge says."""
    problems = budget.problems
    total: dict[tuple[str, int], Linear | None] = {}
    bias: Floats | float = 0.0
    sizes = {sent[source].size for source in sources}
    out = common_shape([sent[source].shape for source in sources])
    if not problems.require(len(sizes) == 1, name, f"signals of different sizes are added: {sorted(sizes)}"):
        return _Signal(out)
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
    return _Signal(out, total, bias)


def _own_map(name: str, node: nir.NIRNode, signal: _Signal, problems: Problems) -> Linear | None:
    """The matrix of an Affine or a Linear, where it can act on `signal`; None of a Flatten."""
    if not isinstance(node, WEIGHTS):
        return None
    weight = np.asarray(node.weight, np.float64)
    finite = bool(np.isfinite(weight).all())
    problems.require(finite, f"{name}.weight", "expected finite numbers, found NaN or infinity")
    inputs = weight.shape[1]
    problems.require(signal.size == inputs, name, f"expected {inputs} values, {signal.size} arrive")
    return Linear(weight, signal.shape, weight.shape[:1])


def _transformed(name: str, node: nir.NIRNode, own: Linear | None, signal: _Signal, budget: Budget) -> _Signal:
    """What the stateless `node` makes of `signal`: `own`, and its bias."""
    if own is None:
        return _Signal((signal.size,), signal.terms, signal.bias)  # Flatten keeps the order (C)
    offset = _offset(name, node, own, budget.problems)
    if budget.problems.found:
        return _Signal(own.target)
    terms = {key: own if term is None else composed(own, term, name, budget) for key, term in signal.terms.items()}
    if np.any(signal.bias):
        offset = applied(own, np.broadcast_to(signal.bias, signal.size), name, budget) + offset
    return _Signal(own.target, terms, offset)


def _delayed(name: str, steps: Steps, signal: _Signal, budget: Budget) -> _Signal:
    """`signal`, each of its values as many steps later as `steps` says."""
    problems = budget.problems
    if not problems.require(signal.size == steps.size, name, f"expected {steps.size} values, {signal.size} arrive"):
        return _Signal(signal.shape)
    early = not np.any((steps > 0) & (signal.bias != 0))
    problems.require(early, name, "a delay behind a bias; put it before the bias")
    terms: dict[tuple[str, int], Linear | None] = {}
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
    return _Signal(signal.shape, terms, signal.bias)


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


def _weights(
    signals: Mapping[str, _Signal],
    cells: Mapping[str, Neuron],
    shapes: Mapping[str, tuple[int, ...]],
    assume: bool,
    notes: list[str],
    budget: Budget,
) -> dict[Key, Linear]:
    """The weights into every neuron node by source, target and delay, gains multiplied in."""
    found: dict[Key, Linear] = {}
    for target, cell in cells.items():
        for (source, given), own in signals[target].terms.items():
            delay = given
            if source == target and given == 0 and assume:
                delay = 1
                notes.append(f"NIR does not say the delay of the loop of {target!r} to itself: assumed one step")
            brought = between(own or identity(shapes[target]), shapes[source], shapes[target], target, budget)
            found[source, target, delay] = brought.scaled(cell.gain, target, budget)
    return found


def _named(weights: Mapping[Key, Linear], names: Mapping[str, str]) -> tuple[Projection, ...]:
    """The projections, sorted: `SOURCE-TARGET`, with `.DELAY` where there are several between the two."""
    pairs = Counter((source, target) for source, target, _ in weights)
    projections, taken = list[Projection](), set[str]()
    for (source, target, delay), own in sorted(weights.items(), key=lambda item: item[0]):
        several = f".{delay}" if pairs[source, target] > 1 else ""
        source, target = names[source], names[target]
        name = f"{source}-{target}{several}"
        if name in taken:  # the names of populations may hold "-" and "." too
            name = shortened_name(name, f"{source} {target} {delay}")
        taken.add(name)
        projections.append(Projection(name, source, target, own.weights, delay, own.kind, own.extra))
    return tuple(projections)


def _read_out(name: str, signal: _Signal, populations: Collection[str], problems: Problems) -> str:
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
