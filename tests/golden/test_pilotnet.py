"""PilotNet on a Loihi 2 chip, recorded by lava-dl's authors: u, v and spikes of every neuron, 24 steps of one image.

The network is an input layer, whose bias is the image, five convolutions and four dense layers, all LIF that are reset
every 17 steps, each layer one step after the one before it: layer k, from 0, in the steps t with t % 17 = k + first.
The files hold two runs. In one `first` is 1: the input layer's spikes (`input.npy`) and all of the eight layers after
it. In the other it is 0: the input layer's spikes (`input-s.npy`) and the last layer, whose v never spikes.
The arrays have the axes W, H, C, time. In a step a layer answers to what was sent in the step before.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from snndeploy.program import Input, Population, Program, Projection
from snndeploy.runs import chip_probes, chip_view, in_sample_time
from snndeploy.simulators import engine_of
from tests.golden import lava_dl

FOLDER = "pilotnet_lif"
LAYERS = {  # name -> number in `network.net`; 6 is a Flatten, which has no neurons
    "input": 0,
    **{f"conv-{i}": 1 + i for i in range(5)},
    **{f"fc-{i}": 7 + i for i in range(4)},
}
NAMES = list(LAYERS)
WHOLE = NAMES[1:9]  # the layers of which the first run holds u, v and spikes
INTERVAL = 17  # steps from reset to reset: 16 of a sample and one
BIAS_EXPONENT = 6  # lava-dl's for every layer (netx/blocks/process.py)
TARGETS = ("reference", "loihi2-sim")
FILES = {"u": "-u", "v": "-v", "spikes": ""}  # what a layer's recordings end with
EQUAL = {"u": 0, "v": 0, "spikes": 0}

Answer = dict[str, NDArray[Any]]


def recorded(name: str) -> NDArray[Any]:
    """A recording with the axes (steps, C, H, W), or (steps, neurons) of a dense layer."""
    return lava_dl.array(f"{FOLDER}/{name}.npy").T


def layer(name: str, source: str, shape: tuple[int, ...], first: int) -> tuple[Population, Projection]:
    """The integers of a layer, and of its synapses from `source`, which has the given shape."""
    with lava_dl.network(f"{FOLDER}/network.net") as file:
        held = file[f"layer/{LAYERS[name]}"]
        weights, bias = held["weight"][()], held["bias"][()]
        own = tuple(held["shape"][()].tolist())
        neuron = {key: int(held[f"neuron/{key}"][()]) for key in ("iDecay", "vDecay", "vThMant")}
        conv = held["type"][0] == b"conv"
        extra = {key: held[key][()] for key in ("stride", "padding", "dilation", "groups")} if conv else {}
    if not conv:
        own, weights = own[:1], weights.reshape(own[0], math.prod(shape))
    bias = bias.reshape(-1, 1, 1) if conv else bias
    synapses = Projection(f"to-{name}", source, name, weights, kind="conv" if conv else "dense", extra=extra)
    return population(name, own, neuron, bias, first), synapses


def population(name: str, shape: tuple[int, ...], neuron: dict[str, int], bias: NDArray[Any], first: int) -> Population:
    parameters = {
        "du": neuron["iDecay"] - 1,  # the register adds 1
        "dv": neuron["vDecay"],
        "vth": neuron["vThMant"],
        "bias_mant": bias,
        "bias_exp": BIAS_EXPONENT,
        "interval": INTERVAL,
        "offset": NAMES.index(name) + first,
    }
    return Population(name, shape, "lif-reset", {key: np.asarray(value) for key, value in parameters.items()}, start=0)


def simulated(target: str, program: Program, x: NDArray[Any]) -> Answer:
    """Every u, v (as the chip reads it) and spike of a program that gets x (steps, *shape): arrays (steps, *shape)."""
    program.check()
    probes = [f"{p.name}.{state}" for p in program.populations for state in ("u", "v", "spikes")]
    payloads = {program.inputs[0].name: x.reshape(1, len(x), -1).astype(np.int64)}
    raw = engine_of(target)[1].simulate(program, payloads, probes)
    seen = {probe: in_sample_time(program, probe, record, len(x))[0] for probe, record in raw.items()}
    chip = {probe: chip_view(seen[probe], seen[spikes]) for probe, spikes in chip_probes(program, probes).items()}
    return {**seen, **chip}


def differing(answer: Answer, name: str) -> dict[str, int]:
    """How many values of each state and of the spikes of a layer are not those of the chip."""
    pairs = {key: (answer[f"{name}.{key}"], recorded(f"{name}{file}")) for key, file in FILES.items()}
    return {key: int(np.count_nonzero(ours != chip)) for key, (ours, chip) in pairs.items()}


def test_there_are_24_steps_of_every_neuron() -> None:
    shapes = {name: {recorded(f"{name}{file}").shape for file in FILES.values()} for name in WHOLE}
    assert {len(found) for found in shapes.values()} == {1}
    assert {shape[0] for found in shapes.values() for shape in found} == {24}
    assert sum(math.prod(shape) for found in shapes.values() for shape in found) == 2_853_792


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("target", TARGETS)
def test_a_layer_by_itself_is_the_chip(target: str, name: str) -> None:
    """It gets the spikes that were recorded of the layer before it."""
    sent = recorded(NAMES[NAMES.index(name) - 1])
    neurons, synapses = layer(name, "sent", sent.shape[1:], first=1)
    program = Program((Input("sent", sent.shape[1:]),), (neurons,), (synapses,), (name,))
    answer = simulated(target, program, sent)
    assert answer[f"{name}.spikes"].any()
    assert differing(answer, name) == EQUAL


def whole(first: int) -> Program:
    """The network. Its image is a bias, so nothing reads the input that a program must have."""
    image = lava_dl.array(f"{FOLDER}/image.npy").T
    with lava_dl.network(f"{FOLDER}/network.net") as file:
        neuron = {key: int(file[f"layer/0/neuron/{key}"][()]) for key in ("iDecay", "vDecay", "vThMant")}
    populations, projections = [population("input", image.shape, neuron, image, first)], []
    for name in NAMES[1:]:
        neurons, synapses = layer(name, populations[-1].name, populations[-1].shape, first)
        populations.append(neurons)
        projections.append(synapses)
    return Program((Input("unread", (1,)),), tuple(populations), tuple(projections), (NAMES[-1],))


@pytest.mark.parametrize("target", TARGETS)
def test_the_whole_network_is_the_chip_from_the_image_on(target: str) -> None:
    answer = simulated(target, whole(first=1), np.zeros((24, 1)))
    assert np.array_equal(answer["input.spikes"], recorded("input"))
    assert {name: differing(answer, name) for name in WHOLE} == dict.fromkeys(WHOLE, EQUAL)


@pytest.mark.parametrize("target", TARGETS)
def test_the_readout_is_the_chip_in_the_other_run(target: str) -> None:
    answer = simulated(target, whole(first=0), np.zeros((24, 1)))
    assert np.array_equal(answer["input.spikes"], recorded("input-s"))
    chip = {state: recorded(f"fc-3-{file}") for state, file in {"u": "u", "v": "v", "spikes": "s"}.items()}
    assert {array.shape for array in chip.values()} == {(25, 1)}
    assert not any(array[24].any() for array in chip.values())  # a 25th step of zeros, which no neuron could jump to
    assert np.count_nonzero(chip["v"][:24]) == 18
    assert {state: np.array_equal(answer[f"fc-3.{state}"], array[:24]) for state, array in chip.items()} == {
        "u": True,
        "v": True,
        "spikes": True,
    }


def test_the_two_runs_are_not_one() -> None:
    answer = simulated("loihi2-sim", whole(first=1), np.zeros((24, 1)))
    assert np.count_nonzero(answer["input.spikes"] != recorded("input-s")) == 30_823
    assert np.count_nonzero(answer["fc-3.u"] != recorded("fc-3-u")[:24]) == 5
