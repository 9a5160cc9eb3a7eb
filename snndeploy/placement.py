"""Placement: which slice of which population, with its synapses, sits on which neurocore, and what that uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from snndeploy.errors import Problems
from snndeploy.program import Program
from snndeploy.values import frozen_mapping


@dataclass(frozen=True)
class Core:
    """One neurocore: neurons first..stop-1 of a population (flattened), and the amount of each resource they use."""

    population: str
    first: int
    stop: int
    used: Mapping[str, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "used", frozen_mapping(self.used))


@dataclass(frozen=True)
class Placement:
    """The cores of a program on a target, and the limit of every resource of a core (and `cores` of a chip)."""

    target: str
    cores: tuple[Core, ...]
    limits: Mapping[str, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "limits", frozen_mapping(self.limits))

    def check(self, program: Program, where: str = "placement") -> None:
        """Raise BadInput unless every neuron sits on exactly one core and no limit is passed."""
        problems = Problems(where)
        for population in program.populations:
            slices = sorted((c.first, c.stop) for c in self.cores if c.population == population.name)
            ends = [0, *(stop for _, stop in slices)]
            covered = [first for first, _ in slices] == ends[:-1] and ends[-1] == population.size
            problems.require(
                covered, population.name, f"expected cores for neurons 0 to {population.size - 1}, found {slices}"
            )
        unknown = {c.population for c in self.cores} - {p.name for p in program.populations}
        problems.require(not unknown, "", f"cores of unknown populations {sorted(unknown)}")
        resources = sorted(self.limits.keys() - {"cores"})
        for index, core in enumerate(self.cores):
            counted = f"expected the use of {resources}, found {sorted(core.used)}"
            problems.require(sorted(core.used) == resources, f"core {index}", counted)
            for resource, used in core.used.items():
                limit = self.limits.get(resource, 0)
                problems.require(0 <= used <= limit, f"core {index}", f"{resource}: uses {used}, the limit is {limit}")
        chip = self.limits.get("cores", 0)
        problems.require(len(self.cores) <= chip, "", f"needs {len(self.cores)} cores, a chip has {chip}")
        problems.raise_if_any()
