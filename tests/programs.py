"""Generated programs for the conformance tests: `python -m tests.programs --seed N` prints one.

A program has 1 to 4 layers, skip connections, recurrence within and across layers, several inputs of every kind, and
parameters that are drawn half at random and half from their edges, so that u overflows and v saturates.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from snndeploy.artifact import Artifact
from snndeploy.integers import Ints, effective_weights
from snndeploy.program import MAX_DELAY, MAX_EXPONENT, MIN_EXPONENT, SIGN_MODES, Input, Population, Program, Projection
from snndeploy.registry import part, parts
from snndeploy.simulators import lava
from snndeploy.targets.loihi2.place import place

Draw = np.random.Generator


def random_program(
    seed: int, *, neuron: str = "", kind: str = "", for_lava: bool = False
) -> tuple[Program, dict[str, Ints]]:
    """A checked program and payloads (samples, steps, size) for all its inputs, the same for the same seed.

    At least about half of its populations are LIF; the others are of the model `neuron`, or of drawn ones. Its
    projections are of drawn kinds, or of `kind` wherever the shapes allow. With `for_lava` it holds only what Lava has.
    """
    draw = np.random.default_rng(seed)
    axes = int(draw.integers(0, 3))  # spatial ones: a convolution can join ends that have equally many
    inputs = [_input(draw, f"in{i}", axes) for i in range(draw.integers(1, 3))]
    if draw.random() < 0.5:
        inputs.append(Input("one", (1,), "one"))
    models = [_model(draw, neuron, for_lava) for _ in range(draw.integers(1, 5))]
    populations = [_population(draw, f"layer{i}", axes, model, i + 1, for_lava) for i, model in enumerate(models)]
    projections = []
    for index, target in enumerate(populations):
        before = populations[index - 1] if index else inputs[0]
        sources = [before, *(e for e in (*inputs, *populations) if e is not before and draw.random() < 0.25)]
        projections += [_projection(draw, source, target, kind, for_lava) for source in sources]
    program = Program(tuple(inputs), tuple(populations), tuple(projections), (populations[-1].name,))
    program.check(f"seed {seed}")
    samples, steps = int(draw.integers(1, 4)), int(draw.integers(1, 25))
    return program, {entry.name: _payloads(draw, entry, samples, steps) for entry in inputs}


def _shape(draw: Draw, axes: int) -> tuple[int, ...]:
    """The shape of an input or population: (size,), or channels and that many spatial axes."""
    if axes == 0 or draw.random() < 0.2:
        return (int(draw.integers(1, 40)),)
    return (int(draw.choice([1, 2, 3, 4, 6])), *draw.integers(1, 10 if axes == 1 else 5, axes).tolist())


def _input(draw: Draw, name: str, axes: int) -> Input:
    shape = _shape(draw, axes)
    if draw.random() < 0.4:
        return Input(name, shape)
    top = 2 ** int(draw.integers(1, 24))
    return Input(name, shape, "graded", -int(draw.integers(0, 2)) * top, top - 1)


def _model(draw: Draw, neuron: str, for_lava: bool) -> str:
    if draw.random() < 0.5:
        return "lif"
    return neuron or str(draw.choice(list(lava.NEURONS if for_lava else parts("neurons"))))


def _population(draw: Draw, name: str, axes: int, model: str, start: int, for_lava: bool) -> Population:
    shape = _shape(draw, axes)
    per_neuron = draw.random() < 0.5
    one_value = lava.NEURONS[model] if for_lava else ()
    parameters = {}
    for key, (low, high) in part("neurons", model).PARAMETERS.items():
        held = shape if (per_neuron or key == "bias_mant") and key not in one_value else (1,)
        parameters[key] = _edgy(draw, *_narrowed(draw, low, high), held)
    return Population(name, shape, model, parameters, start)


def _narrowed(draw: Draw, low: int, high: int) -> tuple[int, int]:
    """Mostly a part of a range that is wider than a decay: a large threshold is seldom reached, nor a long interval."""
    widest = max(-low, high)
    if widest <= 4096 or draw.random() < 0.3:
        return low, high
    top = 2 ** int(draw.integers(1, widest.bit_length()))
    return max(low, -top), min(high, top)


def _edgy(draw: Draw, low: int, high: int, shape: tuple[int, ...]) -> Ints:
    """Integers low..high: half of the draws are uniform, half sit at an edge or next to it."""
    edges = np.array([low, min(low + 1, high), max(high - 1, low), high])
    return np.where(draw.random(shape) < 0.5, draw.integers(low, high + 1, shape), draw.choice(edges, shape))


def _projection(draw: Draw, source: Input | Population, target: Population, kind: str, for_lava: bool) -> Projection:
    kind = kind or str(draw.choice(list(KINDS)))
    if kind == "conv" and not _geometries(source.shape, target.shape):
        kind = "dense"
    mode, bits = str(draw.choice(SIGN_MODES)), int(draw.integers(1, 9))
    exponent = int(draw.integers(MIN_EXPONENT, MAX_EXPONENT + 1)) if draw.random() < 0.5 else 0
    if kind == "conv":
        exponent = abs(exponent) % (MAX_EXPONENT + 1)
    needed = max(target.start - source.start - 1, 0)  # a message may not arrive before its target starts
    delay = needed + int(draw.choice([0, 0, 0, 0, 0, 1, 5, MAX_DELAY - needed]))
    shape, extra = KINDS[kind](draw, source, target, MAX_DELAY - delay)
    weights = effective_weights(_weights(draw, shape, mode, bits), bits, mode)
    message_bits = source.message_bits if draw.random() < 0.9 else 0  # a binary projection sees a payload as a spike
    ends = (f"{source.name}-{target.name}", source.name, target.name)
    q = Projection(*ends, weights, bits, mode, exponent, delay, kind, message_bits, extra)
    if for_lava and kind == "conv" and lava.conv_reach(q, source) >= 2**31:
        return replace(q, message_bits=0)
    return q


def _weights(draw: Draw, shape: tuple[int, ...], mode: str, bits: int) -> Ints:
    """Weights that are half edges, with a share of zeros; now and then all of them 0, or all of them the smallest."""
    low, high = {"mixed": (-256, 255), "excitatory": (0, 255), "inhibitory": (-255, 0)}[mode]
    if draw.random() < 0.1:
        smallest = 2 ** (8 - bits + (mode == "mixed"))
        return np.full(shape, draw.choice([0, -smallest if mode == "inhibitory" else smallest]))
    return _edgy(draw, low, high, shape) * (draw.random(shape) < draw.random())


def _delays(draw: Draw, shape: tuple[int, ...], longest: int) -> dict[str, Ints]:
    """Delays of each synapse in some of the projections, mostly short ones."""
    if draw.random() < 0.6:
        return {}
    return {"delays": _edgy(draw, 0, min(longest, int(draw.choice([1, 3, 8, MAX_DELAY]))), shape)}


Arrays = tuple[tuple[int, ...], dict[str, Ints]]  # the shape of a projection's weights, and its extra arrays


def _dense(draw: Draw, source: Input | Population, target: Population, longest: int) -> Arrays:
    shape = (target.size, source.size)
    return shape, _delays(draw, shape, longest)


def _sparse(draw: Draw, source: Input | Population, target: Population, longest: int) -> Arrays:
    rows, indices = np.nonzero(draw.random((target.size, source.size)) < draw.random())
    indptr = np.searchsorted(rows, np.arange(target.size + 1))
    return rows.shape, {"indptr": indptr, "indices": indices, **_delays(draw, rows.shape, longest)}


def _conv(draw: Draw, source: Input | Population, target: Population, longest: int) -> Arrays:
    drawn = [draw.choice(along_axis) for along_axis in _geometries(source.shape, target.shape)]
    kernel, stride, padding, dilation = np.transpose(drawn)
    shared = math.gcd(source.shape[0], target.shape[0])
    groups = np.array(draw.choice([g for g in range(1, shared + 1) if shared % g == 0]))
    extra = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    if draw.random() < 0.2:  # torch's defaults need not be said
        extra = {key: value for key, value in extra.items() if (value != (key != "padding")).any()}
    return (target.shape[0], source.shape[0] // int(groups), *kernel.tolist()), extra


def _geometries(source: tuple[int, ...], target: tuple[int, ...]) -> list[list[tuple[int, ...]]]:
    """For each spatial axis the (kernel, stride, padding, dilation) that lead from source to target; [] if none do."""
    if len(source) != len(target) or len(source) == 1:
        return []
    choices = list(itertools.product(range(1, 5), range(1, 4), range(4), range(1, 4)))
    along = [
        [(k, s, p, d) for k, s, p, d in choices if (n + 2 * p - d * (k - 1) - 1) // s + 1 == m]
        for n, m in zip(source[1:], target[1:], strict=True)
    ]
    return along if all(along) else []


KINDS = {"conv": _conv, "dense": _dense, "sparse": _sparse}


def _payloads(draw: Draw, entry: Input, samples: int, steps: int) -> Ints:
    shape = (samples, steps, entry.size)
    if entry.kind == "one":
        return np.ones(shape, np.int64)
    return np.where(
        draw.random(shape) < draw.random(),
        _edgy(draw, entry.minimum, entry.maximum, shape),
        0,
    )


def small_artifact(path: Path) -> Path:
    """A fixed two-layer program with recurrence and a bias of each kind, saved as `.snn`; 4 inputs, 3 outputs."""
    draw = np.random.default_rng(7)
    hidden = Population(
        "hidden", (6,), "lif", {"du": 2048, "dv": 400, "vth": 900, "bias_mant": 0, "bias_exp": 0}, 1, 508.0
    )
    output = Population(
        "output", (3,), "lif", {"du": 4095, "dv": 410, "vth": 500, "bias_mant": 100, "bias_exp": 3}, 2, 254.0
    )
    inputs = (Input("input", (4,)), Input("one", (1,), "one"))
    projections = [
        Projection(f"{a}-{b}", a, b, draw.integers(-100, 127, shape) * 2, exponent=exponent)
        for a, b, shape, exponent in (
            ("input", "hidden", (6, 4), 2),
            ("one", "hidden", (6, 1), 0),
            ("hidden", "hidden", (6, 6), 1),
            ("hidden", "output", (3, 6), 2),
        )
    ]
    program = Program(inputs, (hidden, output), tuple(projections), ("output",))
    Artifact(program, place(program)).save(path)
    return path


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Print a generated program.")
    parser.add_argument("--seed", type=int, required=True)
    program, payloads = random_program(parser.parse_args(arguments).seed)
    print(program)
    print({name: x.shape for name, x in payloads.items()})


if __name__ == "__main__":
    main()
