"""Every structure of a network goes the whole way: snnTorch, NIR, a file, floats, integers, both engines and Lava.

In 40 steps every spike of the float network is the model's, and every u, v and spike of the fast engine and of Lava is
the reference's. Where the parameters are powers of two, the integers spike as the model does, step for step.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import snntorch as snn
import torch
from numpy.typing import NDArray
from torch import nn

import snndeploy
from snndeploy.api import compared
from snndeploy.artifact import Artifact
from snndeploy.errors import BadInput
from snndeploy.export.lower import lower
from snndeploy.export.nir_file import read_nir, write_nir
from snndeploy.floats import simulate
from snndeploy.inputs import payloads
from snndeploy.network import Network
from snndeploy.runs import all_probes
from snndeploy.simulators import fast, lava, reference
from tests.conformance.conftest import RunLava
from tests.conformance.structures import STRUCTURES, Loop, leaky
from tests.snntorch_spikes import spikes_of

SAMPLES, STEPS = 2, 40


def in_powers_of_two(model: nn.Module) -> nn.Module:
    """Weights and biases of +-1/8 to +-1/2, two of three of them positive: exact in the integers of the chip.

    The neurons keep their beta and alpha of 1/2.
    """
    draw = np.random.default_rng(2)
    for parameter in parameters(model):
        signs = draw.choice([-1.0, 1.0, 1.0], parameter.shape)
        parameter.copy_(torch.from_numpy(signs * 2.0 ** draw.integers(-3, 0, parameter.shape)))
    return model.double()


def as_trained(model: nn.Module) -> nn.Module:
    """Weights, biases, decays and thresholds of float32 that are no short binary fractions."""
    draw = np.random.default_rng(2)
    for parameter in parameters(model):
        parameter.copy_(torch.from_numpy(draw.normal(0.08, 0.4, parameter.shape)))
    neuron: Any
    for neuron in model.modules():
        if isinstance(neuron, snn.SpikingNeuron):
            neuron.beta.fill_(draw.uniform(0.4, 0.9))
            if isinstance(neuron, snn.Synaptic):
                neuron.alpha.fill_(draw.uniform(0.4, 0.9))
            neuron.threshold.mul_(draw.uniform(0.8, 1.4))
    return model.double()


def parameters(model: nn.Module) -> list[torch.Tensor]:
    """The weights and biases of all layers."""
    return [parameter.detach() for parameter in model.parameters() if parameter.ndim]


WEIGHTS: dict[str, Callable[[nn.Module], nn.Module]] = {"powers-of-two": in_powers_of_two, "as-trained": as_trained}


@dataclass(frozen=True)
class Case:
    """A structure on its way; `spikes` are those of the model, by population."""

    network: Network
    artifact: Artifact
    x: dict[str, NDArray[Any]]
    spikes: dict[str, NDArray[np.bool_]]

    def job(self) -> lava.Job:
        program = self.artifact.program
        return lava.Job(program, payloads(program, self.x), all_probes(program))


CaseOf = Callable[[str, str], Case]


@pytest.fixture(scope="module")
def case_of(tmp_path_factory: pytest.TempPathFactory) -> CaseOf:
    """`case` of a structure and a kind of weights, made once."""
    path = tmp_path_factory.mktemp("structures") / "model.nir"
    return functools.cache(lambda name, weights: case(name, weights, path))


def case(name: str, weights: str, path: Path) -> Case:
    structure = STRUCTURES[name]
    model = WEIGHTS[weights](structure.make())
    write_nir(structure.graph(model), path)
    graph = read_nir(path)
    network = lower(graph)
    draw = np.random.default_rng(1)
    x = {p.name: (draw.random((SAMPLES, STEPS, *p.shape)) < 0.3).astype(np.int64) for p in network.inputs()}
    return Case(network, snndeploy.compile(graph), x, spikes_of(model, *x.values()))


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("name", STRUCTURES)
def test_the_float_network_spikes_as_the_model(name: str, weights: str, case_of: CaseOf) -> None:
    case = case_of(name, weights)
    found = simulate(case.network, case.x)
    assert found.keys() == case.spikes.keys()
    for population, expected in case.spikes.items():
        rates = expected.mean(axis=(0, 1))
        assert np.mean((rates > 0) & (rates < 1)) >= 0.5, f"{population}: less than half of it spikes and rests"
        np.testing.assert_array_equal(found[population], expected, err_msg=population)
        bias = case.network.population(population).bias
        assert population == "pool" or (bias is not None and np.mean(bias != 0) >= 0.5), f"{population}: no bias"


@pytest.mark.parametrize("name", STRUCTURES)
def test_projections_keep_their_kinds_and_paths_are_balanced(name: str, case_of: CaseOf) -> None:
    program = case_of(name, "powers-of-two").artifact.program
    assert {f"{q.name} {q.kind} {q.delay}" for q in program.projections} == STRUCTURES[name].projections
    starts = {end.name: end.start for end in (*program.inputs, *program.populations)}
    assert starts[program.outputs[0]] == max(starts.values())


@pytest.mark.parametrize("name", STRUCTURES)
def test_exact_integers_spike_as_the_model_in_every_step(name: str, case_of: CaseOf) -> None:
    """A decay rounds v to its last bit: that is too little to change a spike of these."""
    case = case_of(name, "powers-of-two")
    program = case.artifact.program
    assert all(row.error == 0 for row in program.report), "the integers are not exact"
    run = snndeploy.run(case.artifact, case.x, probes=[f"{p.name}.spikes" for p in program.populations])
    for population, expected in case.spikes.items():
        np.testing.assert_array_equal(run.probes[f"{population}.spikes"], expected, err_msg=population)


@pytest.mark.parametrize("name", STRUCTURES)
def test_the_engines_are_equal(name: str, case_of: CaseOf, run_lava: RunLava) -> None:
    cases = [case_of(name, weights) for weights in WEIGHTS]
    jobs = [case.job() for case in cases]
    for case, job, of_lava in zip(cases, jobs, run_lava(jobs), strict=True):
        expected = reference.simulate(job.program, job.payloads, job.probes)
        of_fast = fast.simulate(job.program, job.payloads, job.probes)
        for engine, found in (("fast", of_fast), ("lava", of_lava)):
            comparison = compared(case.artifact, engine, expected, found)
            assert comparison.first == ""
            assert comparison.values_compared >= 3 * SAMPLES * STEPS * sum(p.size for p in job.program.populations)


def test_the_second_output_is_in_every_run(case_of: CaseOf) -> None:
    case = case_of("two outputs", "powers-of-two")
    assert case.artifact.program.outputs == ("c", "a")
    run = snndeploy.run(case.artifact, case.x)
    np.testing.assert_array_equal(run.spikes, case.spikes["c"])
    np.testing.assert_array_equal(run.probes["a.spikes"], case.spikes["a"])


def test_a_loop_of_one_step_through_two_populations_is_refused() -> None:
    """Its float network is the model's all the same: it is the chip that cannot be that fast."""
    model = in_powers_of_two(Loop(1, leaky))
    graph = model.graph()  # type: ignore[operator]
    x = (np.random.default_rng(1).random((SAMPLES, STEPS, 10)) < 0.3).astype(np.int64)
    found = simulate(lower(graph), x)
    for population, expected in spikes_of(model, x).items():
        np.testing.assert_array_equal(found[population], expected, err_msg=population)
    with pytest.raises(BadInput) as refused:
        snndeploy.compile(graph)
    assert refused.value.lines() == [
        "loihi2: b-a: takes 1 step(s) in the model; on the chip this way back needs at least 2: "
        "'b' starts in step 2, 'a' in step 1; the way there: a-b"
    ]
