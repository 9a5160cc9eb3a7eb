"""The scale of one population: the integers for its weights, bias and threshold, from one factor that they share.

With activation = scale * current, spikes stay the same whatever the scale; so it is free, and chosen as large as the
chip has room for: weights (8 bit mantissas times a power of two), bias, threshold, and a synaptic current that does not
wrap. Among the scales near that limit the one with the least rounding error is taken, and of equals the largest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snndeploy.program import MAX_EXPONENT
from snndeploy.targets.loihi2 import limits
from snndeploy.targets.loihi2.bounds import ALIGN, Range, activation_range, exact_sum, largest_current

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Afferent:
    """A projection as its target sees it: `weights` (targets, sources) per unit of a message, messages low..high.

    `levels` is the number of Dense projections that carry it: each further one carries what the one before rounded off.
    """

    name: str
    source: str
    weights: Floats
    low: int
    high: int
    delay: int
    levels: int = 1

    def power(self, weights: Floats) -> float:
        """Mean square of the current that `weights` bring all targets, messages uniform between low and high."""
        mean_square = (self.low**2 + self.low * self.high + self.high**2) / 3
        return mean_square * exact_sum(weights**2)


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
    """One Dense projection in integers: mantissas times 2**exponent."""

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
        return activation_range((part.weights, part.afferent.low, part.afferent.high) for part in self.parts)


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
    room += [full * 2.0**MAX_EXPONENT for full in _full_scales(layer)]
    if bounded and layer.peak is None:
        terms = [(a.weights, a.low, a.high) for a in layer.afferents]
        reach = largest_current(activation_range(terms), layer.du) if terms else 0.0
        if reach > 0:
            room.append(limits.STATE_MAX / reach)
    elif bounded and layer.peak:
        room.append(limits.STATE_MAX / (ALIGN * layer.peak))
    return min(room)


def _full_scales(layer: Layer) -> list[float]:
    """For each afferent the scale at which its largest weight fills the mantissa, at exponent 0."""
    scales = []
    for afferent in layer.afferents:
        low, high = mantissa_range(sign_mode(afferent.weights), layer.bits)
        sides = ((high, float(afferent.weights.max())), (low, float(afferent.weights.min())))
        full = [limit / weight for limit, weight in sides if limit * weight > 0]
        scales += [min(full)] if full else []
    return scales


def _candidates(layer: Layer, top: float) -> list[float]:
    """Scales worth trying: `top`, and the largest ones up to it that fill a mantissa or are a power of two.

    A power of two keeps weights that are powers of two exact.
    """
    scales = {top}
    for full in (1.0, *_full_scales(layer)):
        scale = math.ldexp(full, math.frexp(top)[1] - math.frexp(full)[1])
        scales.add(scale if scale <= top else scale / 2)
    return sorted(scales)


def _fit_below(layer: Layer, scale: float, bounded: bool) -> Fit | None:
    """The integers at `scale`, or a little below it where rounding up would break a bound."""
    for _ in range(64):
        fit = _fit_at(layer, scale)
        if fit is None or not bounded or layer.peak is not None:
            return fit
        if largest_current(fit.activation(), layer.du) <= limits.STATE_MAX:
            return fit
        scale *= 1 - 2**-8
    return None


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
        exponent = _smallest_exponent(rest / step, low // step, high // step, MAX_EXPONENT)
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
        if rounded.min() >= low and rounded.max() <= high:
            return exponent
    return None


def sign_mode(weights: Floats) -> str:
    """The sign mode of a whole matrix, stated so that it does not change when the matrix is split."""
    if weights.min() >= 0:
        return "excitatory"
    return "inhibitory" if weights.max() <= 0 else "mixed"


def mantissa_step(mode: str, bits: int) -> int:
    """The distance of two neighboring mantissas: with mixed signs the sign takes one of the bits."""
    return 1 << (8 - bits + (mode == "mixed"))


def mantissa_range(mode: str, bits: int) -> tuple[int, int]:
    """Smallest and largest mantissa of a sign mode."""
    high = 256 - mantissa_step(mode, bits)
    return {"mixed": (-256, high), "excitatory": (0, high), "inhibitory": (-high, 0)}[mode]
