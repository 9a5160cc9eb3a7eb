"""Rate: binary spikes, in every step with probability value / 16, independent of each other."""

from __future__ import annotations

import numpy as np

from snndeploy.integers import Ints
from snndeploy.trainers.encoders._levels import LEVELS, check_levels

INPUT = "binary"


def encode(x: Ints, steps: int, seed: int) -> Ints:
    """Spikes (samples, steps, *shape), 0 or 1, of the values `x` (samples, *shape), integers 0 to 16.

    The spikes of a sample depend on its values, its position, `steps` and `seed`, and not on the other samples. The
    draws are bytes of numpy's PCG64, whose raw stream is the same in all versions: equal seeds give equal spikes
    everywhere. Raises BadInput for other values.
    """
    check_levels(x)
    shape = (x.shape[0], steps, *x.shape[1:])
    count = int(np.prod(shape))
    words = np.random.PCG64(seed).random_raw(-(-count // 8)).astype("<u8")
    draws = words.view(np.uint8)[:count].reshape(shape) % LEVELS  # uniform, because 16 divides 256
    return (draws < x[:, None]).astype(np.int64)
