"""What a snnTorch model does in one time step, found by running its forward on signals.

Layers and neurons do not compute in this run: each is replaced by what it adds to the NIR graph. So forward may use
shapes, loops and conditions as it likes, but not the values of its tensors. A forward that loops over time is followed
through all of its steps, which must all do the same.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import nir
import numpy as np

from snndeploy.errors import BadInput
from snndeploy.export import snntorch_layers as layers
from snndeploy.export import snntorch_neurons as cells
from snndeploy.export.snntorch_calls import Calls
from snndeploy.export.snntorch_graph import Graph
from snndeploy.export.snntorch_model import is_leaf
from snndeploy.export.snntorch_population import Populations
from snndeploy.export.snntorch_signals import Signal, TimeAxis, Unfollowed, Value, leaves, mapped, plain, signal
from snndeploy.export.snntorch_table import refusal
from snndeploy.export.snntorch_values import BATCH
from snndeploy.extras import extras

with extras():
    import torch
    from torch import nn


def trace(copy: Callable[[], nn.Module], shapes: Sequence[tuple[int, ...]], dt: float) -> Graph:
    """Follow the forward of a model for inputs of `shapes`; `copy` makes one that can be taken apart.

    Raises BadInput with everything that cannot be exported.
    """
    walk = _Walk(copy(), shapes, dt, None)
    try:
        walk.run()
    except TimeAxis as found:
        walk = _Walk(copy(), shapes, dt, found.axis)
        try:
            walk.run()
        except TimeAxis as other:
            walk.problems.add("forward", f"{other}, and along another; give it one time axis")
    walk.problems.raise_if_any()
    return walk.graph


class _Walk(Calls):
    """Runs forward."""

    def __init__(self, model: nn.Module, shapes: Sequence[tuple[int, ...]], dt: float, axis: int | None) -> None:
        super().__init__(model, dt, axis)
        self.shapes, self.axis = shapes, axis
        self.neurons = Populations(self)
        for path, module in model.named_modules():
            if is_leaf(module):
                module.forward = functools.partial(self._module, path, module, module.forward)

    def run(self) -> None:
        inputs, arguments = self._arguments()
        if self.problems.found:
            return
        returned = self._forward(inputs, arguments)
        if not self.problems.found:
            self.neurons.check_steps(self.shapes[0][0])
        looped = self.graph.steps > 1 or self.axis is not None
        if not self.problems.found and not looped:
            # A second time step, with what the first one left in the model.
            self.run_number, self.neurons.calls = 1, {}
            for item in (*inputs, *arguments.values()):
                item.run_number = self.run_number
            before = len(self.graph.nodes)
            self._forward(inputs, arguments)
            same = len(self.graph.nodes) == before
            text = "it does something else in the second time step than in the first; write it for any time step"
            self.problems.require(same or bool(self.problems.found), "forward", text)
        if not self.problems.found and not looped:
            for path, state in self.neurons.fresh.items():
                made = f"forward makes its {state} itself, so that every step starts from it"
                advice = f"use init_hidden=True, or take {state} as an argument and return it"
                self.problems.add(path, f"{made}; {advice}")
        self._output(returned, looped)

    def _forward(self, inputs: Sequence[Signal], arguments: Mapping[str, Signal]) -> Any:
        try:
            with torch.no_grad():
                return self.model(*inputs, **arguments)
        except TimeAxis:
            raise
        except Unfollowed as error:
            if not self.problems.found:
                self.problems.add("forward", f"cannot be followed ({error}); leave that out")
        except Exception as error:  # forward is the user's code: it may raise anything
            reason = ": ".join([type(error).__name__, *str(error).splitlines()[:1]])
            on_device = any(word in reason for word in ("CUDA", "NVIDIA", "device"))
            advice = "is the sample what forward takes, without the batch?"
            advice = "a copy on the CPU is followed: take the device from the input, x.device" if on_device else advice
            if "invalid for input of size" in reason:
                advice = "take the batch size from the input, x.size(0)"
            text = f"forward cannot be followed ({reason}); {advice}"
            if not self.problems.found:
                raise BadInput("model", text) from error
        return ()

    def _arguments(self) -> tuple[list[Signal], dict[str, Signal]]:
        parameters = [
            p for p in inspect.signature(self.model.forward).parameters.values() if p.kind not in (p.VAR_KEYWORD,)
        ]
        given = parameters[: len(self.shapes)]
        text = (
            f"takes {len(parameters)} input{'s' * (len(parameters) != 1)}, but there are samples for {len(self.shapes)}"
        )
        text += "; --shape 1x28x28 is one input, 64,16 are two"
        good = self.problems.require(len(given) == len(self.shapes), "forward", text)
        for parameter in given if good else ():
            text = f"takes {parameter.name!r} by its name only; leave out the * before it"
            self.problems.require(parameter.kind != parameter.KEYWORD_ONLY, "forward", text)
        if self.problems.found:
            return [], {}
        inputs = []
        for parameter, shape in zip(given, self.shapes, strict=True):
            name = "input" if len(self.shapes) == 1 else parameter.name
            step = shape if self.axis is None else shape[1:]
            node = self.graph.add(name, nir.Input(np.array(step)), (), (step, step))
            self.graph.inputs[parameter.name] = node
            part = "current" if self.axis is None else "sequence"
            inputs.append(signal(self._full(shape), Value((node,), step, part), self))
        states = {}
        for parameter in parameters[len(given) :]:
            if parameter.kind == parameter.VAR_POSITIONAL or parameter.default not in (parameter.empty, None):
                continue
            states[parameter.name] = signal((BATCH, 1), Value((parameter.name,), (), "argument"), self)
            if parameter.default is parameter.empty:
                self.graph.arguments[parameter.name] = None
        return inputs, states

    def _full(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of an input with its batch."""
        return (shape[0], BATCH, *shape[1:]) if self.axis == 0 else (BATCH, *shape)

    def _module(self, path: str, module: nn.Module, original: Callable[..., Any], *args: Any, **options: Any) -> Any:
        name = type(module).__name__
        if type(module) in cells.KINDS:
            return self.neurons.call(path, module, args, options)
        signals = [item for item in leaves((args, options)) if isinstance(item, Signal)]
        if not signals:  # a constant, as in the first step of a hand-written recurrence
            return original(*mapped(args, _double), **mapped(options, _double))
        layer = layers.layer(module)
        if type(module) is nn.ReLU and signals[0].value and signals[0].value.part == "spk":
            return signals[0]
        if layer is None:
            self.problem(path, refusal(name))
            return self.unknown(original(*plain(args), **plain(options)))
        value = self.usable(args[0] if args else options.get("input"), path, name)
        found = None if value is None else self.once(path, [value], lambda: layer(self.graph, path, value, module))
        return self.unknown(original(plain(signals[0]))) if found is None else self.signal(found)

    def _output(self, returned: Any, looped: bool) -> None:
        graph, found = self.graph, list(leaves(returned))
        for item in found:
            if not isinstance(item, Signal):
                text = f"forward returns {self.constant(item)}; return the spikes of the last neuron, then states"
                self.problems.require(bool(self.problems.found), "output", text)
                return
            if item.value is not None:
                graph.returned += [(node, item.value.part) for node in item.value.nodes]
        if not self.problems.found:
            self._check_returned(looped)
        if not self.problems.found:
            graph.finish()

    def _check_returned(self, looped: bool) -> None:
        graph = self.graph
        threaded = {argument for argument in graph.arguments.values() if argument}
        graded = [node for node, _ in graph.returned if graph.paths.get(node, "").endswith(".factor")]
        if graded:
            text = f"the spikes are multiplied by the graded_spikes_factor ({graded[0]}); use 1 in the last neuron"
            self.problems.add("output", text)
            return
        first = bool(graph.returned) and graph.returned[0][1] == "spk" and graph.returned[0][0] in graph.neurons
        found = "the {1} of {0!r}".format(*graph.returned[0]) if graph.returned else "nothing"
        text = f"forward must return the spikes of a neuron first, found {found}; end the model with a neuron"
        if not self.problems.require(first, "output", text):
            return
        for node, part in dict.fromkeys(graph.returned):
            if part == "spk" and node in graph.neurons:
                if (node, part) not in threaded or (node, part) == graph.returned[0]:
                    graph.outputs.append(node)
                continue
            text = f"forward also returns the {part} of {node!r}; return spikes and states"
            self.problems.require(part in cells.STATES, "output", text)
        for argument, state_of in graph.arguments.items():
            if state_of and state_of not in graph.returned and not looped:
                text = f"forward takes {argument!r}, the {state_of[1]} of {state_of[0]!r}, and does not return it"
                self.problems.add("output", f"{text}; return it, or use init_hidden=True")


def _double(item: Any) -> Any:
    return item.double() if isinstance(item, torch.Tensor) and item.is_floating_point() else item
