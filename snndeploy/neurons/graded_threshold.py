"""Graded threshold: sends its activation where that is far enough from 0. Equal to Lava's GradedVec `fixed_pt`.

    sends a[t] where |a[t]| > vth, else 0

It keeps nothing from step to step: Lava's v is cleared in each (graded/models.py, class AbstractGradedVecModel).
Lava's `exp` acts on nothing there, so there is none here.
"""

from __future__ import annotations

import numpy as np

from snndeploy.integers import Ints, int32
from snndeploy.neurons import graded_relu

STATES = graded_relu.STATES
PARAMETERS = graded_relu.PARAMETERS
MESSAGE_BITS = graded_relu.MESSAGE_BITS
rest = graded_relu.rest


def step(a: Ints, vth: Ints) -> tuple[Ints]:
    """One step with activation `a`: what is sent. |-2**31| is -2**31 in an int32 register, and is not sent."""
    return (a * (int32(np.abs(a)) > vth),)
