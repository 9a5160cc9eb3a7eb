"""LIF with a refractory period. Ours: Lava 0.10 has only a `floating_pt` model of it, whose meaning is kept.

    u[t] as LIF
    v[t] as LIF;   v[t] = 0 in the `refractory_period` steps after a spike
    s[t] as LIF

As in Lava's model (lif/models.py, class PyLifRefractoryModelFloat) u goes on during the period, and what it holds
at the end enters v; v stays where the reset left it, at 0, and neither its decay nor its bias acts.
"""

from __future__ import annotations

import numpy as np

from snndeploy.integers import Ints, Spikes, integrated, reset, saturate, spike, synaptic_current
from snndeploy.neurons import lif

STATES = ("u", "v", "_wait")  # _wait: steps of the period that are left

# Lava takes every period above 0 (lif/process.py, class LIFRefractory).
PARAMETERS = {**lif.PARAMETERS, "refractory_period": (1, 2**31 - 1)}

MESSAGE_BITS = 0  # it sends spikes


def rest(
    du: Ints, dv: Ints, bias_mant: Ints, bias_exp: Ints, vth: Ints, refractory_period: Ints
) -> tuple[Ints, Ints, Ints]:
    """The states before the first step: zero."""
    return 0 * vth, 0 * vth, 0 * vth


def step(
    a: Ints,
    u: Ints,
    v: Ints,
    wait: Ints,
    du: Ints,
    dv: Ints,
    bias_mant: Ints,
    bias_exp: Ints,
    vth: Ints,
    refractory_period: Ints,
) -> tuple[Spikes, Ints, Ints, Ints]:
    """One step with activation `a`: what is sent, and the states after it."""
    u = synaptic_current(a, u, du)
    v = reset(saturate(integrated(v, u, dv, bias_mant, bias_exp)), wait > 0)
    spikes = spike(v, vth)
    return spikes, u, reset(v, spikes), np.maximum(wait - 1, 0) + spikes * refractory_period
