"""The values of one run of forward: what may be sent on, what is made of it, and why not."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from snndeploy.errors import Problems
from snndeploy.export.snntorch_graph import Graph
from snndeploy.export.snntorch_signals import Signal, Unfollowed, Value, leaves, mapped, signal
from snndeploy.export.snntorch_table import refusal
from snndeploy.extras import extras

with extras():
    import torch
    from torch import nn

BATCH = 2
RECURRENCE = "what an earlier time step made; only a neuron's own states go from step to step, so use RLeaky"


class Values(ABC):
    """Signals and the nodes behind them. What is made of something refused has no value, and is not reported."""

    def __init__(self, model: nn.Module, dt: float, axis: int | None) -> None:
        self.model = model
        self.problems = Problems("model")
        self.graph = Graph(self.problems, dt, axis=axis)
        self.run_number = 0  # forward is called once, or twice for models that make one time step
        self.made: dict[Any, Value | None] = {}

    @abstractmethod
    def function(self, function: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """What a torch function returns, some of its arguments being signals (called by Signal)."""

    def once(self, key: Any, values: Sequence[Value], make: Callable[[], Value | None]) -> Value | None:
        """What `make` makes of `values`: the same nodes when it is asked again, for the time step of `values`."""
        steps = {value.step for value in values} - {None}
        if len(steps) > 1:
            self.problem("forward", f"a layer or function gets {RECURRENCE}")
            return None
        whole = (key, *(replace(value, step=None) for value in values))
        if whole not in self.made:
            self.made[whole] = make()
        found = self.made[whole]
        return None if found is None else replace(found, step=next(iter(steps), None))

    def usable(self, source: Any, path: str, name: str) -> Value | None:
        """The value of `source` if it is a signal that can go into `path`; else None, and why not."""
        if torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"):
            self.problem("forward", refusal("autocast"))
            return None
        value = source.value if isinstance(source, Signal) else None
        refused = any(isinstance(item, Signal) and item.value is None for item in leaves(source))
        if refused or (isinstance(source, Signal) and self._sendable(source)):
            return value
        self.problem(path, f"{name} gets {self._why_not(source)}")
        return None

    def _sendable(self, source: Signal) -> bool:
        value = source.value
        now = source.run_number == self.run_number
        return value is not None and value.part in ("spk", "current") and not value.recorded and now

    def _why_not(self, source: Any) -> str:
        """Why `source` cannot be sent to a layer or neuron."""
        if isinstance(source, tuple):
            names = {node for item in source if isinstance(item, Signal) and item.value for node in item.value.nodes}
            name = " and ".join(map(repr, sorted(names)))
            return f"all that {name} returns; use init_hidden=True there, or `spk, mem = ...`"
        if not isinstance(source, Signal) or source.value is None:
            return f"{self.constant(source)}; use a Linear"
        value = source.value
        if value.part == "argument":
            return f"the argument {value.nodes[0]!r} of forward, for which there is no sample"
        if value.recorded:
            return "the record of all time steps; return it as it is"
        if value.part == "sequence":
            return "all time steps at once; call it for one time step in the loop"
        if value.part in ("spk", "current"):
            return RECURRENCE
        return f"the {value.part} of {value.nodes[0]!r}; only its spikes can be sent"

    def constant(self, found: Any) -> str:
        """What is no signal, in words."""
        if not isinstance(found, torch.Tensor):
            return repr(found)
        tensors = (*self.model.named_parameters(), *self.model.named_buffers())
        own = (f"{name!r}, a tensor of the model itself" for name, tensor in tensors if tensor is found)
        return next(own, "a constant, and no signal of the input")

    def signal(self, value: Value) -> Signal:
        return signal((BATCH, *value.shape), value, self)

    def unknown(self, result: Any) -> Any:
        """`result` of something refused, as signals without a value."""
        if not any(isinstance(item, torch.Tensor) for item in leaves(result)):
            raise Unfollowed("a number is made of a tensor's values")
        return mapped(result, lambda item: signal(item.shape, None, self) if isinstance(item, torch.Tensor) else item)

    def problem(self, place: str, text: str) -> None:
        """Report it once, however often forward comes there."""
        if f"{place}: {text}" not in self.problems.found:
            self.problems.add(place, text)
