"""`snndeploy export MODULE:FACTORY --weights`: files that are not the state of the model, one line each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nir
import pytest
import safetensors.torch
import snntorch as snn
import torch
from torch import nn

from snndeploy.files import NEVER
from tests.commands.conftest import Type


def state(change: Callable[[str], str] = str, **tensors: torch.Tensor) -> dict[str, torch.Tensor]:
    """The state of models:build, some names changed, some tensors too."""
    model = nn.Sequential(nn.Linear(4, 5), snn.Leaky(0.5, init_hidden=True))
    own = {**model.state_dict(), **{name.replace("_", "."): tensor for name, tensor in tensors.items()}}
    return {change(name): tensor for name, tensor in own.items()}


SAVE = "safetensors.torch.save_model({}, 'w.safetensors')"
OTHER = f"not the state of this model, or not all of it; write it where this one was trained: {SAVE.format('model')}"
LEAD = "all its names begin with"
WEIGHTS: dict[str, tuple[Any, list[str]]] = {
    "DataParallel": (
        state(lambda name: f"module.{name}"),
        [f"{LEAD} 'module.', as DataParallel writes them; save the model in it: {SAVE.format('model.module')}"],
    ),
    "torch.compile": (
        state(lambda name: f"_orig_mod.{name}"),
        [f"{LEAD} '_orig_mod.', as torch.compile writes them; save the model in it: {SAVE.format('model._orig_mod')}"],
    ),
    "a module around": (
        state(lambda name: f"net.{name}"),
        [f"{LEAD} 'net.'; save the model in it: {SAVE.format('model.net')}"],
    ),
    "another model": (
        {"a": torch.zeros(1), "b.c": torch.zeros(1), "d": torch.zeros(1)},
        [
            "of another model: it has a, b.c and 1 more, the model has 0.bias, 0.weight and 4 more; give the weights"
            " of this one"
        ],
    ),
    "another size": (
        state(**{"0_weight": torch.zeros(6, 4), "0_bias": torch.zeros(6)}),
        [
            "0.bias: expected the shape (5,), found (6,)",
            "0.weight: expected the shape (5, 4), found (6, 4)",
            OTHER,
        ],
    ),
    "missing weights": ({"0.weight": torch.zeros(5, 4), **dict(list(state().items())[2:])}, ["0.bias: missing", OTHER]),
    "too many": (state(**{"2_bias": torch.zeros(6)}), ["2.bias: not in the model", OTHER]),
    "double": (
        state(**{"0_bias": torch.full((5,), 0.1, dtype=torch.float64)}),
        [
            "0.bias: the file holds float64, the model float32, which would round it; let the factory return"
            " model.double()",
            OTHER,
        ],
    ),
    "no such file": (None, ["no such file"]),
    "no safetensors file": (b"PK", ["not a safetensors file (2 bytes): Error while deserializing: header too small"]),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights(name: str, type_in: Type, tmp_path: Path) -> None:
    found, lines = WEIGHTS[name]
    if isinstance(found, bytes):
        (tmp_path / "w.safetensors").write_bytes(found)
    elif found is not None:
        safetensors.torch.save_file(found, tmp_path / "w.safetensors")
    code, out, err = type_in("models:build", "--shape", "4", "--weights", "w.safetensors")
    assert err == [f"snndeploy: w.safetensors: {text}" for text in lines]
    assert (code, out) == (2, [])


def test_other_files_as_weights(type_in: Type) -> None:
    other = f"expected a .safetensors file; write one where the model was trained: {SAVE.format('model')}"
    for name, text in (("w.pt", NEVER[".pt"]), ("w.bin", other)):
        found = type_in("models:build", "--shape", "4", "--weights", name)
        assert found == (2, [], [f"snndeploy: {name}: {text}"])


def test_weights_are_those_of_the_file(type_in: Type, tmp_path: Path) -> None:
    """With them nothing says that the model is untrained; half precision is kept, as no number is rounded."""
    weights = torch.arange(20).reshape(5, 4).half() / 8
    safetensors.torch.save_file(state(**{"0_weight": weights}), tmp_path / "w.safetensors")
    code, out, _ = type_in("models:build", "--shape", "4", "--weights", "w.safetensors", "--json")
    assert (code, json.loads("\n".join(out))["notes"]) == (0, [])
    graph = nir.read(tmp_path / "net.nir")
    (layer,) = (node for node in graph.nodes.values() if isinstance(node, nir.Affine))
    assert layer.weight.tolist() == weights.tolist()


def test_shared_weights_are_saved_once(type_in: Type, tmp_path: Path) -> None:
    model = nn.Sequential(
        nn.Linear(4, 4), snn.Leaky(0.5, init_hidden=True), nn.Linear(4, 4), nn.Linear(4, 5), snn.Leaky(0.5)
    )
    model[2].weight = model[0].weight
    safetensors.torch.save_model(model, str(tmp_path / "w.safetensors"))
    code, _, err = type_in("models:tied", "--shape", "4", "--weights", "w.safetensors")
    assert (code, err) == (0, ["wrote net.nir"])


CHECKPOINTS = {
    (): "no w.json beside it, so it is no checkpoint of `snndeploy train`; if it holds weights of yours, give the code"
    " of the model: MODULE:FACTORY --weights w.safetensors --shape ...",
    ("--shape", "4"): "a checkpoint of `snndeploy train` needs no --weights and no --shape; leave them out",
}


@pytest.mark.parametrize("options", CHECKPOINTS)
def test_weights_without_a_model(options: tuple[str, ...], type_in: Type, tmp_path: Path) -> None:
    safetensors.torch.save_file(state(), tmp_path / "w.safetensors")
    expected = f"snndeploy: w.safetensors: {CHECKPOINTS[options]}"
    assert type_in("w.safetensors", *options) == (2, [], [expected])
