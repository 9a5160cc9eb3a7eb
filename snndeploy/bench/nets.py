"""The nets that are measured, as Programs, one function each; and the work that a run of one is.

Weights are normal, of 8 bits; the thresholds were chosen so that with binary noise at the input some 5 to 10 % of each
layer's neurons spike in a step: what a layer hears varies as the root of the density, and so does its threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snndeploy.program import Input, Population, Program, Projection
from snndeploy.registry import part
from snndeploy.simulators import fast

SEED = 0
USUAL_DENSITY = 0.05  # that for which the thresholds are given


def mlp(hidden: int, narrow: int, thresholds: Sequence[int], density: float) -> Program:
    """A perceptron 784-hidden-narrow-10 of LIF neurons without synaptic memory."""
    draw = np.random.default_rng(SEED)
    sizes = (784, hidden, narrow, 10)
    names = ("in", "hidden", "narrow", "out")
    levels = (_heard(thresholds[0], density), *thresholds[1:])
    layers = zip(names[1:], sizes[1:], levels, strict=True)
    populations = tuple(_lif(name, (size,), level, start) for start, (name, size, level) in enumerate(layers, 1))
    projections = tuple(
        Projection(f"to_{names[i + 1]}", names[i], names[i + 1], _weights(draw, (sizes[i + 1], sizes[i])))
        for i in range(3)
    )
    return Program((Input("in", (784,)),), populations, projections, ("out",))


def convolutional(density: float) -> Program:
    """1x28x28, 16 kernels 3x3, 32 kernels 3x3 with stride 2, 10 fully connected."""
    draw = np.random.default_rng(SEED)
    populations = (
        _lif("conv_1", (16, 28, 28), _heard(82, density), 1),
        _lif("conv_2", (32, 14, 14), 424, 2),
        _lif("out", (10,), 3150, 3),
    )
    projections = (
        Projection("to_conv_1", "in", "conv_1", _weights(draw, (16, 1, 3, 3)), kind="conv", extra=_stride(1)),
        Projection("to_conv_2", "conv_1", "conv_2", _weights(draw, (32, 16, 3, 3)), kind="conv", extra=_stride(2)),
        Projection("to_out", "conv_2", "out", _weights(draw, (10, 32 * 14 * 14))),
    )
    return Program((Input("in", (1, 28, 28)),), populations, projections, ("out",))


def recurrent(density: float) -> Program:
    """700-512-20 of LIF neurons with synaptic memory; the 512 hear themselves too."""
    draw = np.random.default_rng(SEED)
    hidden, out = _lif("hidden", (512,), _heard(2430, density), 1, du=2000), _lif("out", (20,), 1700, 2, du=2000)
    projections = (
        Projection("to_hidden", "in", "hidden", _weights(draw, (512, 700))),
        Projection("loop", "hidden", "hidden", _weights(draw, (512, 512))),
        Projection("to_out", "hidden", "out", _weights(draw, (20, 512))),
    )
    return Program((Input("in", (700,)),), (hidden, out), projections, ("out",))


def sparse(size: int = 99968, synapses: int = 100) -> Program:
    """`size` neurons that hear `synapses` of each other; the input reaches each by a synapse of its own.

    That synapse alone brings a neuron to spike, the others little: as many spike as the input does.
    """
    draw = np.random.default_rng(SEED)
    neurons = _lif("net", (size,), 200, 1, dv=1500)
    own = {"indptr": np.arange(size + 1, dtype=np.int32), "indices": np.arange(size, dtype=np.int32)}
    # One source in each of `synapses` equal parts of the net: they rise, and none comes twice.
    part_size = size // synapses
    sources = np.arange(synapses) * part_size + draw.integers(0, part_size, (size, synapses))
    others = {"indptr": own["indptr"] * synapses, "indices": sources.reshape(-1).astype(np.int32)}
    projections = (
        Projection("to_net", "in", "net", np.full(size, 254, np.int32), kind="sparse", extra=own),
        Projection("loop", "net", "net", _weights(draw, (size * synapses,), deviation=10), kind="sparse", extra=others),
    )
    return Program((Input("in", (size,)),), (neurons,), projections, ("net",))


def _weights(draw: np.random.Generator, shape: tuple[int, ...], deviation: int = 45) -> NDArray[np.int32]:
    """Even numbers in 8 bits, as mixed signs have them."""
    return 2 * np.clip(np.rint(draw.normal(0, deviation, shape)), -128, 127).astype(np.int32)


def _lif(name: str, shape: tuple[int, ...], vth: int, start: int, du: int = 4095, dv: int = 400) -> Population:
    same = {"du": du, "dv": dv, "bias_mant": 0, "bias_exp": 0, "vth": vth}
    return Population(name, shape, "lif", {key: np.array(value, np.int32) for key, value in same.items()}, start)


def _heard(threshold: int, density: float) -> int:
    """The threshold of a layer that hears the input."""
    return round(threshold * float(np.sqrt(density / USUAL_DENSITY)))


def _stride(stride: int) -> dict[str, NDArray[np.int32]]:
    return {"stride": np.array([stride, stride], np.int32), "padding": np.array([1, 1], np.int32)}


@dataclass(frozen=True)
class Net:
    """A net with the configurations, (batch, density), in which it is measured for `steps` steps.

    `reference_steps` are as many as the reference gets, for it takes long.
    """

    text: str
    program: Callable[[float], Program]
    steps: int
    configurations: Sequence[tuple[int, float]]
    reference_steps: int


NETS: Mapping[str, Net] = {
    "a": Net(
        "MLP 784-256-128-10",
        lambda density: mlp(256, 128, (830, 690, 550), density),
        100,
        ((1, 0.05), (64, 0.01), (64, 0.05), (64, 0.2)),
        20,
    ),
    "b": Net(
        "MLP 784-1024-1024-10",
        lambda density: mlp(1024, 1024, (845, 1360, 1765), density),
        100,
        ((1, 0.05), (64, 0.05), (64, 0.2)),
        10,
    ),
    "c": Net("conv 16 3x3, 32 3x3 stride 2, 10", convolutional, 25, ((16, 0.05), (16, 0.01), (16, 0.2)), 10),
    "d": Net("recurrent 700-512-20", recurrent, 100, ((1, 0.05), (64, 0.05), (64, 0.2)), 20),
    "e": Net("99,968 neurons, 10 M synapses", lambda density: sparse(), 10, ((32, 0.05), (32, 0.01)), 2),
}


def noise(program: Program, batch: int, steps: int, density: float) -> dict[str, NDArray[np.uint8]]:
    """Binary noise (batch, steps, size) for the input of a net."""
    draw = np.random.default_rng(SEED + 1)
    (entry,) = program.inputs
    samples = [draw.random((steps, entry.size), np.float32) < density for _ in range(batch)]
    return {entry.name: np.array(samples).view(np.uint8)}


@dataclass(frozen=True)
class Work:
    """What a run has to do: synaptic operations of each projection, neuron updates; and each population's activity.

    The activity is the spikes per neuron and step.
    """

    synaptic: Mapping[str, int]
    updates: int
    activity: Mapping[str, float]


def work(program: Program, payloads: Mapping[str, NDArray[Any]]) -> Work:
    """Count it: each message brings one operation to every synapse of its source that has a weight."""
    sent = fast.simulate(program, payloads, [f"{p.name}.spikes" for p in program.populations])
    messages = {**payloads, **{probe.rpartition(".")[0]: spikes for probe, spikes in sent.items()}}
    samples, steps = next(iter(payloads.values())).shape[:2]
    raw = steps + program.latency
    synaptic = {}
    for q in program.projections:
        source, target = program.end(q.source), program.end(q.target)
        sources, *_ = part("projections", q.kind).synapses(q, source.shape, target.shape)
        arriving = np.count_nonzero(messages[q.source][:, : raw - 1 - q.delay], axis=(0, 1))
        synaptic[q.name] = int(arriving @ np.bincount(sources, minlength=source.size))
    updates = sum(samples * (raw - p.start) * p.size for p in program.populations)
    activity = {p.name: float(messages[p.name][:, p.start :].mean()) for p in program.populations}
    return Work(synaptic, updates, activity)
