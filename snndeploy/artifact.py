"""The `.snn` artifact: a Program and its Placement in one file, checked to the last bit.

A safetensors file: the integer arrays, and one metadata entry with a canonical JSON manifest. Equal content gives equal
bytes, so neither dates nor versions of libraries are in it. Reading refuses a newer format, unknown or missing keys,
values out of range and arrays whose SHA-256 differs.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from snndeploy.errors import BadInput, Problems
from snndeploy.files import GIB, atomic_write, read_bytes
from snndeploy.placement import Core, Placement
from snndeploy.program import Input, LayerReport, Population, Program, Projection

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
            "placement": _plain(self.placement),
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
    where = str(path)
    data = read_bytes(path, GIB)
    manifest, arrays = _parse(data, where)
    problems = Problems(where)
    expected = {"format", "program", "placement", "sha256"}
    problems.require(
        set(manifest) == expected, "manifest", f"expected the keys {sorted(expected)}, found {sorted(manifest)}"
    )
    problems.raise_if_any()
    for name in sorted(manifest["sha256"].keys() | arrays.keys()):
        found = _digest(arrays[name]) if name in arrays else "no such array"
        problems.require(
            manifest["sha256"].get(name) == found, name, "damaged: its SHA-256 is not the one in the manifest"
        )
    problems.raise_if_any()
    try:
        artifact = Artifact(_program(manifest["program"], arrays), _placement(manifest["placement"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadInput(where, f"manifest: not of format {FORMAT}: {error}") from None
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
        number = manifest["format"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadInput(where, "damaged: its manifest is not JSON with a format number") from None
    if number != FORMAT:
        raise BadInput(
            where, f"has format {number!r}, this snndeploy reads {FORMAT}: update snndeploy, or compile the graph again"
        )
    return manifest, arrays


def _arrays(program: Program) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {f"{p.name}:{k}": v for p in program.populations for k, v in p.parameters.items()}
    arrays.update({f"{q.name}:weights": q.weights for q in program.projections})
    return arrays


def _digest(array: NDArray[Any]) -> str:
    head = f"{array.dtype.str}{list(array.shape)}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(array).tobytes()).hexdigest()


def _plain(value: Any) -> Any:
    """A frozen value as JSON types: dataclasses and mappings as objects, tuples as lists, arrays left out."""
    if dataclasses.is_dataclass(value):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if not f.name.startswith("_")}
        return {name: _plain(item) for name, item in fields.items() if not isinstance(item, np.ndarray)}
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items() if not isinstance(item, np.ndarray)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _without_arrays(program: Program) -> dict[str, Any]:
    plain: dict[str, Any] = _plain(program)
    for entry in plain["populations"]:
        del entry["parameters"]  # they are arrays, named after the population
    return plain


def _program(plain: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Program:
    populations = []
    for entry in plain["populations"]:
        head = f"{entry['name']}:"
        parameters = {key.removeprefix(head): a for key, a in arrays.items() if key.startswith(head)}
        populations.append(_value(Population, {**entry, "parameters": parameters}))
    projections = [_value(Projection, {**e, "weights": arrays[f"{e['name']}:weights"]}) for e in plain["projections"]]
    values = {
        **plain,
        "inputs": [_value(Input, entry) for entry in plain["inputs"]],
        "populations": populations,
        "projections": projections,
        "report": [_value(LayerReport, entry) for entry in plain["report"]],
    }
    program: Program = _value(Program, values)
    return program


def _placement(plain: dict[str, Any]) -> Placement:
    placement: Placement = _value(Placement, {**plain, "cores": [_value(Core, entry) for entry in plain["cores"]]})
    return placement


def _value(kind: Any, entry: dict[str, Any]) -> Any:
    """The frozen value of that kind, from exactly its fields; lists become tuples."""
    expected = {field.name for field in dataclasses.fields(kind) if field.init}
    if set(entry) != expected:
        raise ValueError(f"{kind.__name__}: expected {sorted(expected)}, found {sorted(entry)}")
    return kind(**{name: tuple(item) if isinstance(item, list) else item for name, item in entry.items()})
