"""Functions that a forward may call on signals: for each, the Value that it gives, or why there is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from snndeploy.errors import Problems
from snndeploy.export import snntorch_linear as linear
from snndeploy.export import snntorch_pooling as pooling
from snndeploy.export.snntorch_graph import Graph
from snndeploy.export.snntorch_signals import Signal, Value, plain
from snndeploy.export.snntorch_table import refusal
from snndeploy.extras import extras

with extras():
    import torch

# What tells of a tensor's form and not of its values.
FORM = {"size", "dim", "ndimension", "numel", "nelement", "__len__", "is_floating_point", "is_contiguous", "get_device"}
PROPERTIES = {"shape", "ndim", "dtype", "device", "requires_grad", "is_cuda", "layout", "is_leaf"}
IDENTITIES = ("clone", "detach", "contiguous", "cpu", "requires_grad", "data")
CONSTANTS = {"zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full"}

# name of an argument -> what was given, values in place of signals
Given = Mapping[str, Any]
Function = Callable[[Graph, str, Given], Value | None]


def named(names: str, args: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call by their names."""
    return {**dict(zip(names.split(), args, strict=False)), **options}


def _constant(value: Any, problems: Problems, name: str) -> Any:
    """A number or a tensor of the model, as an array without the batch dimension; None, and why, for others."""
    if isinstance(value, (int, float, np.ndarray, np.number, torch.Tensor)):
        return linear.array(value)
    problems.add("forward", f"{name} with {type(value).__name__}; use numbers, or tensors of the model")
    return None


def _unbatched(value: Any, rank: int) -> Any:
    return value[0] if np.ndim(value) == rank + 1 and len(value) == 1 else value


def _linear_combination(to: Graph, name: str, a: Any, b: Any, factor: float) -> Value | None:
    """a + factor * b."""
    if isinstance(a, Value) and isinstance(b, Value):
        return added(to, name, a, b if factor == 1 else linear.scaled(to, name, b, factor, 0.0))
    value, other = (a, b) if isinstance(a, Value) else (b, a)
    constant = _constant(other, to.problems, name)
    if constant is None:
        return None
    constant = _unbatched(constant, len(value.shape))
    if isinstance(a, Value):
        return _affine(to, name, value, 1.0, factor * constant)
    return _affine(to, name, value, factor, constant)


def added(to: Graph, name: str, a: Value, b: Value | None) -> Value | None:
    """a + b: several edges into what comes next."""
    if b is None:
        return None
    text = f"{name} of signals of the shapes {a.shape} and {b.shape} (the batch not counted); make them equal"
    if not to.problems.require(a.shape == b.shape, "forward", text):
        return None
    twice = set(a.nodes) & set(b.nodes)
    nodes = tuple(node for node in (*a.nodes, *b.nodes) if node not in twice)
    for node in sorted(twice):
        double = linear.scaled(to, name, replace(a, nodes=(node,)), 2.0, 0.0)
        if double is None:
            return None
        nodes += double.nodes
    return Value(nodes, a.shape, "current")


def _affine(to: Graph, name: str, value: Value, scale: Any, shift: Any) -> Value | None:
    if np.all(scale == 1) and not np.any(shift):
        return value
    return linear.scaled(to, name, value, scale, shift)


def _add(to: Graph, name: str, given: Given) -> Value | None:
    return _linear_combination(to, name, given["input"], given["other"], float(given.get("alpha", 1)))


def _subtract(to: Graph, name: str, given: Given) -> Value | None:
    return _linear_combination(to, name, given["input"], given["other"], -float(given.get("alpha", 1)))


def _subtract_from(to: Graph, name: str, given: Given) -> Value | None:
    return _linear_combination(to, name, given["other"], given["input"], -1.0)


def _negative(to: Graph, name: str, given: Given) -> Value | None:
    return linear.scaled(to, name, given["input"], -1.0, 0.0)


def _multiply(to: Graph, name: str, given: Given) -> Value | None:
    a, b = given["input"], given["other"]
    if isinstance(a, Value) and isinstance(b, Value):
        to.problems.add("forward", f"{name} of two signals is not supported; add them, or let a neuron combine them")
        return None
    value, other = (a, b) if isinstance(a, Value) else (b, a)
    constant = _constant(other, to.problems, name)
    return None if constant is None else _affine(to, name, value, _unbatched(constant, len(value.shape)), 0.0)


def _divide(to: Graph, name: str, given: Given) -> Value | None:
    value, constant = given["input"], given["other"]
    if not isinstance(value, Value) or isinstance(constant, Value):
        to.problems.add("forward", f"{name} by a signal is not supported; divide by numbers")
        return None
    constant = _constant(constant, to.problems, name)
    text = "division by 0"
    if constant is None or not to.problems.require(bool(np.all(constant)), "forward", text):
        return None
    return _affine(to, name, value, 1 / _unbatched(constant, len(value.shape)), 0.0)


def _matmul(to: Graph, name: str, given: Given) -> Value | None:
    value, weight = given["input"], given["other"]
    good = isinstance(value, Value) and isinstance(weight, torch.Tensor) and weight.ndim == 2
    text = f"{name} is supported as `signal @ weights` with a matrix of the model; use the module torch.nn.Linear"
    return linear.linear(to, name, value, weight.T, None) if to.problems.require(good, "forward", text) else None


