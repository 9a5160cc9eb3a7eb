"""Digits: 1797 real images of handwritten digits, 8 x 8 pixels of 0 to 16, as they come with scikit-learn."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from snndeploy.extras import extras
from snndeploy.trainers.values import Dataset

with extras():
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split


@lru_cache(maxsize=1)
def load() -> Dataset:
    """1257 training and 540 test images of 64 pixels, 0 to 16; the split is the same for every comparison."""
    digits = load_digits()
    split = train_test_split(digits.data, digits.target, test_size=0.3, random_state=0, stratify=digits.target)
    train_x, test_x, train_y, test_y = (np.asarray(part, np.int64) for part in split)
    return Dataset(train_x, train_y, test_x, test_y, shape=(64,))
