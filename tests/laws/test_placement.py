"""Slices of populations on cores: as few and as equal as fit, found without looking at all of them."""

from __future__ import annotations

import numpy as np
import pytest

from snndeploy.errors import BadInput
from snndeploy.program import Population, Program
from snndeploy.targets.loihi2 import limits
from snndeploy.targets.loihi2.place import least_bytes, place, synapse_bytes
from tests.programs import random_program

NEURONS, BYTES, CORES = 17, 200, 12


def counts_that_fit(program: Program, population: Population) -> list[int]:
    widths = {count: -(-population.size // count) for count in range(1, min(population.size, CORES) + 1)}
    return [
        count
        for count, width in widths.items()
        if width <= NEURONS and synapse_bytes(program, population, width).max() <= BYTES
    ]


def test_the_fewest_slices_that_fit_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a chip that is so small that most programs need several cores, and some find no room."""
    monkeypatch.setattr(limits, "NEURONS_PER_CORE", NEURONS)
    monkeypatch.setattr(limits, "SYNAPSE_BYTES_PER_CORE", BYTES)
    monkeypatch.setattr(limits, "CORES_PER_CHIP", CORES)
    placed, refused = 0, set[str]()
    for seed in range(300):
        program, _ = random_program(seed)
        fitting = {p.name: counts_that_fit(program, p) for p in program.populations}
        for p in program.populations:
            assert least_bytes(program, p) <= int(synapse_bytes(program, p, 1).sum())
        if all(fitting.values()) and sum(counts[0] for counts in fitting.values()) <= CORES:
            cores = place(program).cores
            for p in program.populations:
                widths = [core.stop - core.first for core in cores if core.population == p.name]
                width = -(-p.size // fitting[p.name][0])
                assert widths == np.diff([*range(0, p.size, width), p.size]).tolist()
            placed += 1
            continue
        with pytest.raises(BadInput) as error:
            place(program)
        refused.add(error.value.problems[0].partition(": ")[2] or error.value.problems[0])
    assert placed > 30
    text = "it does not fit onto the 12 cores of 17 neurons and 200 bytes of synapses of a chip; use fewer synapses"
    assert text in refused
    assert all(line == text or line.endswith("cores, a chip has 12") for line in refused)
