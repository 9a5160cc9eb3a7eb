"""Networks whose parameters are powers of two: snnTorch in float, the reference and Lava agree spike for spike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import snntorch as snn
import torch
from torch import nn

import snndeploy
from snndeploy.api import compared
from snndeploy.export.lower import lower
from snndeploy.floats import simulate
from snndeploy.inputs import payloads
from snndeploy.runs import all_probes
from snndeploy.simulators import lava, reference
from tests.snntorch_spikes import spikes_of

SAMPLES, STEPS = 4, 24
ZERO = {"reset_mechanism": "zero", "reset_delay": False, "init_hidden": True}


def leaky(size: int) -> nn.Module:
    return snn.Leaky(beta=0.5, threshold=1.0, **ZERO)


def synaptic(size: int) -> nn.Module:
    return snn.Synaptic(alpha=0.5, beta=0.5, threshold=1.0, **ZERO)


def recurrent(size: int) -> nn.Module:
    return snn.RLeaky(beta=0.5, threshold=1.0, linear_features=size, all_to_all=True, **ZERO)


NETWORKS = {
    "feed-forward": (leaky, leaky, leaky),
    "with synaptic current": (synaptic, synaptic),
    "recurrent": (recurrent, recurrent),
    "recurrent, then feed-forward": (recurrent, leaky),
}


def power_of_two_model(kinds: tuple[Any, ...], seed: int) -> nn.Sequential:
    """Layers of 12 neurons with weights and biases that are signed powers of two from 1/8 to 1."""
    generator = np.random.default_rng(seed)
    layers: list[nn.Module] = []
    for kind in kinds:
        layers += [nn.Linear(12, 12), kind(12)]
    model = nn.Sequential(*layers)
    with torch.no_grad():
        for parameter in model.parameters():
            signs = generator.choice([-1.0, 1.0, 1.0], parameter.shape)
            parameter.copy_(torch.from_numpy(signs * 2.0 ** generator.integers(-3, 1, parameter.shape)))
    return model


@pytest.mark.parametrize("name", NETWORKS)
def test_float_reference_and_lava_agree(name: str) -> None:
    model = power_of_two_model(NETWORKS[name], seed=len(name))
    graph = snndeploy.to_nir(model, torch.ones(12))
    artifact = snndeploy.compile(graph)
    program = artifact.program
    assert all(row.error == 0 for row in program.report), "the integers are not exact"
    in_registers = any(p.parameters["bias_mant"].any() for p in program.populations)
    assert in_registers or "one" in {q.source for q in program.projections}
    x = (np.random.default_rng(1).random((SAMPLES, STEPS, 12)) < 0.3).astype(np.int64)

    probes = [f"{p.name}.spikes" for p in program.populations]
    run = snndeploy.run(artifact, x, probes=probes)
    in_lava = snndeploy.run(artifact, x, probes=probes, target="loihi2-lava")
    floats = simulate(lower(graph), x)
    for layer, expected in zip(program.populations, spikes_of(model, x).values(), strict=True):
        assert expected.any()
        for found in (floats[layer.name], run.probes[f"{layer.name}.spikes"], in_lava.probes[f"{layer.name}.spikes"]):
            np.testing.assert_array_equal(found, expected)


def test_samples_of_one_run_are_independent() -> None:
    """A biased recurrent network: four samples in one run equal four runs of one, in Lava and in the reference."""
    model = power_of_two_model((recurrent, recurrent), seed=5)
    artifact = snndeploy.compile(snndeploy.to_nir(model, torch.ones(12)))
    program = artifact.program
    x = (np.random.default_rng(2).random((SAMPLES, STEPS, 12)) < 0.3).astype(np.int64)
    sent, probes = payloads(program, x), all_probes(program)
    single = [{name: sample[i : i + 1] for name, sample in sent.items()} for i in range(SAMPLES)]
    together, *fresh = lava.simulate_jobs([lava.Job(program, p, probes) for p in (sent, *single)])
    apart = {probe: np.concatenate([answer[probe] for answer in fresh]) for probe in probes}
    expected = reference.simulate(program, sent, probes)
    for found in (together, apart):
        assert compared(artifact, "lava", expected, found).first == ""
