"""LIF: leaky integrate-and-fire with synaptic current, hard reset. Equal to Lava's LIF `fixed_pt`.

    u[t] = wrap(decay(u[t-1], du + 1) + (a[t] << 6))
    v[t] = saturate(decay(v[t-1], dv) + u[t] + (bias_mant << bias_exp))
    s[t] = v[t] > vth << 6;  v[t] = 0 where s[t];  u is not reset

du = 4095 leaves u no memory (u = a << 6), du = -1 and dv = 0 do not decay.
"""

from __future__ import annotations

from snndeploy.integers import Ints, Spikes, integrated, reset, saturate, spike, synaptic_current

STATES = ("u", "v")

# Name -> smallest and largest value that the definition takes (lif/models.py, class PyLifModelBitAcc; -1 and 4096 are
# one beyond the 12-bit registers and are what Lava computes with them).
PARAMETERS = {
    "du": (-1, 4095),
    "dv": (0, 4096),
    "bias_mant": (-4096, 4095),
    "bias_exp": (0, 7),
    "vth": (0, 131071),
}

MESSAGE_BITS = 0  # it sends spikes


def rest(du: Ints, dv: Ints, bias_mant: Ints, bias_exp: Ints, vth: Ints) -> tuple[Ints, Ints]:
    """The states before the first step: zero."""
    return 0 * vth, 0 * vth


def step(
    a: Ints, u: Ints, v: Ints, du: Ints, dv: Ints, bias_mant: Ints, bias_exp: Ints, vth: Ints
) -> tuple[Spikes, Ints, Ints]:
    """One step with activation `a`: what is sent, and the states after it."""
    u = synaptic_current(a, u, du)
    v = saturate(integrated(v, u, dv, bias_mant, bias_exp))
    spikes = spike(v, vth)
    return spikes, u, reset(v, spikes)
