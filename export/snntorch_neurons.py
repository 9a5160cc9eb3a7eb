"""The snnTorch neurons that can be exported: their states, their reset kinds, what is refused in them.

Source: snnTorch 1.0.0, `snntorch/_neurons/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nir
import numpy as np

from snndeploy.errors import Problems
from snndeploy.export import nir_neurons
from snndeploy.export import snntorch_layers as layers
from snndeploy.export import snntorch_linear as linear
from snndeploy.export.snntorch_graph import Graph
from snndeploy.export.snntorch_signals import Value
from snndeploy.extras import extras
from snndeploy.network import Floats

with extras():
    import snntorch as snn
    import torch
    from torch import nn


TINY = 2.0**-126  # the least normal float32: a membrane potential just above its threshold


@dataclass(frozen=True)
class Kind:
    """A class: the state arguments of its forward, what it returns when it returns states, what its "zero" is.

    With reset_delay (the default) "zero" clears in the next step: Leaky before it adds that step's input, so that
    its spikes are those of "zero"; the others after it, so that the whole step is swallowed ("zero-next").
    """

    states: tuple[str, ...]
    returns: tuple[str, ...]
    delayed_zero: str


KINDS: Mapping[type[nn.Module], Kind] = {
    snn.Leaky: Kind(("mem",), ("spk", "mem"), "zero"),
    snn.Synaptic: Kind(("syn", "mem"), ("spk", "syn", "mem"), "zero-next"),
    snn.RLeaky: Kind(("spk", "mem"), ("spk", "mem"), "zero-next"),
    snn.RSynaptic: Kind(("spk", "syn", "mem"), ("spk", "syn", "mem"), "zero-next"),
    snn.Lapicque: Kind(("mem",), ("spk", "mem"), "zero-next"),
}
STATES = ("syn", "mem")

# reset_mechanism_val -> its name and the function that a neuron takes for it at construction (neurons.py: reset_dict).
MECHANISMS = (("subtract", "_base_sub"), ("zero", "_base_zero"), ("none", "_base_int"))


def returns_states(module: nn.Module) -> bool:
    """Whether calling `module` gives (spk, states) and not the spikes alone (leaky.py, end of forward)."""
    return bool(module.output) or not module.init_hidden


def reset_kind(module: nn.Module) -> str:
    """The name of the module's reset in `snndeploy.network.RESETS`."""
    mechanism = _mechanism(module)
    if mechanism == "none":
        return "none"
    delayed = getattr(module, "reset_delay", True)  # Lapicque has no other
    if mechanism == "zero":
        return KINDS[type(module)].delayed_zero if delayed else "zero"
    return "subtract-next" if delayed else "subtract"


def node(path: str, module: Any, shape: tuple[int, ...], dt: float, problems: Problems) -> nir.NIRNode | None:
    """The NIR node of `module` for a population of `shape`, or None and why not."""
    before = len(problems.found)
    threshold = _parameter(path, "threshold", module.threshold, shape, problems)
    gain = None
    if type(module) is snn.Lapicque:
        # lapicque.py: _base_state_function; its beta is not used after construction
        step, resistance, capacity = (getattr(module, name).double() for name in ("time_step", "R", "C"))
        beta = _parameter(path, "1 - time_step/(R*C)", 1 - step / (resistance * capacity), shape, problems)
        gain = _parameter(path, "time_step/C", resistance * (1 / (resistance * capacity)) * step, shape, problems)
    else:
        beta = _parameter(path, "beta", module.beta.clamp(0, 1), shape, problems)
    alpha = _parameter(path, "alpha", module.alpha.clamp(0, 1), shape, problems) if hasattr(module, "alpha") else None
    if len(problems.found) > before or beta is None or threshold is None:
        return None
    if gain is not None:
        text = "expected 0 to below 1 (a beta above 0.37): a membrane potential that does not change its sign"
        problems.require_all(beta, (beta >= 0) & (beta < 1), f"{path}.1 - time_step/(R*C)", text)
    if alpha is None:
        mixed = (beta == 1).any() and (beta < 1).any()
        problems.require(
            not mixed,
            f"{path}.beta",
            "1 for some neurons and below 1 for others: NIR has no node for both; use a beta just below 1",
        )
    else:
        for name, values in (("alpha", alpha), ("beta", beta)):
            expected = "NIR's CubaLIF has no infinite time constant: expected below 1"
            problems.require_all(values, values < 1, f"{path}.{name}", expected)
    problems.require_all(threshold, threshold > 0, f"{path}.threshold", "expected above 0")
    if len(problems.found) > before:
        return None
    found = nir_neurons.to_nir(alpha, beta, threshold, dt)
    if gain is not None:
        found.r = found.r * gain
    return found


