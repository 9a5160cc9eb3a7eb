"""How far u and v can go: interval arithmetic over every admitted input, so that u provably does not wrap.

The range of one step's activation is exact; that of u follows because decay rounds toward zero and so only shrinks:
|u[t]| <= |u[t-1]| * (1 - alpha) + 64 * |a[t]| with alpha = (du + 1) / 4096, hence |u| <= 64 * max|a| / alpha.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from snndeploy.integers import ALIGN_BITS, DECAY_BITS, SYNAPTIC_DECAY_OFFSET
from snndeploy.targets.loihi2.limits import STATE_MAX

Range = tuple[NDArray[np.float64], NDArray[np.float64]]
ALIGN = 2**ALIGN_BITS
UNITY = 2**DECAY_BITS


def exact_sum(values: NDArray[np.float64]) -> float:
    """The correctly rounded sum: the same on every machine, whatever its vector width."""
    return math.fsum(values.ravel().tolist())


def activation_range(terms: Iterable[tuple[NDArray[np.float64], int, int]]) -> Range:
    """Smallest and largest activation of each target, for (weights, smallest, largest message) of each projection."""
    lows, highs = [], []
    for weights, low, high in terms:
        a, b = weights * low, weights * high
        lows.append(np.minimum(a, b))
        highs.append(np.maximum(a, b))
    return _row_sums(np.concatenate(lows, axis=1)), _row_sums(np.concatenate(highs, axis=1))


def _row_sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([exact_sum(row) for row in values])


def largest_current(activation: Range, du: NDArray[np.int64]) -> float:
    """The largest |u| that the activations can bring any neuron to."""
    low, high = activation
    reach = np.maximum(np.maximum(high, 0), np.maximum(-low, 0))
    return float(np.max(ALIGN * reach * UNITY / (du + SYNAPTIC_DECAY_OFFSET)))


def may_saturate(activation: Range, du: NDArray[np.int64], dv: NDArray[np.int64], bias: NDArray[np.int64]) -> bool:
    """Whether some v could fall to the lower limit, where it saturates (the upper one lies above every threshold)."""
    fall = np.maximum(-activation[0], 0) * ALIGN * UNITY / (du + SYNAPTIC_DECAY_OFFSET) + np.maximum(-bias, 0)
    return bool(np.any(fall * UNITY > float(STATE_MAX) * dv))
