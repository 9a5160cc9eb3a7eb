"""Signals: the tensors that forward is run on. They hold zeros, and know which NIR nodes their values come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from snndeploy.extras import extras

with extras():
    import torch


@dataclass(frozen=True)
class Value:
    """The sum of what `nodes` send, of `shape` (without batch and time), in the time step `step` of forward.

    `part` is "spk" (0 or 1), "current" (anything else that neurons can take), a neuron's state ("mem", "syn"),
    "sequence" (all time steps of the input `nodes`) or "argument" (the argument of forward in `nodes`). `step` is None
    where it is the same in all steps. `recorded`: of all time steps together, as `torch.stack` makes it.
    """

    nodes: tuple[str, ...]
    shape: tuple[int, ...]
    part: str
    step: int | None = None
    recorded: bool = False


class Follower(Protocol):
    """What is told of every function that is called on a signal, and gives what it returns; in which run it is."""

    run_number: int

    def function(self, function: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any]) -> Any: ...


class Unfollowed(Exception):
    """Forward does what cannot be followed; the text says what."""


class TimeAxis(Exception):
    """Forward takes its input apart along this axis: time, the batch being the other of the first two."""

    def __init__(self, axis: int) -> None:
        super().__init__(f"forward takes its input apart along axis {axis}")
        self.axis = axis


class Signal(torch.Tensor):
    """Zeros with a `value`, None where it is made of something that was refused."""

    value: Value | None
    follower: Follower
    run_number: int  # the call of forward that made it

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = kwargs or {}
        follower = next(item.follower for item in leaves((args, options)) if isinstance(item, Signal))
        return follower.function(func, args, options)

    def __bool__(self) -> NoReturn:
        raise Unfollowed("a condition on the values of a tensor")

    def _number(self) -> NoReturn:
        raise Unfollowed("a number is made of a tensor's values")

    __float__ = __int__ = __index__ = _number


def signal(shape: Sequence[int], value: Value | None, follower: Follower) -> Signal:
    """Zeros of `shape`, batch and time included, that stand for `value`."""
    made = torch.zeros(tuple(shape), dtype=torch.float64).as_subclass(Signal)
    made.value, made.follower, made.run_number = value, follower, follower.run_number
    return made


def plain(given: Any) -> Any:
    """`given` with the zeros of its signals in their place."""
    return mapped(given, lambda item: item.as_subclass(torch.Tensor) if isinstance(item, Signal) else item)


def mapped(given: Any, change: Callable[[Any], Any]) -> Any:
    """`change` of every leaf in nested tuples, lists and mappings."""
    if isinstance(given, Mapping):
        return {key: mapped(item, change) for key, item in given.items()}
    if isinstance(given, (tuple, list)):
        return type(given)([mapped(item, change) for item in given]) if type(given) in (tuple, list) else given
    return change(given)


def leaves(given: Any) -> Iterator[Any]:
    """Every leaf in nested tuples, lists and mappings, in order."""
    if isinstance(given, Mapping):
        given = tuple(given.values())
    if isinstance(given, (tuple, list)):
        for item in given:
            yield from leaves(item)
    else:
        yield given
