"""Sparse: the synapses that there are, target by target (CSR), with one delay or one delay per synapse.

`weights` (synapses,) holds those of target 0, then of target 1 and so on; `indptr` (targets + 1,) says where each
target's begin, `indices` (synapses,) which source each comes from, rising within a target. Equal to Lava's Sparse and
DelaySparse `fixed_pt` (lava/proc/sparse/models.py), and to a dense projection with zeros everywhere else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from snndeploy.errors import Problems
from snndeploy.integers import Ints
from snndeploy.program import MIN_EXPONENT as MIN_EXPONENT
from snndeploy.projections import Floats, Listed, Numbers, Parts, Synapses, wide
from snndeploy.projections.dense import check_delays

EXTRA = ("delays", "indices", "indptr")  # delays (synapses,) are optional: further steps of each synapse
SUM_BITS = 32  # a_buff (sparse/models.py)


def check(q: Synapses, source: tuple[int, ...], target: tuple[int, ...], problems: Problems) -> None:
    """Report arrays that are no CSR matrix (targets, sources) without repeated synapses."""
    missing = sorted({"indices", "indptr"} - q.extra.keys())
    if not problems.require(not missing, q.name, f"a sparse projection needs {', '.join(missing)}"):
        return
    expected = (q.weights.size,)
    found = f"found {q.weights.shape}"
    problems.require(q.weights.shape == expected, q.name, f"expected weights (synapses,) {expected}, {found}")
    check_delays(q, expected, problems)
    rises = _check_indptr(q, math.prod(target), problems)
    indices, place = q.extra["indices"], f"{q.name}.indices"
    if not problems.require(indices.shape == expected, place, f"expected {expected}, found {indices.shape}"):
        return
    last = math.prod(source) - 1
    problems.require_all(indices, (indices >= 0) & (indices <= last), place, f"expected 0 to {last}")
    if rises:
        first_of_target = np.append(True, np.diff(_targets(q)) > 0)[: q.weights.size]
        rising = first_of_target | np.append(True, np.diff(indices.astype(np.int64)) > 0)[: q.weights.size]
        problems.require_all(indices, rising, place, "expected to rise within a target, no synapse twice")


def _check_indptr(q: Synapses, targets: int, problems: Problems) -> bool:
    indptr, place, expected = q.extra["indptr"].astype(np.int64), f"{q.name}.indptr", (targets + 1,)
    if not problems.require(
        indptr.shape == expected, place, f"expected (targets + 1,) {expected}, found {indptr.shape}"
    ):
        return False
    rises = indptr[0] == 0 and indptr[-1] == q.weights.size and bool((np.diff(indptr) >= 0).all())
    return problems.require(rises, place, f"expected to rise from 0 to the number of synapses, {q.weights.size}")


def parts(q: Synapses, source: tuple[int, ...], target: tuple[int, ...]) -> Parts:
    """For each delay the weighted sum of the messages that arrive with it."""
    targets, sources, weights, delays = _targets(q), q.extra["indices"], wide(q.weights), _delays(q)
    return [
        (int(delay), _weighted(targets[there], sources[there], weights[there], math.prod(target)))
        for delay in np.unique(delays)
        for there in [delays == delay]
    ]


def _weighted(targets: Ints, sources: Numbers, weights: Numbers, size: int) -> Callable[[Numbers], Numbers]:
    reached, starts = np.unique(targets, return_index=True)

    def weighted(messages: Numbers) -> Numbers:
        sums = np.zeros((len(messages), size), weights.dtype)
        for sample, message in enumerate(messages):  # one by one: the synapses of all samples may be too many
            sums[sample, reached] = np.add.reduceat(weights * message[sources], starts) if len(starts) else 0
        return sums

    return weighted


def totals(q: Synapses, source: tuple[int, ...], target: tuple[int, ...]) -> Floats:
    """The sum of each target's weights, correctly rounded."""
    weights, ends = q.weights.tolist(), q.extra["indptr"].tolist()
    return np.array([math.fsum(weights[first:stop]) for first, stop in pairwise(ends)])


def by_target(q: Synapses, values: Floats) -> Floats:
    """Values of the targets, beside the weights of each."""
    return values[_targets(q)]


def synapses(q: Synapses, source: tuple[int, ...], target: tuple[int, ...]) -> Listed:
    """Source, target, weight and delay of every synapse that has a weight."""
    there = q.weights != 0
    sources, weights = q.extra["indices"].astype(np.int64), wide(q.weights)
    return sources[there], _targets(q)[there], weights[there], _delays(q)[there]


def _targets(q: Synapses) -> Ints:
    """The target of each synapse."""
    return np.repeat(np.arange(q.extra["indptr"].size - 1), np.diff(q.extra["indptr"]))


def _delays(q: Synapses) -> Ints:
    """The whole delay of each synapse."""
    delays: Ints = q.extra.get("delays", np.zeros_like(q.weights)).astype(np.int64) + q.delay
    return delays
