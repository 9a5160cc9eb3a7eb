"""The scale of one population: the integers for its weights, bias and threshold, from one factor that they share.

With activation = scale * current, spikes stay the same whatever the scale; so it is free, and chosen as large as the
chip has room for: weights (8 bit mantissas times a power of two), bias, threshold, and a synaptic current that does not
wrap. Among the scales near that limit the one with the least rounding error is taken, and of equals the largest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from snndeploy.network import Projection
from snndeploy.registry import part
from snndeploy.targets.loihi2 import limits
from snndeploy.targets.loihi2.bounds import (
    ALIGN,
    Floats,
    Range,
    activation_range,
    exact_sum,
    largest,
    largest_current,
    summed,
)

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Afferent:
    """A projection as its target sees it: weights per unit of a message, the chip's delay, messages low..high.

    `shapes` are those of its two ends. `levels` is the number of projections that carry it: each further one carries
    what the one before rounded off.
    """

    projection: Projection
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    low: int
    high: int
    levels: int = 1

    @property
    def weights(self) -> Floats:
        return self.projection.weights

    @property
    def largest_exponent(self) -> int:
        return limits.WEIGHT_EXPONENT_MAX[self.projection.kind]

    def totals(self, weights: Floats) -> Floats:
        """For each target the sum of its weights, `weights` in the place of the projection's."""
        own: Floats = part("projections", self.projection.kind).totals(
            replace(self.projection, weights=weights), *self.shapes
        )
        return own

    def range(self, weights: Floats) -> Range:
        """The smallest and largest activation that `weights` bring each target."""
        return activation_range(self.totals, weights, self.low, self.high)

    def sum_room(self, weights: Floats) -> float:
        """How often the largest activation that `weights` bring fits the register of the projection's own sum."""
        limit = 2.0 ** (part("projections", self.projection.kind).SUM_BITS - 1) - 1
        reach = float(largest(self.range(weights)).max())
        return limit / reach if reach > 0 else math.inf

    def power(self, weights: Floats) -> float:
        """Mean square of the current that `weights` bring all targets, messages uniform between low and high."""
        mean_square = (self.low**2 + self.low * self.high + self.high**2) / 3
        return mean_square * exact_sum(self.totals(weights**2))


@dataclass(frozen=True)
class Layer:
    """What has to be quantized together: a population's afferents, thresholds, bias and decays (one per neuron).

    `peak` is the largest |synaptic current| seen on calibration data, with its margin; None asks for a proof.
    """

    afferents: tuple[Afferent, ...]
    threshold: Floats
    bias: Floats
    du: Integers
    bits: int
    peak: float | None = None


@dataclass(frozen=True)
class Mantissas:
    """One projection in integers: mantissas times 2**exponent."""

    afferent: Afferent
    values: Integers
    exponent: int
    sign_mode: str

    @property
    def weights(self) -> Floats:
        return np.ldexp(self.values.astype(np.float64), self.exponent)


@dataclass(frozen=True)
class Fit:
    """The integers of a layer at one scale. `error` is the mean square of what all rounding does to the currents."""

    scale: float
    parts: tuple[Mantissas, ...]
    threshold: Integers
    bias_mant: Integers
    bias_exp: int
    error: float
    weight_error: float

    @property
    def bias(self) -> Integers:
        return self.bias_mant << self.bias_exp

    def activation(self) -> Range:
        return summed(part.afferent.range(part.weights) for part in self.parts)


def fit(layer: Layer, bounded: bool = True) -> Fit | None:
    """The best integers for a layer; None where none fit. `bounded` keeps u from wrapping."""
    top = _largest_scale(layer, bounded)
    found = [fit for scale in _candidates(layer, top) if (fit := _fit_below(layer, scale, bounded)) is not None]
    return min(found, key=lambda fit: (fit.error, -fit.scale), default=None)


def _largest_scale(layer: Layer, bounded: bool) -> float:
    """The scale at which the first of threshold, bias, weights and (if bounded) u reaches its limit."""
    room = [limits.THRESHOLD_MAX / float(layer.threshold.max())]
    bias = float(np.abs(layer.bias).max())
    if bias > 0:
        room.append((limits.BIAS_MANTISSA_MAX << limits.BIAS_EXPONENT_MAX) / (ALIGN * bias))
    room += [full * 2.0**afferent.largest_exponent for afferent, full in _full_scales(layer)]
    if bounded and layer.peak is None:
        reach = largest_current(summed(a.range(a.weights) for a in layer.afferents), layer.du)
        if reach > 0:
            room.append(limits.STATE_MAX / reach)
        return min(room)
    if bounded and layer.peak:
        room.append(limits.STATE_MAX / (ALIGN * layer.peak))
    return min(*room, *(a.sum_room(a.weights) for a in layer.afferents))


