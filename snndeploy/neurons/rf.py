"""RF: resonate-and-fire, a damped rotation of a complex state. Equal to Lava's RF `fixed_pt` with a real input.

    real[t] = f(cos_decay*real[t-1]) - f(sin_decay*imag[t-1]) + (a[t] << state_exp)
    imag[t] = f(sin_decay*real[t-1]) + f(cos_decay*imag[t-1])
    s[t]    = real[t] >= vth << state_exp  and  imag[t] >= 0 > imag[t-1];   nothing is reset
    f(x)    = x / 2**decay_bits, rounded toward zero; both states saturate at 24 bits

It spikes when the state crosses the positive real axis far enough out. Lava makes sin_decay and cos_decay from a period
and a damping alpha: int((1 - alpha)*sin(2*pi/period)*2**decay_bits) (rf/process.py). A projection brings one activation
per neuron, which is the real one: Lava's a_imag_in stays unconnected.
"""

from __future__ import annotations

from snndeploy.integers import Ints, Spikes, int32, saturate, toward_zero

STATES = ("real", "imag")

# lava-dl runs RF with decay_bits 12 and state_exp 6 (netx/hdf5.py); rf/models.py gives exponents 3 bits and decays 12,
# whose 1 is 4096; with decay_bits 0 Lava computes in floats. vth << state_exp may lie above 24 bits: out of reach then.
PARAMETERS = {
    "sin_decay": (-4096, 4096),
    "cos_decay": (-4096, 4096),
    "decay_bits": (1, 12),
    "state_exp": (0, 7),
    "vth": (0, 131071),
}

MESSAGE_BITS = 0  # it sends spikes


def rest(sin_decay: Ints, cos_decay: Ints, decay_bits: Ints, state_exp: Ints, vth: Ints) -> tuple[Ints, Ints]:
    """The states before the first step: zero."""
    return 0 * vth, 0 * vth


def step(
    a: Ints,
    real: Ints,
    imag: Ints,
    sin_decay: Ints,
    cos_decay: Ints,
    decay_bits: Ints,
    state_exp: Ints,
    vth: Ints,
) -> tuple[Spikes, Ints, Ints]:
    """One step with activation `a`: what is sent, and the states after it."""
    turned_real = toward_zero(cos_decay * real, decay_bits) - toward_zero(sin_decay * imag, decay_bits)
    turned_imag = toward_zero(sin_decay * real, decay_bits) + toward_zero(cos_decay * imag, decay_bits)
    before, real, imag = imag, saturate(turned_real + int32(a << state_exp)), saturate(turned_imag)
    spikes: Spikes = (real >= vth << state_exp) & (imag >= 0) & (before < 0)
    return spikes, real, imag
