"""Delta: sends how its activation has changed, once that is enough. Equal to Lava's Delta `fixed_pt`.

    act[t]     = a[t] << (spike_exp + state_exp)
    delta      = act[t] - act[t-1] + residue[t-1]
    coded      = delta where |delta| >= vth << (spike_exp + state_exp), else 0
    residue[t] = delta - coded;   sends coded >> state_exp

With `cum_error` 1 the sum of the deltas since one was sent, error[t], is compared instead of delta. All registers are
int32 and wrap (sdn/models.py, class PyDeltaModelFixed). The bits that the last shift drops are lost, toward minus
infinity: they do not enter the residue. Lava's text says >, its code >=.
"""

from __future__ import annotations

from snndeploy.integers import Ints, delta_coded, int32

STATES = ("act", "residue", "error")

# Exponents have 3 bits (sdn/models.py: precision=3); with the threshold's 17 bits, as many as that of LIF has, the
# shifted threshold fills an int32 at most.
PARAMETERS = {"vth": (0, 131071), "spike_exp": (0, 7), "state_exp": (0, 7), "cum_error": (0, 1)}

MESSAGE_BITS = 24  # sdn/models.py: precision=24 of s_out, which Lava does not enforce: beyond it, the int32 goes out


def rest(vth: Ints, spike_exp: Ints, state_exp: Ints, cum_error: Ints) -> tuple[Ints, Ints, Ints]:
    """The states before the first step: zero."""
    return 0 * vth, 0 * vth, 0 * vth


def step(
    a: Ints, act: Ints, residue: Ints, error: Ints, vth: Ints, spike_exp: Ints, state_exp: Ints, cum_error: Ints
) -> tuple[Ints, Ints, Ints, Ints]:
    """One step with activation `a`: what is sent, and the states after it."""
    before, act = act, int32(a << spike_exp + state_exp)
    delta = int32(act - before + residue)
    coded, error = delta_coded(delta, error, vth << spike_exp + state_exp, cum_error)
    return coded >> state_exp, act, delta - coded, error
