"""How far u and v go on a user's own data, for a bound that is calibrated and not proven."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from snndeploy.errors import Problems
from snndeploy.floats import simulate
from snndeploy.inputs import Samples, by_name
from snndeploy.network import Floats, Network
from snndeploy.targets.loihi2.ranges import InputRange

MARGIN = 0.25  # added to what is seen, for inputs that were not seen


class Peaks(NamedTuple):
    """Of each neuron the largest |synaptic current| and how deep v fell below 0, with the margin."""

    current: Floats
    fall: Floats


def samples_of(
    network: Network, given: Samples, ranges: Mapping[str, InputRange], problems: Problems
) -> dict[str, Floats]:
    """The calibration samples of each input: (samples, steps, *input_shape), in its range.

    Raises BadInput, with all problems together, where they do not fit the network.
    """
    arrays = by_name([p.name for p in network.inputs()], given, problems)
    problems.raise_if_any()
    for p in network.inputs():
        x, held = arrays[p.name], ranges[p.name]
        shape = ", ".join(("samples", "steps", *map(str, p.shape)))
        fits = x.ndim >= 2 and x.shape[2:] == p.shape and x.size > 0
        good = problems.require(fits, p.name, f"expected ({shape}), found {x.shape}")
        if good and problems.require(x.dtype.kind in "buif", p.name, f"expected numbers, found {x.dtype}"):
            inside = (x >= held.low) & (x <= held.high)
            problems.require_all(x, inside, p.name, f"expected {held.low:g} to {held.high:g}")
    problems.raise_if_any()
    return {name: x.astype(np.float64) for name, x in arrays.items()}


def peaks(network: Network, x: Mapping[str, Floats]) -> dict[str, Peaks]:
    """The peaks of each population, whose resets are to zero; `x` is (samples, steps, *input_shape) by input."""
    sent = {**simulate(network, x), **x}
    samples, steps = next(iter(x.values())).shape[:2]
    found = {}
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
        alpha, beta = (p.parameters[key].ravel() for key in ("alpha", "beta"))
        spikes = sent[p.name].reshape(samples, steps, -1) * (p.neuron == "lif")
        current, v = np.zeros((2, samples, p.size))
        peak, fall = np.zeros((2, p.size))
        for t in range(steps):
            current = alpha * current + arriving[:, t]
            v = (beta * v + current) * (spikes[:, t] == 0)
            peak = np.maximum(peak, np.abs(current).max(axis=0, initial=0.0))
            fall = np.maximum(fall, -v.min(axis=0, initial=0.0))
        found[p.name] = Peaks(_rounded_up(peak * (1 + MARGIN)), _rounded_up(fall * (1 + MARGIN)))
    return found


def _rounded_up(values: Floats) -> Floats:
    """`values` in 10 bits: sums of floats differ between machines in their last bits, artifacts must not."""
    mantissas, exponents = np.frexp(values)
    rounded: Floats = np.ldexp(np.ceil(mantissas * 2**10) / 2**10, exponents)
    return rounded
