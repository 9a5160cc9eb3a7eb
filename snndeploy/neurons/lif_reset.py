"""LIF with periodic reset: a LIF whose u and v are cleared every `interval` steps. Equal to Lava's LIFReset `fixed_pt`.

    u[t-1] = v[t-1] = 0 where t % interval == offset % interval;  then as LIF

t counts the steps of the population in its sample, from 1. Lava counts the steps of a whole run (lif/models.py, class
PyLifResetModelBitAcc): the counter is a state here, so that every sample begins the same.
"""

from __future__ import annotations

from snndeploy.integers import Ints, Spikes, integrated, reset, saturate, spike, synaptic_current
from snndeploy.neurons import lif

STATES = ("u", "v", "_phase")  # _phase = t % interval

# Lava takes every interval above 0 and every offset from 0 (lif/process.py, class LIFReset).
PARAMETERS = {**lif.PARAMETERS, "interval": (1, 2**31 - 1), "offset": (0, 2**31 - 1)}

MESSAGE_BITS = 0  # it sends spikes


def rest(
    du: Ints, dv: Ints, bias_mant: Ints, bias_exp: Ints, vth: Ints, interval: Ints, offset: Ints
) -> tuple[Ints, Ints, Ints]:
    """The states before the first step: zero."""
    return 0 * vth, 0 * vth, 0 * vth


def step(
    a: Ints,
    u: Ints,
    v: Ints,
    phase: Ints,
    du: Ints,
    dv: Ints,
    bias_mant: Ints,
    bias_exp: Ints,
    vth: Ints,
    interval: Ints,
    offset: Ints,
) -> tuple[Spikes, Ints, Ints, Ints]:
    """One step with activation `a`: what is sent, and the states after it."""
    phase = (phase + 1) % interval
    cleared = phase == offset % interval
    u = synaptic_current(a, reset(u, cleared), du)
    v = saturate(integrated(reset(v, cleared), u, dv, bias_mant, bias_exp))
    spikes = spike(v, vth)
    return spikes, u, reset(v, spikes), phase
