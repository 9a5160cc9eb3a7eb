"""A user's own model, named on the command line as MODULE:FACTORY, with its trained state from a safetensors file."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from pathlib import Path

from snndeploy.errors import BadInput, Problems
from snndeploy.extras import extras
from snndeploy.files import GIB, read_bytes

with extras():
    import safetensors.torch
    from torch import nn


def make_model(name: str, weights: str | os.PathLike[str] | None = None) -> nn.Module:
    """The model that FACTORY() of MODULE makes, with the state from `weights`; the working folder is searched too.

    Raises BadInput where the module, the factory or the weights are not what they should be.
    """
    module_name, colon, factory_name = name.partition(":")
    if not (module_name and colon and factory_name):
        raise BadInput(name, "expected MODULE:FACTORY, as in `my_models:build`, or a checkpoint NAME.safetensors")
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what the user's code prints is no result of the command
            factory = getattr(importlib.import_module(module_name), factory_name, None)
            if not callable(factory):
                raise BadInput(name, f"expected a function {factory_name!r} in {module_name!r} that makes the model")
            model = factory()
    except BadInput:
        raise
    except (Exception, SystemExit) as error:  # the user's own code may raise anything
        raise BadInput(name, f"failed with {type(error).__name__}: {error}".replace("\n", " ")) from error
    finally:
        os.chdir(folder)  # the other paths of the command are relative to it
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)
    if not isinstance(model, nn.Module):
        raise BadInput(name, f"expected {factory_name}() to return a torch.nn.Module, found {type(model).__name__}")
    if weights is not None:
        load_state(model, weights)
    return model


def load_state(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Put the tensors of a safetensors file into `model`. Raises BadInput unless names and shapes are the model's."""
    if Path(path).suffix != ".safetensors":
        raise BadInput(str(path), "expected a .safetensors file, as safetensors.torch.save_model(model, path) writes")
    data = read_bytes(path, GIB)
    try:
        tensors = safetensors.torch.load(data)
    except Exception as error:  # the reader has several kinds
        raise BadInput(str(path), f"not a safetensors file ({len(data)} bytes): {error}") from None
    problems = Problems(str(path))
    expected = model.state_dict()
    for key in sorted(expected.keys() | tensors.keys()):
        found = problems.require(key in tensors, key, "missing")
        if found and problems.require(key in expected, key, "not in the model"):
            shapes = tuple(expected[key].shape), tuple(tensors[key].shape)
            problems.require(shapes[0] == shapes[1], key, f"expected the shape {shapes[0]}, found {shapes[1]}")
    problems.raise_if_any()
    model.load_state_dict(tensors)
