"""A convolution as the kernels take it: not unrolled, but as runs of weights that every place of the source shares.

Neurons of a population that a convolution reaches lie channel by channel within a place (`order`), so that the weights
from one source channel to all channels of neighboring places are one run of memory.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from snndeploy.integers import Ints
from snndeploy.program import Projection
from snndeploy.projections.conv import geometry


class Runs(NamedTuple):
    """`weights` (source channels, kernel, target channels of a group); for each place of the source its runs.

    Runs (number, 3): the target (of the first group) where one begins, where its weights begin, and its length.
    Those of place p are runs[begins[p]:begins[p + 1]].
    """

    weights: Ints
    begins: Ints
    runs: Ints


def order(shape: tuple[int, ...]) -> Ints:
    """The neurons of a population (channels, *axes) in the order in which they lie: place by place."""
    return np.arange(math.prod(shape)).reshape(shape[0], -1).T.reshape(-1)


def runs(q: Projection, source: tuple[int, ...], target: tuple[int, ...]) -> Runs:
    """The convolution between populations of these shapes."""
    stride, padding, dilation, groups = geometry(q)
    along = [
        _reached(size, out, kernel, s, p, d)
        for size, out, kernel, s, p, d in zip(
            source[1:], target[1:], q.weights.shape[2:], stride, padding, dilation, strict=True
        )
    ]
    if len(along) == 1:  # one axis is two of which the first has one place
        along = [[[(0, 0)]], *along]
    kernels, width = q.weights.reshape(*q.weights.shape[:2], -1, q.weights.shape[-1]), target[-1]
    places = _kernel_order(kernels.shape[3], stride[-1], dilation[-1])
    channels, of_group = len(q.weights), len(q.weights) // groups
    by_source = kernels[:, :, :, places].reshape(groups, of_group, *kernels.shape[1:])
    weights = by_source.transpose(0, 2, 3, 4, 1).reshape(-1, of_group)  # source channel, kernel place; group's channels
    found: list[tuple[int, int, int]] = []
    begins = [0]
    for rows in along[0]:
        for columns in along[1]:
            ordered = sorted((places.index(k), x) for k, x in columns)
            for k_row, y in rows:
                before = (-2, -2)
                for k, x in ordered:
                    if groups == 1 and before == (k - 1, x - 1):
                        to, first, length = found.pop()
                        found.append((to, first, length + of_group))
                    else:
                        first = (k_row * len(places) + k) * of_group
                        found.append(((y * width + x) * channels, first, of_group))
                    before = (k, x)
            begins.append(len(found))
    return Runs(weights.astype(np.int64), np.array(begins), np.array(found, np.int64).reshape(-1, 3))


def _reached(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> list[list[tuple[int, int]]]:
    """For each place along an axis of the source: (place of the kernel, place of the target) of its synapses."""
    return [
        [
            (k, (x + padding - dilation * k) // stride)
            for k in range(kernel)
            if (x + padding - dilation * k) % stride == 0 and 0 <= (x + padding - dilation * k) // stride < out
        ]
        for x in range(size)
    ]


def _kernel_order(kernel: int, stride: int, dilation: int) -> list[int]:
    """Places of the kernel along the last axis, so that neighbors lead to neighboring targets where any do."""
    return sorted(range(kernel), key=lambda k: (dilation * k % stride, -k))
