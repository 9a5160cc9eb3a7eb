"""Both ways between NIR's neurons, in seconds and ohms, and the neuron of a Network, in time steps.

NIR gives differential equations; forward Euler with the time step dt makes of them, for LIF and CubaLIF,

    beta = 1 - dt/tau_mem      alpha = 1 - dt/tau_syn      gain = r*dt/tau_mem * w_in*dt/tau_syn

so that tau = dt/(1 - beta), r = tau_mem/dt and w_in = tau_syn/dt give the neuron back with a gain of exactly 1 (this
is also what snnTorch's own exporter writes). IF is beta = 1 and gain = r*dt. LIF and IF have no synaptic current:
alpha = 0. CubaLI, LI and I are the same without a threshold; a Threshold is a LIF that keeps nothing: alpha = beta = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nir
import numpy as np
from numpy.typing import NDArray

from snndeploy.errors import Problems
from snndeploy.network import Floats

PARAMETERS = {
    nir.LIF: ("tau", "r", "v_leak", "v_threshold", "v_reset"),
    nir.CubaLIF: ("tau_syn", "tau_mem", "r", "w_in", "v_leak", "v_threshold", "v_reset"),
    nir.IF: ("r", "v_threshold", "v_reset"),
    nir.LI: ("tau", "r", "v_leak"),
    nir.CubaLI: ("tau_syn", "tau_mem", "r", "w_in", "v_leak"),
    nir.I: ("r",),
    nir.Threshold: ("threshold",),
}
CLASSES = tuple(PARAMETERS)
SPIKING = (nir.LIF, nir.CubaLIF, nir.IF)  # those that have a reset
INTEGRATORS = (nir.LI, nir.CubaLI, nir.I)  # those that send nothing, and are read
POSITIVE = ("tau", "tau_syn", "tau_mem", "v_threshold", "threshold")
ROUNDING = 2.0**-51  # what 1 - dt/tau can lose for tau = dt/(1 - beta): three roundings of float64, 1.5 * 2**-52


@dataclass(frozen=True)
class Neuron:
    """A NIR neuron in time steps, arrays of the population's shape.

    What arrives is multiplied by `gain`; `bias` is a constant current on top (from v_leak). Without a threshold it
    integrates, and never spikes.
    """

    alpha: Floats
    beta: Floats
    threshold: Floats | None
    gain: Floats
    bias: Floats


def to_nir(alpha: Floats | None, beta: Floats, threshold: Floats, dt: float) -> nir.NIRNode:
    """The NIR node of a neuron with a gain of 1: IF where beta is 1, CubaLIF where there is an alpha, else LIF.

    `beta` is below 1 everywhere or 1 everywhere; `alpha`, where given, and beta are then below 1.
    """
    zero = np.zeros(beta.shape)
    if alpha is None and (beta == 1).all():
        return nir.IF(r=np.full(beta.shape, 1 / dt), v_threshold=threshold, v_reset=zero)
    tau = dt / (1 - beta)
    if alpha is None:
        return nir.LIF(tau=tau, r=tau / dt, v_leak=zero, v_threshold=threshold, v_reset=zero)
    tau_syn = dt / (1 - alpha)
    return nir.CubaLIF(
        tau_syn=tau_syn, tau_mem=tau, r=tau / dt, v_leak=zero, v_threshold=threshold, v_reset=zero, w_in=tau_syn / dt
    )


def kept(tau: Floats, dt: float) -> Floats:
    """1 - dt/tau: what is left of a state after one step.

    Where a float32 lies within the rounding error of that, it is taken. So a decay trained in float32 comes back
    from its tau exactly (one below 2**-27 to within 2**-51), and one trained in float64 to within 2**-51.
    """
    exact = 1 - dt / tau
    single = exact.astype(np.float32).astype(np.float64)
    return np.where(np.abs(exact - single) <= ROUNDING, single, exact)


def from_nir(name: str, node: nir.NIRNode, dt: float, problems: Problems) -> Neuron | None:
    """`node` in steps of `dt` seconds; None where that is not possible, which is added to `problems`."""
    before = len(problems.found)
    values = {key: np.asarray(getattr(node, key), np.float64) for key in PARAMETERS[type(node)]}
    model = next((key for key in ("v_threshold", "v_leak") if key in values), next(iter(values)))
    for key, array in values.items():
        text = f"expected the shape {values[model].shape} of {model}, found {array.shape}"
        if problems.require(array.shape == values[model].shape, f"{name}.{key}", text):
            _check(f"{name}.{key}", key, array, dt, problems)
    if len(problems.found) > before:
        return None
    zero, one, threshold = np.zeros(values[model].shape), np.ones(values[model].shape), values.get("v_threshold")
    if isinstance(node, nir.Threshold):
        return Neuron(zero, zero, values["threshold"], one, zero)
    if isinstance(node, (nir.IF, nir.I)):
        return Neuron(zero, one, threshold, values["r"] / (1 / dt), zero)
    tau = values["tau_mem"] if "tau_mem" in values else values["tau"]
    alpha, gain = zero, values["r"] / (tau / dt)
    if "tau_syn" in values:
        alpha = kept(values["tau_syn"], dt)
        gain = gain * (values["w_in"] / (values["tau_syn"] / dt))
    none = (values["v_leak"] == 0) | (alpha == 0)
    expected = "expected 0 in a neuron with synaptic current, where a leak is no constant current"
    if not problems.require_all(values["v_leak"], none, f"{name}.v_leak", expected):
        return None
    return Neuron(alpha, kept(tau, dt), threshold, gain, values["v_leak"] / (tau / dt))


def _check(place: str, key: str, array: NDArray[Any], dt: float, problems: Problems) -> None:
    rules = [("a finite number", np.isfinite(array))]
    if key in POSITIVE:
        rules.append(("a number above 0", ~(array <= 0)))
    if key.startswith("tau"):
        rules.append((f"at least the time step of {dt} s", ~((array > 0) & (array < dt))))
    if key == "v_reset":
        rules.append(("0 (a reset to another potential is not supported)", ~(np.isfinite(array) & (array != 0))))
    for expected, good in rules:
        problems.require_all(array, good, place, f"expected {expected}")
