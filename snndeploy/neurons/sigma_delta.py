"""Sigma-delta: adds up the changes that it gets, and sends its own. Equal to Lava's SigmaDelta `fixed_pt`.

    sigma[t]   = sigma[t-1] + a[t]
    act[t]     = f(sigma[t] + (bias << (spike_exp + state_exp)));   f(x) = max(x, 0) with act_mode 1, x with 0
    delta      = act[t] - act[t-1] + residue[t-1]
    coded      = delta where |delta| >= vth << (spike_exp + state_exp), else 0
    residue[t] = delta - coded;   sends coded >> state_exp

`cum_error`, the int32 registers and the bits that are lost are those of Delta (sdn/models.py, class
PySigmaDeltaModelFixed). Other than in Delta the activation `a` is not shifted.
"""

from __future__ import annotations

import numpy as np

from snndeploy.integers import Ints, delta_coded, int32
from snndeploy.neurons import delta as delta_model

STATES = ("sigma", "act", "residue", "error")

# The bias has 16 bits (sdn/models.py: precision=16); act_mode is Lava's ActivationMode, UNIT 0 or RELU 1.
PARAMETERS = {**delta_model.PARAMETERS, "bias": (-(2**15), 2**15 - 1), "act_mode": (0, 1)}

MESSAGE_BITS = delta_model.MESSAGE_BITS


def rest(
    vth: Ints, spike_exp: Ints, state_exp: Ints, cum_error: Ints, bias: Ints, act_mode: Ints
) -> tuple[Ints, Ints, Ints, Ints]:
    """The states before the first step: zero."""
    return 0 * vth, 0 * vth, 0 * vth, 0 * vth


def step(
    a: Ints,
    sigma: Ints,
    act: Ints,
    residue: Ints,
    error: Ints,
    vth: Ints,
    spike_exp: Ints,
    state_exp: Ints,
    cum_error: Ints,
    bias: Ints,
    act_mode: Ints,
) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """One step with activation `a`: what is sent, and the states after it."""
    sigma = int32(sigma + a)
    biased = int32(sigma + (bias << spike_exp + state_exp))
    before, act = act, act_mode * np.maximum(biased, 0) + (1 - act_mode) * biased
    delta = int32(act - before + residue)
    coded, error = delta_coded(delta, error, vth << spike_exp + state_exp, cum_error)
    return coded >> state_exp, sigma, act, delta - coded, error
