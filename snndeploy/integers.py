"""The integer definition: what a Loihi 2 neuron and synapse compute, on one page, in numpy.

Every simulator is built on these functions or tested against them: every u, v and spike equal at every step.
"Bit-accurate" means equal to the `fixed_pt` models of Lava 0.10.0 (`lava/proc/lif/models.py`,
`lava/proc/dense/models.py`, `lava/utils/weightutils.py`), where the constants below come from. All functions work
elementwise on int64 arrays of any shape that hold the values of int32 registers, and as well on single integers: the
reference runs them as they are, the fast engine compiles the same lines.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Spikes = NDArray[np.bool_]

DECAY_BITS = 12  # decays are fractions of 4096 (lif/models.py: decay_shift)
STATE_LIMIT = 2**23  # u and v are 24 bits wide (lif/models.py: uv_bitwidth)
ALIGN_BITS = 6  # activations and thresholds are shifted left by 6 to line up with u and v (act_shift, vth_shift)
SYNAPTIC_DECAY_OFFSET = 1  # a decay du of u acts as du + 1 (lif/models.py: ds_offset); v has no offset (dm_offset)


def int32(x: Ints) -> Ints:
    """What an int32 register keeps of x."""
    return ((x + 2**31) & (2**32 - 1)) - 2**31


def toward_zero(x: Ints, bits: Ints | int) -> Ints:
    """x / 2**bits, rounded toward zero."""
    rounded: Ints = np.sign(x) * (np.abs(x) >> bits)
    return rounded


def decay(x: Ints, fraction: Ints) -> Ints:
    """x * (4096 - fraction) / 4096, rounded toward zero."""
    return toward_zero(x * (2**DECAY_BITS - fraction), DECAY_BITS)


def shift(x: Ints, exponent: Ints) -> Ints:
    """x * 2**exponent; a negative exponent rounds toward minus infinity."""
    return x << np.maximum(exponent, 0) >> np.maximum(-exponent, 0)


def wrap(u: Ints) -> Ints:
    """u as the synaptic current wraps: once by 2**24, +2**23 stays and -2**23 becomes +2**23."""
    u = u - (u > STATE_LIMIT) * (2 * STATE_LIMIT)
    return u + (u <= -STATE_LIMIT) * (2 * STATE_LIMIT)


def saturate(v: Ints) -> Ints:
    """v as the membrane potential saturates: at -(2**23 - 1) and 2**23 - 1."""
    saturated: Ints = np.minimum(np.maximum(v, 1 - STATE_LIMIT), STATE_LIMIT - 1)
    return saturated


def spike(v: Ints, threshold: Ints) -> Spikes:
    """Where v is strictly above the threshold's mantissa, aligned."""
    above: Spikes = v > threshold << ALIGN_BITS
    return above


def reset(v: Ints, spikes: Spikes) -> Ints:
    """v with 0 where the neuron has spiked."""
    kept: Ints = v * (spikes == 0)
    return kept


def synaptic_current(a: Ints, u: Ints, du: Ints) -> Ints:
    """u after one step with activation a: wrap(decay(u, du + 1) + (a << 6))."""
    return wrap(int32(decay(u, du + SYNAPTIC_DECAY_OFFSET) + int32(a << ALIGN_BITS)))


def integrated(v: Ints, u: Ints, dv: Ints, bias_mant: Ints, bias_exp: Ints) -> Ints:
    """v after one step, before it saturates: decay(v, dv) + u + (bias_mant << bias_exp)."""
    return int32(decay(v, dv) + u + int32(shift(bias_mant, bias_exp)))


def delta_coded(delta: Ints, error: Ints, threshold: Ints, cum_error: Ints) -> tuple[Ints, Ints]:
    """What of `delta` is sent, all or nothing, and the new error: sent where |delta| reaches the threshold.

    With `cum_error` 1 the sum of the deltas since one was sent is compared instead (sdn/models.py: delta_dynamics).
    """
    error = cum_error * int32(error + delta)
    compared = cum_error * error + (1 - cum_error) * delta
    sent = delta * (int32(np.abs(compared)) >= threshold)
    return sent, error * (int32(np.abs(sent)) <= 0)


def effective_weights(weights: Ints, bits: int, sign_mode: str) -> Ints:
    """The weights that a synapse holds: clipped to 8 bits, low bits dropped so that `bits` remain.

    With mixed signs the sign takes one of the bits: 8-bit mixed weights are even, from -256 to 254.
    """
    if sign_mode == "inhibitory":
        return -effective_weights(-weights, bits, "excitatory")
    mixed = sign_mode == "mixed"
    dropped = 8 - bits + mixed
    return np.clip(weights, -256 if mixed else 0, 255) >> dropped << dropped


def bring(total: Ints, exponent: int, graded: bool, bits: int = 32) -> Ints:
    """The activation that weighted messages of one delay bring: the exponent acts on their sum.

    A graded projection multiplies and adds in 32 bits; a binary one adds weights, and only the result is kept in a
    register, of `bits` bits, which wraps (24 of a convolution, 32 of the others).
    """
    shifted = shift(int32(total) if graded else total, np.array(exponent))
    kept: Ints = ((shifted + 2 ** (bits - 1)) & (2**bits - 1)) - 2 ** (bits - 1)
    return kept
