"""Evaluation: counts and predictions against a plain loop, and what it leaves behind."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from snndeploy.trainers.datasets import digits
from snndeploy.trainers.encoders import constant
from snndeploy.trainers.evaluation import evaluate
from snndeploy.trainers.recipes import digits_ann, digits_snn


def in_float64(model: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
    """One step; snnTorch's spikes are float32 in a float64 model too."""
    for layer in model:
        x = layer(x).double()
    return x


def test_counts_are_those_of_a_plain_loop_in_the_models_dtype() -> None:
    torch.manual_seed(0)
    model = digits_snn.build().double()
    x = constant.encode(digits.load().test_x, 5, seed=0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)  # so that the untrained output spikes
        plain = sum(in_float64(model, torch.tensor(x[:, t], dtype=torch.float64)) for t in range(5)).numpy()
    counts, predictions = evaluate(model, x)
    assert counts.dtype == np.float64
    assert counts.max() >= 1
    np.testing.assert_array_equal(counts, plain)
    np.testing.assert_array_equal(predictions, plain.argmax(1))


def test_it_starts_and_ends_at_rest_and_keeps_the_mode() -> None:
    torch.manual_seed(0)
    model = digits_snn.build().train()
    x = constant.encode(digits.load().test_x[:20], 3, seed=0)
    first, _ = evaluate(model, x)
    assert model.training
    assert all(float(layer.mem.abs().sum()) == 0 for layer in model if hasattr(layer, "mem"))
    model(torch.full((20, 64), 16.0))
    np.testing.assert_array_equal(evaluate(model, x)[0], first)


def test_a_tie_goes_to_the_lowest_class() -> None:
    model = nn.Linear(64, 10)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    assert evaluate(model, np.ones((3, 2, 64)))[1].tolist() == [0, 0, 0]


def test_a_model_without_spikes_gives_its_logits() -> None:
    model = digits_ann.build()
    x = digits.load().test_x[:7]
    expected = model(torch.tensor(x, dtype=torch.float32)).detach().numpy()
    np.testing.assert_allclose(evaluate(model, x[:, None])[0], expected, rtol=1e-5)
