"""Every recipe: its parts exist, its model learns, and the same seed gives the same bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from snndeploy.api import input_range
from snndeploy.errors import BadInput, CheckFailed
from snndeploy.registry import parts
from snndeploy.trainers import checkpoint, training
from snndeploy.trainers.evaluation import evaluate
from snndeploy.trainers.values import Recipe, Trained

RECIPES = sorted(parts("trainers.recipes"))


def the_bytes(trained: Trained, folder: Path) -> bytes:
    path = folder / "x.safetensors"
    checkpoint.save(path, trained)
    return path.read_bytes() + path.with_suffix(".json").read_bytes()


def test_the_recipes_are_the_files_of_the_folder() -> None:
    assert RECIPES == ["digits-ann", "digits-rate", "digits-snn"]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_sends_what_its_encoder_says(name: str) -> None:
    recipe = training.recipe_of(name)
    x, labels = training.encoded_test(recipe)
    sent = input_range(training.input_of(recipe))
    assert x.shape == (540, recipe.steps, 64)
    assert labels.shape == (540,)
    assert (sent.low, sent.high) == (x.min(), x.max())


@pytest.mark.parametrize("name", RECIPES)
def test_the_same_seed_gives_the_same_bytes_whatever_the_caller_does(name: str, tmp_path: Path) -> None:
    before = torch.random.get_rng_state(), torch.get_num_threads()
    first = the_bytes(training.train(name, seed=3, epochs=1), tmp_path)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        np.random.seed(99)
        assert the_bytes(training.train(name, seed=3, epochs=1), tmp_path) == first
    assert the_bytes(training.train(name, seed=4, epochs=1), tmp_path) != first


def test_a_few_epochs_learn_and_the_accuracy_is_that_of_the_test_split() -> None:
    done: list[int] = []
    trained = training.train("digits-ann", epochs=4, advance=done.append)
    assert sum(done) == 4
    assert trained.losses[-1] < trained.losses[0]
    x, labels = training.encoded_test(training.recipe_of("digits-ann"))
    assert trained.accuracy == np.mean(evaluate(trained.model, x)[1] == labels) > 0.9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "digit"}, "no recipe 'digit'; known: digits-ann, digits-rate, digits-snn"),
        ({"name": "digits-ann", "seed": -1}, "train: seed: expected 0 or more, found -1"),
        ({"name": "digits-ann", "epochs": 0}, "train: epochs: expected 1 or more, found 0"),
        ({"name": "digits-ann", "path": "x.pt"}, "x.pt: expected a file name that ends in .safetensors"),
    ],
)
def test_what_cannot_be_trained_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput) as refusal:
        training.train(**arguments)  # type: ignore[arg-type]
    assert str(refusal.value) == message


def test_a_loss_that_diverges_ends_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    wild: Recipe = replace(training.recipe_of("digits-ann"), learning_rate=float("inf"))
    monkeypatch.setattr(training, "recipe_of", lambda name: wild)
    with pytest.raises(CheckFailed) as failure:
        training.train("digits-ann", epochs=2)
    assert str(failure.value) == "digits-ann: the loss is nan in epoch 1; lower the recipe's learning rate"


@pytest.mark.long
@pytest.mark.parametrize(("name", "least"), [("digits-snn", 0.97), ("digits-rate", 0.97), ("digits-ann", 0.97)])
def test_the_default_seed_reaches_its_accuracy(name: str, least: float) -> None:
    assert training.train(name).accuracy >= least
