"""snnTorch to NIR, and the check: model and graph run side by side, and every spike is equal or nothing is exported."""

from __future__ import annotations

import contextlib
import copy
import math
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import nir
import numpy as np
from numpy.typing import NDArray

from snndeploy import arguments
from snndeploy.errors import BadInput, CheckFailed, shortened
from snndeploy.export import metadata, snntorch_model
from snndeploy.export.composition import MAX_VALUES
from snndeploy.export.lower import DEFAULT_DT, lower
from snndeploy.export.side_by_side import SideBySide
from snndeploy.export.snntorch_graph import Graph
from snndeploy.export.snntorch_model import is_neuron
from snndeploy.export.snntorch_neurons import KINDS
from snndeploy.export.snntorch_signals import leaves
from snndeploy.export.snntorch_trace import trace
from snndeploy.extras import extras
from snndeploy.floats import simulate
from snndeploy.network import Floats, Network

with extras():
    import torch
    from torch import nn

STEPS = 40
STRENGTHS = (0.25, 0.5, 1, 2, 4, 8, 16, 32)  # of the random inputs, in multiples of the sample's largest value


@dataclass(frozen=True, kw_only=True)
class Export(SideBySide):
    """A graph that was run beside its model, its Network, and what of the model's state it does not keep."""

    graph: nir.NIRGraph
    network: Network
    notes: list[str]


def to_nir(model: nn.Module, sample: Any, dt: float = DEFAULT_DT, seed: int = 0) -> nir.NIRGraph:
    """The NIR graph of a snnTorch `model`, made and checked by `export_model`.

    Warns of populations that never spiked in the check, and of what the export left out: a training mode, a device.
    """
    export = export_model(model, sample, dt, seed)
    for note in export.notes:
        warnings.warn(note, stacklevel=2)
    export.warn_of_silent()
    return export.graph


def export_model(model: nn.Module, sample: Any, dt: float = DEFAULT_DT, seed: int = 0) -> Export:
    """Export `model` to NIR and run both side by side.

    `model` is an `nn.Sequential` or a module whose `forward` makes one time step, or all time steps in a loop; it is
    left as it was (a copy runs, on the CPU). `sample` is one input without a batch dimension (a tensor or array), or
    its shape (a tuple of ints); for several inputs a tuple of these; with the time steps where forward takes them from
    its input. `dt` is the length of a time step in seconds, which NIR's time constants need; it changes no spike.
    `seed` is that of the random inputs.

    The first value that forward returns must be the spikes of a neuron: they are the output; further spikes are further
    outputs, and states may follow. What is exported and how is in docs/export.md. The metadata of the graph records dt,
    the reset kinds and the one-step delay of recurrence (`snndeploy.export.metadata`).

    Raises BadInput with everything in the model that cannot be exported exactly, and CheckFailed where a spike differs.
    """
    arguments.require("dt", dt, arguments.REAL, "seconds above 0")
    arguments.require("seed", seed, arguments.WHOLE, "a whole number")
    if not (math.isfinite(dt) and dt > 0):
        raise BadInput("dt", f"expected seconds above 0, found {dt}")
    if seed < 0:
        raise BadInput("seed", f"expected 0 or more, found {seed}")
    snntorch_model.check(model)
    examples = _examples(sample)
    root = nn.Sequential(model) if is_neuron(model) or not list(model.children()) else model
    hooked = snntorch_model.hooked(model)
    with contextlib.redirect_stdout(sys.stderr):  # what the user's forward prints is no result of a command
        try:
            traced = trace(lambda: _copy(root), [example.shape for example in examples], dt)
        except BadInput as error:
            hooks = [f"{shortened(hooked)}: forward hooks were followed too; remove those that only look"]
            raise BadInput(error.where, [*error.problems, *(hooks if hooked else [])]) from error
    graph = nir.NIRGraph(traced.nodes, traced.edges, type_check=False)
    metadata.write(graph, metadata.Metadata(dt, traced.resets, traced.delays))
    network = lower(graph)
    x = _drives(examples, traced, seed)
    with contextlib.redirect_stdout(sys.stderr):
        expected = _run_model(_copy(root), traced, x)
    found = simulate(network, x)
    names = [name for name in network.order() if name in expected]
    for name in names:
        _require_equal(name, expected[name], found[name], hooked)
    samples, steps = next(iter(x.values())).shape[:2]
    spikes = {name: int(found[name].sum()) for name in names}
    notes = snntorch_model.notes(model)
    return Export(graph=graph, network=network, notes=notes, steps=steps, samples=samples, spikes=spikes)


def _drives(examples: Sequence[Floats], traced: Graph, seed: int) -> dict[str, Floats]:
    """Inputs (samples, steps, *shape) by Input node."""
    found = {}
    for number, (example, name) in enumerate(zip(examples, traced.inputs.values(), strict=True)):
        if traced.axis is not None:
            found[name] = drives(example, seed + number, len(example), sequence=True)
        elif traced.steps > 1:  # forward gets one input, and gives it to all of its steps
            x = drives(example, seed + number, 1)
            found[name] = np.repeat(x, traced.steps, axis=1)
        else:
            found[name] = drives(example, seed + number)
    return found


def drives(example: Floats, seed: int, steps: int = STEPS, sequence: bool = False) -> Floats:
    """Inputs (samples, steps, *shape): `example` repeated, and random ones of many strengths, dense and sparse.

    `sequence`: the example has the time steps already.
    """
    random = np.random.default_rng(seed)
    size = example.shape if sequence else (steps, *example.shape)
    largest = float(np.abs(example).max()) or 1.0
    low = -1.0 if (example < 0).any() else 0.0
    runs = [np.broadcast_to(example, size)]
    for strength in STRENGTHS:
        values = random.uniform(low, 1.0, size) * strength * largest
        runs += [values, np.where(random.random(size) < 0.2, values, 0.0)]
    return np.stack(runs)


