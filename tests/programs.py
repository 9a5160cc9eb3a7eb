"""Generated programs for the conformance tests: `python -m tests.programs --seed N` prints one.

A program has 1 to 4 layers, skip connections, recurrence within and across layers, several inputs of every kind, and
parameters that are drawn half at random and half from their edges, so that u overflows and v saturates.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from snndeploy.artifact import Artifact
from snndeploy.integers import Ints, effective_weights
from snndeploy.neurons.lif import PARAMETERS
from snndeploy.program import MAX_EXPONENT, MIN_EXPONENT, SIGN_MODES, Input, Population, Program, Projection
from snndeploy.targets.loihi2.place import place

Draw = np.random.Generator


def random_program(seed: int) -> tuple[Program, dict[str, Ints]]:
    """A checked program and payloads (samples, steps, size) for all its inputs, the same for the same seed."""
    draw = np.random.default_rng(seed)
    inputs = [_input(draw, f"in{i}") for i in range(draw.integers(1, 3))]
    if draw.random() < 0.5:
        inputs.append(Input("one", (1,), "one"))
    populations = [_population(draw, f"layer{i}", start=i + 1) for i in range(draw.integers(1, 5))]
    projections = []
    for index, target in enumerate(populations):
        before = populations[index - 1] if index else inputs[0]
        sources = [before, *(e for e in (*inputs, *populations) if e is not before and draw.random() < 0.25)]
        projections += [_projection(draw, source, target) for source in sources]
    program = Program(tuple(inputs), tuple(populations), tuple(projections), (populations[-1].name,))
    program.check(f"seed {seed}")
    samples, steps = int(draw.integers(1, 4)), int(draw.integers(1, 25))
    return program, {entry.name: _payloads(draw, entry, samples, steps) for entry in inputs}


def _input(draw: Draw, name: str) -> Input:
    size = int(draw.integers(1, 40))
    if draw.random() < 0.4:
        return Input(name, (size,))
    top = 2 ** int(draw.integers(1, 23))
    return Input(name, (size,), "graded", -int(draw.integers(0, 2)) * top, top - 1)


def _population(draw: Draw, name: str, start: int) -> Population:
    size = int(draw.integers(1, 40))
    per_neuron = draw.random() < 0.5
    parameters = {
        key: _edgy(draw, low, high, size if per_neuron or key == "bias_mant" else 1)
        for key, (low, high) in PARAMETERS.items()
    }
    if draw.random() < 0.7:  # thresholds near the top are seldom reached: most populations should spike
        parameters["vth"] = _edgy(draw, 0, 2 ** int(draw.integers(1, 17)), size)
    return Population(name, (size,), "lif", parameters, start)


def _edgy(draw: Draw, low: int, high: int, size: int) -> Ints:
    """Integers low..high: half of the draws are uniform, half sit at an edge or next to it."""
    edges = np.array([low, min(low + 1, high), max(high - 1, low), high])
    return np.where(draw.random(size) < 0.5, draw.integers(low, high + 1, size), draw.choice(edges, size))


def _projection(draw: Draw, source: Input | Population, target: Population) -> Projection:
    mode, bits = str(draw.choice(SIGN_MODES)), int(draw.integers(1, 9))
    low, high = {"mixed": (-256, 255), "excitatory": (0, 255), "inhibitory": (-255, 0)}[mode]
    shape = (target.size, source.size)
    weights = _edgy(draw, low, high, target.size * source.size).reshape(shape) * (draw.random(shape) < draw.random())
    exponent = int(draw.integers(MIN_EXPONENT, MAX_EXPONENT + 1)) if draw.random() < 0.5 else 0
    needed = max(target.start - source.start - 1, 0)  # a message may not arrive before its target starts
    delay = needed + int(draw.choice([0, 0, 0, 1, 5]))
    name = f"{source.name}-{target.name}"
    message_bits = source.message_bits if draw.random() < 0.9 else 0  # a binary projection sees a payload as a spike
    held = effective_weights(weights, bits, mode)
    return Projection(name, source.name, target.name, held, bits, mode, exponent, delay, message_bits=message_bits)


def _payloads(draw: Draw, entry: Input, samples: int, steps: int) -> Ints:
    shape = (samples, steps, entry.size)
    if entry.kind == "one":
        return np.ones(shape, np.int64)
    return np.where(
        draw.random(shape) < draw.random(),
        _edgy(draw, entry.minimum, entry.maximum, int(np.prod(shape))).reshape(shape),
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
