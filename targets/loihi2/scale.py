"""The scale of one population: the integers for its weights, bias and threshold, from one factor that they share.

With activation = scale * current, spikes stay the same whatever the scale; so it is free, and chosen as large as the
chip has room for: weights (mantissas times a power of two), bias, threshold, and a synaptic current that does not wrap.
Among the scales near that limit the one with the least rounding error is taken, and of equals the largest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from snndeploy.integers import SYNAPTIC_DECAY_OFFSET
from snndeploy.network import Projection
from snndeploy.registry import part
from snndeploy.targets.loihi2 import limits
from snndeploy.targets.loihi2.bounds import (
    ALIGN,
    UNITY,
    Floats,
    Range,
    activation_range,
    exact_sum,
    largest,
    largest_currents,
    summed,
)
from snndeploy.targets.loihi2.calibration import Peaks
from snndeploy.targets.loihi2.weights import (
    Integers,
    Part,
    further_bits,
    mantissa_range,
    rounded,
    sign_mode,
    smallest_exponent,
    split,
)

FALL = 2  # steps of the largest negative current that v has room for: a deep fall is rare, fine weights serve always
PARTS = 4  # a neuron's own factor has three leading bits, 1, 1.25, 1.5, 1.75, 2, ...: few thresholds, and whole ones


@dataclass(frozen=True)
class Afferent:
    """A projection as its target sees it: weights per unit of a message, the chip's delay, messages low..high.

    `shapes` are those of its two ends, `bits` those of its weights: above 8 two projections carry them.
    """

    projection: Projection
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    low: int
    high: int
    bits: int

    @property
    def weights(self) -> Floats:
        return self.projection.weights

    @property
    def largest_mantissa(self) -> int:
        low, high = mantissa_range(sign_mode(self.weights), self.bits)
        return high or -low

    @property
    def largest_exponent(self) -> int:
        """Of all its weights: what a high part needs for itself is taken off."""
        taken = further_bits(sign_mode(self.weights), self.bits)
        return max(0, limits.WEIGHT_EXPONENT_MAX[self.projection.kind] - taken)

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

    `one` brings the bias where it must enter u, from the built-in input. `peaks` are those of calibration data; None
    asks for a proof. `own_scales` says that each neuron has been scaled by a factor of its own (`equalize.py`).
    """

    afferents: tuple[Afferent, ...]
    threshold: Floats
    bias: Floats
    du: Integers
    one: Afferent | None = None
    peaks: Peaks | None = None
    own_scales: bool = False

    def arriving(self) -> tuple[Afferent, ...]:
        """All that arrives, the bias too where it is brought."""
        return self.afferents if self.one is None else (*self.afferents, self.one)

    def currents(self) -> Floats:
        """The largest |u| of each neuron at scale 1: proven, or seen."""
        if self.peaks is not None:
            seen: Floats = ALIGN * self.peaks.current
            return seen
        return largest_currents(self.activation(), self.du)

    def falls(self) -> Floats:
        """How deep below 0 v has room to go before it saturates, at scale 1: as deep as seen, or FALL steps.

        Where neurons share a scale nothing is asked for.
        """
        if not self.own_scales:
            return np.zeros(1)
        low, _ = self.activation()
        steps: Floats = FALL * largest_currents((low, np.zeros(1)), self.du)
        return steps if self.peaks is None else ALIGN * self.peaks.fall

    def activation(self) -> Range:
        """What arrives at scale 1, its smallest and its largest."""
        return summed(a.range(a.weights) for a in self.arriving())

    def gain(self) -> Floats:
        """What a constant of 1 in u comes to, once u has settled."""
        gain: Floats = UNITY / (self.du + SYNAPTIC_DECAY_OFFSET)
        return gain


@dataclass(frozen=True)
class Carried:
    """An afferent in integers: mantissas of its bits times 2**exponent, and the projections that carry them."""

    afferent: Afferent
    mantissas: Integers
    exponent: int
    parts: tuple[Part, ...]

    @property
    def weights(self) -> Floats:
        return np.ldexp(self.mantissas.astype(np.float64), self.exponent)


@dataclass(frozen=True)
class Fit:
    """The integers of a layer at one scale. `error` is the mean square of what all rounding does to the currents.

    `one` carries the bias where it must enter u; the registers hold what that rounds off, as it would come to in v.
    `limit` says what lets the scale be no larger.
    """

    scale: float
    carried: tuple[Carried, ...]
    one: Carried | None
    threshold: Integers
    bias_mant: Integers
    bias_exp: int
    error: float
    weight_error: float
    bias_error: Floats
    limit: str = ""

    @property
    def bias(self) -> Integers:
        return self.bias_mant << self.bias_exp

    def arriving(self) -> tuple[Carried, ...]:
        """All that arrives, the bias too where it is brought."""
        return self.carried if self.one is None else (*self.carried, self.one)

    def activation(self) -> Range:
        return summed(c.afferent.range(c.weights) for c in self.arriving())


