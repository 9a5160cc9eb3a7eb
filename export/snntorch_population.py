"""Calls of neurons in forward: one population each, its states kept from one time step to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import nir

from snndeploy.export import snntorch_linear as linear
from snndeploy.export import snntorch_neurons as cells
from snndeploy.export.snntorch_signals import Signal, Value, leaves, signal
from snndeploy.export.snntorch_values import RECURRENCE, Values
from snndeploy.extras import extras

with extras():
    import torch

AGAIN = "called more than once in forward; write it for one time step, one neuron for each population"
NOT_ITS_OWN = "not what it returned in the step before; give it back as it is"


class Populations:
    """The neurons that forward calls, by their paths in the model."""

    def __init__(self, to: Values) -> None:
        self.to = to
        self.names: dict[str, str | None] = {}  # its node, None where it was refused
        self.arriving: dict[str, tuple[str, ...]] = {}  # the nodes that send to it
        self.calls: dict[str, int] = {}  # the number of its last call, from 0
        self.fresh: dict[str, str] = {}  # the state that forward makes for it
        self.kept: dict[int, dict[str, Signal]] = {}  # the states in the module, by its id

    def call(self, path: str, module: Any, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """What the neuron `module` returns for these arguments, in the next time step."""
        kind = cells.KINDS[type(module)]
        given = {**dict(zip(("input_", *kind.states), args, strict=False)), **options}
        source = given["input_"]
        call = self.calls[path] = self.calls.get(path, -1) + 1
        value = self.to.usable(source, path, type(module).__name__)
        if path not in self.names:
            before = len(self.to.problems.found)
            cells.check_features(path, module, self.to.problems)
            node = cells.node(path, module, value.shape, self.to.graph.dt, self.to.problems) if value else None
            self.names[path] = None
            if value is not None and node is not None and len(self.to.problems.found) == before:
                self._new_neuron(path, module, node, value)
        name = self.names[path]
        if name is None or value is None:
            return self._returned(module, source, None, None)
        if value.nodes != self.arriving[path]:
            self.to.problem(path, AGAIN)
            return self._returned(module, source, None, None)
        if value.step is not None and value.step < call:
            self.to.problem(path, f"{type(module).__name__} gets {RECURRENCE}")
        self._states(path, name, kind.states, given, call)
        self._check_kept(path, module, call)
        return self._returned(module, source, name, Value((name,), value.shape, "spk", call))

    def _new_neuron(self, path: str, module: Any, node: nir.NIRNode, value: Value) -> None:
        before = len(self.to.problems.found)
        name = self.to.graph.add(path, node, value.nodes, (value.shape, value.shape))
        self.to.graph.neurons[name] = path
        self.to.graph.resets[name] = cells.reset_kind(module)
        self.to.graph.factors[name] = linear.array(module.graded_spikes_factor)
        self.arriving[path] = value.nodes
        if hasattr(module, "recurrent"):
            spikes = Value((name,), value.shape, "spk")
            found = cells.recurrence(self.to.graph, f"{name}.recurrent", module, spikes)
            if found is not None:
                self.to.graph.edges += [(back, name) for back in found.nodes]
                self.to.graph.delays |= {(name, back): 1 for back in found.nodes}
        if len(self.to.problems.found) == before:
            self.names[path] = name

    def _returned(self, module: Any, source: Any, name: str | None, spikes: Value | None) -> Any:
        """What `module` returns: its spikes, or these and its states."""
        returns = cells.KINDS[type(module)].returns
        shape = next(item.shape for item in leaves(source) if isinstance(item, torch.Tensor))
        made = [signal(shape, spikes and replace(spikes, part=part), self.to) for part in returns]
        factor = self.to.graph.factors.get(name or "")
        if spikes and factor is not None and (factor != 1).any():
            path = f"{name}.factor"
            graded = self.to.once(path, [spikes], lambda: linear.scaled(self.to.graph, path, spikes, factor, 0.0))
            made[0] = signal(shape, graded, self.to)
        if module.init_hidden:  # forward may read the states that a call leaves in the module
            self.kept[id(module)] = {
                part: state for part, state in zip(returns, made, strict=True) if hasattr(module, part)
            }
            for part, state in self.kept[id(module)].items():
                setattr(module, part, state)
        return tuple(made) if cells.returns_states(module) else made[0]

    def _check_kept(self, path: str, module: Any, call: int) -> None:
        """Report states in the module that are not those of the step before."""
        if call == 0 and self.to.run_number == 0:
            return
        for part, state in self.kept.get(id(module), {}).items():
            text = f"forward changes its {part} between the steps; leave the states to the neuron"
            if getattr(getattr(module, part), "value", None) != state.value:
                self.to.problem(path, text)

    def _states(self, path: str, neuron: str, states: Sequence[str], given: Mapping[str, Any], call: int) -> None:
        """Check that every state is the neuron's own, from the step before."""
        for state in states:
            source = given.get(state)
            if source is None:
                continue
            value = source.value if isinstance(source, Signal) else None
            if isinstance(source, Signal) and value is None:
                continue
            if value is not None and value.part == "argument" and call == 0:
                (argument,) = value.nodes
                free = self.to.graph.arguments.get(argument) in (None, (neuron, state))
                self.to.problems.require(free, path, f"the argument {argument!r} of forward is a state of two neurons")
                self.to.graph.arguments[argument] = (neuron, state)
            elif value is not None and value.nodes == (neuron,) and value.part == state:
                before = value.step == call - 1 or (call == 0 and source.run_number < self.to.run_number)
                if not before:
                    self.to.problem(
                        path, f"its {state} is not what it returned in the step before; give it back as it is"
                    )
                elif call == 0:
                    self.fresh.pop(path, None)
            elif value is None and call == 0 and self.to.run_number == 0:
                zero = not bool(torch.as_tensor(source).any())
                self.to.problems.require(zero, path, f"starts from a {state} other than 0; start from 0")
                self.fresh[path] = state
            elif value is not None or call > 0:
                self.to.problem(path, f"its {state} is {NOT_ITS_OWN}")

    def check_steps(self, length: int) -> None:
        """Report neurons that are not called once in every time step; `length`: how many the input has, if it has."""
        counts = {path: self.calls[path] + 1 for path in self.calls}
        if not counts:
            return
        steps = self.to.graph.steps = max(counts.values())
        if self.to.graph.axis is not None:
            text = f"it makes {steps} of the {length} time steps of its input; give a sample with as many as it makes"
            self.to.problems.require(steps == length, "forward", text)
        for path, count in counts.items():
            text = f"called {count} times in forward, where others are called {steps} times; call each once a step"
            self.to.problems.require(count == steps, path, text)
