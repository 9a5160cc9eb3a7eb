"""Graded ReLU: sends its activation where that is above a threshold. Equal to Lava's GradedReluVec `fixed_pt`.

    sends a[t] where a[t] > vth, else 0

It keeps nothing from step to step: Lava's v is cleared in each (graded/models.py, class AbstractGradedReluVecModel).
Lava's `exp` acts on nothing there, so there is none here.
"""

from __future__ import annotations

from snndeploy.integers import Ints

STATES = ()
PARAMETERS = {"vth": (0, 2**23 - 1)}  # graded/models.py: precision=24, with a sign
MESSAGE_BITS = 24  # graded/models.py: precision=24 of s_out, which Lava does not enforce: beyond it, the int32 goes out


def rest(vth: Ints) -> tuple[()]:
    """No states."""
    return ()


def step(a: Ints, vth: Ints) -> tuple[Ints]:
    """One step with activation `a`: what is sent."""
    return (a * (a > vth),)
