"""ATRLIF: LIF with an adaptive threshold and a refractory state. Equal to Lava's ATRLIF `fixed_pt`.

    i[t]     = wrap(decay(i[t-1], delta_i + 1) + (a[t] << 6))
    v[t]     = saturate(decay(v[t-1], delta_v) + i[t] + (bias_mant << bias_exp));   v is not reset
    theta[t] = decay(theta[t-1] - theta_0', delta_theta) + theta_0';   theta_0' = theta_0 << 6
    r[t]     = decay(r[t-1], delta_r)
    s[t]     = v[t] - r[t] >= theta[t]
    r[t]     = r[t] + 2*theta[t]  and  theta[t] = theta[t] + (theta_step << 6)  where s[t]

theta and r are int32 registers and wrap (atrlif/models.py, class PyATRLIFModelFixed). Lava's deltas are fractions:
these are their 4096ths, with which its model computes. Before the first step theta is theta_0', whatever Lava is given.
"""

from __future__ import annotations

from snndeploy.integers import ALIGN_BITS, Ints, Spikes, decay, int32, integrated, saturate, synaptic_current
from snndeploy.neurons import lif

STATES = ("i", "v", "theta", "r")

# Decays as those of LIF; thresholds have 12 bits (atrlif/models.py: precision=12).
PARAMETERS = {
    "delta_i": lif.PARAMETERS["du"],
    "delta_v": lif.PARAMETERS["dv"],
    "delta_theta": lif.PARAMETERS["dv"],
    "delta_r": lif.PARAMETERS["dv"],
    "bias_mant": lif.PARAMETERS["bias_mant"],
    "bias_exp": lif.PARAMETERS["bias_exp"],
    "theta_0": (0, 4095),
    "theta_step": (0, 4095),
}

MESSAGE_BITS = 0  # it sends spikes


def rest(
    delta_i: Ints,
    delta_v: Ints,
    delta_theta: Ints,
    delta_r: Ints,
    bias_mant: Ints,
    bias_exp: Ints,
    theta_0: Ints,
    theta_step: Ints,
) -> tuple[Ints, Ints, Ints, Ints]:
    """The states before the first step: zero, and the threshold at its base."""
    return 0 * theta_0, 0 * theta_0, theta_0 << ALIGN_BITS, 0 * theta_0


def step(
    a: Ints,
    i: Ints,
    v: Ints,
    theta: Ints,
    r: Ints,
    delta_i: Ints,
    delta_v: Ints,
    delta_theta: Ints,
    delta_r: Ints,
    bias_mant: Ints,
    bias_exp: Ints,
    theta_0: Ints,
    theta_step: Ints,
) -> tuple[Spikes, Ints, Ints, Ints, Ints]:
    """One step with activation `a`: what is sent, and the states after it."""
    base = theta_0 << ALIGN_BITS
    i = synaptic_current(a, i, delta_i)
    v = saturate(integrated(v, i, delta_v, bias_mant, bias_exp))
    theta = int32(decay(int32(theta - base), delta_theta) + base)
    r = decay(r, delta_r)
    spikes: Spikes = int32(v - r) >= theta
    return spikes, i, v, int32(theta + spikes * (theta_step << ALIGN_BITS)), int32(r + spikes * (2 * theta))
