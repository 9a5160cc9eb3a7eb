"""Parts are found by listing a folder: adding a part is adding one file.

A group is a package (`snndeploy.neurons`, `snndeploy.simulators`, ...); each public module in it is a part, named after
its file with '-' for '_'. Outsiders add parts by an entry point of the group `snndeploy.GROUP`. Loading is lazy; a name
that is taken twice, or a part that fails to import, is an error and never a warning.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from snndeploy.errors import BadInput


def parts(group: str) -> dict[str, str]:
    """Name of each part of `group` -> the module that holds it, sorted by name."""
    package = importlib.import_module(f"snndeploy.{group}")
    found: dict[str, str] = {}
    for info in pkgutil.iter_modules(package.__path__):
        if not info.name.startswith("_") and not info.ispkg:
            found[info.name.replace("_", "-")] = f"{package.__name__}.{info.name}"
    for point in _outsiders(f"snndeploy.{group}"):
        if point.name in found:
            raise BadInput(
                group, f"the name {point.name!r} is taken twice: by {found[point.name]} and by {point.value}"
            )
        found[point.name] = point.value
    return dict(sorted(found.items()))


@cache
def _outsiders(group: str) -> tuple[EntryPoint, ...]:
    """The entry points of a group, read once: it takes a look at every installed package."""
    return tuple(entry_points(group=group))


def part(group: str, name: str) -> ModuleType:
    """The module of the part `name` of `group`. Raises BadInput with the known names where there is none."""
    known = parts(group)
    if name not in known:
        kind = group.rpartition(".")[2].removesuffix("s")
        raise BadInput("", f"no {kind} {name!r}; known: {', '.join(known)}")
    return importlib.import_module(known[name])
