"""NIR to snnTorch: a graph as a module that can be trained, checked spike for spike before it is handed out.

The module is made of the Network that `lower` makes of the graph, the same that is compiled and simulated: a dense
projection is an `nn.Linear`, a convolution an `nn.Conv1d` or `nn.Conv2d`, a sparse one its synapses; a population is a
Leaky where its current has no memory, else a Synaptic, or RLeaky and RSynaptic where its spikes come back to it one
step later; what is sent with another delay is kept for as many steps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nir
import numpy as np
from numpy.typing import NDArray

from snndeploy import arguments
from snndeploy.errors import BadInput, CheckFailed
from snndeploy.export.lower import lower
from snndeploy.export.side_by_side import SideBySide
from snndeploy.export.snntorch import STEPS, drives
from snndeploy.extras import extras
from snndeploy.floats import simulate
from snndeploy.network import Floats, Network, Population, Projection
from snndeploy.projections.conv import geometry

with extras():
    import snntorch as snn
    import torch
    from torch import nn

LEVELS = (1.0, 32.0, 1024.0)  # of the inputs of the check: the next one where a population was silent so far
ROUNDING = 1e-9  # of an integrator's largest v: torch and numpy add the same products in another order

# The reset in snndeploy.network.RESETS -> reset_mechanism and reset_delay (`snndeploy.export.snntorch_neurons.Kind`).
RESETS = {
    "zero": ("zero", False),
    "zero-next": ("zero", True),
    "subtract": ("subtract", False),
    "subtract-next": ("subtract", True),
    "none": ("none", True),
}
ATAN = snn.surrogate.atan()


def surrogate(x: torch.Tensor) -> torch.Tensor:
    """snnTorch's default, in the type of x: its own float32 is nothing that weights of float64 take."""
    spikes: torch.Tensor = ATAN(x)
    return spikes.to(x.dtype)


