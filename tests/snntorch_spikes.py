"""What a snnTorch model sends, in float64 and from rest, recorded without anything of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import snntorch as snn
import torch
from numpy.typing import NDArray
from torch import nn

SENDING = (snn.SpikingNeuron, nn.MaxPool1d, nn.MaxPool2d)


def spikes_of(model: nn.Module, *x: NDArray[Any]) -> dict[str, NDArray[np.bool_]]:
    """The spikes (samples, steps, *shape) of every neuron and every max pool by its path, in the order of the model.

    `model` makes one time step of its inputs `x` (samples, steps, *shape). It becomes float64.
    """
    model = model.double().eval()
    trains: dict[str, list[NDArray[np.bool_]]] = {}
    module: Any
    for path, module in model.named_modules():
        if isinstance(module, SENDING):
            module.register_forward_hook(_recorder(trains.setdefault(path, [])))
        if isinstance(module, snn.SpikingNeuron):
            module.reset_mem()
            module.spike_grad = lambda v: (v > 0).to(v.dtype)  # snnTorch's own gives float32
    with torch.no_grad():
        for t in range(x[0].shape[1]):
            model(*(torch.from_numpy(values[:, t].astype(np.float64)) for values in x))
    return {path: np.stack(train, axis=1) for path, train in trains.items()}


def _recorder(train: list[NDArray[np.bool_]]) -> Callable[..., None]:
    return lambda _module, _inputs, output: train.append(output.numpy() > 0)
