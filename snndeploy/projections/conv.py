"""Conv: one kernel for every place, over one or two spatial axes, as torch's conv1d and conv2d.

Weights are (out channels, in channels / groups, *kernel), the ends (channels, *axes): (C, L) or (C, H, W). What torch
and this page call a convolution is a cross-correlation, with zeros around the source:

    sum[o, y] = sum over i, k of weights[o, i, k] * messages[i, stride * y + dilation * k - padding]

Equal to Lava's Conv `fixed_pt` (lava/proc/conv/models.py), which flips the kernel, has its axes in the order W, H, C
and takes neither exponent nor delay: it gets the kernel turned and its weights shifted beforehand. That is the same for
exponents of 0 or more, and only these are taken: the sum times 2**exponent wraps at 24 bits. Weight bits and sign mode
say what the weights are, as everywhere; Lava's Conv does not look at them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from snndeploy.errors import Problems
from snndeploy.projections import Floats, Listed, Numbers, Parts, Synapses, wide

EXTRA = ("dilation", "groups", "padding", "stride")  # one value per spatial axis, one for groups; torch's defaults
SUM_BITS = 24  # conv/models.py: clamp_precision; from -2**23 to 2**23 - 1
MIN_EXPONENT = 0
LOWEST = {"stride": 1, "padding": 0, "dilation": 1}  # and torch's defaults
MAX_STEP = 127  # stride, padding and dilation are int8 in Lava (conv/models.py)


class Geometry(NamedTuple):
    """Stride, padding and dilation per spatial axis, and groups."""

    stride: list[int]
    padding: list[int]
    dilation: list[int]
    groups: int


def geometry(q: Synapses) -> Geometry:
    """What the extra arrays say, torch's defaults where they say nothing."""
    axes = q.weights.ndim - 2
    stride, padding, dilation = (q.extra.get(key, np.full(axes, low)).tolist() for key, low in LOWEST.items())
    return Geometry(stride, padding, dilation, int(q.extra.get("groups", 1)))


def check(q: Synapses, source: tuple[int, ...], target: tuple[int, ...], problems: Problems) -> None:
    """Report weights and extra arrays from which the target's shape does not follow."""
    axes, found = q.weights.ndim - 2, f"found {q.weights.shape}"
    expected = "expected weights (out channels, in channels / groups, *kernel) with 1 or 2 axes"
    if not problems.require(axes in (1, 2) and q.weights.size > 0, q.name, f"{expected}, {found}"):
        return
    fits = len(source) == len(target) == axes + 1
    expected = f"expected ends (channels, {'length' if axes == 1 else 'height, width'})"
    fits = problems.require(fits, q.name, f"{expected}, found {source} and {target}")
    if _check_extra(q, axes, problems) and fits:
        channels = q.weights.shape[1] * geometry(q).groups
        problems.require(source[0] == channels, q.name, f"expected {channels} source channels, found {source[0]}")
        shape = out_shape(q, source)
        problems.require(shape == target, q.name, f"expected a target of shape {shape}, found {target}")


def _check_extra(q: Synapses, axes: int, problems: Problems) -> bool:
    before = len(problems.found)
    for key in sorted(LOWEST.keys() & q.extra.keys()):
        values, low, place = q.extra[key], LOWEST[key], f"{q.name}.{key}"
        problems.require(values.shape == (axes,), place, f"expected {(axes,)}, found {values.shape}")
        problems.require_all(values, (values >= low) & (values <= MAX_STEP), place, f"expected {low} to {MAX_STEP}")
    groups, channels = q.extra.get("groups", np.array(1)), len(q.weights)
    one = groups.shape == () and int(groups) >= 1 and channels % int(groups) == 0
    problems.require(one, f"{q.name}.groups", f"expected a divisor of {channels} target channels, found {groups}")
    return len(problems.found) == before


def out_shape(q: Synapses, source: tuple[int, ...]) -> tuple[int, ...]:
    """The target's shape (out channels, *axes); axes below 1 where the kernel does not fit."""
    stride, padding, dilation, _ = geometry(q)
    sizes = zip(source[1:], q.weights.shape[2:], stride, padding, dilation, strict=True)
    return (len(q.weights), *((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in sizes))


def parts(q: Synapses, source: tuple[int, ...], target: tuple[int, ...]) -> Parts:
    """The correlation, with the projection's delay."""
    groups = geometry(q).groups

    def weighted(messages: Numbers) -> Numbers:
        samples = len(messages)
        total: Numbers = np.zeros((samples, groups, target[0] // groups, *target[1:]), wide(q.weights).dtype)
        for weights, seen in _places(q, messages.reshape(samples, *source), target[1:], outside=0):
            by_group = weights.reshape(groups, -1, weights.shape[1])
            seen_by_group = seen.reshape(samples, *by_group.shape[::2], *target[1:])
            total += np.einsum("goi,sgi...->sgo...", by_group, seen_by_group)
        return total.reshape(samples, math.prod(target))

    return [(q.delay, weighted)]


def totals(q: Synapses, source: tuple[int, ...], target: tuple[int, ...]) -> Floats:
    """The sum of each target's weights: of the places of the kernel that lie within the source."""
    sums: Floats = np.zeros(target)
    for weights, inside in _places(q, np.ones((1, 1, *source[1:])), target[1:], outside=0):
        of_place = np.array([math.fsum(row) for row in weights.tolist()])
        sums += of_place.reshape(-1, *(1 for _ in target[1:])) * inside[0]
    return sums.reshape(-1)


def by_target(q: Synapses, values: Floats) -> Floats:
    """Values of the targets, which are the same all over a channel, beside the weights of each."""
    return values.reshape(len(q.weights), -1)[:, 0].reshape(-1, *(1 for _ in q.weights.shape[1:]))


def synapses(q: Synapses, source: tuple[int, ...], target: tuple[int, ...]) -> Listed:
    """Source, target, weight and delay of every synapse that has a weight: the kernel, unrolled."""
    groups, places = geometry(q).groups, math.prod(target[1:])
    numbers = np.arange(math.prod(source)).reshape(1, *source)
    targets = np.arange(math.prod(target)).reshape(groups, -1, 1, places)
    found = []
    for weights, seen in _places(q, numbers, target[1:], outside=-1):
        ends = (seen.reshape(groups, 1, -1, places), targets, weights.reshape(groups, -1, weights.shape[1], 1))
        own_sources, own_targets, own_weights = np.broadcast_arrays(*ends)
        there = (own_sources >= 0) & (own_weights != 0)
        found.append((own_sources[there], own_targets[there], own_weights[there]))
    sources, targets, weights = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    return sources, targets, weights, np.full(len(weights), q.delay)


def _places(q: Synapses, x: Numbers, out: tuple[int, ...], outside: int) -> Iterator[tuple[Numbers, Numbers]]:
    """For each place of the kernel its weights (out, in / groups), and what it sees of x (samples, channels, *out)."""
    stride, padding, dilation, _ = geometry(q)
    padded = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)], constant_values=outside)
    for place in np.ndindex(*q.weights.shape[2:]):
        ranges = zip(place, dilation, stride, out, strict=True)
        seen = tuple(slice(d * k, d * k + s * (n - 1) + 1, s) for k, d, s, n in ranges)
        yield wide(q.weights[(slice(None), slice(None), *place)]), padded[(slice(None), slice(None), *seen)]
