"""The float meaning of a Network: what every neuron computes, in float64.

    i[t] = alpha*i[t-1] + x[t] + bias          synaptic current (alpha = 0: no memory)
    v[t] = beta*v[t-1] + i[t]                  membrane potential
    s[t] = v[t] > threshold                    spike, strictly above

x[t] is what the projections bring. Then, by the population's reset (`snndeploy.network.RESETS`), with
r[t] = v[t-1] > threshold:

    zero            v[t] = 0 where s[t]
    zero-next       before the spike: v[t] = 0 where r[t]
    subtract-next   before the spike: v[t] = v[t] - threshold where r[t]
    subtract        as subtract-next, then v[t] = v[t] - (s[t] - r[t])*threshold
    none            nothing

A population of `li` has i and v too, and never spikes.

These are the equations of snnTorch 1.0.0 (`_neurons/leaky.py`, `rleaky.py`, `synaptic.py`), `subtract` included, which
surprises: a neuron that is still above its threshold after the subtraction counts as reset already (r), loses the
threshold before its next spike is decided, and gets it back in that step whether it spikes or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snndeploy.errors import Problems
from snndeploy.network import Floats, Network

Bools = NDArray[np.bool_]


def simulate(network: Network, x: Any, steps: int | None = None) -> dict[str, NDArray[Any]]:
    """The spikes of every population but the inputs, each sample from rest: bool (samples, steps, *shape).

    Of an integrator (`li`), which never spikes, it is v: float64.

    `x` is (samples, steps, *shape) of the input, or a mapping from each input's name to such an array. `steps` runs
    longer or shorter than `x`, which is 0 after its end. Time is that of the float model: a spike goes through all
    delay-free projections within one step. Raises BadInput where `x` does not fit.
    """
    given = _checked_inputs(network, x)
    samples, length = next(iter(given.values())).shape[:2]
    steps = length if steps is None else steps
    sent = {p.name: np.zeros((samples, steps, p.size)) for p in network.populations}
    for name, values in given.items():
        sent[name][:, : min(steps, length)] = values[:, :steps]
    neurons = [p for p in map(network.population, network.order()) if p.neuron != "input"]
    arriving = {
        p.name: [(q.source, network.brought(q)) for q in network.projections if q.target == p.name] for p in neurons
    }
    flat = {p.name: {key: value.reshape(-1) for key, value in p.parameters.items()} for p in neurons}
    i = {p.name: np.zeros((samples, p.size)) for p in neurons}
    v = {p.name: np.zeros((samples, p.size)) for p in neurons}
    for t in range(steps):
        for p in neurons:
            current = np.zeros((samples, p.size)) if p.bias is None else p.bias.reshape(-1)
            for source, brought in arriving[p.name]:
                for delay, weighted in brought:
                    if t >= delay:
                        current = current + weighted(sent[source][:, t - delay])
            alpha, beta = flat[p.name]["alpha"], flat[p.name]["beta"]
            i[p.name] = alpha * i[p.name] + current
            if p.neuron == "li":  # nothing leads out of it: what it "sent" is what is read
                v[p.name] = sent[p.name][:, t] = beta * v[p.name] + i[p.name]
            else:
                v[p.name], spikes = membrane(v[p.name], i[p.name], beta, flat[p.name]["threshold"], p.reset)
                sent[p.name][:, t] = spikes
    whole = {p.name: sent[p.name].reshape(samples, steps, *p.shape) for p in neurons}
    return {p.name: whole[p.name] if p.neuron == "li" else whole[p.name] > 0 for p in neurons}


def membrane(v: Floats, i: Floats, beta: Floats, threshold: Floats, reset: str) -> tuple[Floats, Bools]:
    """One step of the membrane potential `v` with the current `i`: the new v, after its reset, and the spikes."""
    above = v > threshold
    v = beta * v + i
    if reset == "zero-next":
        v = np.where(above, 0.0, v)
    elif reset in ("subtract", "subtract-next"):
        v = v - above * threshold
    spikes = v > threshold
    if reset == "zero":
        v = np.where(spikes, 0.0, v)
    elif reset == "subtract":
        v = v - (spikes.astype(np.float64) - above) * threshold
    return v, spikes


def _checked_inputs(network: Network, x: Any) -> dict[str, Floats]:
    """The inputs by name, as finite float64 (samples, steps, size)."""
    problems = Problems("input")
    inputs = {p.name: p for p in network.inputs()}
    if not isinstance(x, Mapping):
        problems.require(len(inputs) == 1, "", f"expected a mapping with {', '.join(inputs)}, found one array")
        x = {next(iter(inputs)): x}
    problems.require(set(x) == set(inputs), "", f"expected {', '.join(sorted(inputs))}, found {', '.join(sorted(x))}")
    problems.raise_if_any()
    given = {name: np.asarray(x[name], np.float64) for name in inputs}
    for name, values in given.items():
        shape = inputs[name].shape
        expected = ", ".join(("samples", "steps", *map(str, shape)))
        if problems.require(
            values.ndim >= 2 and values.shape[2:] == shape,
            name,
            f"expected the shape ({expected}), found {values.shape}",
        ):
            problems.require_all(values, np.isfinite(values), name, "expected finite numbers")
    lengths = {values.shape[:2] for values in given.values()}
    problems.require(len(lengths) == 1, "", f"the inputs differ in samples and steps: {sorted(lengths)}")
    problems.raise_if_any()
    return {name: values.reshape(*values.shape[:2], inputs[name].size) for name, values in given.items()}
