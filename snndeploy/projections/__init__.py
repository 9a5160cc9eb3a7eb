"""Kinds of projections, one file each: found by listing this folder. Of a Program in integers, of a Network in floats.

A kind has EXTRA, the arrays that a projection of it may hold beside its weights; SUM_BITS, the width of the register
that keeps its sum (`snndeploy.integers.bring`); MIN_EXPONENT, the least exponent that it takes; `by_target(q, values)`,
which gives values of the targets the form of the weights; and four functions of a projection and the shapes of its two
ends: `check(q, source, target, problems)` reports arrays that do not fit;
`parts(q, source, target)` gives for each delay a function from messages (samples, sources) to their weighted sums
(samples, targets), flat, both int64, or both float64 where the weights are floats; `totals(q, source, target)` are the
weights summed for each target, float64, the same on every machine; `synapses(q, source, target)` lists source, target,
weight and delay of every synapse that has a weight, int64 but for float weights, in no order that matters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from snndeploy.integers import Ints

Floats = NDArray[np.float64]
Numbers = NDArray[Any]  # int64, or float64 in a Network
Parts = list[tuple[int, Callable[[Numbers], Numbers]]]
Listed = tuple[Ints, Ints, Numbers, Ints]


class Synapses(Protocol):
    """What a kind reads of a projection."""

    @property
    def name(self) -> str: ...
    @property
    def weights(self) -> Numbers: ...
    @property
    def delay(self) -> int: ...
    @property
    def extra(self) -> Mapping[str, NDArray[Any]]: ...


def wide(weights: Numbers) -> Numbers:
    """The weights as they are multiplied: int64, or float64 as they are."""
    return weights.astype(np.promote_types(weights.dtype, np.int64))
