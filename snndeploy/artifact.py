"""The `.snn` artifact: a Program and its Placement in one file, checked to the last bit.

A safetensors file: the integer arrays, and one metadata entry with a canonical JSON manifest. Equal content gives equal
bytes, so neither dates nor versions of libraries are in it. Reading refuses a newer format, unknown or missing keys,
values out of range and arrays whose SHA-256 differs.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from snndeploy import arguments
from snndeploy.errors import BadInput, Problems
from snndeploy.files import GIB, atomic_write, read_bytes
from snndeploy.manifest import parsed, plain
from snndeploy.placement import Placement
from snndeploy.program import Population, Program, Projection

FORMAT = 1
KEY = "snndeploy"


@dataclass(frozen=True)
class Artifact:
    """What `compile` makes and `run` takes: integers, and the cores that they sit on."""

    program: Program
    placement: Placement

    def to_bytes(self) -> bytes:
        """The `.snn` file."""
        arrays = _arrays(self.program)
        manifest = {
            "format": FORMAT,
            "program": _without_arrays(self.program),
            "placement": plain(self.placement),
            "sha256": {name: _digest(array) for name, array in arrays.items()},
        }
        text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return save_tensors(arrays, metadata={KEY: text})

    def sha256(self) -> str:
        """The SHA-256 of the `.snn` file, which names this artifact in runs."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the `.snn` file, whole or not at all. Raises BadInput where it cannot be written."""
        atomic_write(path, self.to_bytes())


def load(path: str | os.PathLike[str]) -> Artifact:
    """Read a `.snn` file. Raises BadInput, with all problems together, for anything but an intact artifact."""
    arguments.require("path", path, arguments.PATH, "the path of a file")
    where = str(path)
    manifest, arrays = _parse(read_bytes(path, GIB), where)
    problems = Problems(where)
    _check_arrays(manifest["sha256"], arrays, problems)
    problems.raise_if_any()
    program = _program(manifest["program"], arrays, problems)
    placement = parsed(Placement, manifest["placement"], "placement", problems)
    problems.raise_if_any()
    assert program is not None
    artifact = Artifact(program, placement)
    artifact.program.check(where)
    artifact.placement.check(artifact.program, where)
    return artifact


def _parse(data: bytes, where: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The manifest and the arrays of a safetensors file. Only its own metadata entry says that it is ours."""
    try:
        arrays = load_tensors(data)
        length = int.from_bytes(data[:8], "little")
        text = json.loads(data[8 : 8 + length]).get("__metadata__", {}).get(KEY)
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInput(where, f"not a .snn file ({len(data)} bytes): {error}") from None
    if text is None:
        raise BadInput(where, "a safetensors file, but no .snn: it has no snndeploy manifest")
    try:
        manifest = json.loads(text)
    except (ValueError, RecursionError):
        raise BadInput(where, "damaged: its manifest is not JSON") from None
    number = manifest.get("format") if isinstance(manifest, dict) else None
    if type(number) is not int or number != FORMAT:
        raise BadInput(
            where, f"has format {number!r}, this snndeploy reads {FORMAT}: update snndeploy, or compile the graph again"
        )
    expected = ["format", "placement", "program", "sha256"]
    if sorted(manifest) != expected:
        raise BadInput(where, f"manifest: expected the keys {expected}, found {sorted(manifest)}")
    return manifest, arrays


def _check_arrays(sha256: Any, arrays: Mapping[str, NDArray[Any]], problems: Problems) -> None:
    """Report arrays that are not int32, not those of the manifest, or not what was written."""
    if not problems.require(isinstance(sha256, dict), "sha256", f"expected an object, found {type(sha256).__name__}"):
        return
    for name in sorted(sha256.keys() | arrays.keys()):
        found = _digest(arrays[name]) if name in arrays else "no such array"
        problems.require(sha256.get(name) == found, name, "damaged: its SHA-256 is not the one in the manifest")
    for name, array in arrays.items():
        problems.require(array.dtype == np.int32, name, f"expected int32, found {array.dtype}")


def _arrays(program: Program) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {f"{p.name}:{k}": v for p in program.populations for k, v in p.parameters.items()}
    for q in program.projections:
        arrays.update({f"{q.name}:{key}": array for key, array in {"weights": q.weights, **q.extra}.items()})
    return arrays


def _digest(array: NDArray[Any]) -> str:
    head = f"{array.dtype.str}{list(array.shape)}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(array).tobytes()).hexdigest()


def _without_arrays(program: Program) -> dict[str, Any]:
    entries: dict[str, Any] = plain(program)
    for entry in entries["populations"]:
        del entry["parameters"]  # they are arrays, named after the population
    for entry in entries["projections"]:
        del entry["extra"]  # likewise
    return entries


def _program(entry: Any, arrays: Mapping[str, NDArray[Any]], problems: Problems) -> Program | None:
    """The program of a manifest. Every array must belong to it, and every parameter have its population's shape."""
    if not problems.require(isinstance(entry, dict), "program", f"expected an object, found {type(entry).__name__}"):
        return None
    left, before = dict(arrays), len(problems.found)
    values = {
        "populations": _with_arrays(entry, "populations", left, problems, _population),
        "projections": _with_arrays(entry, "projections", left, problems, _projection),
    }
    for name in left if len(problems.found) == before else ():
        problems.add(name, "an array that belongs to no population and no projection")
    if len(problems.found) > before:
        return None
    rest = {key: value for key, value in entry.items() if key not in values}
    program: Program | None = parsed(Program, rest, "program", problems, values)
    return program


def _with_arrays(
    entry: dict[str, Any], part: str, left: dict[str, NDArray[Any]], problems: Problems, made_of: Callable[..., Any]
) -> tuple[Any, ...]:
    """The populations or projections of a manifest, each made with the arrays of its name, taken out of `left`."""
    items = entry.get(part)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        problems.add(f"program.{part}", "expected a list of objects")
        return ()
    made = []
    for index, item in enumerate(items):
        mine = [key for key in left if key.rpartition(":")[0] == item.get("name")]
        own = {key.rpartition(":")[2]: left.pop(key) for key in mine}
        made.append(made_of(item, f"program.{part}[{index}]", own, problems))
    return tuple(made)


def _population(item: dict[str, Any], place: str, own: dict[str, NDArray[Any]], problems: Problems) -> Any:
    before = len(problems.found)
    for name, array in own.items():  # before anything is made: a shape may be a lie of gigabytes
        found, shape = list(array.shape), item.get("shape")
        problems.require(found == shape, f"{place}.{name}", f"expected the shape {shape}, found {found}")
    return parsed(Population, item, place, problems, {"parameters": own}) if len(problems.found) == before else None


def _projection(item: dict[str, Any], place: str, own: dict[str, NDArray[Any]], problems: Problems) -> Any:
    if not problems.require("weights" in own, place, f"expected the array weights, found {sorted(own)}"):
        return None
    arrays = {"weights": own.pop("weights"), "extra": own}
    return parsed(Projection, item, place, problems, arrays)
