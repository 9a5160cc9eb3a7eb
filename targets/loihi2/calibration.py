"""Peak synaptic currents on a user's own data, for a bound that is calibrated and not proven."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from snndeploy.floats import simulate
from snndeploy.network import Floats, Network

MARGIN = 0.25  # added to the largest current seen, for inputs that were not seen


def peak_currents(network: Network, x: NDArray[np.float64]) -> dict[str, float]:
    """The largest |synaptic current| of each population on `x` (samples, steps, *input_shape), plus the margin."""
    sent = {**simulate(network, x), network.inputs()[0].name: x}
    samples, steps = x.shape[:2]
    peaks = {}
    for p in network.populations:
        if p.neuron == "input":
            continue
        arriving = np.zeros((samples, steps, p.size)) + (0.0 if p.bias is None else p.bias.ravel())
        for q in network.projections:
            if q.target == p.name:
                messages: Floats = sent[q.source].reshape(samples, steps, -1).astype(np.float64)
                for delay, weighted in network.brought(q):
                    late = messages[:, : max(steps - delay, 0)]
                    arriving[:, delay:] += weighted(late.reshape(-1, late.shape[2])).reshape(*late.shape[:2], p.size)
        current, peak = np.zeros((samples, p.size)), 0.0
        for t in range(steps):
            current = p.parameters["alpha"].ravel() * current + arriving[:, t]
            peak = max(peak, float(np.abs(current).max(initial=0.0)))
        peaks[p.name] = _rounded_up(peak * (1 + MARGIN))
    return peaks


def _rounded_up(value: float) -> float:
    """`value` in 10 bits: sums of floats differ between machines in their last bits, artifacts must not."""
    mantissa, exponent = math.frexp(value)
    return math.ldexp(math.ceil(mantissa * 2**10) / 2**10, exponent)
