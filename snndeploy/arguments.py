"""Arguments of the Python API that are of another kind than expected: refused in one line, before they do harm."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snndeploy.errors import BadInput

GRAPH = "make a nir.NIRGraph with snndeploy.to_nir(model, sample), or read one with snndeploy.read_nir(path)"
ARTIFACT = "make an Artifact with snndeploy.compile(graph), or read one with snndeploy.load(path)"
WHOLE = (int, np.integer)
PATH = (str, os.PathLike)
REAL = (int, float, np.integer, np.floating)


def require(name: str, value: object, kinds: type | tuple[type, ...], expected: str, advice: str = "") -> None:
    """Raise BadInput unless `value` is of one of `kinds`; True and False are no numbers."""
    if not isinstance(value, kinds) or (isinstance(value, bool) and kinds in (WHOLE, REAL)):
        found = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
        raise BadInput(name, f"expected {expected}, found {found}{'; ' if advice else ''}{advice}")


def names(name: str, given: Any) -> list[str]:
    """A list of names. Raises BadInput for a single one, and for other things than names."""
    require(name, given, Iterable, "a list of names")
    if isinstance(given, str):
        raise BadInput(name, f"expected a list of names, found one; use [{given!r}]")
    found = list(given)
    for item in found:
        require(name, item, str, "a list of names", "each is a text")
    return found


def array(name: str, given: Any) -> NDArray[Any]:
    """Numbers as an array. Raises BadInput for what cannot be one, rows of different lengths among it."""
    try:
        return np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:  # the last: a tensor that requires grad
        raise BadInput(name, f"expected an array of numbers ({error})") from None
