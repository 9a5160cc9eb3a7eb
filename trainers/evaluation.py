"""Running a model over time: its outputs are summed over the steps, and the largest sum is the prediction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snndeploy.extras import extras

with extras():
    import snntorch as snn
    import torch
    from torch import nn

BATCH = 512  # samples; bounds the memory of an evaluation and nothing else


def evaluate(model: nn.Module, x: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Counts (samples, classes) and predictions (samples,) of a model on encoded samples `x` (samples, steps, *shape).

    Counts are the outputs summed over the steps, in the model's own dtype: spike counts, or for a model without spikes
    and one step its logits. A prediction is the largest count, the lowest class on a tie. Every sample starts at rest.
    """
    training = model.training
    dtype = next(model.parameters()).dtype
    # The spikes of snnTorch's surrogates are float32 whatever goes in, and a float64 layer would not take them.
    hooks = [neuron.register_forward_hook(lambda _, __, spikes: spikes.to(dtype)) for neuron in _spiking(model)]
    try:
        model.eval()
        with torch.no_grad(), one_thread():
            batches = torch.split(torch.tensor(x, dtype=dtype), BATCH)
            counts: NDArray[Any] = torch.cat([sum_over_steps(model, batch) for batch in batches]).numpy()
    finally:
        for hook in hooks:
            hook.remove()
        rest(model)
        model.train(training)
    return counts, counts.argmax(axis=1)


def accuracy(predictions: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """The share of predictions that are right, 0 to 1."""
    return float(np.mean(predictions == labels))


def sum_over_steps(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The sum over time of the outputs of `model`, from rest, on samples `x` (samples, steps, *shape)."""
    rest(model)
    return torch.stack([model(x[:, step]) for step in range(x.shape[1])]).sum(0)


def rest(model: nn.Module) -> None:
    """Set the state of every spiking neuron that holds its own to zero."""
    for neuron in _spiking(model):
        neuron.reset_mem()


def _spiking(model: nn.Module) -> list[Any]:
    return [module for module in model.modules() if isinstance(module, snn.SpikingNeuron)]


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread inside: small layers are faster so, and sums do not depend on the number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
