"""Engines that run a Program: each has the TARGET it serves, and `simulate(program, payloads, probes, advance)`."""

from __future__ import annotations

from types import ModuleType

from snndeploy.errors import BadInput
from snndeploy.registry import part, parts


def engines() -> dict[str, ModuleType]:
    """Every engine by its name."""
    return {name: part("simulators", name) for name in parts("simulators")}


def engine_of(target: str) -> tuple[str, ModuleType]:
    """Name and module of the engine that serves `target`. Raises BadInput with the known targets where none does."""
    by_target = {module.TARGET: (name, module) for name, module in engines().items()}
    if target not in by_target:
        raise BadInput("", f"no target {target!r}; known: {', '.join(by_target)}")
    return by_target[target]
