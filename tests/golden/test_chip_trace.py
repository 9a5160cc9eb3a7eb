"""A neuron on a Loihi 2 chip, recorded with a state probe: 1000 steps of the NIR paper's first experiment.

`lif_lava_loihi_fixed.csv` is the chip, `lif_lava_cpu_fixed.csv` Lava's CPU run of the same neuron; the columns are the
input spike, v after the step, and the output spike, one row a step. v reacts a step after its input: that is the step
that the synapse takes, and the neuron starts in the first row.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nir
import numpy as np
import pytest
from numpy.typing import NDArray

from snndeploy.api import run
from snndeploy.artifact import Artifact
from snndeploy.errors import BadInput
from snndeploy.program import Input, Population, Program, Projection
from snndeploy.runs import chip_probes
from snndeploy.simulators import engines
from snndeploy.targets.loihi2.place import place

TARGETS = sorted({engine.TARGET for engine in engines().values()})
STEPS = 1000
DT = 1e-4  # seconds; the experiment's


@pytest.fixture(scope="module")
def neuron(shared: Path) -> Artifact:
    """lif_norse.nir in the integers of the experiment: a Dense and a LIF of Lava, one neuron.

    Its script (neuromorphs/NIR, paper/01_lif/_lava_nir.py) truncates: dv = 4095 dt / tau, vth = 131071 v_threshold
    shifted right by 9, and the weight 256 dt / tau. u keeps no memory.
    """
    lif = nir.read(shared / "nir" / "lif_norse.nir").nodes["1"]
    leak = DT / float(lif.tau[0])
    dv, vth, weight = int(4095 * leak), int(131071 * float(lif.v_threshold[0])) >> 9, int(256 * leak)
    assert (dv, vth, weight) == (163, 25, 10)
    parameters = {"du": 4095, "dv": dv, "bias_mant": 0, "bias_exp": 0, "vth": vth}
    program = Program(
        (Input("input", (1,)),),
        (Population("lif", (1,), "lif", {key: np.array(value) for key, value in parameters.items()}, start=0),),
        (Projection("affine", "input", "lif", np.array([[weight]])),),
        ("lif",),
        DT,
    )
    return Artifact(program, place(program))


def trace(shared: Path, name: str) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.bool_]]:
    """Input spikes, v and output spikes of a recording, each (steps,)."""
    x, v, spikes = np.loadtxt(shared / "golden" / name, delimiter=",").astype(np.int64).T
    assert len(x) == STEPS
    return x == 1, v, spikes == 1


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("view", "file"), [("chip", "lif_lava_loihi_fixed.csv"), ("lava", "lif_lava_cpu_fixed.csv")])
def test_every_state_and_spike_of_the_recordings(
    shared: Path, neuron: Artifact, target: str, view: str, file: str
) -> None:
    x, v, spikes = trace(shared, file)
    assert np.flatnonzero(spikes).tolist() == [461, 511, 711, 761]
    answer = run(neuron, x.reshape(1, STEPS, 1), target=target, probes=["lif.v"], view=view)
    assert (answer.spikes[0, :, 0] == spikes).sum() == STEPS
    assert (answer.probes["lif.v"][0, :, 0] == v).sum() == STEPS
    assert list(answer.probes) == ["lif.v"]
    assert answer.made_by["view"] == view


def test_the_recordings_differ_in_the_four_spiking_steps_only(shared: Path) -> None:
    x, chip, spikes = trace(shared, "lif_lava_loihi_fixed.csv")
    same_x, lava, same_spikes = trace(shared, "lif_lava_cpu_fixed.csv")
    assert np.array_equal(x, same_x)
    assert np.array_equal(spikes, same_spikes)
    assert np.array_equal(chip != lava, spikes)
    assert set(chip[spikes]) == {128}
    assert set(lava[spikes]) == {0}


@pytest.mark.parametrize(("parameter", "off_by"), [("dv", 1), ("vth", 1), ("vth", -1)])
def test_one_integer_off_is_not_the_chip(shared: Path, neuron: Artifact, parameter: str, off_by: int) -> None:
    x, v, _ = trace(shared, "lif_lava_loihi_fixed.csv")
    (lif,) = neuron.program.populations
    other_lif = replace(lif, parameters={**lif.parameters, parameter: lif.parameters[parameter] + off_by})
    other = replace(neuron.program, populations=(other_lif,))
    answer = run(Artifact(other, place(other)), x.reshape(1, STEPS, 1), probes=["lif.v"], view="chip")
    assert (answer.probes["lif.v"][0, :, 0] != v).any()


def test_the_command_takes_the_view(neuron: Artifact, shared: Path, tmp_path: Path) -> None:
    x, v, _ = trace(shared, "lif_lava_loihi_fixed.csv")
    network, samples, output = (str(tmp_path / name) for name in ("neuron.snn", "x.npz", "run.npz"))
    neuron.save(network)
    np.savez(samples, x=x.reshape(1, STEPS, 1))
    words = [network, "--input", samples, "-o", output, "--probe", "lif.v", "--probe-view", "chip"]
    subprocess.run([sys.executable, "-m", "snndeploy", "run", *words], check=True, stdin=subprocess.DEVNULL)
    assert np.array_equal(np.load(output)["lif.v"][0, :, 0], v)


def test_no_view_of_a_model_without_a_recording() -> None:
    populations = (Population("hidden", (1,), "lif", {}, 1), Population("readout", (1,), "li", {}, 2))
    program = Program((Input("input", (1,)),), populations, (), ("readout",))
    assert chip_probes(program, ["readout.u", "hidden.v"]) == {"hidden.v": "hidden.spikes"}
    with pytest.raises(BadInput) as caught:
        chip_probes(program, ["hidden.v", "readout.v"])
    assert caught.value.lines() == ["probe: the chip's view of v is known for lif and lif-reset: readout is li"]


def test_unknown_view(neuron: Artifact) -> None:
    with pytest.raises(BadInput) as caught:
        run(neuron, np.zeros((1, 2, 1), np.int64), view="silicon")
    assert caught.value.lines() == ["view: expected lava or chip, found 'silicon'"]
