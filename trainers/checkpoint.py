"""The checkpoint of a trained recipe: NAME.safetensors holds the weights, NAME.json beside it says what they are.

Both are data: nothing is unpickled. The description holds the SHA-256 of the weights, so files of two trainings that
got mixed are refused.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any

from snndeploy.errors import BadInput, Problems, first_bad
from snndeploy.extras import extras
from snndeploy.files import GIB, atomic_write, read_bytes
from snndeploy.registry import part, parts
from snndeploy.trainers.values import Trained

with extras():
    import safetensors.torch
    import torch
    from torch import nn

FORMAT = 1
DESCRIPTION_BYTES = 2**20
KEYS = ("accuracy", "epochs", "format", "losses", "recipe", "seed", "sha256")


def save(path: str | os.PathLike[str], trained: Trained) -> None:
    """Write the weights to `path` (NAME.safetensors) and the description to NAME.json, each whole or not at all.

    Equal trainings give equal bytes. Raises BadInput where they cannot be written.
    """
    path = checked_path(path)
    weights = safetensors.torch.save(tensors_of(trained.model))
    description = {
        "format": FORMAT,
        "recipe": trained.recipe,
        "seed": trained.seed,
        "epochs": trained.epochs,
        "accuracy": trained.accuracy,
        "losses": trained.losses,
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    atomic_write(path, weights)
    atomic_write(path.with_suffix(".json"), (json.dumps(description, indent=2) + "\n").encode())


def load(path: str | os.PathLike[str]) -> Trained:
    """Read a checkpoint from its weights' `path` (NAME.safetensors); the model is at rest and in evaluation mode.

    Raises BadInput for a missing or damaged file, an unknown recipe, and weights that are not the recipe's.
    """
    path = checked_path(path)
    data = read_bytes(path, GIB)
    description = _description(path.with_suffix(".json"))
    if hashlib.sha256(data).hexdigest() != description["sha256"]:
        raise BadInput(
            str(path), f"not the weights that {path.with_suffix('.json').name} describes: their SHA-256 differ"
        )
    with torch.random.fork_rng(devices=[]):  # building draws weights, which the caller's random numbers must not notice
        model: nn.Module = part("trainers.recipes", description["recipe"]).RECIPE.build()
    restore(model, parse(data, str(path)), str(path))
    return Trained(
        model=model.eval(),
        recipe=description["recipe"],
        seed=description["seed"],
        epochs=description["epochs"],
        losses=tuple(description["losses"]),
        accuracy=description["accuracy"],
    )


def checked_path(path: str | os.PathLike[str]) -> Path:
    """`path`, or BadInput unless it ends in .safetensors."""
    if Path(path).suffix != ".safetensors":
        raise BadInput(str(path), "expected a file name that ends in .safetensors")
    return Path(path)


def free_path(path: str | os.PathLike[str]) -> Path:
    """`checked_path(path)`, or BadInput where NAME.json is there and is not the description of a checkpoint."""
    path = checked_path(path)
    description = path.with_suffix(".json")
    if description.exists():
        try:
            _description(description)
        except BadInput:
            text = "is there, is no description of a checkpoint, and would be overwritten"
            raise BadInput(str(description), f"{text}; move it, or give another name than {path.name}") from None
    return path


def tensors_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """Copies of the parameters and constants of `model` by name."""
    return {name: tensor.detach().clone().contiguous() for name, tensor in model.state_dict().items()}


def parse(data: bytes, where: str) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file. Raises BadInput for anything else."""
    try:
        return safetensors.torch.load(data)
    except Exception as error:  # the reader has several kinds, among them KeyError for an unknown dtype
        raise BadInput(where, f"not a safetensors file ({len(data)} bytes): {error}") from None


def restore(model: nn.Module, tensors: dict[str, torch.Tensor], where: str) -> None:
    """Put `tensors` into the parameters of `model`. Raises BadInput, with all problems, unless they fit.

    Constants (decay, threshold, kind of reset) belong to the recipe: they must be equal, not just of the right shape.
    """
    problems = Problems(where)
    parameters = {name for name, _ in model.named_parameters()}
    expected = model.state_dict()
    for name in sorted(expected.keys() | tensors.keys()):
        have, want = _form(tensors.get(name)), _form(expected.get(name))
        if not problems.require(have == want, name, f"expected {want}, found {have}"):
            continue
        finite = torch.isfinite(tensors[name]).numpy()
        if not finite.all():
            problems.add(name, f"expected finite numbers, {first_bad(tensors[name].numpy(), finite)}")
        elif name not in parameters and not torch.equal(tensors[name], expected[name]):
            problems.add(name, f"expected the recipe's {expected[name].tolist()}, found {tensors[name].tolist()}")
    problems.raise_if_any()
    model.load_state_dict(tensors)


def _form(tensor: torch.Tensor | None) -> str:
    if tensor is None:
        return "no such tensor"
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"


def _description(path: Path) -> dict[str, Any]:
    """The description in `path`, checked. Raises BadInput."""
    try:
        found = json.loads(read_bytes(path, DESCRIPTION_BYTES))
    except (ValueError, RecursionError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(str(path), f"not JSON: {error}") from None
    problems = Problems(str(path))
    number = found.get("format") if isinstance(found, dict) else None
    newer = "update snndeploy, or train again"
    problems.require(number == FORMAT, "format", f"expected {FORMAT}, found {number!r}; {newer}")
    problems.raise_if_any()
    problems.require(set(found) == set(KEYS), "", f"expected the keys {sorted(KEYS)}, found {sorted(found)}")
    problems.raise_if_any()
    known = parts("trainers.recipes")
    epochs, losses = found["epochs"], found["losses"]
    recipe = f"unknown recipe {found['recipe']!r}; known: {', '.join(known)}"
    problems.require(found["recipe"] in list(known), "recipe", recipe)
    problems.require(_whole(found["seed"], 0), "seed", f"expected a whole number from 0, found {found['seed']!r}")
    problems.require(_whole(epochs, 1), "epochs", f"expected a whole number from 1, found {epochs!r}")
    share = type(found["accuracy"]) is float and 0 <= found["accuracy"] <= 1
    problems.require(share, "accuracy", f"expected 0 to 1, found {found['accuracy']!r}")
    per_epoch = isinstance(losses, list) and len(losses) == epochs and all(map(_finite, losses))
    problems.require(per_epoch, "losses", f"expected {epochs!r} finite numbers, one per epoch")
    problems.raise_if_any()
    checked: dict[str, Any] = found
    return checked


def _whole(value: object, low: int) -> bool:
    return type(value) is int and value >= low


def _finite(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value)
