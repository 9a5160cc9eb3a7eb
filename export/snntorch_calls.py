"""Calls of torch functions in forward: time steps taken and recorded, and those of `snntorch_functions`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from snndeploy.export import snntorch_functions as functions
from snndeploy.export.snntorch_neurons import STATES
from snndeploy.export.snntorch_signals import Signal, TimeAxis, Value, leaves, mapped, plain, signal
from snndeploy.export.snntorch_table import refusal
from snndeploy.export.snntorch_values import Values
from snndeploy.extras import extras

with extras():
    import torch


class Calls(Values):
    """Values that torch functions are called on."""

    def function(self, function: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """What a torch function returns, some of its arguments being signals (called by Signal)."""
        name = str(getattr(function, "__name__", function))
        if name == "__get__":
            name = str(getattr(getattr(function, "__self__", None), "__name__", name))
        form = name in functions.FORM or name in functions.PROPERTIES or name in functions.CONSTANTS
        if form or (name in ("__eq__", "__ne__") and None in args):
            return function(*plain(args), **plain(options))
        signals = [item for item in leaves((args, options)) if isinstance(item, Signal)]
        if any(item.value is None for item in signals):
            return self.unknown(function(*plain(args), **plain(options)))
        if name in ("__getitem__", "unbind", "select"):
            return self._part(name, function, args, options)
        if name == "stack":
            return self._stack(args, options)
        if name.strip("_") in functions.IDENTITIES and signals[0].value and signals[0].value.part in STATES:
            return signals[0]  # which cannot be sent, and may be kept
        values = [self.usable(item, "forward", name) for item in signals]
        made = None if None in values else self._call(name, function, args, options, list(filter(None, values)))
        if name.endswith("_") and not name.startswith("_") and isinstance(args[0], Signal):
            args[0].value = made  # in place
            return args[0]
        return self.unknown(function(*plain(args), **plain(options))) if made is None else self.signal(made)

    def _call(self, name: str, function: Any, args: Sequence[Any], options: Any, values: list[Value]) -> Value | None:
        base = name.strip("_")
        if not self._keeps_values(base, function, args, options):
            return None
        known = functions.FUNCTIONS.get(base)
        given = [item if isinstance(item, Signal) else _key(item) for item in leaves((args, options))]
        key = (base, *(item for item in given if not isinstance(item, Signal)))
        if base in functions.RESHAPES:
            to, value = self.graph, values[0]
            return self.once(key, values, lambda: functions.reshaped(to, base, value, function, args, options))
        if known is None or (base == "dropout" and "inplace" in options and name != "dropout"):
            self.problem("forward", refusal(base))
            return None
        names, make = known
        value_of = {id(item): v for item, v in zip(_signals((args, options)), values, strict=True)}
        named = functions.named(
            names,
            mapped(tuple(args), lambda item: value_of[id(item)] if isinstance(item, Signal) else item),
            mapped(dict(options), lambda item: value_of[id(item)] if isinstance(item, Signal) else item),
        )
        return self.once(key, values, lambda: make(self.graph, base, named))

    def _keeps_values(self, name: str, function: Any, args: Sequence[Any], options: Mapping[str, Any]) -> bool:
        """Report options that change what a function gives, and conversions to other numbers than float64."""
        changing = sorted(key for key in ("out", "rounding_mode", "dtype") if options.get(key) is not None)
        if changing and name != "to":
            self.problem("forward", f"{name} with {', '.join(changing)} is not supported; leave it out")
            return False
        if name in ("to", "type_as") and function(*plain(args), **plain(options)).dtype != torch.float64:
            self.problem("forward", refusal("float"))
            return False
        return True

    def _part(self, name: str, function: Any, args: Sequence[Any], options: Any) -> Any:
        """A time step of an input."""
        source = args[0]
        if not isinstance(source, Signal) or source.value is None:
            return self.unknown(function(*plain(args), **plain(options)))
        value = source.value
        index = args[1] if len(args) > 1 else options.get("dim", 0)
        axis, step = _axis_and_step(name, index)
        is_input = value.nodes[0] in self.graph.inputs.values() and value.part in ("current", "sequence")
        if is_input and axis is not None and len(value.shape) == 1 and value.part == "current":
            steps = f"--shape 25x{value.shape[0]}"
            self.problem(
                "forward", f"takes time steps of its input; give a sample that has them in front, as in {steps}"
            )
            return self.unknown(function(*plain(args), **plain(options)))
        if is_input and axis in (0, 1) and len(value.shape) > (value.part == "current"):
            if axis != self.graph.axis:
                raise TimeAxis(axis)
            count = source.shape[axis]
            if step is None:
                found = [self.signal(replace(value, part="current", step=t)) for t in range(count)]
                return tuple(found)
            if -count <= step < count:
                return self.signal(replace(value, part="current", step=step % count))
            raise IndexError(f"time step {step} of {count}")
        self.problem("forward", f"a part of a tensor, [{index}], cannot be taken; use whole populations")
        return self.unknown(function(*plain(args), **plain(options)))

    def _stack(self, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """A record: one value for each time step."""
        found = torch.stack(*plain(args), **plain(options))
        values = [item.value for item in args[0] if isinstance(item, Signal)]
        first = values[0] if values else None
        alike = first is not None and len(values) == len(args[0])
        alike = alike and all(v and replace(v, step=t) == v for t, v in enumerate(values))
        alike = alike and all(replace(v, step=None) == replace(first, step=None) for v in values if v and first)
        if not alike or first is None:
            self.problem("forward", "stack of other things than one value in every time step, in order")
            return self.unknown(found)
        return signal(found.shape, replace(first, step=None, recorded=True), self)


def _signals(given: Any) -> list[Signal]:
    return [item for item in leaves(given) if isinstance(item, Signal)]


def _key(item: Any) -> Any:
    if isinstance(item, torch.Tensor):
        return ("tensor", tuple(item.shape), item.detach().cpu().numpy().tobytes())
    return repr(item)


def _axis_and_step(name: str, index: Any) -> tuple[int | None, int | None]:
    """The axis that `[index]` takes one place of, and which; unbind takes all."""
    if name == "unbind":
        return index, None
    if isinstance(index, int):
        return 0, index
    if isinstance(index, tuple) and index and all(item in (slice(None), Ellipsis) for item in index[1:]):
        index = index[:2] if isinstance(index[0], slice) else (index[0],)
        return (0, index[0]) if isinstance(index[0], int) else (None, None)
    if isinstance(index, tuple) and len(index) >= 2 and index[0] == slice(None) and isinstance(index[1], int):
        rest = all(item in (slice(None), Ellipsis) for item in index[2:])
        return (1, index[1]) if rest else (None, None)
    return None, None
