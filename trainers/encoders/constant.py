"""Constant: the value itself as a graded payload, the same in every step."""

from __future__ import annotations

import numpy as np

from snndeploy.integers import Ints
from snndeploy.trainers.encoders._levels import LEVELS, check_levels

INPUT = f"graded:0:{LEVELS}"


def encode(x: Ints, steps: int, seed: int) -> Ints:
    """Payloads (samples, steps, *shape) of the values `x` (samples, *shape), integers 0 to 16.

    Nothing is random here: `seed` is not used. Raises BadInput for other values.
    """
    check_levels(x)
    return np.repeat(x[:, None].astype(np.int64), steps, axis=1)
