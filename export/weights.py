"""The trained state of a user's model, from a safetensors file."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from snndeploy.errors import BadInput, Problems, shortened
from snndeploy.extras import extras
from snndeploy.files import GIB, read_bytes, refuse_foreign

with extras():
    import safetensors.torch
    import torch
    from torch import nn

# What puts a name of its own in front of all others.
WRAPPERS = {"module.": ", as DataParallel writes them", "_orig_mod.": ", as torch.compile writes them"}


def load_state(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Put the tensors of a safetensors file into `model`.

    Raises BadInput unless names and shapes are the model's, and no number would be rounded.
    """
    path = Path(path)
    refuse_foreign(path)
    if path.suffix != ".safetensors":
        text = f"expected a .safetensors file; write one where the model was trained: {_saved('model', path)}"
        raise BadInput(str(path), text)
    data = read_bytes(path, GIB)
    try:
        tensors = safetensors.torch.load(data)
    except Exception as error:  # the reader has several kinds
        raise BadInput(str(path), f"not a safetensors file ({len(data)} bytes): {error}") from None
    expected = model.state_dict()
    _check_names(expected.keys(), tensors.keys(), path)
    problems = Problems(str(path))
    for key in sorted(expected.keys() | tensors.keys()):
        if key not in tensors:
            problems.require(_is_shared(key, expected, tensors), key, "missing")
        elif problems.require(key in expected, key, "not in the model"):
            shapes = tuple(expected[key].shape), tuple(tensors[key].shape)
            same = problems.require(shapes[0] == shapes[1], key, f"expected the shape {shapes[0]}, found {shapes[1]}")
            if same:
                _check_rounding(key, expected[key], tensors[key], problems)
    if problems.found:
        text = "not the state of this model, or not all of it; write it where this one was trained"
        problems.add("", f"{text}: {_saved('model', path)}")
    problems.raise_if_any()
    model.load_state_dict(tensors, strict=False)


def _check_names(expected: Collection[str], found: Collection[str], path: Path) -> None:
    """Refuse in one line names that all are other ones: another prefix, or another model."""
    if set(expected) & set(found) or not expected or not found:
        return
    for lead in {key[: key.find(".") + 1] for key in found} - {""}:
        if set(expected) == {key.removeprefix(lead) for key in found}:
            saved = _saved(f"model.{lead[:-1]}", path)
            text = f"all its names begin with {lead!r}{WRAPPERS.get(lead, '')}; save the model in it"
            raise BadInput(str(path), f"{text}: {saved}")
    own, other = (shortened(sorted(keys), 2) for keys in (expected, found))
    raise BadInput(str(path), f"of another model: it has {other}, the model has {own}; give the weights of this one")


def _saved(model: str, path: Path) -> str:
    return f"safetensors.torch.save_model({model}, '{path.stem}.safetensors')"


def _is_shared(key: str, expected: Mapping[str, torch.Tensor], found: Collection[str]) -> bool:
    """Whether the tensor has another name, which is there: save_model writes it once."""
    own = expected[key]
    others = (expected[name] for name in found if name in expected)
    return any(t.data_ptr() == own.data_ptr() and t.shape == own.shape and own.numel() for t in others)


def _check_rounding(key: str, expected: torch.Tensor, found: torch.Tensor, problems: Problems) -> None:
    """Report numbers that the model's type does not hold; NaN is for the export to refuse."""
    held = torch.equal(found.to(expected.dtype).to(found.dtype).nan_to_num(), found.nan_to_num())
    types = [str(dtype).removeprefix("torch.") for dtype in (found.dtype, expected.dtype)]
    text = "the file holds {}, the model {}, which would round it; let the factory return model.{}()"
    problems.require(held, key, text.format(*types, {"float64": "double"}.get(types[0], "float")))
