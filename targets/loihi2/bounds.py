"""How far u and v can go: interval arithmetic over every admitted input, so that u provably does not wrap.

The range of one step's activation is exact; that of u follows because decay rounds toward zero and so only shrinks:
|u[t]| <= |u[t-1]| * (1 - alpha) + 64 * |a[t]| with alpha = (du + 1) / 4096, hence |u| <= 64 * max|a| / alpha.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from snndeploy.integers import ALIGN_BITS, DECAY_BITS, SYNAPTIC_DECAY_OFFSET
from snndeploy.targets.loihi2.limits import STATE_MAX

Floats = NDArray[np.float64]
Range = tuple[NDArray[np.float64], NDArray[np.float64]]
ALIGN = 2**ALIGN_BITS
UNITY = 2**DECAY_BITS


def exact_sum(values: NDArray[np.float64]) -> float:
    """The correctly rounded sum: the same on every machine, whatever its vector width."""
    return math.fsum(values.ravel().tolist())


def activation_range(totals: Callable[[Floats], Floats], weights: Floats, low: int, high: int) -> Range:
    """Smallest and largest activation that a projection brings each target, its messages between low and high.

    `totals` sums the weights of each target (`snndeploy.projections`).
    """
    a, b = weights * low, weights * high
    return totals(np.minimum(a, b)), totals(np.maximum(a, b))


def summed(ranges: Iterable[Range]) -> Range:
    """The range of the sum of what lies in `ranges`."""
    low, high = np.zeros(1), np.zeros(1)
    for own in ranges:
        low, high = low + own[0], high + own[1]
    return low, high


def largest(activation: Range) -> Floats:
    """The largest |activation| of each target, at least 0."""
    low, high = activation
    return np.maximum(np.maximum(high, 0), np.maximum(-low, 0))


def largest_currents(activation: Range, du: NDArray[np.int64]) -> Floats:
    """The largest |u| that the activations can bring each neuron to."""
    currents: Floats = ALIGN * largest(activation) * UNITY / (du + SYNAPTIC_DECAY_OFFSET)
    return currents


def may_saturate(activation: Range, du: NDArray[np.int64], dv: NDArray[np.int64], bias: NDArray[np.int64]) -> bool:
    """Whether some v could fall to the lower limit, where it saturates (the upper one lies above every threshold)."""
    fall = np.maximum(-activation[0], 0) * ALIGN * UNITY / (du + SYNAPTIC_DECAY_OFFSET) + np.maximum(-bias, 0)
    return bool(np.any(fall * UNITY > float(STATE_MAX) * dv))