def fit(layer: Layer, bounded: bool = True) -> Fit | None:
    """The best integers for a layer; None where none fit. `bounded` keeps u from wrapping."""
    rooms = _rooms(layer, bounded)
    limit = min(rooms, key=rooms.__getitem__)
    fits = (_fit_below(layer, scale, bounded) for scale in _candidates(layer, rooms[limit]))
    best = min((fit for fit in fits if fit is not None), key=lambda fit: (fit.error, -fit.scale), default=None)
    return None if best is None else replace(best, limit=limit)


def _rooms(layer: Layer, bounded: bool) -> dict[str, float]:
    """The scale at which each of threshold, bias, weights and (if bounded) u and v reaches its limit."""
    rooms = {"weights": min((full * 2.0**a.largest_exponent for a, full in _full_scales(layer)), default=math.inf)}
    rooms["threshold"] = limits.THRESHOLD_MAX / float(layer.threshold.max())
    bias = float(np.abs(layer.bias).max())
    if bias > 0 and layer.one is None:
        rooms["bias"] = (limits.BIAS_MANTISSA_MAX << limits.BIAS_EXPONENT_MAX) / (ALIGN * bias)
    reaches = {"u": layer.currents(), "v": layer.falls()} if bounded else {}
    rooms |= {name: limits.STATE_MAX / float(reach.max()) for name, reach in reaches.items() if reach.any()}
    if bounded and layer.peaks is None:
        return rooms
    return rooms | {"sum": min((a.sum_room(a.weights) for a in layer.arriving()), default=math.inf)}


def _full_scales(layer: Layer) -> list[tuple[Afferent, float]]:
    """Each afferent that has weights, and the scale at which its largest weight fills the mantissa, at exponent 0."""
    scales = []
    for afferent in layer.arriving():
        low, high = mantissa_range(sign_mode(afferent.weights), afferent.bits)
        sides = ((high, float(afferent.weights.max(initial=0))), (low, float(afferent.weights.min(initial=0))))
        full = [limit / weight for limit, weight in sides if limit * weight > 0]
        scales += [(afferent, min(full))] if full else []
    return scales


def _candidates(layer: Layer, top: float) -> list[float]:
    """Scales worth trying: `top`, and the largest ones up to it that fill a mantissa or are a power of two.

    A power of two keeps weights that are powers of two exact. Where neurons have scales of their own, the next ones
    below are tried too that make the thresholds whole: they are multiples of a part of the smallest.
    """
    scales = {top}
    for full in (1.0, *(full for _, full in _full_scales(layer))):
        scale = math.ldexp(full, math.frexp(top)[1] - math.frexp(full)[1])
        scales.add(scale if scale <= top else scale / 2)
    if layer.own_scales:
        part = float(layer.threshold.min()) / PARTS
        scales |= {math.floor(scale * part) / part for scale in scales if scale * part >= 1}
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

    u is 64 times the sum of all, in hardly more bits than a projection's own sum has: its proof covers both where one
    projection carries an afferent. Of two, which may cancel in part, each is looked at.
    """
    proven = bounded and layer.peaks is None
    if proven and largest_currents(fit.activation(), layer.du).max() > limits.STATE_MAX:
        return False
    return all(
        c.afferent.sum_room(np.ldexp(part.mantissas.astype(np.float64), part.exponent)) >= 1
        for c in fit.arriving()
        for part in (c.parts if len(c.parts) > 1 or not proven else ())
    )


def _fit_at(layer: Layer, scale: float) -> Fit | None:
    held = [_carried(a, scale) for a in layer.arriving()]
    carried = [c for c in held if c is not None]
    if len(carried) < len(held):
        return None
    one = carried.pop() if layer.one is not None else None
    threshold = np.rint(layer.threshold * scale).astype(np.int64)
    left = layer.bias * scale - (0 if one is None else one.weights.ravel())
    bias = np.rint(left * layer.gain() * ALIGN)
    exponent = smallest_exponent(bias, -limits.BIAS_MANTISSA_MAX, limits.BIAS_MANTISSA_MAX, limits.BIAS_EXPONENT_MAX)
    if exponent is None or threshold.min() < 1 or threshold.max() > limits.THRESHOLD_MAX:
        return None
    mantissa = np.rint(bias / 2.0**exponent).astype(np.int64)
    weight_error = math.fsum(c.afferent.power(c.weights / scale - c.afferent.weights) for c in carried)
    bias_error = ((mantissa << exponent) / (layer.gain() * ALIGN) - left) / scale
    threshold_error = exact_sum((threshold / scale - layer.threshold) ** 2)
    error = math.fsum((weight_error, exact_sum(bias_error**2), threshold_error))
    return Fit(scale, tuple(carried), one, threshold, mantissa, exponent, error, weight_error, bias_error)


def _carried(afferent: Afferent, scale: float) -> Carried | None:
    """An afferent at `scale`; None where its weights do not fit, or all of them would be rounded away."""
    held = rounded(afferent.weights * scale, afferent.bits, afferent.largest_exponent)
    if held is None or (afferent.weights.any() and not held[0].any()):
        return None
    return Carried(afferent, *held, split(*held, sign_mode(afferent.weights)))
