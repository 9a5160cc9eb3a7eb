"""Weights in integers: mantissas of 2 to 15 bits times a power of two, carried by one projection or by two.

A synapse holds 8 bits. More are the sum of a high projection, with an exponent, and a low one below it:

    mantissa = high * 2**shift + low,    0 <= low < step * 2**shift

with the step of the synapse (2 where signs are mixed, else 1). Rounding the high bits down leaves low ones of one sign,
which need none: signed 15 bits come out as the 8 high ones and an unsigned low byte. Nothing is rounded twice.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from snndeploy.targets.loihi2 import limits

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SYNAPSE_BITS = 8  # of a weight in synapse memory (lava/utils/weightutils.py); the sign of mixed ones is one of them
MAX_BITS = SYNAPSE_BITS + limits.WEIGHT_EXPONENT_MAX["dense"]  # a high part at the largest exponent, a low one at 0


class Part(NamedTuple):
    """What one projection holds: 8 bit mantissas, their exponent and sign mode; `suffix` tells it from the other."""

    suffix: str
    mantissas: Integers
    exponent: int
    sign_mode: str


def rounded(weights: Floats, bits: int, largest_exponent: int) -> tuple[Integers, int] | None:
    """The weights as mantissas of `bits` bits times 2**exponent, by the smallest exponent that holds them.

    None where that is above `largest_exponent`.
    """
    mode = sign_mode(weights)
    low, high = mantissa_range(mode, bits)
    step = mantissa_step(mode, bits)
    exponent = smallest_exponent(weights / step, low // step, high // step, largest_exponent)
    if exponent is None:
        return None
    return np.rint(weights / step / 2.0**exponent).astype(np.int64) * step, exponent


def split(mantissas: Integers, exponent: int, mode: str) -> tuple[Part, ...]:
    """The projections that carry mantissas times 2**exponent exactly: one where 8 bits hold them, else two."""
    sign = -1 if mode == "inhibitory" else 1
    step = mantissa_step(mode, SYNAPSE_BITS)
    low, high = mantissa_range("mixed" if mode == "mixed" else "excitatory", SYNAPSE_BITS)
    tops = ((shift, sign * mantissas // (step << shift) * step) for shift in range(SYNAPSE_BITS))
    shift, top = next((n, top) for n, top in tops if low <= top.min(initial=0) and top.max(initial=0) <= high)
    rest = mantissas - (sign * top << shift)
    if not rest.any():
        return (Part("", sign * top, exponent + shift, mode),)
    below = "inhibitory" if mode == "inhibitory" else "excitatory"
    return Part(".high", sign * top, exponent + shift, mode), Part(".low", rest, exponent, below)


def smallest_exponent(values: Floats, low: int, high: int, largest: int) -> int | None:
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


def further_bits(mode: str, bits: int) -> int:
    """The bits of a mantissa's size beyond those of a synapse: the exponent that its high part takes."""
    return max(0, bits - (mode == "mixed") - SYNAPSE_BITS)


def mantissa_step(mode: str, bits: int) -> int:
    """The distance of two neighboring mantissas: with mixed signs the sign takes one of the bits."""
    return 1 << max(0, SYNAPSE_BITS - bits + (mode == "mixed"))


def mantissa_range(mode: str, bits: int) -> tuple[int, int]:
    """Smallest and largest mantissa of a sign mode."""
    most = 2 ** (SYNAPSE_BITS + further_bits(mode, bits))
    high = most - mantissa_step(mode, bits)
    return {"mixed": (-most, high), "excitatory": (0, high), "inhibitory": (-high, 0)}[mode]
