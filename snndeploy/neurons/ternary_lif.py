"""Ternary LIF: spikes of both signs. Equal to Lava's TernaryLIF `fixed_pt`.

u[t], v[t] as LIF
s[t] = 1 where v[t] > vth_hi << 6, -1 where v[t] < vth_lo << 6, else 0;  v[t] = 0 where s[t] != 0
"""

from __future__ import annotations

from snndeploy.integers import ALIGN_BITS, Ints, integrated, reset, saturate, spike, synaptic_current
from snndeploy.neurons import lif

STATES = lif.STATES

# Thresholds of 17 bits as those of LIF, one for each sign.
PARAMETERS = {
    **{name: lif.PARAMETERS[name] for name in ("du", "dv", "bias_mant", "bias_exp")},
    "vth_hi": (0, 131071),
    "vth_lo": (-131071, 0),
}

MESSAGE_BITS = 2  # -1, 0 or 1 (lif/models.py, class PyTernLifModelFixed: precision=2)


def rest(du: Ints, dv: Ints, bias_mant: Ints, bias_exp: Ints, vth_hi: Ints, vth_lo: Ints) -> tuple[Ints, Ints]:
    """The states before the first step: zero."""
    return 0 * vth_hi, 0 * vth_hi


def step(
    a: Ints, u: Ints, v: Ints, du: Ints, dv: Ints, bias_mant: Ints, bias_exp: Ints, vth_hi: Ints, vth_lo: Ints
) -> tuple[Ints, Ints, Ints]:
    """One step with activation `a`: what is sent, and the states after it."""
    u = synaptic_current(a, u, du)
    v = saturate(integrated(v, u, dv, bias_mant, bias_exp))
    signs = 1 * spike(v, vth_hi) - 1 * (v < vth_lo << ALIGN_BITS)
    return signs, u, reset(v, signs != 0)
