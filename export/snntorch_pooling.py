"""Pooling: averages are linear; the maximum of spikes is a neuron that spikes where any of its inputs does."""

from __future__ import annotations

from typing import Any

import nir
import numpy as np

from snndeploy.export import nir_neurons
from snndeploy.export import snntorch_linear as linear
from snndeploy.export.snntorch_graph import Graph
from snndeploy.export.snntorch_signals import Value
from snndeploy.extras import extras

with extras():
    from torch import nn


def average(
    to: Graph, path: str, value: Value, count: int, kernel: Any, stride: Any, padding: Any, options: Any
) -> Value | None:
    """Average pooling over `count` dimensions; `options` (ceil_mode, count_include_pad, divisor_override)."""
    size, around = linear.each(kernel, count), linear.each(padding, count)
    steps = linear.each(kernel if stride is None or stride == () else stride, count)
    ceil, include, divisor = options
    name = f"AvgPool{count}d"
    text = f"{name} that leaves its padding out of the average is not supported; use count_include_pad=True"
    good = to.problems.require(include or not any(around), path, text)
    text = f"{name} with divisor_override is not supported; leave it out and scale the next layer"
    good &= to.problems.require(divisor is None, path, text)
    if not (_even(to, path, name, value, size, steps, around, ceil) and good):
        return None
    if count == 1:
        weight = np.full((value.shape[0], 1, *size), 1 / size[0])
        return linear.conv(to, path, value, weight, None, steps, around, 1, value.shape[0])
    node = nir.AvgPool2d(np.array(size), np.array(steps), np.array(around))
    return linear.added(to, path, node, value, (value.shape[0], *linear.slid(value.shape[1:], size, steps, around)))


def maximum(
    to: Graph, path: str, value: Value, count: int, kernel: Any, stride: Any, padding: Any, options: Any
) -> Value | None:
    """Max pooling of spikes: a neuron without memory that spikes where any of its inputs does.

    `options` (dilation, ceil_mode, return_indices).
    """
    size, around = linear.each(kernel, count), linear.each(padding, count)
    steps = linear.each(kernel if stride is None or stride == () else stride, count)
    dilation, ceil, indices = options
    name = f"MaxPool{count}d"
    text = f"{name} of currents is not supported; pool after the neuron, or use AvgPool"
    if not to.problems.require(value.part == "spk", path, text):
        return None
    text = f"{name} with dilation or return_indices is not supported; leave it out"
    good = to.problems.require(linear.each(dilation, count) == linear.each(1, count) and not indices, path, text)
    if not (_even(to, path, name, value, size, steps, around, ceil) and good):
        return None
    shape = (value.shape[0], *linear.slid(value.shape[1:], size, steps, around))
    if count == 1:
        ones = np.ones((value.shape[0], 1, *size))
        counted = linear.conv(to, f"{path}.sum", value, ones, None, steps, around, 1, value.shape[0])
    else:
        node = nir.SumPool2d(np.array(size), np.array(steps), np.array(around))
        counted = linear.added(to, f"{path}.sum", node, value, shape)
    if counted is None:
        return None
    # Without a spike v stays 0, with one or more it is above the threshold, and reset: no memory, whatever beta is.
    neuron = nir_neurons.to_nir(None, np.ones(shape), np.full(shape, 0.5), to.dt)
    found = linear.added(to, path, neuron, counted, shape, "spk")
    to.spiking(found.nodes[0], path, "zero")
    return found


def _even(to: Graph, path: str, name: str, value: Value, size: Any, steps: Any, around: Any, ceil: bool) -> bool:
    """Whether the shape fits, and rounding up makes no window more."""
    text = f"{name} expects a channel and {len(size)} more dimensions, found {value.shape} (the batch not counted)"
    if not to.problems.require(len(value.shape) == len(size) + 1, path, text):
        return False
    left = [(n + 2 * p - k) % s for n, k, s, p in zip(value.shape[1:], size, steps, around, strict=True)]
    text = f"{name} with ceil_mode has windows that end outside here; use ceil_mode=False, or pad the input"
    return to.problems.require(not ceil or not any(left), path, text)


def adaptive(to: Graph, path: str, value: Value, module: Any) -> Value | None:
    sizes = value.shape[1:]
    wanted = tuple(w or n for w, n in zip(_each_or_none(module.output_size, len(sizes)), sizes, strict=True))
    text = f"{type(module).__name__} from {sizes} to {wanted} has windows of several sizes; use AvgPool"
    if not to.problems.require(not any(n % w for n, w in zip(sizes, wanted, strict=True)), path, text):
        return None
    kernel = tuple(n // w for n, w in zip(sizes, wanted, strict=True))
    return average(to, path, value, len(sizes), kernel, None, 0, (False, True, None))


def _each_or_none(size: Any, count: int) -> tuple[Any, ...]:
    return tuple(size) if isinstance(size, (tuple, list)) else (size,) * count


def average_layer(to: Graph, path: str, value: Value, module: Any) -> Value | None:
    options = (module.ceil_mode, module.count_include_pad, getattr(module, "divisor_override", None))
    count = 1 if isinstance(module, nn.AvgPool1d) else 2
    return average(to, path, value, count, module.kernel_size, module.stride, module.padding, options)


def maximum_layer(to: Graph, path: str, value: Value, module: Any) -> Value | None:
    options = (module.dilation, module.ceil_mode, module.return_indices)
    count = 1 if isinstance(module, nn.MaxPool1d) else 2
    return maximum(to, path, value, count, module.kernel_size, module.stride, module.padding, options)
