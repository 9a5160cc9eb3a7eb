"""What becomes of integrators, thresholds, scales, delays, and of several inputs and outputs."""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
import pytest

from snndeploy.export.lower import lower
from snndeploy.floats import simulate
from tests.export.graphs import (
    DT,
    W,
    chain,
    full,
    graph,
    lif,
    only,
    refusals,
    weights,
)

LI = nir.LI(tau=full(2 * DT), r=full(4.0), v_leak=full(6.0))


CUBA_LI = nir.CubaLI(tau_syn=full(2 * DT), tau_mem=full(4 * DT), r=full(8.0), v_leak=full(0.0), w_in=full(3.0))


@pytest.mark.parametrize(
    ("node", "gain", "expected"),
    [
        (LI, 2.0, {"neuron": "li", "alpha": [0.0, 0.0], "beta": [0.5, 0.5], "bias": [3.0, 3.0]}),
        (CUBA_LI, 3.0, {"neuron": "li", "alpha": [0.5, 0.5], "beta": [0.75, 0.75], "bias": []}),
        (nir.I(r=full(3 / DT)), 3.0, {"neuron": "li", "alpha": [0.0, 0.0], "beta": [1.0, 1.0], "bias": []}),
        (
            nir.Threshold(full(0.5)),
            1.0,
            {"neuron": "lif", "alpha": [0.0, 0.0], "beta": [0.0, 0.0], "threshold": [0.5, 0.5], "bias": []},
        ),
    ],
)
def test_integrators_and_thresholds(node: nir.NIRNode, gain: float, expected: dict[str, Any]) -> None:
    network = lower(chain(node), DT)
    assert only(network) == expected
    assert weights(network) == {"in-n0": (gain * np.eye(2)).tolist()}
    read = ["'n0' never spikes: read its v, n0.v"]
    assert list(network.notes) == (read if expected["neuron"] == "li" else [])


def test_an_integrator_is_forward_euler_and_is_read() -> None:
    network = lower(chain(nir.Linear(W), LI), DT)
    x = np.random.default_rng(0).random((3, 20, 2)) < 0.3
    v = simulate(network, x)["n1"]
    expected, euler = np.zeros((3, 2)), []
    for t in range(20):  # tau dv = (v_leak - v) + r I
        expected = expected + DT / (2 * DT) * (6.0 - expected + 4.0 * (x[:, t] @ W.T))
        euler.append(expected)
    np.testing.assert_allclose(v, np.stack(euler, axis=1), rtol=1e-12)


def test_a_threshold_keeps_nothing() -> None:
    x = np.random.default_rng(0).integers(-3, 4, (3, 20, 2))
    assert np.array_equal(simulate(lower(chain(nir.Threshold(full(1.0))), DT), x)["n0"], x > 1)


def test_a_scale_is_a_diagonal() -> None:
    scale = nir.Scale(np.array([2.0, -3.0]))
    network = lower(chain(nir.Affine(W, np.ones(2)), scale, lif()), DT)
    assert weights(network) == {"in-n2": [[2.0, 4.0], [-9.0, -12.0]]}
    assert only(network)["bias"] == [2.0, -3.0]
    assert weights(lower(chain(scale, lif()), DT)) == {"in-n1": [2.0, -3.0]}  # single synapses


def test_delays_are_those_of_synapses() -> None:
    network = lower(chain(nir.Linear(W), nir.Delay(np.float32([3 * DT, 3 * DT])), nir.Delay(full(DT)), lif()), DT)
    assert [(p.name, p.delay) for p in network.projections] == [("in-n3", 4)]
    network = lower(chain(nir.Delay(np.array([0.0, 2 * DT])), nir.Linear(W), lif()), DT)
    assert {(p.delay, str(p.weights.tolist())) for p in network.projections} == {
        (0, "[[1.0, 0.0], [3.0, 0.0]]"),
        (2, "[[0.0, 2.0], [0.0, 4.0]]"),
    }
    x = np.random.default_rng(0).random((3, 20, 2)) < 0.4
    late = x.copy()
    late[:, 2:, 1], late[:, :2, 1] = x[:, :-2, 1], False
    assert np.array_equal(simulate(network, x)["n2"], simulate(lower(chain(nir.Linear(W), lif()), DT), late)["n1"])


def test_several_inputs_and_outputs() -> None:
    ends = {"b": nir.Input(np.array([2])), "z": nir.Output(np.array([2]))}
    made = graph({**ends, "x": lif(), "y": lif(), "w": nir.Linear(W)}, "in x", "b w", "w x", "b y", "x out", "y z")
    network = lower(made, DT)
    assert [p.name for p in network.inputs()] == ["b", "in"]
    assert network.outputs == ("x", "y")
    assert sorted(weights(network)) == ["b-x", "b-y", "in-x"]


THREE = ["g: n0: expected 3 values, 2 arrive"]


ADVICE = "expected multiples of the time step of 0.0001 s, up to 65536 of them, found"


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (chain(nir.Delay(np.array([DT, 1.5 * DT])), lif()), [f"g: n0.delay: {ADVICE} 0.00015000000000000001 at [1]"]),
        (chain(nir.Delay(full(10.0)), lif()), [f"g: n0.delay: {ADVICE} 10.0 at [0] (and 1 more)"]),
        (
            chain(nir.Affine(W, np.ones(2)), nir.Delay(full(DT)), lif()),
            ["g: n1: a delay behind a bias; put it before the bias"],
        ),
        (chain(nir.Delay(np.ones(3) * DT), lif()), THREE),
        (chain(nir.Scale(np.ones(3)), lif()), THREE),
        (
            chain(nir.Scale(full(np.nan)), lif()),
            ["g: n0.scale: expected finite numbers, found NaN or infinity"],
        ),
        (
            chain(LI, nir.Linear(W), lif()),
            ["g: n0: sends numbers, no spikes: a node of this kind may lead to an Output only, not to n1"],
        ),
        (
            chain(nir.Threshold(full(0.0))),
            ["g: n0.threshold: expected a number above 0, found 0.0 at [0] (and 1 more)"],
        ),
        (
            chain(nir.LI(tau=full(DT / 2), r=full(1.0), v_leak=full(0.0))),
            ["g: n0.tau: expected at least the time step of 0.0001 s, found 5e-05 at [0] (and 1 more)"],
        ),
    ],
)
def test_refusals_of_further_nodes(made: nir.NIRGraph, expected: list[str]) -> None:
    assert refusals(made, DT) == expected
