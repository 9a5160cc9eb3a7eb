"""Numbers of a NIR graph that are neither float64 nor float32: taken as float64, and said, or refused."""

from __future__ import annotations

import nir
import numpy as np

from snndeploy.errors import Problems, shortened
from snndeploy.export.nir_shapes import ELEMENTWISE
from snndeploy.files import NUMBERS, is_number

LARGEST = 2**53  # of the integers that float64 holds, all of them


def casts(graph: nir.NIRGraph, problems: Problems) -> list[str]:
    """A line for each other type, with the parameters that have it; what float64 does not hold is reported."""
    places: dict[str, list[str]] = {}
    for name, node in sorted(graph.nodes.items()):
        for key in ("weight", "bias", *ELEMENTWISE.get(type(node), ())):
            array, place = np.asarray(getattr(node, key, 0.0)), f"{name}.{key}"
            if array.dtype in (np.float64, np.float32):
                continue
            places.setdefault(str(array.dtype), []).append(place)
            if problems.require(is_number(array.dtype), place, f"expected {NUMBERS}, found {array.dtype}"):
                exact = (array >= -LARGEST) & (array <= LARGEST) | (array.dtype.kind == "f")
                problems.require_all(array, exact, place, "expected numbers that float64 holds, to 2**53")
    return [f"numbers of {dtype} are taken as float64: {shortened(found)}" for dtype, found in places.items()]
