"""Linear maps of torch as NIR nodes: weights, convolutions, reshapes, factors and summands."""

from __future__ import annotations

import math
from typing import Any

import nir
import numpy as np

from snndeploy.export.snntorch_graph import Graph
from snndeploy.export.snntorch_signals import Value
from snndeploy.extras import extras
from snndeploy.network import Floats

with extras():
    import torch

WEIGHTS = (nir.Affine, nir.Linear, nir.Conv1d, nir.Conv2d)
CONV = {1: nir.Conv1d, 2: nir.Conv2d}


def linear(to: Graph, path: str, value: Value, weight: Any, bias: Any) -> Value | None:
    """weight @ x + bias, for `weight` (outputs, inputs)."""
    w, b = array(weight), None if bias is None else array(bias)
    expected = (w.shape[1],)
    text = f"Linear expects the shape {expected}, found {value.shape} (the batch not counted)"
    text += f"; {_advice(to, value, expected)}"
    if not to.problems.require(value.shape == expected, path, text) or not _finite(to, path, w, b):
        return None
    node = nir.Linear(weight=w) if b is None else nir.Affine(weight=w, bias=b)
    return added(to, path, node, value, (w.shape[0],))


def conv(
    to: Graph,
    path: str,
    value: Value,
    weight: Any,
    bias: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Value | None:
    """The convolution of torch, padded with zeros; `weight` (outputs, inputs / groups, *kernel)."""
    w = array(weight)
    b = np.zeros(w.shape[0]) if bias is None else array(bias)
    count, channels = w.ndim - 2, w.shape[1] * groups
    sizes = "length" if count == 1 else "height, width"
    text = f"Conv{count}d expects the shape ({channels}, {sizes}), found {value.shape} (the batch not counted)"
    lengths = value.shape[-count:]
    expected = (channels, *(value.shape[:-1] if value.shape[-1:] == (channels,) else lengths))
    expected = expected if len(expected) == count + 1 else (channels, *(0,) * count)
    text += f"; {_advice(to, value, expected)}"
    fits = len(value.shape) == count + 1 and value.shape[0] == channels
    if not to.problems.require(fits, path, text) or not _finite(to, path, w, b):
        return None
    steps, spread, kernel = each(stride, count), each(dilation, count), w.shape[2:]
    given = padding if isinstance(padding, str) else each(padding, count)
    around = each(0, count) if given == "valid" else given
    if isinstance(around, str):  # "same"
        shape: tuple[int, ...] = value.shape[1:]
        missing = [d * (k - 1) for d, k in zip(spread, kernel, strict=True)]
        around = given if any(m % 2 for m in missing) else tuple(m // 2 for m in missing)
    else:
        shape = slid(value.shape[1:], kernel, steps, around, spread)
    one = count == 1
    node = CONV[count](
        input_shape=value.shape[1] if one else value.shape[1:],
        weight=w,
        stride=steps[0] if one else steps,
        padding=around if isinstance(around, str) else around[0] if one else around,
        dilation=spread[0] if one else spread,
        groups=groups,
        bias=b,
    )
    return added(to, path, node, value, (w.shape[0], *shape))


def flatten(to: Graph, path: str, value: Value, start: Any = 1, end: Any = -1) -> Value | None:
    """Flatten, whose dimensions count the batch in torch and do not in NIR."""
    count = len(value.shape) + 1
    if not to.problems.require(type(start) is int and type(end) is int, path, "Flatten needs numbers as dimensions"):
        return None
    start, end = start % count, end % count
    if not to.problems.require(start > 0, path, "Flatten merges the batch; use start_dim=1"):
        return None
    if start >= end:
        return value
    node = nir.Flatten({"input": np.array(value.shape)}, start - 1, end - 1)
    shape = (*value.shape[: start - 1], math.prod(value.shape[start - 1 : end]), *value.shape[end:])
    return added(to, path, node, value, shape, value.part)


def reshape(to: Graph, path: str, value: Value, shape: tuple[int, ...]) -> Value | None:
    """`value` in `shape`, where that merges dimensions that follow each other."""
    for start in range(len(value.shape)):
        for end in range(start, len(value.shape)):
            merged = (*value.shape[:start], math.prod(value.shape[start : end + 1]), *value.shape[end + 1 :])
            if merged == shape:
                return flatten(to, path, value, start + 1, end + 1)
    to.problems.add(path, f"from the shape {value.shape} to {shape}: NIR can only flatten; give the sample that shape")
    return None


def scaled(to: Graph, path: str, value: Value, scale: Any, shift: Any) -> Value | None:
    """scale * x + shift, both broadcast over x: folded into the weights before, or a node of its own."""
    wide = (len(value.shape) - np.ndim(scale)) * (1,) + np.shape(scale)
    scale, shift = np.asarray(scale, np.float64).reshape(wide), np.asarray(shift, np.float64)
    try:
        scale, shift = np.broadcast_to(scale, value.shape), np.broadcast_to(shift, value.shape)
    except ValueError:
        to.problems.add(path, f"a factor or summand of another shape than the signal's, {value.shape}")
        return None
    if not _finite(to, path, scale, shift):
        return None
    made = []
    for node in value.nodes:
        made.append(_scaled_node(to, path, node, value, scale, shift))
        shift = np.zeros(value.shape)  # once for the whole sum
    if None in made:
        return None
    return Value(tuple(filter(None, made)), value.shape, "current", value.step)


def _advice(to: Graph, value: Value, expected: tuple[int, ...]) -> str:
    """What to do about a value whose shape is not the expected one."""
    if value.shape[1:] == expected:
        batch = "give the sample (--shape) without a batch dimension"
        return f"{batch}, or put a Flatten before it" if len(expected) == 1 else batch
    if len(expected) == 1 and math.prod(value.shape) == expected[0]:
        return "put a Flatten before it"
    if len(expected) == 1 and len(value.shape) == 1 and value.shape[0] % expected[0] == 0:
        many = value.shape[0] // expected[0]
        return f"that is {many} times as many: is there a batch dimension in the sample (--shape)?"
    if isinstance(to.nodes[value.nodes[0]], nir.Input):
        if math.prod(value.shape) == math.prod(expected):
            return f"give the sample that shape (--shape {'x'.join(map(str, expected))}), channels first"
        return "give a sample (--shape) of that shape"
    return "make the layers fit each other, or give the sample (--shape) that they were made for"


def _scaled_node(to: Graph, path: str, name: str, value: Value, scale: Floats, shift: Floats) -> str | None:
    node, shape = to.nodes[name], value.shape
    factors, summands = _per_channel(scale), _per_channel(shift)
    if isinstance(node, WEIGHTS) and factors is not None and summands is not None:
        weight = node.weight * factors.reshape(-1, *(1,) * (node.weight.ndim - 1))
        bias = getattr(node, "bias", np.zeros(shape[0])) * factors + summands
        if isinstance(node, (nir.Conv1d, nir.Conv2d)):
            changed: nir.NIRNode = type(node)(**{**_parameters(node), "weight": weight, "bias": bias})
        else:
            changed = nir.Affine(weight=weight, bias=bias) if bias.any() else nir.Linear(weight=weight)
        new = to.add(name, changed, to.sources(name), (node.input_type["input"], shape))
        to.fold(name, new)
        return new
    if not shift.any():
        return to.add(path, nir.Scale(scale=scale.copy()), [name], (shape, shape))
    if len(shape) == 1:
        return to.add(path, nir.Affine(weight=np.diag(scale), bias=shift.copy()), [name], (shape, shape))
    if factors is None or summands is None or len(shape) not in (2, 3):
        to.problems.add(path, "a summand for each neuron is not supported here; use one for each channel")
        return None
    weight = factors.reshape(-1, *(1,) * len(shape))
    found = conv(to, path, Value((name,), shape, "current"), weight, summands, groups=shape[0])
    return None if found is None else found.nodes[0]


def placed(to: Graph, path: str, value: Value, size: int, start: int) -> Value | None:
    """`value` from channel (or neuron) `start` on in a signal of `size`, 0 elsewhere."""
    count = len(value.shape) - 1
    matrix = np.eye(size)[:, start : start + value.shape[0]]
    if count == 0:
        return linear(to, path, value, matrix, None)
    return conv(to, path, value, matrix.reshape(*matrix.shape, *(1,) * count), None)


def array(tensor: Any) -> Floats:
    """A tensor, array or number in float64."""
    values = tensor.detach().cpu().numpy() if isinstance(tensor, torch.Tensor) else tensor
    return np.asarray(values).astype(np.float64)


def added(
    to: Graph, path: str, node: nir.NIRNode, value: Value, shape: tuple[int, ...], part: str = "current"
) -> Value:
    return Value((to.add(path, node, value.nodes, (value.shape, shape)),), shape, part, value.step)


def _parameters(node: nir.NIRNode) -> dict[str, Any]:
    return {key: value for key, value in node.to_dict().items() if key not in ("type", "metadata")}


def _per_channel(values: Floats) -> Floats | None:
    """The one value of each channel, None where they differ within one."""
    rows = values.reshape(len(values), -1)
    return rows[:, 0].copy() if (rows == rows[:, :1]).all() else None


def _finite(to: Graph, path: str, *arrays: Floats | None) -> bool:
    good = True
    for name, values in zip(("weight", "bias"), arrays, strict=False):
        finite = values is None or bool(np.isfinite(values).all())
        good &= to.problems.require(finite, f"{path}.{name}", "expected finite numbers, found NaN or infinity")
    return good


def each(number: Any, count: int) -> tuple[int, ...]:
    values = number if isinstance(number, (tuple, list)) else (number,)
    return tuple(int(v) for v in (values if len(values) == count else (*values,) * count))


def slid(sizes: Any, kernel: Any, steps: Any, around: Any, spread: Any = None) -> tuple[int, ...]:
    """How many places a kernel has in each dimension."""
    spread = spread or (1,) * len(sizes)
    every = zip(sizes, kernel, steps, around, spread, strict=True)
    return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in every)
