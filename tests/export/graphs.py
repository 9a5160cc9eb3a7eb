"""Small NIR graphs for the tests of lowering, and what is read off their networks."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import nir
import numpy as np
import pytest

from snndeploy.errors import BadInput
from snndeploy.export import metadata
from snndeploy.export.lower import lower
from snndeploy.export.metadata import Metadata
from snndeploy.network import Network

DT = 1e-4


ASSUMED_DT = "NIR does not say the time step: assumed 0.0001 s"


ASSUMED_RESET = "NIR does not say the reset kind: assumed 'zero' (v becomes 0 on the spiking step) for all neurons"


ALL = (
    "Input, Output, Affine, Linear, Conv1d, Conv2d, SumPool2d, AvgPool2d, Scale, Flatten, Delay, "
    "LIF, CubaLIF, IF, LI, CubaLI, I, Threshold"
)


def lif(count: int = 2, tau: float = 2 * DT, r: float = 2.0, v_leak: float = 0.0, v_reset: float = 0.0) -> nir.LIF:
    """Without arguments: beta 0.5, gain 1, threshold 1."""
    full = [np.full(count, value) for value in (tau, r, v_leak, 1.0, v_reset)]
    return nir.LIF(tau=full[0], r=full[1], v_leak=full[2], v_threshold=full[3], v_reset=full[4])


def cuba(v_leak: float = 0.0) -> nir.CubaLIF:
    full = {key: np.full(2, value) for key, value in (("tau_syn", 2 * DT), ("tau_mem", 4 * DT), ("r", 8.0))}
    return nir.CubaLIF(**full, v_leak=np.full(2, v_leak), v_threshold=np.ones(2), w_in=np.full(2, 3.0))


def graph(nodes: dict[str, Any], *edges: str, said: Metadata | None = None) -> nir.NIRGraph:
    """A graph with an Input `in` and an Output `out` of two values, and edges "a b"."""
    ends = {"in": nir.Input(np.array([2])), "out": nir.Output(np.array([2]))}
    made = nir.NIRGraph({**ends, **nodes}, [tuple(e.split()) for e in edges], type_check=False)  # type: ignore[misc]
    if said is not None:
        metadata.write(made, said)
    return made


def chain(*nodes: Any, said: Metadata | None = None) -> nir.NIRGraph:
    """in -> n0 -> n1 -> ... -> out."""
    named = {f"n{i}": node for i, node in enumerate(nodes)}
    names = ["in", *named, "out"]
    return graph(named, *(f"{a} {b}" for a, b in pairwise(names)), said=said)


def weights(network: Network) -> dict[str, list[list[float]]]:
    return {p.name: p.weights.tolist() for p in network.projections}


def refusals(made: nir.NIRGraph, dt: float | None = None) -> list[str]:
    with pytest.raises(BadInput) as refused:
        lower(made, dt, where="g")
    return refused.value.lines()


W = np.array([[1.0, 2.0], [3.0, 4.0]])


def only(network: Network) -> dict[str, Any]:
    """Neuron, parameters and bias of the one population that is no input."""
    (p,) = (p for p in network.populations if p.neuron != "input")
    bias = [] if p.bias is None else p.bias.tolist()
    return {"neuron": p.neuron, "bias": bias, **{key: value.tolist() for key, value in p.parameters.items()}}


def full(value: float) -> Any:
    return np.full(2, value)
