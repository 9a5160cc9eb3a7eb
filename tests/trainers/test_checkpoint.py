"""The checkpoint: what is written is read again, and anything else is refused in one line."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from snndeploy.errors import BadInput
from snndeploy.trainers import checkpoint
from snndeploy.trainers.evaluation import evaluate
from snndeploy.trainers.training import encoded_test, recipe_of, train
from snndeploy.trainers.values import Trained


@pytest.fixture(scope="module")
def trained() -> Trained:
    return train("digits-snn", epochs=1)


@pytest.fixture
def path(trained: Trained, tmp_path: Path) -> Path:
    path = tmp_path / "net.safetensors"
    checkpoint.save(path, trained)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(BadInput) as error:
        checkpoint.load(path)
    return str(error.value)


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    description = json.loads(path.with_suffix(".json").read_text())
    change(description)
    path.with_suffix(".json").write_text(json.dumps(description))


def with_weights(path: Path, trained: Trained, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """The checkpoint with other tensors, and a description of these."""
    tensors = checkpoint.tensors_of(trained.model)
    change(tensors)
    data = safetensors.torch.save(tensors)
    path.write_bytes(data)
    rewrite(path, lambda d: d.update(sha256=hashlib.sha256(data).hexdigest()))


def test_what_is_saved_is_loaded(trained: Trained, path: Path) -> None:
    before = torch.random.get_rng_state()
    loaded = checkpoint.load(path)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert replace(loaded, model=trained.model) == trained
    x, _ = encoded_test(recipe_of("digits-snn"))
    for found, expected in zip(evaluate(loaded.model, x[:50]), evaluate(trained.model, x[:50]), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert not loaded.model.training


def test_a_missing_file_is_named(path: Path) -> None:
    path.with_suffix(".json").unlink()
    assert refusal(path) == f"{path.with_suffix('.json')}: no such file"
    path.unlink()
    assert refusal(path) == f"{path}: no such file"
    assert (
        refusal(path.with_suffix(".pt")) == f"{path.with_suffix('.pt')}: expected a file name that ends in .safetensors"
    )


def test_weights_of_another_description_are_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])
    assert refusal(path) == f"{path}: not the weights that net.json describes: their SHA-256 differ"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"format": 2}, "format: expected 1, found 2; update snndeploy, or train again"),
        ({"recipe": "mnist"}, "recipe: unknown recipe 'mnist'; known: digits-ann, digits-rate, digits-snn"),
        ({"recipe": []}, "recipe: unknown recipe []; known: digits-ann, digits-rate, digits-snn"),
        ({"seed": -1}, "seed: expected a whole number from 0, found -1"),
        ({"seed": True}, "seed: expected a whole number from 0, found True"),
        ({"epochs": 2}, "losses: expected 2 finite numbers, one per epoch"),
        ({"losses": [float("nan")]}, "losses: expected 1 finite numbers, one per epoch"),
        ({"accuracy": 1.5}, "accuracy: expected 0 to 1, found 1.5"),
        ({"accuracy": float("nan")}, "accuracy: expected 0 to 1, found nan"),
    ],
)
def test_a_description_that_cannot_be_is_refused(path: Path, change: dict[str, Any], problem: str) -> None:
    rewrite(path, lambda d: d.update(change))
    assert refusal(path) == f"{path.with_suffix('.json')}: {problem}"


def test_keys_that_are_missing_or_unknown_are_refused(path: Path) -> None:
    rewrite(path, lambda d: d.update(more=d.pop("seed")))
    keys = "['accuracy', 'epochs', 'format', 'losses', 'recipe', 'seed', 'sha256']"
    found = "['accuracy', 'epochs', 'format', 'losses', 'more', 'recipe', 'sha256']"
    assert refusal(path) == f"{path.with_suffix('.json')}: expected the keys {keys}, found {found}"


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_description_that_is_not_json_is_refused(path: Path, text: bytes) -> None:
    path.with_suffix(".json").write_bytes(text)
    message = refusal(path)
    assert message.startswith(f"{path.with_suffix('.json')}: not JSON: ")
    assert "\n" not in message


def test_a_description_that_is_no_object_is_refused(path: Path) -> None:
    path.with_suffix(".json").write_text("[1]")
    assert refusal(path) == (
        f"{path.with_suffix('.json')}: format: expected 1, found None; update snndeploy, or train again"
    )


def test_weights_that_do_not_fit_are_refused_all_together(path: Path, trained: Trained) -> None:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors["0.bias"] = tensors["0.bias"].double()
        tensors["0.weight"] = tensors["0.weight"][:, :9].clone()
        tensors["1.beta"] = torch.tensor(0.5)
        tensors["2.bias"][5] = float("nan")
        tensors["extra"] = tensors.pop("4.bias")

    with_weights(path, trained, change)
    assert refusal(path).splitlines() == [
        f"{path}: 0.bias: expected float32 of shape (128,), found float64 of shape (128,)",
        f"{path}: 0.weight: expected float32 of shape (128, 64), found float32 of shape (128, 9)",
        f"{path}: 1.beta: expected the recipe's 0.8999999761581421, found 0.5",
        f"{path}: 2.bias: expected finite numbers, found nan at [5]",
        f"{path}: 4.bias: expected float32 of shape (10,), found no such tensor",
        f"{path}: extra: expected no such tensor, found float32 of shape (10,)",
    ]


def test_a_pickle_is_never_read(path: Path) -> None:
    data = pickle.dumps({"0.weight": 1})
    path.write_bytes(data)
    rewrite(path, lambda d: d.update(sha256=hashlib.sha256(data).hexdigest()))
    assert refusal(path).startswith(f"{path}: not a safetensors file ({len(data)} bytes): ")
