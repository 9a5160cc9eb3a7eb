"""The neuron of the NIR paper's first experiment, driven by the recorded input: when it spikes, here and elsewhere.

Simulators and chips ran lif_norse.nir in the paper; their traces are in its repository (neuromorphs/NIR,
paper/01_lif/lif_*.csv). Four of the input spikes make the neuron spike in all of them. By the step in which that shows
they fall into three groups, for an input spike of step t:

    v takes it   spike   who
    t            t       the exact solution, Nengo, Norse, Rockpool, Sinabs, snnTorch, SpiNNaker2; our float network
    t + 1        t + 1   Lava in float and in fixed point, Loihi 2: the synapse takes a step
    t            t + 1   Spyx: its LIF (spyx/nn.py) decides a spike on the v of the step before

A float network is in the first group: its projections take the time that their delay says, and none without one. Its
integers need a step for the synapse, so in the chip's time they are in the second group; a run takes that step off.
Traces of the second group are recorded here. The steps of the first were read from its traces; the third is known from
its source alone, for its trace was not at hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import snntorch as snn
from numpy.typing import NDArray
from torch import nn

import snndeploy
from snndeploy.artifact import Artifact
from snndeploy.export.lower import lower
from snndeploy.floats import simulate
from snndeploy.inputs import payloads
from snndeploy.simulators import engines
from tests.snntorch_spikes import spikes_of

FIRST_GROUP = [460, 510, 710, 760]
SECOND_GROUP = [461, 511, 711, 761]
DT = 1e-4  # seconds: paper/01_lif/README.md


@pytest.fixture(scope="module")
def graph(shared: Path) -> Any:
    return snndeploy.read_nir(shared / "nir" / "lif_norse.nir")


@pytest.fixture(scope="module")
def artifact(graph: Any) -> Artifact:
    return snndeploy.compile(graph, dt=DT)


@pytest.fixture(scope="module")
def x(shared: Path) -> NDArray[np.int64]:
    """The input column of the recordings, (1 sample, 1000 steps, 1): it is that of all the paper's traces."""
    columns = [column(shared, name, 0) for name in ("lif_lava_cpu_fixed.csv", "lif_lava_loihi_fixed.csv")]
    assert np.array_equal(*columns)
    return columns[0].reshape(1, 1000, 1)


def column(shared: Path, name: str, index: int) -> NDArray[np.int64]:
    return np.loadtxt(shared / "golden" / name, delimiter=",")[:, index].astype(np.int64)


def steps(spikes: NDArray[Any]) -> list[int]:
    return np.flatnonzero(spikes).tolist()


def test_the_float_network_is_in_the_first_group(graph: Any, x: NDArray[np.int64]) -> None:
    assert steps(simulate(lower(graph, DT), x)["lif_1"]) == FIRST_GROUP


def test_so_is_snntorch(graph: Any, x: NDArray[np.int64]) -> None:
    """With forward Euler's parameters. Rockpool and Sinabs subtract: that changes v, but none of the steps."""
    leak, threshold = DT / float(graph.nodes["1"].tau[0]), float(graph.nodes["1"].v_threshold[0])
    for reset in ("zero", "subtract"):
        neuron = snn.Leaky(1 - leak, threshold=threshold, reset_mechanism=reset, init_hidden=True)
        model = nn.Sequential(nn.Linear(1, 1, bias=False), neuron)
        nn.init.constant_(model[0].weight, leak)  # type: ignore[arg-type]
        assert steps(spikes_of(model, x)["1"]) == FIRST_GROUP


@pytest.mark.parametrize("name", ["lif_lava_cpu_fixed.csv", "lif_lava_loihi_fixed.csv"])
def test_the_recordings_are_the_second_group(name: str, shared: Path) -> None:
    assert steps(column(shared, name, 2)) == SECOND_GROUP


@pytest.mark.parametrize("engine", sorted(engines()))
def test_integers_are_in_the_second_group_on_the_chip_and_in_the_first_in_a_run(
    engine: str, artifact: Artifact, x: NDArray[np.int64]
) -> None:
    program, module = artifact.program, engines()[engine]
    raw = module.simulate(program, payloads(program, x), ["lif_1.spikes"])
    assert steps(raw["lif_1.spikes"]) == SECOND_GROUP
    assert steps(snndeploy.run(artifact, x, target=module.TARGET).spikes) == FIRST_GROUP


def test_the_order_of_spyx_is_the_third_group(graph: Any, x: NDArray[np.int64]) -> None:
    leak, threshold = DT / float(graph.nodes["1"].tau[0]), float(graph.nodes["1"].v_threshold[0])
    v, spikes, crossed = 0.0, [], []
    for t, sent in enumerate(x[0, :, 0].tolist()):
        spike = v > threshold
        v = (1 - leak) * v + leak * sent - spike * threshold
        spikes += [t] * spike
        crossed += [t] * (v > threshold)
    assert (crossed, spikes) == (FIRST_GROUP, SECOND_GROUP)