def _concatenate(to: Graph, name: str, given: Given) -> Value | None:
    parts = given["tensors"]
    if not all(isinstance(part, Value) for part in parts):
        to.problems.add("forward", f"{name} with something that is no signal; leave it out")
        return None
    rank = len(parts[0].shape)
    axis = int(given.get("dim", 0)) % (rank + 1)
    alike = len({(len(part.shape), part.shape[1:]) for part in parts}) == 1
    text = f"{name} is supported along dimension 1 of signals that are alike otherwise, found dimension {axis}"
    if not to.problems.require(axis == 1 and alike, "forward", text):
        return None
    size = sum(part.shape[0] for part in parts)
    nodes: tuple[str, ...] = ()
    start = 0
    for part in parts:
        found = linear.placed(to, name, part, size, start)
        if found is None:
            return None
        nodes, start = nodes + found.nodes, start + part.shape[0]
    spikes = all(part.part == "spk" for part in parts)
    return Value(nodes, (size, *parts[0].shape[1:]), "spk" if spikes else "current")


def _same(to: Graph, name: str, given: Given) -> Value | None:
    value: Value = given["input"]
    return value


def _dropout(to: Graph, name: str, given: Given) -> Value | None:
    text = f"{name} in training mode, as it is by default; use torch.nn.Dropout, or training=self.training"
    return given["input"] if to.problems.require(not given.get("training", True), "forward", text) else None


def _relu(to: Graph, name: str, given: Given) -> Value | None:
    return given["input"] if to.problems.require(given["input"].part == "spk", "forward", refusal(name)) else None


def _flatten(to: Graph, name: str, given: Given) -> Value | None:
    return linear.flatten(to, name, given["input"], given.get("start_dim", 0), given.get("end_dim", -1))


def _linear(to: Graph, name: str, given: Given) -> Value | None:
    return linear.linear(to, name, given["input"], given["weight"], given.get("bias"))


def _conv(to: Graph, name: str, given: Given) -> Value | None:
    options = {key: given[key] for key in ("stride", "padding", "dilation", "groups") if key in given}
    return linear.conv(to, name, given["input"], given["weight"], given.get("bias"), **options)


def _average(to: Graph, name: str, given: Given) -> Value | None:
    options = (given.get("ceil_mode", False), given.get("count_include_pad", True), given.get("divisor_override"))
    pool = (given["kernel_size"], given.get("stride"), given.get("padding", 0), options)
    return pooling.average(to, name, given["input"], int(name[-2]), *pool)


def _maximum(to: Graph, name: str, given: Given) -> Value | None:
    options = (given.get("dilation", 1), given.get("ceil_mode", False), given.get("return_indices", False))
    pool = (given["kernel_size"], given.get("stride"), given.get("padding", 0), options)
    return pooling.maximum(to, name, given["input"], int(name[-2]), *pool)


TWO = "input other"
POOL = "input kernel_size stride padding"
CONV = "input weight bias stride padding dilation groups"

# name -> the names of its arguments, and what it does
FUNCTIONS: Mapping[str, tuple[str, Function]] = {
    "add": (TWO, _add),
    "sub": (TWO, _subtract),
    "subtract": (TWO, _subtract),
    "rsub": (TWO, _subtract_from),
    "mul": (TWO, _multiply),
    "multiply": (TWO, _multiply),
    "div": (TWO, _divide),
    "true_divide": (TWO, _divide),
    "neg": ("input", _negative),
    "matmul": (TWO, _matmul),
    "mm": (TWO, _matmul),
    "cat": ("tensors dim", _concatenate),
    "concat": ("tensors dim", _concatenate),
    "flatten": ("input start_dim end_dim", _flatten),
    "linear": ("input weight bias", _linear),
    "conv1d": (CONV, _conv),
    "conv2d": (CONV, _conv),
    "avg_pool1d": (f"{POOL} ceil_mode count_include_pad", _average),
    "avg_pool2d": (f"{POOL} ceil_mode count_include_pad divisor_override", _average),
    "max_pool1d": (f"{POOL} dilation ceil_mode return_indices", _maximum),
    "max_pool2d": (f"{POOL} dilation ceil_mode return_indices", _maximum),
    "dropout": ("input p training inplace", _dropout),
    "relu": ("input inplace", _relu),
    **dict.fromkeys((*IDENTITIES, "to", "double", "type_as"), ("input", _same)),
}
RESHAPES = {"view", "reshape", "squeeze", "unsqueeze", "view_as", "unflatten"}


def reshaped(to: Graph, name: str, value: Value, function: Any, args: Sequence[Any], options: Any) -> Value | None:
    """The result of a function that gives a tensor another shape."""
    shape = tuple(function(*plain(args), **plain(options)).shape)
    batch = next(item for item in args if isinstance(item, Signal)).shape[0]
    if not to.problems.require(len(shape) > 1 and shape[0] == batch, name, "merges the batch; keep dimension 0"):
        return None
    if math.prod(shape[1:]) != math.prod(value.shape):
        return None
    return linear.reshape(to, name, value, shape[1:])
