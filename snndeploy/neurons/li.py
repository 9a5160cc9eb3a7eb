"""LI: a leaky integrator that never spikes. Equal to Lava's LIF `fixed_pt` with a threshold out of reach.

    u[t], v[t] as LIF;   s[t] = 0

A readout takes its v. lava-dl gives its last layers this neuron (netx/hdf5.py:
vThMant 131072, one beyond the 17 bits of a threshold).
"""

from __future__ import annotations

from snndeploy.integers import Ints, Spikes, integrated, saturate, synaptic_current
from snndeploy.neurons import lif

STATES = lif.STATES
PARAMETERS = {name: lif.PARAMETERS[name] for name in ("du", "dv", "bias_mant", "bias_exp")}
MESSAGE_BITS = 0  # it sends nothing


def rest(du: Ints, dv: Ints, bias_mant: Ints, bias_exp: Ints) -> tuple[Ints, Ints]:
    """The states before the first step: zero."""
    return 0 * du, 0 * du


def step(a: Ints, u: Ints, v: Ints, du: Ints, dv: Ints, bias_mant: Ints, bias_exp: Ints) -> tuple[Spikes, Ints, Ints]:
    """One step with activation `a`: what is sent (never anything), and the states after it."""
    u = synaptic_current(a, u, du)
    v = saturate(integrated(v, u, dv, bias_mant, bias_exp))
    never: Spikes = v < v
    return never, u, v
