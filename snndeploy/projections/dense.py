"""Dense: a weight from every source to every target, (targets, sources), with one delay or one delay per synapse.

Equal to Lava's Dense and DelayDense `fixed_pt` (lava/proc/dense/models.py) with one exception: of graded messages and a
negative exponent DelayDense shifts a sum of 64 bits; Dense, Sparse, DelaySparse and this page shift one of 32.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from snndeploy.errors import Problems
from snndeploy.integers import Ints
from snndeploy.program import MAX_DELAY
from snndeploy.program import MIN_EXPONENT as MIN_EXPONENT
from snndeploy.projections import Floats, Listed, Numbers, Parts, Synapses, wide

EXTRA = ("delays",)  # optional: further steps of each synapse, of the weights' shape
SUM_BITS = 32  # a_buff (dense/models.py)


def check(q: Synapses, source: tuple[int, ...], target: tuple[int, ...], problems: Problems) -> None:
    """Report weights and delays whose shape is not (targets, sources)."""
    expected = (math.prod(target), math.prod(source))
    fits = q.weights.shape == expected
    problems.require(fits, q.name, f"expected weights (targets, sources) {expected}, found {q.weights.shape}")
    check_delays(q, expected, problems)


def check_delays(q: Synapses, expected: tuple[int, ...], problems: Problems) -> None:
    """Report delays per synapse that have not the expected shape, or are too long with the projection's own."""
    if "delays" not in q.extra:
        return
    delays, place = q.extra["delays"], f"{q.name}.delays"
    problems.require(delays.shape == expected, place, f"expected {expected}, found {delays.shape}")
    good = (delays >= 0) & (delays <= MAX_DELAY - q.delay)
    problems.require_all(delays, good, place, f"expected 0 to {MAX_DELAY - q.delay}")


def parts(q: Synapses, source: tuple[int, ...], target: tuple[int, ...]) -> Parts:
    """For each delay the weighted sum of the messages that arrive with it."""
    if "delays" not in q.extra:
        return [(q.delay, _weighted(wide(q.weights)))]
    delays = q.extra["delays"]
    return [
        (q.delay + int(delay), _weighted(wide(np.where(delays == delay, q.weights, 0)))) for delay in np.unique(delays)
    ]


def _weighted(weights: Numbers) -> Callable[[Numbers], Numbers]:
    return lambda messages: messages @ weights.T


def totals(q: Synapses, source: tuple[int, ...], target: tuple[int, ...]) -> Floats:
    """The sum of each target's weights, correctly rounded."""
    return np.array([math.fsum(row) for row in q.weights.tolist()])


def by_target(q: Synapses, values: Floats) -> Floats:
    """Values of the targets, beside the weights of each."""
    return values[:, None]


def synapses(q: Synapses, source: tuple[int, ...], target: tuple[int, ...]) -> Listed:
    """Source, target, weight and delay of every synapse that has a weight."""
    targets, sources = np.nonzero(q.weights)
    delays: Ints = q.extra.get("delays", np.zeros_like(q.weights)).astype(np.int64) + q.delay
    return sources, targets, wide(q.weights[targets, sources]), delays[targets, sources]
