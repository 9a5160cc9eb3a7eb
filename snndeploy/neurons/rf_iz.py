"""RF-IZ: resonate-and-fire with Izhikevich's reset. Equal to Lava's RF_IZ `fixed_pt` with a real input.

real[t], imag[t] as RF
s[t] = imag[t] >= vth << state_exp;   real[t] = 0 and imag[t] = (vth << state_exp) - 1 where s[t]
"""

from __future__ import annotations

from snndeploy.integers import Ints, Spikes, int32, reset, saturate, toward_zero
from snndeploy.neurons import rf

STATES = rf.STATES
PARAMETERS = rf.PARAMETERS
MESSAGE_BITS = 0  # it sends spikes
rest = rf.rest


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
    real, imag = saturate(turned_real + int32(a << state_exp)), saturate(turned_imag)
    spikes: Spikes = imag >= vth << state_exp
    return spikes, reset(real, spikes), reset(imag, spikes) + spikes * ((vth << state_exp) - 1)
