"""Frozen dataclasses to JSON and back, strictly: exactly the fields, exactly the types, all problems together."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from snndeploy.errors import Problems
from snndeploy.values import NAME

MAX_TEXT = 2**16  # characters of one text in a manifest


def plain(value: Any) -> Any:
    """A frozen value as JSON types: dataclasses and mappings as objects, tuples as lists, arrays left out."""
    if dataclasses.is_dataclass(value):
        return plain({f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init})
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items() if not isinstance(item, np.ndarray)}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


def parsed(kind: Any, entry: Any, place: str, problems: Problems, arrays: Mapping[str, Any] | None = None) -> Any:
    """The value of type `kind` that `entry` (from JSON) stands for, or None with the problems.

    `kind` is a dataclass, str, int, float, bool, tuple[X, ...] or Mapping[str, X]; `arrays` are fields of a dataclass
    that do not come from JSON. A bool is no int, an int is no float.
    """
    if dataclasses.is_dataclass(kind):
        return _parsed_dataclass(kind, entry, place, problems, dict(arrays or {}))
    origin, inner = get_origin(kind), get_args(kind)
    if origin is tuple and isinstance(entry, list):
        return tuple(parsed(inner[0], item, f"{place}[{i}]", problems) for i, item in enumerate(entry))
    if origin is Mapping and isinstance(entry, dict):
        for name in entry:
            problems.require(NAME.fullmatch(name) is not None, place, f"not a name: {name[:64]!r}")
        return {name: parsed(inner[1], item, f"{place}.{name}", problems) for name, item in entry.items()}
    fits = type(entry) is kind and (kind is not str or len(entry) <= MAX_TEXT)
    shown = repr(entry)[:64] if isinstance(entry, str | int | float | bool | None) else type(entry).__name__
    problems.require(fits, place, f"expected {_named(kind)}, found {shown}")
    return entry


def _parsed_dataclass(kind: Any, entry: Any, place: str, problems: Problems, arrays: dict[str, Any]) -> Any:
    hints = get_type_hints(kind)
    expected = {field.name for field in dataclasses.fields(kind) if field.init} - arrays.keys()
    found = sorted(entry) if isinstance(entry, dict) else type(entry).__name__
    if not problems.require(found == sorted(expected), place, f"expected the fields {sorted(expected)}, found {found}"):
        return None
    before = len(problems.found)
    fields = {name: parsed(hints[name], item, f"{place}.{name}", problems) for name, item in entry.items()}
    return kind(**fields, **arrays) if len(problems.found) == before else None


def _named(kind: Any) -> str:
    names = {
        str: f"a text of at most {MAX_TEXT} characters",
        int: "an integer",
        float: "a float",
        bool: "true or false",
    }
    return names.get(kind, "a list" if get_origin(kind) is tuple else "an object")