def _full_scales(layer: Layer) -> list[tuple[Afferent, float]]:
    """Each afferent that has weights, and the scale at which its largest weight fills the mantissa, at exponent 0."""
    scales = []
    for afferent in layer.afferents:
        low, high = mantissa_range(sign_mode(afferent.weights), layer.bits)
        sides = ((high, float(afferent.weights.max(initial=0))), (low, float(afferent.weights.min(initial=0))))
        full = [limit / weight for limit, weight in sides if limit * weight > 0]
        scales += [(afferent, min(full))] if full else []
    return scales


def _candidates(layer: Layer, top: float) -> list[float]:
    """Scales worth trying: `top`, and the largest ones up to it that fill a mantissa or are a power of two.

    A power of two keeps weights that are powers of two exact.
    """
    scales = {top}
    for full in (1.0, *(full for _, full in _full_scales(layer))):
        scale = math.ldexp(full, math.frexp(top)[1] - math.frexp(full)[1])
        scales.add(scale if scale <= top else scale / 2)
    return sorted(scales)


def _fit_below(layer: Layer, scale: float, bounded: bool) -> Fit | None:
    """The integers at `scale`, or a little below it where rounding up would break a bound."""
    for _ in range(64):
        fit = _fit_at(layer, scale)
        if fit is None or _holds(fit, layer, bounded):
            return fit
        scale *= 1 - 2**-8
    return None


def _holds(fit: Fit, layer: Layer, bounded: bool) -> bool:
    """Whether u cannot wrap, as far as that is to be proven, nor the sum of any projection.

    u is 64 times the sum of all, in hardly more bits than a projection's own sum has: its proof covers both.
    """
    if bounded and layer.peak is None:
        return largest_current(fit.activation(), layer.du) <= limits.STATE_MAX
    return all(part.afferent.sum_room(part.weights) >= 1 for part in fit.parts)


def _fit_at(layer: Layer, scale: float) -> Fit | None:
    by_afferent = [(a, quantized(a, scale, layer.bits)) for a in layer.afferents]
    if any(a.weights.any() and not any(part.values.any() for part in parts) for a, parts in by_afferent):
        return None  # they do not fit, or all of them would be rounded away
    parts = [part for _, parts in by_afferent for part in parts]
    threshold = np.rint(layer.threshold * scale).astype(np.int64)
    bias = np.rint(layer.bias * scale * ALIGN)
    exponent = _smallest_exponent(bias, -limits.BIAS_MANTISSA_MAX, limits.BIAS_MANTISSA_MAX, limits.BIAS_EXPONENT_MAX)
    if exponent is None or threshold.min() < 1 or threshold.max() > limits.THRESHOLD_MAX:
        return None
    mantissa = np.rint(bias / 2.0**exponent).astype(np.int64)
    weight_error = math.fsum(a.power(sum(p.weights for p in own) / scale - a.weights) for a, own in by_afferent)
    bias_error = exact_sum(((mantissa << exponent) / (scale * ALIGN) - layer.bias) ** 2)
    threshold_error = exact_sum((threshold / scale - layer.threshold) ** 2)
    error = math.fsum((weight_error, bias_error, threshold_error))
    return Fit(scale, tuple(parts), threshold, mantissa, exponent, error, weight_error)


def quantized(afferent: Afferent, scale: float, bits: int) -> list[Mantissas]:
    """The afferent's weights at `scale`, in at most `levels` projections; empty where they do not fit."""
    parts: list[Mantissas] = []
    rest = afferent.weights * scale
    for _ in range(afferent.levels):
        mode = sign_mode(rest)
        low, high = mantissa_range(mode, bits)
        step = mantissa_step(mode, bits)
        exponent = _smallest_exponent(rest / step, low // step, high // step, afferent.largest_exponent)
        if exponent is None:
            return []
        mantissas = np.rint(rest / step / 2.0**exponent).astype(np.int64) * step
        parts.append(Mantissas(afferent, mantissas, exponent, mode))
        rest = rest - parts[-1].weights
        if exponent == 0 or not rest.any():
            break
    return parts


def _smallest_exponent(values: Floats, low: int, high: int, largest: int) -> int | None:
    """The smallest exponent at which the rounded values lie within low..high, if there is one up to `largest`."""
    for exponent in range(largest + 1):
        rounded = np.rint(values / 2.0**exponent)
        if rounded.min(initial=0) >= low and rounded.max(initial=0) <= high:
            return exponent
    return None


def sign_mode(weights: Floats) -> str:
    """The sign mode of a whole matrix, stated so that it does not change when the matrix is split."""
    if weights.min(initial=0) >= 0:
        return "excitatory"
    return "inhibitory" if weights.max(initial=0) <= 0 else "mixed"


def mantissa_step(mode: str, bits: int) -> int:
    """The distance of two neighboring mantissas: with mixed signs the sign takes one of the bits."""
    return 1 << (8 - bits + (mode == "mixed"))


def mantissa_range(mode: str, bits: int) -> tuple[int, int]:
    """Smallest and largest mantissa of a sign mode."""
    high = 256 - mantissa_step(mode, bits)
    return {"mixed": (-256, high), "excitatory": (0, high), "inhibitory": (-high, 0)}[mode]
