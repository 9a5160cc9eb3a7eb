"""The reference equals Lava: every u, v and spike of generated programs. `pytest --seed N` repeats one of them."""

from __future__ import annotations

import pytest

from snndeploy.api import compared
from snndeploy.artifact import Artifact
from snndeploy.runs import all_probes
from snndeploy.simulators import lava, reference
from snndeploy.targets.loihi2.place import place
from tests.programs import random_program

NETWORKS = 64
GROUP = 8  # programs that one worker runs, one after the other


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seeds" in metafunc.fixturenames:
        seed = metafunc.config.getoption("--seed")
        groups = [range(i, i + GROUP) for i in range(0, NETWORKS, GROUP)] if seed is None else [range(seed, seed + 1)]
        metafunc.parametrize("seeds", groups, ids=lambda seeds: f"seeds-{seeds.start}-to-{seeds.stop - 1}")


def test_generated_programs_equal_lava(seeds: range) -> None:
    programs = [random_program(seed, for_lava=True) for seed in seeds]
    jobs = [lava.Job(program, payloads, all_probes(program)) for program, payloads in programs]
    values = 0
    for seed, job, found in zip(seeds, jobs, lava.simulate_jobs(jobs), strict=True):
        expected = reference.simulate(job.program, job.payloads, job.probes)
        comparison = compared(Artifact(job.program, place(job.program)), "lava", expected, found)
        values += comparison.values_compared
        assert comparison.differences == 0, f"--seed {seed}: {comparison.first}"
    print(f"seeds {seeds.start} to {seeds.stop - 1}: {values} values equal")
    assert values > 0
