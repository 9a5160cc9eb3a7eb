"""LIF with reset by subtraction one step later: snnTorch's default. Ours: a chip needs a microcode program for it.

    u[t] as LIF, and theta = vth << 6
    v[t] = saturate(decay(v[t-1], dv) + u[t] + (bias_mant << bias_exp) - theta*s[t-1])
    s[t] = v[t] > theta

The threshold is subtracted whole, after the decay (snnTorch 1.0.0, `_neurons/leaky.py`, `reset_mechanism="subtract",
reset_delay=True`): a spike at t leaves v[t] above the threshold, and v itself remembers that there was one. A neuron
that is still above its threshold after the subtraction spikes again. It saturates once, after everything is added, as
the sum of a LIF does. For parameters that are exact in integers the spikes equal snnTorch's in float64.
"""

from __future__ import annotations

from snndeploy.integers import ALIGN_BITS, Ints, Spikes, integrated, saturate, spike, synaptic_current
from snndeploy.neurons import lif

STATES = lif.STATES
PARAMETERS = lif.PARAMETERS
MESSAGE_BITS = 0  # it sends spikes
rest = lif.rest


def step(
    a: Ints, u: Ints, v: Ints, du: Ints, dv: Ints, bias_mant: Ints, bias_exp: Ints, vth: Ints
) -> tuple[Spikes, Ints, Ints]:
    """One step with activation `a`: what is sent, and the states after it."""
    subtracted = spike(v, vth) * (vth << ALIGN_BITS)
    u = synaptic_current(a, u, du)
    v = saturate(integrated(v, u, dv, bias_mant, bias_exp) - subtracted)
    return spike(v, vth), u, v
