"""One traced forward of a snnTorch model, operation by operation, to the nodes and edges of a NIR graph."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass, field
from typing import Any

import nir
import numpy as np

from snndeploy.errors import BadInput, Problems
from snndeploy.export import snntorch_neurons as cells
from snndeploy.export.names import legal
from snndeploy.export.snntorch_table import refusal
from snndeploy.extras import extras

with extras():
    import snntorch as snn
    import torch
    from torch import fx, nn

WITHOUT_EFFECT = (nn.Dropout, nn.Identity)  # in eval mode


@dataclass(frozen=True)
class Value:
    """What an operation gives: a signal of the NIR node `node`, of `shape` (without the batch).

    `part` is "spk" (spikes), "current" (anything else that neurons can take), "states" (a neuron's whole return value),
    a state's name ("mem", "syn"), or "argument" (an argument of forward after the first).
    """

    node: str
    shape: tuple[int, ...]
    part: str


@dataclass
class Traced:
    """The graph in parts, and how to run the model beside it.

    `paths`: node -> module path, `neurons`: those of neurons alone. `arguments`: further arguments of forward ->
    (node, state), None where one is not used. `returned`: (node, part) of every tensor that forward returns,
    flattened; the first is the output.
    """

    nodes: dict[str, nir.NIRNode] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    resets: dict[str, str] = field(default_factory=dict)
    delays: dict[tuple[str, str], int] = field(default_factory=dict)
    neurons: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, tuple[str, str] | None] = field(default_factory=dict)
    returned: list[tuple[str, str]] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)

    def add(self, path: str, node: nir.NIRNode, source: str | None = None) -> str:
        """Add `node` and the edge from `source`; returns its name, legal, made from `path` and not taken yet."""
        name = first = legal(path, type(node).__name__)
        count = 1
        while name in self.nodes:
            count += 1
            name = f"{first}.{count}"
        self.nodes[name] = node
        self.paths[name] = path
        if source is not None:
            self.edges.append((source, name))
        return name


class _Tracer(fx.Tracer):
    """Goes into the user's modules and Sequentials, not into layers and neurons."""

    def is_leaf_module(self, module: nn.Module, path: str) -> bool:
        return (
            type(module).__module__.startswith("snntorch.") or is_neuron(module) or super().is_leaf_module(module, path)
        )


def is_neuron(module: nn.Module) -> bool:
    return isinstance(module, snn.SpikingNeuron)


def trace(model: nn.Module, shape: tuple[int, ...], dt: float) -> Traced:
    """Trace `model` for one input of `shape`; forward may leave its states changed.

    Raises BadInput with everything that cannot be exported.
    """
    try:
        operations = _Tracer().trace(model)
    except Exception as error:  # forward is the user's code: it may raise anything
        reason = ": ".join([type(error).__name__, *str(error).splitlines()[:1]])
        text = (
            f"forward cannot be followed ({reason}); write it for one time step, without loops or conditions on tensors"
        )
        raise BadInput("model", text) from error
    walk = _Walk(model, dt, shape)
    for operation in operations.nodes:
        walk.step(operation)
    walk.problems.raise_if_any()
    return walk.traced


class _Walk:
    """Follows the operations in order. What is made of something refused has the value None and is not reported."""

    def __init__(self, model: nn.Module, dt: float, shape: tuple[int, ...]) -> None:
        self.model, self.dt, self.shape = model, dt, shape
        self.problems = Problems("model")
        self.traced = Traced()
        self.values: dict[fx.Node, Value | None] = {}
        self.called: set[str] = set()

    def step(self, operation: fx.Node) -> None:
        if operation.op == "output":
            self._output(operation.args[0])
        elif operation.op == "placeholder":
            self.values[operation] = self._argument(operation)
        elif operation.op == "call_module":
            self.values[operation] = self._module(operation, str(operation.target))
        elif operation.op == "get_attr":
            self.values[operation] = Value(str(operation.target), (), "attribute")
        else:
            self.values[operation] = self._function(operation)

    def _argument(self, operation: fx.Node) -> Value:
        name = str(operation.target)
        if not self.traced.nodes:
            return Value(self.traced.add("input", nir.Input(np.array(self.shape))), self.shape, "current")
        if not operation.args and not name.startswith("*"):
            self.traced.arguments[name] = None
        return Value(name, (), "argument")

    def _module(self, operation: fx.Node, path: str) -> Value | None:
        module = self.model.get_submodule(path)
        name = type(module).__name__
        if type(module) in cells.KINDS:
            return self._neuron(operation, path, module)
        if type(module) not in (nn.Linear, nn.Flatten, *WITHOUT_EFFECT):
            self.problems.add(path, refusal(name))
            return None
        value = self._signal(_given(operation, 0, "input"), path, name)
        if value is None:
            return None
        if isinstance(module, nn.Flatten):
            return self._flatten(path, value, module.start_dim, module.end_dim)
        return self._linear(path, module, value) if isinstance(module, nn.Linear) else value

    def _linear(self, path: str, module: nn.Linear, value: Value) -> Value | None:
        expected = (module.in_features,)
        advice = "give the sample without a batch dimension, or " if value.shape[1:] == expected else ""
        found = f"found {value.shape} (the batch not counted)"
        text = f"Linear expects the shape {expected}, {found}; {advice}put a Flatten before it"
        if not self.problems.require(value.shape == expected, path, text):
            return None
        node = _affine(path, module, self.problems)
        return Value(self.traced.add(path, node, value.node), (module.out_features,), "current")

    def _flatten(self, path: str, value: Value, start: Any, end: Any) -> Value | None:
        """Flatten, whose dimensions count the batch in torch and do not in NIR."""
        count = len(value.shape) + 1
        if not self.problems.require(
            type(start) is int and type(end) is int, path, "Flatten needs numbers as dimensions"
        ):
            return None
        start, end = start % count, end % count
        if not self.problems.require(start > 0, path, "Flatten merges the batch; use start_dim=1"):
            return None
        if start >= end:
            return value
        node = nir.Flatten({"input": np.array(value.shape)}, start - 1, end - 1)
        shape = (*value.shape[: start - 1], math.prod(value.shape[start - 1 : end]), *value.shape[end:])
        return Value(self.traced.add(path, node, value.node), shape, value.part)

    def _neuron(self, operation: fx.Node, path: str, module: nn.Module) -> Value | None:
        value = self._signal(_given(operation, 0, "input_"), path, type(module).__name__)
        if path in self.called:
            text = "called more than once in forward; write it for one time step, one neuron for each population"
            if f"{path}: {text}" not in self.problems.found:
                self.problems.add(path, text)
            return None
        self.called.add(path)
        before = len(self.problems.found)
        cells.check_features(path, module, self.problems)
        node = cells.node(path, module, value.shape, self.dt, self.problems) if value else None
        if value is None or node is None:
            return None
        name = self.traced.add(path, node, value.node)
        self.traced.neurons[name] = path
        self.traced.resets[name] = cells.reset_kind(module)
        if isinstance(module, snn.RLeaky) and isinstance(module.recurrent, nn.Linear):
            self._recurrence(name, path, module.recurrent, value.shape)
        self._states(operation, path, name, cells.KINDS[type(module)].states)
        if len(self.problems.found) > before:
            return None
        return Value(name, value.shape, "states" if cells.returns_states(module) else "spk")

    def _recurrence(self, neuron: str, path: str, module: nn.Linear, shape: tuple[int, ...]) -> None:
        features = (module.in_features,)
        text = f"linear_features expects the shape {features}, found {shape}"
        if self.problems.require(shape == features, path, text):
            node = _affine(f"{path}.recurrent", module, self.problems)
            recurrent = self.traced.add(f"{neuron}.recurrent", node, neuron)
            self.traced.edges.append((recurrent, neuron))
            self.traced.delays[neuron, recurrent] = 1

    def _states(self, operation: fx.Node, path: str, neuron: str, states: tuple[str, ...]) -> None:
        """Note which arguments of forward hold this neuron's states."""
        for position, state in enumerate(states, start=1):
            source = _given(operation, position, state)
            value = self.values.get(source) if isinstance(source, fx.Node) else None
            if source is None:
                continue
            if value is None or value.part != "argument":
                made = f"forward makes its {state} itself, so that every step starts from it"
                self.problems.add(path, f"{made}; use init_hidden=True, or take {state} as an argument and return it")
                continue
            free = self.traced.arguments.get(value.node) is None
            self.problems.require(free, path, f"the argument {value.node!r} of forward is a state of two neurons")
            self.traced.arguments[value.node] = (neuron, state)

    def _function(self, operation: fx.Node) -> Value | None:
        name = str(getattr(operation.target, "__name__", operation.target))
        if operation.target is operator.getitem:
            return self._part(operation)
        if operation.target in (torch.flatten, "flatten"):
            value = self._signal(_given(operation, 0, "input"), "forward", "flatten")
            start, end = _given(operation, 1, "start_dim", 0), _given(operation, 2, "end_dim", -1)
            return None if value is None else self._flatten(operation.name, value, start, end)
        self.problems.add("forward", refusal(name))
        return None

    def _part(self, operation: fx.Node) -> Value | None:
        """One of the values that a neuron returns: `spk, mem = lif(x)`, `lif(x)[0]`."""
        source, index = operation.args
        value = self.values.get(source) if isinstance(source, fx.Node) else None
        if value is None:
            return None
        returns = self._returns(value) if value.part == "states" else ()
        if not isinstance(index, int) or not -len(returns) <= index < len(returns):
            self.problems.add("forward", f"a part of a tensor, [{index}], cannot be taken; use whole populations")
            return None
        return Value(value.node, value.shape, returns[index])

    def _signal(self, source: Any, path: str, name: str) -> Value | None:
        """The value of `source` if it is a signal that goes into `path`."""
        value = self.values.get(source) if isinstance(source, fx.Node) else None
        if value is None or value.part in ("spk", "current"):
            return value
        self.problems.add(path, f"{name} gets {self._no_signal(value)}")
        return None

    def _no_signal(self, value: Value) -> str:
        """Why `value` cannot be sent to a layer or neuron."""
        if value.part == "argument":
            return f"the argument {value.node!r} of forward; one input is supported"
        if value.part == "attribute":
            return f"{value.node!r}, a tensor of the model itself; use a Linear"
        neuron = repr(self.traced.neurons[value.node])
        if value.part == "states":
            return f"all that {neuron} returns; use init_hidden=True there, or `spk, mem = ...`"
        return f"the {value.part} of {neuron}; only its spikes can be sent"

    def _returns(self, value: Value) -> tuple[str, ...]:
        return cells.KINDS[type(self.model.get_submodule(self.traced.neurons[value.node]))].returns

    def _output(self, returned: Any) -> None:
        for item in flat(returned):
            value = self.values.get(item) if isinstance(item, fx.Node) else None
            if value is None:
                other = f"forward returns {item!r}; return the spikes of the last neuron, then states"
                self.problems.require(bool(self.problems.found), "output", other)
                return
            parts = self._returns(value) if value.part == "states" else (value.part,)
            self.traced.returned += [(value.node, part) for part in parts]
        self._check_returned()
        if not self.problems.found:
            self._check_used()
        if not self.problems.found:
            node = self.traced.returned[0][0]
            shape = self.traced.nodes[node].output_type["output"]
            self.traced.add("output", nir.Output(np.array(shape)), node)

    def _check_used(self) -> None:
        """Report what leads nowhere: nir would make a second output of it."""
        traced = self.traced
        used = {edge[0] for edge in traced.edges if edge not in traced.delays} | {traced.returned[0][0]}
        for name in sorted(traced.nodes.keys() - used):
            what = "its input" if isinstance(traced.nodes[name], nir.Input) else f"the result of {traced.paths[name]!r}"
            self.problems.add("forward", f"{what} is not used; use it, or leave it out")

    def _check_returned(self) -> None:
        threaded = {argument for argument in self.traced.arguments.values() if argument}
        returned = self.traced.returned
        first = bool(returned) and returned[0][1] == "spk" and returned[0][0] in self.traced.neurons
        text = "forward must return the spikes of a neuron first; end the model with a neuron"
        if not self.problems.require(first, "output", text):
            return
        for node, part in returned[1:]:
            state = part in ("mem", "syn") or (node, part) in threaded or (node, part) == returned[0]
            text = f"forward also returns the {part} of {node!r}; one output is supported"
            self.problems.require(state, "output", text)
        for argument, state_of in self.traced.arguments.items():
            if state_of and state_of not in returned:
                text = f"forward takes {argument!r}, the {state_of[1]} of {state_of[0]!r}, and does not return it"
                self.problems.add("output", f"{text}; return it, or use init_hidden=True")


def _affine(path: str, module: nn.Linear, problems: Problems) -> nir.NIRNode:
    weight = module.weight.detach().cpu().numpy().astype(np.float64)
    bias = None if module.bias is None else module.bias.detach().cpu().numpy().astype(np.float64)
    for name, array in (("weight", weight), ("bias", bias)):
        finite = array is None or bool(np.isfinite(array).all())
        problems.require(finite, f"{path}.{name}", "expected finite numbers, found NaN or infinity")
    return nir.Linear(weight=weight) if bias is None else nir.Affine(weight=weight, bias=bias)


def _given(operation: fx.Node, position: int, name: str, default: Any = None) -> Any:
    """The argument of a call, however it was given."""
    return operation.args[position] if len(operation.args) > position else operation.kwargs.get(name, default)


def flat(returned: Any) -> list[Any]:
    """Tuples and lists, nested, as one list; it is used on traced and on real values alike."""
    return [leaf for item in returned for leaf in flat(item)] if isinstance(returned, (tuple, list)) else [returned]