class NirModule(nn.Module):
    """One time step of a NIR graph: `forward` takes (batch, *input shape) for each of `inputs`, in their order.

    It returns the spikes (batch, *shape) of each of `outputs`, of an integrator its membrane potential; one tensor, or
    a tuple of several. States go from step to step until `reset()`, or until the batch has another size. Weights and
    biases are parameters; beta, alpha and threshold of each neuron are buffers. Names of populations have "/" for ".".
    `notes` says what reading the graph assumed and repaired. It is made in float64; `.float()` is for faster training.
    """

    _nothing: torch.Tensor

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.inputs = tuple(p.name for p in network.inputs())
        self.outputs, self.notes = network.outputs, network.notes
        neurons = [p for p in map(network.population, network.order()) if p.neuron != "input"]
        self._shapes = {p.name: p.shape for p in network.populations}
        self._integrators = {p.name for p in neurons if p.neuron == "li"}
        loops = {p.name: q for p in neurons for q in network.projections if _is_own_loop(p, q)}
        others = [q for q in network.projections if q not in loops.values()]
        self._arriving = {  # of each population, in the order in which they are computed
            p.name: [(q.name, q.source, q.delay) for q in others if q.target == p.name] for p in neurons
        }
        self._kept: Counter[str] = Counter()  # the longest delay of what each population sends, in steps
        for q in others:
            self._kept[q.source] = max(self._kept[q.source], q.delay)
        self.neurons = nn.ModuleDict({_key(p.name): _neuron(p, loops.get(p.name)) for p in neurons})
        self.synapses = nn.ModuleDict({_key(q.name): _synapses(network, q) for q in others})
        biases = {_key(p.name): _parameter(p.bias) for p in neurons if p.bias is not None}
        self.biases = nn.ParameterDict(biases)
        self.register_buffer("_nothing", torch.zeros((), dtype=torch.float64), persistent=False)
        self.reset()

    def reset(self) -> None:
        """Put every neuron to rest, and forget what is on its way."""
        neuron: Any
        for neuron in self.neurons.values():
            neuron.reset_mem()
        self._past: dict[str, list[torch.Tensor]] = {name: [] for name, steps in self._kept.items() if steps}

    def forward(self, *x: torch.Tensor) -> Any:
        sent = self.step(*x)
        first, *others = (sent[name] for name in self.outputs)
        return (first, *others) if others else first

    def step(self, *x: torch.Tensor) -> dict[str, torch.Tensor]:
        """One time step: what every population sends, by its name."""
        if len(x) != len(self.inputs):
            raise BadInput("input", f"expected {', '.join(self.inputs)}, found {len(x)} tensors")
        sent = dict(zip(self.inputs, x, strict=True))
        for name, values in sent.items():
            expected = ", ".join(("batch", *map(str, self._shapes[name])))
            if tuple(values.shape[1:]) != self._shapes[name]:
                raise BadInput(name, f"expected the shape ({expected}), found {tuple(values.shape)}")
        batch = x[0].shape[0]
        if any(message.shape[0] != batch for past in self._past.values() for message in past):
            self.reset()
        for name in self._arriving:
            spikes, *_, v = self.neurons[_key(name)](self._current(name, batch, sent))
            sent[name] = v if name in self._integrators else spikes
        for name, past in self._past.items():
            self._past[name] = [sent[name], *past][: self._kept[name]]
        return sent

    def _current(self, target: str, batch: int, sent: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The bias and all that arrives at a population in this step."""
        bias = self.biases.get(_key(target))
        terms = [] if bias is None else [bias]
        for name, source, delay in self._arriving[target]:
            if delay == 0:
                terms.append(self.synapses[_key(name)](sent[source]))
            elif past := self._past[source]:
                arriving = self.synapses[_key(name)](past[min(delay, len(past)) - 1])
                # Nothing arrives before its time. It is computed all the same: an export sees in the second step that
                # an earlier one is used, and refuses that.
                terms.append(arriving if delay <= len(past) else 0 * arriving)
        total = sum(terms[1:], terms[0]) if terms else self._nothing
        alone = len(terms) == (bias is not None)  # nothing that arrived has given it a batch
        return total.expand(batch, *self._shapes[target]) if alone else total


class Dense(nn.Linear):
    """A weight from every source to every target, whatever their shapes."""

    target: tuple[int, ...]

    def __init__(self, weights: Floats, target: tuple[int, ...]) -> None:
        super().__init__(weights.shape[1], weights.shape[0], bias=False)
        self.weight, self.target = _parameter(weights), target

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = nn.functional.linear(x if x.ndim == 2 else x.flatten(1), self.weight)
        return flat if len(self.target) == 1 else flat.reshape(-1, *self.target)


class Sparse(nn.Module):
    """The synapses that there are: each a weight, from the place `indices` to the place `targets`."""

    indices: torch.Tensor
    targets: torch.Tensor

    def __init__(self, q: Projection, target: tuple[int, ...], size: int) -> None:
        super().__init__()
        self.weight, self.target, self.size = _parameter(q.weights), target, size
        ends = np.repeat(np.arange(size), np.diff(q.extra["indptr"]))
        self.register_buffer("indices", torch.from_numpy(q.extra["indices"].astype(np.int64)))
        self.register_buffer("targets", torch.from_numpy(ends))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        arriving = self.weight * x.flatten(1)[:, self.indices]
        flat = arriving.new_zeros(len(x), self.size).index_add(1, self.targets, arriving)
        return flat.reshape(-1, *self.target)


class OneToOne(nn.Module):
    """A weight from each neuron to its counterpart, of the target's shape."""

    def __init__(self, weights: Floats) -> None:
        super().__init__()
        self.weight = _parameter(weights)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight * (x if x.shape[1:] == self.weight.shape else x.reshape(-1, *self.weight.shape))


@dataclass(frozen=True, kw_only=True)
class Import(SideBySide):
    """A module that was run beside its graph."""

    module: NirModule


def to_snntorch(graph: nir.NIRGraph, dt: float | None = None, seed: int = 0) -> NirModule:
    """A NIR graph as a snnTorch module, made and checked by `import_graph`.

    Warns of populations that never spiked in the check.
    """
    made = import_graph(graph, dt, seed)
    made.warn_of_silent()
    return made.module


def import_graph(graph: nir.NIRGraph, dt: float | None = None, seed: int = 0) -> Import:
    """Make a module of `graph` and run both side by side in float64, on random inputs from `seed`.

    `dt` is the time step in seconds of a graph that does not say it. Raises BadInput for what cannot be kept exactly,
    as compiling does, and CheckFailed where a spike of any neuron differs.
    """
    arguments.require("seed", seed, arguments.WHOLE, "a whole number")
    if seed < 0:
        raise BadInput("seed", f"expected 0 or more, found {seed}")
    network = lower(graph, dt)
    module = NirModule(network)
    runs = 0
    spikes = {p.name: 0 for p in network.populations if p.neuron == "lif"}
    for level in LEVELS:
        x = {p.name: drives(np.full(p.shape, level), seed + number) for number, p in enumerate(network.inputs())}
        expected, found = simulate(network, x), _run(module, x)
        for name, graph_gives in expected.items():
            _require_equal(name, found[name], graph_gives)
        runs += len(next(iter(x.values())))
        spikes = {name: count + int(expected[name].sum()) for name, count in spikes.items()}
        if all(spikes.values()):
            break
    return Import(module=module, steps=STEPS, samples=runs, spikes=spikes)


def _run(module: NirModule, x: Mapping[str, Floats]) -> dict[str, NDArray[Any]]:
    """What every population sends, from rest to rest: (samples, steps, *shape)."""
    with torch.no_grad():
        sent = [module.step(*(torch.from_numpy(x[name][:, t]) for name in module.inputs)) for t in range(STEPS)]
    module.reset()
    return {name: np.stack([step[name].numpy() for step in sent], axis=1) for name in sent[0]}


def _require_equal(name: str, module: NDArray[Any], graph: NDArray[Any]) -> None:
    """Raise CheckFailed for the first step, then run and neuron, where the two differ."""
    differs = module != graph
    if graph.dtype != bool:
        differs = ~(np.abs(module - graph) <= ROUNDING * np.abs(graph).max())
    if differs.any():
        step, run, *neuron = (int(i) for i in np.argwhere(np.moveaxis(differs, 1, 0))[0])
        values = (float(array[(run, step, *neuron)]) for array in (module, graph))
        text = "the module gives {:g}, the graph {:g}".format(*values)
        count = f"{int(differs.sum())} of {differs.size} values differ"
        raise CheckFailed(name, f"neuron {neuron} in step {step} of run {run}: {text} ({count}); nothing was imported")


def _neuron(p: Population, loop: Projection | None) -> nn.Module:
    """A Leaky, or a Synaptic where the current has a memory or the whole step after a spike is swallowed."""
    parameters: dict[str, Any] = {name: torch.from_numpy(values.copy()) for name, values in p.parameters.items()}
    mechanism, delayed = ("none", True) if p.neuron == "li" else RESETS[p.reset]
    options = {"reset_mechanism": mechanism, "reset_delay": delayed, "init_hidden": True, "output": True}
    kinds = (snn.Leaky, snn.Synaptic) if loop is None else (snn.RLeaky, snn.RSynaptic)
    with_current = bool(p.parameters["alpha"].any()) or (p.reset == "zero-next" and loop is None)
    if not with_current:
        del parameters["alpha"]
    if loop is not None:
        parameters["linear_features"] = p.size
    neuron: Any = kinds[with_current](**parameters, **options, spike_grad=surrogate)
    if loop is not None:
        neuron.recurrent = nn.Linear(p.size, p.size, bias=False)
        neuron.recurrent.weight = _parameter(loop.weights)
    return neuron  # type: ignore[no-any-return]


def _is_own_loop(p: Population, q: Projection) -> bool:
    """Whether `q` is the recurrence of an RLeaky or RSynaptic; the latter fails with a reset in the spiking step."""
    own = q.source == q.target == p.name and q.delay == 1 and q.kind == "dense" and len(p.shape) == 1
    return own and (RESETS[p.reset][1] or not p.parameters["alpha"].any())


def _synapses(network: Network, q: Projection) -> nn.Module:
    target = network.population(q.target)
    if q.kind == "dense":
        return Dense(q.weights, target.shape)
    if q.kind == "sparse":
        pairs = np.arange(target.size + 1)
        if np.array_equal(q.extra["indptr"], pairs) and np.array_equal(q.extra["indices"], pairs[:-1]):
            return OneToOne(q.weights.reshape(target.shape))
        return Sparse(q, target.shape, target.size)
    stride, padding, dilation, groups = geometry(q)
    outputs, inputs, *kernel = q.weights.shape
    kind: Any = nn.Conv1d if len(kernel) == 1 else nn.Conv2d
    conv: nn.Module = kind(inputs * groups, outputs, kernel, stride, padding, dilation, groups, bias=False)
    conv.weight = _parameter(q.weights)
    return conv


def _parameter(values: Floats) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(values.copy()))


def _key(name: str) -> str:
    """The name for torch, whose names have no "." and are no attribute of a ModuleDict or ParameterDict."""
    key = name.replace(".", "/")
    return f"{key}/" if hasattr(nn.ModuleDict, key) or hasattr(nn.ParameterDict, key) or key == "training" else key
