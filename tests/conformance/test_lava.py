"""The reference equals Lava: every state and message of generated programs.

`pytest --seed N` repeats one of them, `--programs N` draws N.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from snndeploy.api import compared
from snndeploy.artifact import Artifact
from snndeploy.runs import all_probes
from snndeploy.simulators import lava, reference
from snndeploy.targets.loihi2.place import place
from tests.conformance.conftest import RunLava
from tests.conftest import seed_groups
from tests.programs import random_program

NETWORKS = 104
GROUP = 8  # programs that one worker runs, one after the other


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seeds" in metafunc.fixturenames:
        groups = seed_groups(metafunc.config, NETWORKS, GROUP)
        metafunc.parametrize("seeds", groups, ids=lambda seeds: f"seeds-{seeds.start}-to-{seeds.stop - 1}")


def test_generated_programs_equal_lava(seeds: range, run_lava: RunLava) -> None:
    programs = [random_program(seed, for_lava=True) for seed in seeds]
    jobs = [lava.Job(program, payloads, all_probes(program)) for program, payloads in programs]
    answers = run_lava(jobs)
    values = sum(
        values_equal(job, found, f"--seed {seed}") for seed, job, found in zip(seeds, jobs, answers, strict=True)
    )
    print(f"seeds {seeds.start} to {seeds.stop - 1}: {values} values equal")
    assert values > 0


def values_equal(job: lava.Job, found: dict[str, NDArray[Any]], what: str) -> int:
    """The number of values in which the reference equals what Lava has answered; fails with the first that differs."""
    expected = reference.simulate(job.program, job.payloads, job.probes)
    comparison = compared(Artifact(job.program, place(job.program)), "lava", expected, found)
    assert comparison.differences == 0, f"{what}: {comparison.first}"
    return comparison.values_compared


@pytest.mark.long
def test_no_sample_one_step_and_a_thousand_equal_lava(run_lava: RunLava) -> None:
    """Two populations, one of them recurrent, with dense, sparse and convolutional projections."""
    program, payloads = random_program(163, for_lava=True)
    assert [p.neuron for p in program.populations] == ["lif-reset", "rf-iz"]
    draw, jobs = np.random.default_rng(0), []
    for samples, steps in ((0, 5), (2, 1), (1, 1000)):
        shapes = {name: (samples, steps, x.shape[2]) for name, x in payloads.items()}
        drawn = {name: draw.permuted(np.resize(x, shapes[name]), axis=1) for name, x in payloads.items()}
        jobs.append(lava.Job(program, drawn, all_probes(program)))
    values = [values_equal(job, found, "seed 163") for job, found in zip(jobs, run_lava(jobs), strict=True)]
    per_step = 3 * sum(p.size for p in program.populations)  # two states, and what is sent
    assert values[0] == 0
    assert values[2] - values[1] // 2 == 999 * per_step
