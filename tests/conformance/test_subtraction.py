"""The neurons with reset by subtraction, against snnTorch in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import snntorch as snn
import torch

from snndeploy.registry import part

STEPS, NEURONS = 16, 200
UNIT = 2**14  # of the threshold's mantissa: 16 halvings of multiples of 1/8 stay integers


@pytest.mark.parametrize("beta", [0.5, 1.0])
@pytest.mark.parametrize("kind", ["Leaky", "Synaptic"])
@pytest.mark.parametrize(("model", "delay"), [("lif-subtract", False), ("lif-subtract-next", True)])
def test_reset_by_subtraction_equals_snntorch(model: str, delay: bool, kind: str, beta: float) -> None:
    options: dict[str, Any] = {"threshold": 1.0, "reset_mechanism": "subtract", "reset_delay": delay}
    options.update({"alpha": 0.5} if kind == "Synaptic" else {})
    neuron = getattr(snn, kind)(beta=beta, **options).double()
    neuron.spike_grad = lambda x: (x > 0).to(x.dtype)
    draw = np.random.default_rng(3)
    x = draw.integers(-8, 13, (STEPS, NEURONS)) / 8
    x[0, : NEURONS // 2] += 1.5  # well above the threshold

    step = part("neurons", model).step
    parameters = [np.int64(p) for p in (2047 if kind == "Synaptic" else 4095, int((1 - beta) * 4096), 0, 0, UNIT)]
    u = v = np.zeros(NEURONS, np.int64)
    states = [torch.zeros(NEURONS, dtype=torch.float64)] * (2 if kind == "Synaptic" else 1)
    held = np.ones(NEURONS, bool)  # 24 bits hold 8 thresholds: a neuron that once had 7 is no longer compared
    spikes = still_above = 0
    for row in x:
        expected, *states = neuron(torch.from_numpy(row), *states)
        found, u, v = step((row * UNIT).astype(np.int64), u, v, *parameters)
        held &= np.abs(states[-1].numpy()) < 7
        np.testing.assert_array_equal(found[held], expected.numpy()[held] > 0)
        np.testing.assert_array_equal(v[held], states[-1].numpy()[held] * UNIT * 64)
        spikes += int(found[held].sum())
        still_above += int((found & (v > (2 if delay else 1) * UNIT * 64))[held].sum())
    assert held.mean() > 0.9
    assert spikes > STEPS * NEURONS // 10
    assert still_above > 20
