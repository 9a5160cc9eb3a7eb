"""Sigma: adds up what it gets and sends the sum. Equal to Lava's Sigma `fixed_pt`.

    sigma[t] = sigma[t-1] + a[t];   sends sigma[t]

The sum is an int32 register (sdn/models.py, class PySigmaModelFixed): it wraps at 32 bits.
"""

from __future__ import annotations

from snndeploy.integers import Ints, int32

STATES = ("sigma",)
PARAMETERS: dict[str, tuple[int, int]] = {}
MESSAGE_BITS = 24  # sdn/models.py: precision=24 of s_out, which Lava does not enforce: beyond it, the int32 goes out


def rest() -> tuple[int]:
    """The state before the first step: zero."""
    return (0,)


def step(a: Ints, sigma: Ints) -> tuple[Ints, Ints]:
    """One step with activation `a`: what is sent, and the state after it."""
    sigma = int32(sigma + a)
    return sigma, sigma