def _examples(sample: Any) -> list[Floats]:
    """The inputs that `sample` holds: one, or several in a tuple."""
    kinds = (tuple, torch.Tensor, np.ndarray)
    if isinstance(sample, tuple) and sample and all(isinstance(item, kinds) for item in sample):
        return [_example(item) for item in sample]
    return [_example(sample)]


def _example(sample: Any) -> Floats:
    if isinstance(sample, (tuple, list)) and all(isinstance(length, (int, np.integer)) for length in sample):
        lengths = tuple(map(int, sample))
        if not lengths or min(lengths) < 1:
            raise BadInput("sample", f"expected a shape of lengths above 0, found {lengths}")
        if math.prod(lengths) > MAX_VALUES:
            raise BadInput("sample", f"expected a shape of at most {MAX_VALUES} values, found {lengths}")
        return np.ones(lengths)
    expected = "expected one input of finite numbers without a batch dimension, or its shape"
    if isinstance(sample, torch.Tensor):
        if sample.is_meta:
            raise BadInput("sample", f"{expected}; found a tensor without values (on the device 'meta')")
        sample = sample.detach().cpu()
        sample = sample.double().numpy() if sample.is_floating_point() else sample.numpy()
    array = np.asarray(sample)
    if array.dtype.kind not in "biuf":
        raise BadInput("sample", f"{expected}; found {array.dtype}")
    example: Floats = array.astype(np.float64)
    if example.ndim == 0 or example.size == 0 or not np.isfinite(example).all():
        raise BadInput("sample", f"{expected}; found an array of the shape {example.shape}")
    return example


def _copy(model: nn.Module) -> nn.Module:
    """A copy of `model` in float64 and eval mode, at rest, that shares nothing with it."""
    tensors = [
        value
        for module in model.modules()
        for value in (*vars(module).values(), *module.buffers(recurse=False))
        if isinstance(value, torch.Tensor)
    ]
    # States left from training belong to autograd's graph, and deepcopy refuses those; cpu() passes by those that are
    # no buffers.
    memo: dict[int, Any] = {id(value): value.detach().cpu().clone() for value in tensors if not value.is_leaf}
    twin = copy.deepcopy(model, memo).cpu().double().eval()
    module: Any
    for module in twin.modules():
        if type(module) in KINDS:
            module.reset_mem()
        if is_neuron(module):
            # Surrogate gradients give float32 spikes; a float64 Linear would not take them.
            vars(module)["spike_grad"] = _in_float64(module.spike_grad)
    return twin


def _in_float64(function: Any) -> Any:
    return lambda x: function(x).to(torch.float64)


def _run_model(twin: nn.Module, traced: Graph, x: Mapping[str, Floats]) -> dict[str, NDArray[Any]]:
    """The spikes of every neuron of `twin` for `x`, step by step: (samples, steps, *shape) by node."""
    modules = dict(twin.named_modules())
    records: dict[str, list[NDArray[Any]]] = {name: [] for name, path in traced.neurons.items() if path in modules}
    hooks = [
        modules[traced.neurons[name]].register_forward_hook(_recorder(record, traced.factors.get(name)))
        for name, record in records.items()
    ]
    states: dict[str, Any] = dict.fromkeys(traced.arguments)
    looped = traced.steps > 1 or traced.axis is not None
    try:
        with torch.no_grad():
            for t in range(1 if looped else next(iter(x.values())).shape[1]):
                inputs = [x[node] if traced.axis is not None else x[node][:, t] for node in traced.inputs.values()]
                if traced.axis == 0:
                    inputs = [np.swapaxes(values, 0, 1) for values in inputs]
                returned = list(leaves(twin(*map(torch.from_numpy, inputs), **states)))
                for argument, state in traced.arguments.items():
                    if state and not looped:
                        states[argument] = returned[traced.returned.index(state)]
    except Exception as error:  # forward is the user's code: it may raise anything
        reason = ": ".join([type(error).__name__, *str(error).splitlines()[:1]])
        raise BadInput("model", f"forward fails on inputs of float64 in batches ({reason})") from error
    finally:
        for hook in hooks:
            hook.remove()
    return {name: np.stack(steps, axis=1) for name, steps in records.items()}


def _recorder(record: list[NDArray[Any]], factor: Floats | None) -> Any:
    def hook(module: nn.Module, inputs: Sequence[Any], output: Any) -> None:
        spikes = (output[0] if isinstance(output, tuple) else output).detach().numpy().copy()
        record.append(spikes if factor is None else spikes / factor)

    return hook


def _require_equal(name: str, model: NDArray[Any], graph: NDArray[np.bool_], hooked: Sequence[str]) -> None:
    """Raise CheckFailed for the first step, then sample and neuron, where the two differ; `hooked` may be why."""
    differs = np.moveaxis(model != graph, 1, 0)
    if differs.any():
        step, run, *neuron = (int(i) for i in np.argwhere(differs)[0])
        value = float(model[(run, step, *neuron)])
        spikes = int(graph[(run, step, *neuron)])
        advice = "please report this model"
        if hooked:
            advice = f"remove the forward hooks of {shortened(hooked)}, which the graph does not have"
        raise CheckFailed(
            name,
            f"neuron {neuron} in step {step} of run {run}: the model gives {value:g}, the graph {spikes}"
            f" ({int(differs.sum())} of {differs.size} values differ); nothing was exported, {advice}",
        )
