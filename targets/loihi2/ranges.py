"""What the samples of each input hold: as the user says it, as calibration data tell it, as inputs of a program."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snndeploy.errors import BadInput, Problems
from snndeploy.network import Population
from snndeploy.program import MAX_PAYLOAD_BITS, Input

PAYLOAD_BITS = range(1, 13)  # tried for float inputs; more bits than 12 leave no room for 8-bit weights


@dataclass(frozen=True)
class InputRange:
    """What a user's samples hold. `kind`: binary (0 or 1), graded (integers low..high), float (currents low..high)."""

    kind: str = "binary"
    low: float = 0.0
    high: float = 1.0

    def check(self, place: str, problems: Problems) -> None:
        """Add to `problems` what cannot be."""
        kind, low, high = self.kind, self.low, self.high
        known = kind in ("binary", "graded", "float")
        problems.require(known, place, f"expected binary, graded or float, found {kind!r}")
        ordered = math.isfinite(low) and math.isfinite(high) and low < high
        problems.require(ordered, place, f"expected a range low < high, found {low:g} to {high:g}")
        most = 2**MAX_PAYLOAD_BITS
        whole = kind != "graded" or (abs(low) < most and abs(high) < most and low % 1 == 0 and high % 1 == 0)
        limit = f"a graded input has integers of at most {MAX_PAYLOAD_BITS} bits"
        problems.require(whole, place, f"{limit}, found {low:g} to {high:g}")


BINARY = InputRange()
Ranges = InputRange | Mapping[str, InputRange]  # one for all inputs, or one for each by its name


def said(text: str) -> InputRange:
    """The range that a user writes: binary, graded:LOW:HIGH or float:LOW:HIGH. Raises BadInput."""
    kind, *ends = text.split(":")
    try:
        if kind == "binary" and not ends:
            return BINARY
        low, high = map(float, ends)
        if kind in ("graded", "float"):
            return InputRange(kind, low, high)
    except ValueError:
        pass
    raise BadInput("input", f"expected binary, graded:LOW:HIGH or float:LOW:HIGH, found {text!r}")


def told(arrays: Mapping[str, NDArray[Any]]) -> Ranges:
    """The range of each input, by dtype and values of its samples; a single one where all are alike.

    Raises BadInput, with all problems together, for samples that are no finite numbers.
    """
    problems = Problems("calibrate")
    for name, data in arrays.items():
        good = data.size > 0 and data.dtype.kind in "buif" and bool(np.isfinite(data).all())
        problems.require(good, name, f"expected finite numbers, found {data.dtype} of shape {data.shape}")
    problems.raise_if_any()
    ranges = {name: _told(arrays[name]) for name in sorted(arrays)}
    first, *others = ranges.values()
    return ranges if any(other != first for other in others) else first


def _told(data: NDArray[Any]) -> InputRange:
    if data.dtype.kind == "f":
        return InputRange("float", float(min(data.min(), 0)), float(max(data.max(), 0)))
    low, high = min(int(data.min()), 0), max(int(data.max()), 0)
    return BINARY if (low, high) in ((0, 0), (0, 1)) else InputRange("graded", low, high)


def choices(entries: Sequence[Population], ranges: Mapping[str, InputRange]) -> list[list[Input]]:
    """The inputs of a program; where one is of floats, one choice for each number of payload bits."""
    if all(ranges[p.name].kind != "float" for p in entries):
        return [[_input(p, ranges[p.name], 0) for p in entries]]
    return [[_input(p, ranges[p.name], bits) for p in entries] for bits in PAYLOAD_BITS]


def _input(p: Population, range: InputRange, bits: int) -> Input:
    low, high = range.low, range.high
    if range.kind == "binary":
        return Input(p.name, p.shape)
    if range.kind == "graded":
        return Input(p.name, p.shape, "graded", int(low), int(high))
    scale = (2**bits - 1) / max(abs(low), abs(high))
    return Input(p.name, p.shape, "float", round(low * scale), round(high * scale), scale)
