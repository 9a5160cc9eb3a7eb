"""LIF with reset by subtraction on the spiking step. Ours: Lava has no such model, a chip needs a microcode program.

    u[t], v[t] as LIF, and theta = vth << 6
    s[t] = v[t] > theta;                       where v[t-1] <= theta
    s[t] = v[t] > 2*theta;                     where v[t-1] > theta
    v[t] = v[t] - theta where s[t]

The second line is snnTorch's (`reset_mechanism="subtract", reset_delay=False`): a neuron that is still above its
threshold after the subtraction needs another whole threshold to spike again, and may rest above it in silence. What was
trained so is kept so (`snndeploy.floats`, reset "subtract"): for parameters that are exact in integers the spikes equal
snnTorch's in float64.
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
    still_above = spike(v, vth)
    u = synaptic_current(a, u, du)
    v = saturate(integrated(v, u, dv, bias_mant, bias_exp))
    spikes = spike(v, vth + still_above * vth)
    return spikes, u, v - spikes * (vth << ALIGN_BITS)
