"""A user's samples to the payloads that a program takes, or a refusal that says what was expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snndeploy import arguments
from snndeploy.errors import Problems
from snndeploy.program import Input, Program

ROUNDED_TOGETHER = 64  # samples of floats: bounds the memory, changes no value

Samples = ArrayLike | Mapping[str, ArrayLike]


def by_name(names: Sequence[str], x: Samples, problems: Problems) -> dict[str, NDArray[Any]]:
    """The samples of the inputs `names`; an array alone, or one named `x`, is for the only input.

    Raises BadInput for other names; adds to `problems` other numbers of samples or steps.
    """
    arrays = x if isinstance(x, Mapping) else {"x": x}
    if len(names) == 1 and set(arrays) == {"x"}:
        arrays = {names[0]: arrays["x"]}
    problems.require(set(arrays) == set(names), "", f"expected samples for {sorted(names)}, found {sorted(arrays)}")
    problems.raise_if_any()
    found = {name: arguments.array(name, array) for name, array in arrays.items()}
    lengths = sorted({array.shape[:2] for array in found.values()})
    problems.require(len(lengths) == 1, "", f"the inputs differ in samples and steps: {lengths}")
    return found


def payloads(program: Program, x: Samples, where: str = "input") -> dict[str, NDArray[Any]]:
    """Payloads (samples, steps, size) of every input, the built-in one among them, of an integer dtype or bool.

    `x` is (samples, steps, *input_shape), or a mapping of such by input name. Integers are payloads and are not copied:
    they may be mapped from a file; floats are currents where the input is a float one, and become payloads by its
    scale. Raises BadInput where shape, kind or range is not the program's.
    """
    problems = Problems(where)
    inputs = {entry.name: entry for entry in program.user_inputs()}
    arrays = by_name(list(inputs), x, problems)
    sent = {name: _payloads_of(inputs[name], array, problems) for name, array in arrays.items()}
    problems.raise_if_any()
    samples, steps = next(iter(arrays.values())).shape[:2]
    one = np.broadcast_to(np.ones(1, np.int8), (samples, steps, 1))
    sent.update({entry.name: one for entry in program.inputs if entry.kind == "one"})
    return sent


def _payloads_of(entry: Input, array: NDArray[Any], problems: Problems) -> NDArray[Any]:
    empty = np.zeros((0, 0, entry.size), np.int64)
    expected = f"expected (samples, steps, {', '.join(map(str, entry.shape))})"
    shaped = array.ndim >= 2 and array.shape[2:] == entry.shape and array.shape[1] > 0
    if not problems.require(shaped, entry.name, f"{expected} with at least one step, found {array.shape}"):
        return empty
    if not problems.require(
        array.dtype.kind in "buif", entry.name, f"expected integers or floats, found {array.dtype}"
    ):
        return empty
    sent = _rounded(entry, array) if array.dtype.kind == "f" else array
    if sent is None or not _in_range(entry, sent):
        _report(entry, array, problems)
        return empty
    return sent.reshape(*array.shape[:2], entry.size)


def _in_range(entry: Input, array: NDArray[Any]) -> bool:
    return array.size == 0 or bool(entry.minimum <= array.min() and array.max() <= entry.maximum)


def _rounded(entry: Input, array: NDArray[Any]) -> NDArray[Any] | None:
    """Floats as payloads, a few samples at a time; None where one is not finite, not whole or out of range."""
    dtype = np.promote_types(np.min_scalar_type(entry.minimum), np.min_scalar_type(entry.maximum))
    payloads = np.empty(array.shape, dtype)
    for first in range(0, len(array), ROUNDED_TOGETHER):
        scaled, whole = _scaled(entry, array[first : first + ROUNDED_TOGETHER])
        fits = np.isfinite(scaled).all() and (entry.kind == "float" or bool((scaled == whole).all()))
        if not fits or not _in_range(entry, whole):
            return None
        payloads[first : first + ROUNDED_TOGETHER] = whole
    return payloads


def _scaled(entry: Input, array: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Floats in the unit of payloads, as they are and rounded."""
    scaled = array.astype(np.float64) * (entry.scale if entry.kind == "float" else 1)
    return scaled, np.rint(scaled)


def _report(entry: Input, array: NDArray[Any], problems: Problems) -> None:
    """Say which values of `array` are no payloads of the input."""
    kind = "binary spikes 0 or 1" if entry.kind == "binary" else f"payloads {entry.minimum} to {entry.maximum}"
    if array.dtype.kind == "f":
        if not problems.require_all(array, np.isfinite(array), entry.name, "expected finite numbers"):
            return
        scaled, array = _scaled(entry, array)
        whole_only = entry.kind != "float"  # only a float input rounds: what is declared whole must be whole
        if whole_only and not problems.require_all(scaled, scaled == array, entry.name, f"expected {kind}"):
            return
    problems.require_all(array, (array >= entry.minimum) & (array <= entry.maximum), entry.name, f"expected {kind}")
