"""LIF: leaky integrate-and-fire with synaptic current, hard reset. Equal to Lava's LIF `fixed_pt`.

    u[t] = wrap(decay(u[t-1], du + 1) + (a[t] << 6))
    v[t] = saturate(decay(v[t-1], dv) + u[t] + (bias_mant << bias_exp))
    s[t] = v[t] > vth << 6;  v[t] = 0 where s[t];  u is not reset

du = 4095 leaves u no memory (u = a << 6), du = -1 and dv = 0 do not decay.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from snndeploy.integers import (
    ALIGN_BITS,
    SYNAPTIC_DECAY_OFFSET,
    Ints,
    Spikes,
    decay,
    int32,
    reset,
    saturate,
    shift,
    spike,
    wrap,
)

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


def step(
    states: Mapping[str, Ints], activation: Ints, parameters: Mapping[str, Ints]
) -> tuple[dict[str, Ints], Spikes]:
    """One time step: states and activation of shape (..., neurons) to new states and spikes of that shape."""
    p = parameters
    bias = int32(shift(p["bias_mant"], p["bias_exp"]))
    u = decay(states["u"], p["du"] + SYNAPTIC_DECAY_OFFSET)
    u = wrap(int32(u + int32(activation << ALIGN_BITS)))
    v = saturate(int32(decay(states["v"], p["dv"]) + u + bias))
    spikes = spike(v, p["vth"])
    return {"u": u, "v": reset(v, spikes)}, spikes


def rest(shape: tuple[int, ...]) -> dict[str, Ints]:
    """The states before the first step: zero."""
    return {name: np.zeros(shape, np.int64) for name in STATES}
