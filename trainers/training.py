"""Training a recipe: from a name and a seed to the same weights every time, interrupted or not."""

from __future__ import annotations

import math
import os
from collections.abc import Callable

import numpy as np

from snndeploy.errors import CheckFailed, Problems
from snndeploy.extras import extras
from snndeploy.integers import Ints
from snndeploy.registry import part
from snndeploy.trainers import checkpoint
from snndeploy.trainers.evaluation import accuracy, evaluate, one_thread, rest, sum_over_steps
from snndeploy.trainers.progress_file import ProgressFile
from snndeploy.trainers.values import Dataset, Recipe, Trained

with extras():
    import torch
    from torch import nn

Batch = tuple[torch.Tensor, torch.Tensor]

TEST_SEED = 0  # of the encoder on the test split, so that every comparison sees the same spikes


def recipe_of(name: str) -> Recipe:
    """The recipe of that name. Raises BadInput, with the known names, where there is none."""
    recipe: Recipe = part("trainers.recipes", name).RECIPE
    return recipe


def dataset_of(recipe: Recipe) -> Dataset:
    """The data set that a recipe trains on."""
    dataset: Dataset = part("trainers.datasets", recipe.dataset).load()
    return dataset


def encode(recipe: Recipe, x: Ints, seed: int) -> Ints:
    """Samples `x` (samples, *shape) as the recipe's encoder sends them, (samples, steps, *shape)."""
    encoded: Ints = part("trainers.encoders", recipe.encoder).encode(x, recipe.steps, seed)
    return encoded


def input_of(recipe: Recipe) -> str:
    """What the recipe's encoder sends: `binary` or `graded:LOW:HIGH`."""
    text: str = part("trainers.encoders", recipe.encoder).INPUT
    return text


def encoded_test(recipe: Recipe) -> tuple[Ints, Ints]:
    """The encoded test split (samples, steps, *shape) and its labels (samples,)."""
    dataset = dataset_of(recipe)
    return encode(recipe, dataset.test_x, TEST_SEED), dataset.test_y


def train(
    name: str,
    seed: int = 0,
    epochs: int | None = None,
    advance: Callable[[int], None] = lambda done: None,
    path: str | os.PathLike[str] | None = None,
) -> Trained:
    """Train the recipe `name` for its own or for `epochs` passes; equal seeds give equal bytes on the same machine.

    `advance` is called with the number of epochs that were done since the last call. With a `path` (NAME.safetensors)
    the result is saved there, and the progress beside it (NAME.progress) after every epoch: called again, an
    interrupted training goes on where it was, to the same bytes. The caller's random numbers and threads are left
    alone. Raises BadInput for an unknown recipe, a seed or epochs that cannot be, progress of another training,
    and a NAME.json that is no checkpoint's; CheckFailed where the loss diverges.
    """
    recipe = recipe_of(name)
    dataset = dataset_of(recipe)
    epochs = recipe.epochs if epochs is None else epochs
    problems = Problems("train")
    problems.require(seed >= 0, "seed", f"expected 0 or more, found {seed}")
    problems.require(epochs >= 1, "epochs", f"expected 1 or more, found {epochs}")
    problems.raise_if_any()
    progress = None if path is None else ProgressFile(checkpoint.free_path(path), name, seed, epochs)
    with torch.random.fork_rng(devices=[]), one_thread():
        torch.manual_seed(epoch_seed(seed, 0))
        model = recipe.build().train()
        optimizer = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate, fused=True)
        losses = progress.resume(model, optimizer) if progress else []
        advance(len(losses))
        for epoch in range(len(losses), epochs):
            drawn = epoch_seed(seed, epoch + 1)
            torch.manual_seed(drawn)
            batches = _batches(recipe, dataset, drawn)
            losses.append(_epoch(recipe, model, optimizer, batches, _rates(recipe, epoch, epochs, len(batches))))
            if not math.isfinite(losses[-1]):
                diverged = f"the loss is {losses[-1]} in epoch {epoch + 1}; lower the recipe's learning rate"
                raise CheckFailed(name, diverged)
            if progress:
                progress.write(model, optimizer, losses)
            advance(1)
    rest(model)
    x, labels = encoded_test(recipe)
    trained = Trained(model.eval(), name, seed, epochs, tuple(losses), accuracy(evaluate(model, x)[1], labels))
    if path is not None and progress:
        checkpoint.save(path, trained)
        progress.remove()
    return trained


def epoch_seed(seed: int, epoch: int) -> int:
    """The seed of an epoch's random numbers, which no earlier epoch changes; epoch 0 draws the first weights."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])


def _batches(recipe: Recipe, dataset: Dataset, drawn: int) -> list[Batch]:
    """The training split in a new order, encoded anew."""
    x = torch.tensor(encode(recipe, dataset.train_x, drawn), dtype=torch.float32)
    labels = torch.tensor(dataset.train_y)
    order = torch.split(torch.randperm(len(labels)), recipe.batch)
    return [(x[indices], labels[indices]) for indices in order]


def _rates(recipe: Recipe, epoch: int, epochs: int, batches: int) -> list[float]:
    """The learning rate of every batch of an epoch: half a cosine over the whole training."""
    done = [(epoch + batch / batches) / epochs for batch in range(batches)]
    return [recipe.learning_rate * (1 + math.cos(math.pi * share)) / 2 for share in done]


def _epoch(
    recipe: Recipe, model: nn.Module, optimizer: torch.optim.Optimizer, batches: list[Batch], rates: list[float]
) -> float:
    """One pass over the training split; the mean loss of its samples."""
    total = 0.0
    for (x, labels), rate in zip(batches, rates, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate
        logits = recipe.logit_scale * sum_over_steps(model, x)
        loss = nn.functional.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += loss.item() * len(labels)
    return total / sum(len(labels) for _, labels in batches)
