"""What the frozen values have in common: read-only arrays and names that are safe everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from snndeploy.errors import Problems

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
T = TypeVar("T")


def frozen_array(values: Any, dtype: DTypeLike, place: str = "") -> NDArray[Any]:
    """A read-only copy of `values`, C-contiguous, of the given dtype.

    Raises BadInput at `place` where they are to be integers of that dtype and are none: 80.7, NaN, 2**32.
    """
    given = np.asarray(values)
    with np.errstate(invalid="ignore"):
        array = np.array(given, dtype=dtype, order="C")
    if array.dtype.kind == "i" and array.dtype != given.dtype:
        problems = Problems("")
        problems.require_all(given, given == array, place, f"expected integers of {8 * array.itemsize} bits")
        problems.raise_if_any()
    array.setflags(write=False)
    return array


def frozen_mapping(values: Mapping[str, T]) -> Mapping[str, T]:
    """A read-only copy of `values`, sorted by key."""
    return MappingProxyType(dict(sorted(values.items())))


def check_names(names: Iterable[str], problems: Problems) -> None:
    """Report names that are used twice, or that would not be safe in a file, an archive or a terminal."""
    seen: set[str] = set()
    for name in names:
        problems.require(
            NAME.fullmatch(name) is not None,
            name[:64],
            "not a name: expected a letter or _, then letters, digits, '_', '.', '-', at most 128",
        )
        problems.require(name not in seen, name[:64], "the name is used twice")
        seen.add(name)
