"""Readouts that never spike: v in integers follows v in floats, in every engine, and does not saturate."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import nir
import numpy as np
import pytest

import snndeploy
from snndeploy.errors import BadInput
from snndeploy.export.lower import lower
from snndeploy.floats import simulate

DT = 1e-4


def full(count: int, value: float) -> Any:
    return np.full(count, value)


def readout(kind: str) -> nir.NIRNode:
    r = full(4, 10.0)
    return {
        "LI": nir.LI(tau=full(4, 10 * DT), r=r, v_leak=full(4, 0.05)),
        "CubaLI": nir.CubaLI(
            tau_syn=full(4, 5 * DT), tau_mem=full(4, 10 * DT), r=r, v_leak=full(4, 0.0), w_in=full(4, 5.0)
        ),
        "I": nir.I(r=full(4, 1 / DT)),
    }[kind]


def graph(kind: str, weight: float = 0.3) -> nir.NIRGraph:
    """6 inputs -> 8 LIF -> 4 integrators; all weights come out of one generator."""
    dice = np.random.default_rng(5)
    lif = nir.LIF(tau=full(8, 4 * DT), r=full(8, 4.0), v_leak=full(8, 0), v_threshold=full(8, 1.0), v_reset=full(8, 0))
    nodes = {
        "in": nir.Input(np.array([6])),
        "fc": nir.Linear(dice.integers(-4, 12, (8, 6)) / 16),  # exact in integers, and so are the spikes
        "lif": lif,
        "out_fc": nir.Affine(dice.normal(0, weight, (4, 8)), dice.normal(0, 0.1, 4)),
        "read": readout(kind),
        "out": nir.Output(np.array([4])),
    }
    return nir.NIRGraph(nodes, list(pairwise(nodes)))


@pytest.mark.parametrize("kind", ["LI", "CubaLI", "I"])
def test_v_of_a_readout(kind: str) -> None:
    made = graph(kind)
    x = np.random.default_rng(1).random((4, 50, 6)) < 0.3
    artifact = snndeploy.compile(made, dt=DT)
    (row,) = (row for row in artifact.program.report if row.population == "read")
    assert row.saturates == (kind == "I")  # without a leak nothing bounds it
    run = snndeploy.run(artifact, x)
    assert not run.spikes.any()
    assert list(run.probes) == ["read.v"]
    v = run.probes["read.v"] / (64 * row.scale)
    expected = simulate(lower(made, DT), x)
    spikes = snndeploy.run(artifact, x, probes=["lif.spikes"]).probes["lif.spikes"]
    assert np.array_equal(spikes, expected["lif"])
    assert spikes.any()
    assert np.abs(v - expected["read"]).max() < (0.03 if kind == "I" else 0.02) * np.abs(expected["read"]).max()


def test_the_engines_agree() -> None:
    x = np.random.default_rng(1).random((3, 20, 6)) < 0.3
    for kind in ("LI", "CubaLI"):
        compared = snndeploy.verify(snndeploy.compile(graph(kind), dt=DT), x, against=["loihi2-sim", "loihi2-lava"])
        assert [c.differences for c in compared] == [0, 0]


@pytest.mark.parametrize("sign", [1, -1])
def test_v_stays_within_its_register_where_all_inputs_push(sign: int) -> None:
    weights = sign * np.random.default_rng(2).random((4, 6))
    nodes = {
        "in": nir.Input(np.array([6])),
        "fc": nir.Affine(weights, full(4, sign * 0.5)),
        "read": readout("LI"),
        "out": nir.Output(np.array([4])),
    }
    artifact = snndeploy.compile(nir.NIRGraph(nodes, list(pairwise(nodes))), dt=DT)
    assert not artifact.program.report[0].saturates
    v = snndeploy.run(artifact, np.ones((1, 400, 6), bool)).probes["read.v"]
    assert 2**21 < sign * (v.max() if sign > 0 else v.min()) < 2**23 - 1


def test_several_outputs_are_all_in_a_run() -> None:
    made = graph("LI")
    made.nodes["spikes"] = nir.Output(np.array([8]))
    made.edges.append(("lif", "spikes"))
    artifact = snndeploy.compile(made, dt=DT)
    assert artifact.program.outputs == ("read", "lif")
    run = snndeploy.run(artifact, np.ones((2, 10, 6), bool))
    assert sorted(run.probes) == ["lif.spikes", "read.v"]
    assert run.probes["lif.spikes"].shape == (2, 10, 8)
    assert run.probes["lif.spikes"].any()


def test_a_network_does_not_let_an_integrator_send() -> None:
    network = lower(graph("LI"), DT)
    (q,) = (q for q in network.projections if q.source == "lif")
    other = replace(q, name="back", source="read", target="lif", weights=q.weights.T, delay=1)
    with pytest.raises(BadInput) as refused:
        replace(network, projections=(*network.projections, other)).check()
    assert refused.value.lines() == ["network: back: 'read' is an li, which sends nothing"]
