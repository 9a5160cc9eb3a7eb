"""A scale for each neuron: its weights, bias and threshold times a factor of its own leave all its spikes as they are.

The scale of a population has to fit the neuron with the largest weights, and is coarse for all others.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from snndeploy.registry import part
from snndeploy.targets.loihi2 import limits
from snndeploy.targets.loihi2.bounds import ALIGN, Floats
from snndeploy.targets.loihi2.calibration import Peaks
from snndeploy.targets.loihi2.scale import PARTS, Afferent, Layer


def factors(layer: Layer, shape: tuple[int, ...]) -> Floats:
    """For each neuron of a population the factor by which it takes about as much room as the one that takes most.

    Room is what the threshold, u, v, the largest weight and the bias have. The neurons of a channel share their factor
    where they share a kernel.
    """
    taken = np.maximum(layer.threshold / limits.THRESHOLD_MAX, layer.currents() / limits.STATE_MAX)
    taken = np.maximum(taken, layer.falls() / limits.STATE_MAX)
    for afferent in layer.afferents:
        taken = np.maximum(taken, _largest_weights(afferent, taken.size) / afferent.largest_mantissa)
    if layer.one is None:
        most = limits.BIAS_MANTISSA_MAX << limits.BIAS_EXPONENT_MAX
        taken = np.maximum(taken, ALIGN * np.abs(layer.bias) / most)
    largest = np.max([np.zeros(taken.size), *(_largest_weights(a, taken.size) for a in layer.arriving())], axis=0)
    if any(a.projection.kind == "conv" for a in layer.afferents):
        taken, largest = (_of_channels(values, shape) for values in (taken, largest))
    taken[largest == 0] = taken.max()  # whom nothing reaches needs no room, and would take that of others
    mantissas, exponents = np.frexp(taken.max() / taken)
    larger: Floats = np.ldexp(np.floor(mantissas * 2 * PARTS) / (2 * PARTS), exponents)
    return larger


def _of_channels(values: Floats, shape: tuple[int, ...]) -> Floats:
    """For each neuron the largest of its channel."""
    return np.repeat(values.reshape(shape[0], -1).max(axis=1), math.prod(shape[1:]))


def _largest_weights(afferent: Afferent, size: int) -> Floats:
    """The largest |weight| of each neuron; of a convolution that of each channel, at its first place."""
    q = afferent.projection
    targets = part("projections", q.kind).by_target(q, np.arange(size))
    largest = np.zeros(size)
    np.maximum.at(largest, np.broadcast_to(targets, q.weights.shape), np.abs(q.weights))
    return largest


def equalized(layer: Layer, shape: tuple[int, ...]) -> Layer:
    """The layer with its neurons larger by their `factors`."""
    layer = replace(layer, own_scales=True)
    larger = factors(layer, shape)
    return replace(
        layer,
        afferents=tuple(_larger(a, larger) for a in layer.afferents),
        threshold=layer.threshold * larger,
        bias=layer.bias * larger,
        one=None if layer.one is None else _larger(layer.one, larger),
        peaks=None if layer.peaks is None else Peaks(*(seen * larger for seen in layer.peaks)),
    )


def _larger(afferent: Afferent, larger: Floats) -> Afferent:
    q = afferent.projection
    weights = q.weights * part("projections", q.kind).by_target(q, larger)
    return replace(afferent, projection=replace(q, weights=weights))
