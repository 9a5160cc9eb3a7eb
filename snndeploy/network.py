"""Network: populations and projections in float64, with one explicit time step. No bits, no chips.

Time in a Network is that of the float model: a projection with `delay` 0 acts in the step of its source's spike, one
with `delay` D acts D steps later (every loop has at least one such projection).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from snndeploy.errors import BadInput, Problems
from snndeploy.projections import Parts
from snndeploy.registry import part, parts
from snndeploy.values import check_names, frozen_array, frozen_mapping

Floats = NDArray[np.float64]

# What the membrane potential v does after a spike. They are different neurons, and NIR cannot tell them apart.
RESETS = {
    "zero": "v becomes 0 on the spiking step",
    "zero-next": "the whole step after a spike is swallowed: v is 0 after it",
    "subtract": "the threshold is subtracted on the spiking step, as snnTorch does it without a delay",
    "subtract-next": "the undecayed threshold is subtracted one step later",
    "none": "v is not reset",
}

# Parameters of each neuron: name -> (what must hold, the test).
Rule = tuple[str, Callable[[Floats], NDArray[np.bool_]]]
INTEGRATOR: dict[str, Rule] = {
    # What is left of the synaptic current and of the membrane potential after a step.
    "alpha": ("0 <= alpha < 1", lambda x: (x >= 0) & (x < 1)),
    "beta": ("0 <= beta <= 1", lambda x: (x >= 0) & (x <= 1)),
}
NEURONS: dict[str, dict[str, Rule]] = {
    "input": {},
    "lif": {**INTEGRATOR, "threshold": ("threshold > 0", lambda x: x > 0)},
    "li": INTEGRATOR,
}


@dataclass(frozen=True)
class Population:
    """Neurons of one kind. `lif`: i = alpha*i + x + bias; v = beta*v + i; a spike where v > threshold; then `reset`.

    `li`: i and v as `lif`, no spikes: it sends nothing, and is read.

    `parameters` and `bias` are float64 of the population's shape; the bias is a constant current in every step.
    """

    name: str
    shape: tuple[int, ...]
    neuron: str
    parameters: Mapping[str, Floats] = field(default_factory=dict)
    bias: Floats | None = None
    reset: str = "zero"

    def __post_init__(self) -> None:
        parameters = {k: frozen_array(np.broadcast_to(v, self.shape), np.float64) for k, v in self.parameters.items()}
        object.__setattr__(self, "parameters", frozen_mapping(parameters))
        if self.bias is not None:
            object.__setattr__(self, "bias", frozen_array(np.broadcast_to(self.bias, self.shape), np.float64))

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Projection:
    """Synapses from one population to another, of one kind: `weights` are float64, in the shape of the kind.

    Kinds and their `extra` arrays are those of a Program (`snndeploy.projections`): strides, indices, further delays.
    """

    name: str
    source: str
    target: str
    weights: Floats
    delay: int = 0
    kind: str = "dense"
    extra: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", frozen_array(self.weights, np.float64))
        extra = {key: frozen_array(array, np.int32, f"{self.name}.{key}") for key, array in self.extra.items()}
        object.__setattr__(self, "extra", frozen_mapping(extra))


@dataclass(frozen=True)
class Network:
    """A spiking network as floats. `dt` is the time step in seconds; `notes` says what making it assumed."""

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    outputs: tuple[str, ...]
    dt: float
    notes: tuple[str, ...] = ()

    def population(self, name: str) -> Population:
        return next(p for p in self.populations if p.name == name)

    def inputs(self) -> list[Population]:
        return [p for p in self.populations if p.neuron == "input"]

    def brought(self, q: Projection) -> Parts:
        """For each delay of a projection a function from messages (samples, sources) to currents (samples, targets)."""
        ends = self.population(q.source).shape, self.population(q.target).shape
        brought: Parts = part("projections", q.kind).parts(q, *ends)
        return brought

    def order(self) -> list[str]:
        """The populations in an order in which every delay-free projection goes forward.

        Raises BadInput where there is none: a loop in which no projection has a delay.
        """
        forward = [q for q in self.projections if q.delay == 0]
        waiting = {p.name: {q.source for q in forward if q.target == p.name} for p in self.populations}
        order: list[str] = []
        while waiting:
            ready = [name for name, sources in waiting.items() if not sources & waiting.keys()]
            if not ready:
                loop = " -> ".join(sorted(waiting))
                raise BadInput("network", f"{loop}: a loop needs a projection with a delay of at least one step")
            order += ready
            for name in ready:
                del waiting[name]
        return order

    def check(self, where: str = "network") -> None:
        """Raise BadInput with all the problems of this network, if there are any."""
        problems = Problems(where)
        shapes = {p.name: p.shape for p in self.populations}
        check_names([p.name for p in self.populations], problems)
        check_names([p.name for p in self.projections], problems)
        problems.require(math.isfinite(self.dt) and self.dt > 0, "dt", f"expected seconds above 0, found {self.dt}")
        problems.require(bool(self.inputs()), "", "no input population")
        problems.require(bool(self.outputs), "", "no output")
        for name in self.outputs:
            problems.require(name in shapes, name, "an output that is no population")
        for population in self.populations:
            _check_population(population, problems)
        for projection in self.projections:
            _check_projection(projection, shapes, problems)
            silent = any(p.name == projection.source and p.neuron == "li" for p in self.populations)
            problems.require(not silent, projection.name, f"{projection.source!r} is an li, which sends nothing")
        problems.raise_if_any()
        self.order()


def _check_population(population: Population, problems: Problems) -> None:
    name = population.name
    problems.require(population.size > 0, name, f"shape {population.shape} holds no neurons")
    rules = NEURONS.get(population.neuron)
    if rules is None:
        problems.add(name, f"unknown neuron {population.neuron!r}; known: {', '.join(NEURONS)}")
        return
    expected = f"expected parameters {sorted(rules)}, found {sorted(population.parameters)}"
    problems.require(set(population.parameters) == set(rules), name, expected)
    problems.require(
        population.reset in RESETS, name, f"unknown reset {population.reset!r}; known: {', '.join(RESETS)}"
    )
    for parameter in rules.keys() & population.parameters.keys():
        rule, holds = rules[parameter]
        values = population.parameters[parameter]
        problems.require_all(values, holds(values), f"{name}.{parameter}", f"expected {rule}")
    if population.bias is not None:
        problems.require_all(population.bias, np.isfinite(population.bias), f"{name}.bias", "expected finite numbers")


def _check_projection(projection: Projection, shapes: Mapping[str, tuple[int, ...]], problems: Problems) -> None:
    name = projection.name
    ends = [end for end in (projection.source, projection.target) if end not in shapes]
    if ends:
        problems.add(name, f"no population {', '.join(ends)}")
        return
    if not problems.require(projection.kind in parts("projections"), name, f"unknown kind {projection.kind!r}"):
        return
    kind = part("projections", projection.kind)
    unknown = sorted(projection.extra.keys() - set(kind.EXTRA))
    problems.require(not unknown, name, f"a {projection.kind} projection has no {', '.join(unknown)}")
    kind.check(projection, shapes[projection.source], shapes[projection.target], problems)
    problems.require_all(projection.weights, np.isfinite(projection.weights), name, "expected finite weights")
    problems.require(projection.delay >= 0, name, f"expected a delay of 0 steps or more, found {projection.delay}")
