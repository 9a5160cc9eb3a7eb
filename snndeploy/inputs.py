"""A user's samples to the payloads that a program takes, or a refusal that says what was expected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snndeploy.errors import Problems
from snndeploy.integers import Ints
from snndeploy.program import Input, Program

Samples = ArrayLike | Mapping[str, ArrayLike]


def by_name(program: Program, x: Samples) -> dict[str, NDArray[Any]]:
    """The samples by the name of their input; an array alone, or one named `x`, is for the only input."""
    names = [entry.name for entry in program.user_inputs()]
    arrays = x if isinstance(x, Mapping) else {"x": x}
    if len(names) == 1 and set(arrays) == {"x"}:
        arrays = {names[0]: arrays["x"]}
    return {name: np.asarray(array) for name, array in arrays.items()}


def payloads(program: Program, x: Samples, where: str = "input") -> dict[str, Ints]:
    """Payloads (samples, steps, size) int64 of every input, the built-in one among them.

    `x` is (samples, steps, *input_shape), or a mapping of such by input name. Integers are payloads; floats are
    currents where the input is a float one, and become payloads by its scale. Raises BadInput where shape, kind or
    range is not the program's.
    """
    problems = Problems(where)
    arrays = by_name(program, x)
    inputs = {entry.name: entry for entry in program.user_inputs()}
    problems.require(set(arrays) == set(inputs), "", f"expected samples for {sorted(inputs)}, found {sorted(arrays)}")
    problems.raise_if_any()
    lengths = {array.shape[:2] for array in arrays.values()}
    problems.require(len(lengths) == 1, "", f"the inputs differ in samples and steps: {sorted(lengths)}")
    sent = {name: _payloads_of(inputs[name], array, problems) for name, array in arrays.items()}
    problems.raise_if_any()
    samples, steps = next(iter(lengths))
    sent.update({entry.name: np.ones((samples, steps, 1), np.int64) for entry in program.inputs if entry.kind == "one"})
    return sent


def _payloads_of(entry: Input, array: NDArray[Any], problems: Problems) -> Ints:
    empty = np.zeros((0, 0, entry.size), np.int64)
    kind = "binary spikes 0 or 1" if entry.kind == "binary" else f"payloads {entry.minimum} to {entry.maximum}"
    expected = f"expected (samples, steps, {', '.join(map(str, entry.shape))})"
    shaped = array.ndim >= 2 and array.shape[2:] == entry.shape and array.shape[1] > 0
    if not problems.require(shaped, entry.name, f"{expected} with at least one step, found {array.shape}"):
        return empty
    if not problems.require(
        array.dtype.kind in "buif", entry.name, f"expected integers or floats, found {array.dtype}"
    ):
        return empty
    if array.dtype.kind == "f":
        if not problems.require_all(array, np.isfinite(array), entry.name, "expected finite numbers"):
            return empty
        scaled = array.astype(np.float64) * (entry.scale if entry.kind == "float" else 1)
        whole = np.rint(scaled)
        whole_only = entry.kind != "float"  # only a float input rounds: what is declared whole must be whole
        if whole_only and not problems.require_all(array, scaled == whole, entry.name, f"expected {kind}"):
            return empty
        array = whole
    good = (array >= entry.minimum) & (array <= entry.maximum)
    if not problems.require_all(array, good, entry.name, f"expected {kind}"):
        return empty
    sent: Ints = array.reshape(*array.shape[:2], entry.size).astype(np.int64)
    return sent