def recurrence(to: Graph, path: str, module: Any, spikes: Value) -> Value | None:
    """What brings the spikes of the last step back to `module`."""
    recurrent = module.recurrent
    if isinstance(recurrent, nn.Linear):
        features = (recurrent.in_features,)
        text = f"linear_features expects the shape {features}, found {spikes.shape}"
        if not to.problems.require(spikes.shape == features, to.paths[spikes.nodes[0]], text):
            return None
    layer = layers.layer(recurrent)
    if layer is not None:
        return layer(to, path, spikes, recurrent)
    return linear.scaled(to, path, spikes, linear.array(recurrent.V), 0.0)


def _mechanism(module: Any) -> str:
    return MECHANISMS[int(module.reset_mechanism_val)][0]


def check_features(path: str, module: Any, problems: Problems) -> None:
    """Report what the module does beyond its class's equations in snndeploy/floats.py."""
    name = type(module).__name__
    factor = module.graded_spikes_factor.detach().cpu().numpy()
    text = f"{name} with graded_spikes_factor {factor.tolist()} is not supported; use numbers other than 0"
    good = bool(np.isfinite(factor).all() and (factor != 0).all())
    if hasattr(module, "recurrent"):
        good = bool((factor == 1).all())
        text = f"{name} with graded_spikes_factor {factor.tolist()} is not supported; use 1"
    problems.require(good, path, text)
    problems.require(not module.inhibition, path, f"{name} with inhibition is not supported; use inhibition=False")
    problems.require(
        not module.state_quant,
        path,
        f"{name} with state_quant is not supported; snndeploy quantizes later, train with state_quant=False",
    )
    with torch.no_grad():
        at, above = (float(module.spike_grad(torch.full((1,), distance))) for distance in (0.0, TINY))
    text = f"{name} spikes AT its threshold: use a spike_grad that is 0 there, as snntorch.surrogate's are"
    problems.require(at == 0, path, text)
    text = f"{name} gives {above:g} just above its threshold: use a spike_grad that is 1 there"
    problems.require(above == 1, path, text)
    changed = module.state_function.__name__ != MECHANISMS[int(module.reset_mechanism_val)][1]
    text = f"reset_mechanism became {_mechanism(module)!r} after construction, which snnTorch follows only in part"
    problems.require(not changed, path, f"{text}; give it to {name}(...)")
    if type(module) is snn.RSynaptic:
        text = "RSynaptic with reset_delay=False ends with an error in snnTorch 1.0; use reset_delay=True"
        problems.require(module.reset_delay, path, text)


def _parameter(path: str, name: str, value: torch.Tensor, shape: tuple[int, ...], problems: Problems) -> Floats | None:
    """`value` exactly in float64 and of the population's shape, broadcast as torch does over (batch, *shape)."""
    array: np.ndarray[Any, Any] = value.detach().cpu().numpy().astype(np.float64)
    try:
        array = np.broadcast_to(array, (1, *shape))[0].copy()
    except ValueError:
        text = f"the shape {array.shape} does not fit a population of the shape {shape}"
        problems.add(f"{path}.{name}", f"{text}; use a scalar or one value for each neuron")
        return None
    problems.require_all(array, np.isfinite(array), f"{path}.{name}", "expected finite numbers")
    return array
