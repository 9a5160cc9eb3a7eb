"""The modules of torch without memory that can be exported, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from snndeploy.export import snntorch_linear as linear
from snndeploy.export import snntorch_pooling as pooling
from snndeploy.export.snntorch_graph import Graph
from snndeploy.export.snntorch_signals import Value
from snndeploy.extras import extras

with extras():
    from torch import nn

Layer = Callable[[Graph, str, Value, Any], Value | None]


def batch_norm(to: Graph, path: str, value: Value, module: Any) -> Value | None:
    """Batch normalization in eval mode: a scale and a shift for each channel."""
    text = f"{type(module).__name__} without running statistics is not supported; use track_running_stats=True"
    if not to.problems.require(module.running_mean is not None, path, text):
        return None
    count = module.num_features
    text = f"{type(module).__name__} expects {count} channels, found the shape {value.shape} (the batch not counted)"
    if not to.problems.require(value.shape[:1] == (count,), path, text):
        return None
    scale = 1 / np.sqrt(linear.array(module.running_var) + module.eps)
    scale = scale if module.weight is None else scale * linear.array(module.weight)
    shift = (0 if module.bias is None else linear.array(module.bias)) - linear.array(module.running_mean) * scale
    across = (count,) + (1,) * (len(value.shape) - 1)
    return linear.scaled(to, path, value, scale.reshape(across), shift.reshape(across))


def _conv_layer(to: Graph, path: str, value: Value, module: Any) -> Value | None:
    text = f"{type(module).__name__} with padding_mode={module.padding_mode!r} is not supported; use 'zeros'"
    padded = module.padding_mode != "zeros" and module.padding not in (0, "valid") and any(_each_pad(module.padding))
    if not to.problems.require(not padded, path, text):
        return None
    options = (module.stride, module.padding, module.dilation, module.groups)
    return linear.conv(to, path, value, module.weight, module.bias, *options)


def _each_pad(padding: Any) -> tuple[Any, ...]:
    return padding if isinstance(padding, tuple) else (padding,)


def _same(to: Graph, path: str, value: Value, module: Any) -> Value | None:
    return value


LAYERS: Mapping[type[nn.Module], Layer] = {
    nn.Linear: lambda to, path, value, m: linear.linear(to, path, value, m.weight, m.bias),
    nn.Conv1d: _conv_layer,
    nn.Conv2d: _conv_layer,
    nn.AvgPool1d: pooling.average_layer,
    nn.AvgPool2d: pooling.average_layer,
    nn.AdaptiveAvgPool1d: pooling.adaptive,
    nn.AdaptiveAvgPool2d: pooling.adaptive,
    nn.MaxPool1d: pooling.maximum_layer,
    nn.MaxPool2d: pooling.maximum_layer,
    nn.BatchNorm1d: batch_norm,
    nn.BatchNorm2d: batch_norm,
    nn.Flatten: lambda to, path, value, m: linear.flatten(to, path, value, m.start_dim, m.end_dim),
    nn.Dropout: _same,
    nn.Dropout1d: _same,
    nn.Dropout2d: _same,
    nn.Identity: _same,
}


def layer(module: nn.Module) -> Layer | None:
    """How `module` is exported: by the class whose forward it runs."""
    return next((LAYERS[kind] for kind in LAYERS if type(module).forward is kind.forward), None)
