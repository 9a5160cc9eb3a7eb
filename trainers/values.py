"""The values of training, each frozen: a data set, a recipe, and what training a recipe gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from snndeploy.integers import Ints
from snndeploy.values import frozen_array

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Dataset:
    """Samples `*_x` (samples, *shape) and labels `*_y` (samples,) from 0 on: read-only int64."""

    train_x: Ints
    train_y: Ints
    test_x: Ints
    test_y: Ints
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        for name in ("train_x", "train_y", "test_x", "test_y"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), np.int64))


@dataclass(frozen=True)
class Recipe:
    """How one model is trained. `build` makes it untrained; its `forward` takes one time step (samples, *shape).

    The model's outputs are summed over `steps`: spike counts, or for a model without spikes the logits of its one step.
    The loss is the cross-entropy of these sums times `logit_scale`, with `label_smoothing`; Adam runs with a rate that
    falls from `learning_rate` to 0 along a cosine, over `epochs` passes in batches of `batch` samples.
    """

    description: str
    dataset: str
    encoder: str
    steps: int
    build: Callable[[], nn.Module]
    epochs: int
    batch: int
    learning_rate: float
    label_smoothing: float
    logit_scale: float


@dataclass(frozen=True)
class Trained:
    """A trained model and how it came to be: mean loss of each epoch, accuracy (0 to 1) on the test split."""

    model: nn.Module
    recipe: str
    seed: int
    epochs: int
    losses: tuple[float, ...]
    accuracy: float
