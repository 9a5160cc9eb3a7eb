"""The values that the encoders take: integers from 0 to 16, as the pixels of the digits are."""

from __future__ import annotations

import numpy as np

from snndeploy.errors import BadInput, first_bad
from snndeploy.integers import Ints

LEVELS = 16


def check_levels(x: Ints) -> None:
    """Raise BadInput unless `x` holds integers from 0 to 16."""
    if x.dtype.kind not in "ui":
        raise BadInput("encode", f"expected integers 0 to {LEVELS}, found {x.dtype}")
    good = (x >= 0) & (x <= LEVELS)
    if not np.all(good):
        raise BadInput("encode", f"expected integers 0 to {LEVELS}, {first_bad(x, good)}")
