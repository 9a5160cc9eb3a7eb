"""Dense: a weight from every source to every target, (targets, sources), with one delay or one delay per synapse.

Equal to Lava's Dense and DelayDense `fixed_pt` (lava/proc/dense/models.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from snndeploy.errors import Problems
from snndeploy.integers import Ints
from snndeploy.program import MAX_DELAY, Projection

EXTRA = ("delays",)  # optional: further steps of each synapse, of the weights' shape


def check(q: Projection, source: tuple[int, ...], target: tuple[int, ...], problems: Problems) -> None:
    """Report weights and delays whose shape is not (targets, sources)."""
    expected = (math.prod(target), math.prod(source))
    fits = q.weights.shape == expected
    problems.require(fits, q.name, f"expected weights (targets, sources) {expected}, found {q.weights.shape}")
    if "delays" in q.extra:
        delays = q.extra["delays"]
        problems.require(delays.shape == expected, f"{q.name}.delays", f"expected {expected}, found {delays.shape}")
        good = (delays >= 0) & (delays + q.delay <= MAX_DELAY)
        problems.require_all(delays, good, f"{q.name}.delays", f"expected 0 to {MAX_DELAY - q.delay}")


def parts(q: Projection) -> list[tuple[int, Callable[[Ints], Ints]]]:
    """For each delay the weighted sum of the messages that arrive with it."""
    if "delays" not in q.extra:
        return [(q.delay, _weighted(q.weights.astype(np.int64)))]
    delays = q.extra["delays"]
    return [
        (q.delay + int(delay), _weighted(np.where(delays == delay, q.weights, 0).astype(np.int64)))
        for delay in np.unique(delays)
    ]


def _weighted(weights: Ints) -> Callable[[Ints], Ints]:
    return lambda messages: messages @ weights.T
