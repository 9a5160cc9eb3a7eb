"""Projections as the kernels take them: fields of a row of the arrivals, and the arrays that these point into."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snndeploy.integers import Ints
from snndeploy.program import Input, Population, Projection
from snndeploy.projections.conv import geometry
from snndeploy.registry import part
from snndeploy.simulators._fast_conv import runs
from snndeploy.simulators._fast_intrinsics import LANES
from snndeploy.simulators._fast_pools import Pools, padded
from snndeploy.simulators._fast_together import packed

# How an arrival holds its synapses: a padded row of bytes or a list for each source, or runs that places share.
ROWS, LIST, RUNS, NARROW_RUNS = range(4)  # of narrow runs 16 bits hold every sum

ARRIVAL = np.dtype(
    [
        (name, np.int64)
        for name in ("source", "lag", "layout", "graded", "exponent", "bits", "weights", "row", "index", "factor")
    ]
    + [(name, np.int64) for name in ("offset", "places", "channels", "placewise", "shift", "group")]
    + [(name, np.int64) for name in ("together", "synapses", "targets", "by_target")]
)


MANY_SYNAPSES = 2**16  # a list of so many is held a second time, for samples that go through a step together

Arrival = tuple[dict[str, int], NDArray[Any]]  # its fields, and how much it can bring each neuron


def arrivals(
    q: Projection,
    source: Input | Population,
    target: Population,
    places: Mapping[str, int],
    orders: Mapping[str, Ints],
    pools: Pools,
) -> list[Arrival]:
    """A projection as what arrives with each of its delays."""
    kind = part("projections", q.kind)
    shared = {
        "source": places[source.name],
        "graded": int(q.message_bits > 0 and source.message_bits > 0),
        "exponent": q.exponent,
        "bits": kind.SUM_BITS,
        "factor": 1,
    }
    scale = _largest_payload(source, bool(shared["graded"])) * 2.0 ** max(q.exponent, 0)
    if q.kind == "dense" and "delays" not in q.extra:
        rows = _bytes(q.weights[np.ix_(orders[target.name], orders[source.name])])
        if rows is not None:
            reach = np.abs(q.weights).sum(axis=1) * scale
            return [({**shared, **_dense(rows, pools), "lag": 1 + q.delay}, reach)]
    if q.kind == "conv":
        of_channels = np.abs(q.weights).reshape(len(q.weights), -1).sum(axis=1)
        reach = np.repeat(of_channels, target.size // len(q.weights))
        narrow = not shared["graded"] and reach.max() < 2**15
        fields = _runs(q, source, target, orders[source.name], pools)
        layout = NARROW_RUNS if narrow else RUNS
        if (reach * scale).max() < 2 ** (kind.SUM_BITS - 1):
            shared["bits"] = 32  # nothing wraps
        return [({**shared, **fields, "layout": layout, "lag": 1 + q.delay}, reach * scale)]
    sources, targets, weights, delays = kind.synapses(q, source.shape, target.shape)
    into, onto = np.argsort(orders[target.name]), np.argsort(orders[source.name])
    found: list[Arrival] = []
    for delay in np.unique(delays):
        there = delays == delay
        fields = _list(onto[sources[there]], into[targets[there]], weights[there], source.size, pools)
        reach = np.bincount(targets[there], np.abs(weights[there]), target.size)
        if sources.size >= MANY_SYNAPSES and not shared["graded"] and q.exponent >= 0:
            bits = 16 if reach.max(initial=0) < 2**15 else 32
            fields |= _by_target(onto[sources[there]], into[targets[there]], weights[there], target.size, bits, pools)
        found.append(({**shared, **fields, "lag": 1 + int(delay)}, reach * scale))
    return found


def _largest_payload(source: Input | Population, graded: bool) -> float:
    """The largest |payload| that counts: what a population sends is an int32."""
    if not graded:
        return 1.0
    return float(max(-source.minimum, source.maximum)) if isinstance(source, Input) else 2.0**31


def _bytes(weights: NDArray[np.int32]) -> tuple[NDArray[np.uint8], int, int] | None:
    """Weights as (bytes - offset) * factor; None where they do not fit."""
    low, high = int(weights.min()), int(weights.max())
    for factor, offset in ((1, 0), (-1, 0), (1, 128), (2, 128)):
        ends = (low // factor + offset, high // factor + offset)
        if min(ends) >= 0 and max(ends) <= 255 and not (weights % factor).any():
            return (weights // factor + offset).astype(np.uint8), offset, factor
    return None


def interleaved(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Rows in which each vector's second half lies between the bytes of its first, as `add_rows` takes them."""
    halves = rows.reshape(*rows.shape[:-1], -1, 2, LANES // 2)
    return halves.swapaxes(-1, -2).reshape(rows.shape)


def _dense(held: tuple[NDArray[np.uint8], int, int], pools: Pools) -> dict[str, int]:
    """A padded row of bytes for each source."""
    weights, offset, factor = held
    targets, sources = weights.shape
    rows = np.full((sources, padded(targets)), offset, np.uint8)
    rows[:, :targets] = weights.T
    begin = pools.add(pools.weights, interleaved(rows))
    return {"layout": ROWS, "weights": begin, "row": rows.shape[1], "factor": factor, "offset": offset}


def _list(sources: Ints, targets: Ints, weights: Ints, size: int, pools: Pools) -> dict[str, int]:
    """The synapses of each source one after the other: where they begin, their targets, their weights."""
    order = np.argsort(sources, kind="stable")
    begins = np.searchsorted(sources[order], np.arange(size + 1)).astype(np.int32)
    return {
        "layout": LIST,
        "weights": pools.add(pools.wide, weights[order].astype(np.int32)),
        "index": pools.add(pools.index, np.concatenate([begins, targets[order].astype(np.int32)])),
    }


def _by_target(sources: Ints, targets: Ints, weights: Ints, size: int, bits: int, pools: Pools) -> dict[str, int]:
    """The same target by target, as `_fast_together` takes it, for sums of 16 or 32 bits; {} where it cannot."""
    order = np.argsort(targets, kind="stable")
    held = packed(sources[order], weights[order])
    if held is None:
        return {}
    begins = np.searchsorted(targets[order], np.arange(padded(size) + 1))
    return {
        "together": bits,
        "synapses": sources.size,
        "by_target": pools.add(pools.wide, held),
        "targets": pools.add(pools.index, begins.astype(np.int32)),
    }


def _runs(q: Projection, source: Input | Population, target: Population, order: Ints, pools: Pools) -> dict[str, int]:
    """A convolution: where its runs begin for each place, the runs, and the weights that they share."""
    weights, begins, found = runs(q, source.shape, target.shape)
    groups = geometry(q).groups
    index = np.concatenate([begins, found.reshape(-1)]).astype(np.int32)
    channels = source.shape[0]
    return {
        "weights": pools.add(pools.halves, weights.astype(np.int16)),
        "index": pools.add(pools.index, index),
        "row": weights.size // channels,
        "channels": channels,
        "places": source.size // channels,
        "placewise": int(not np.array_equal(order, np.arange(source.size))),
        "group": channels // groups,
        "shift": len(q.weights) // groups,
    }
