"""Lava as a judge: what it answers to generated programs, run or read from where it is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from snndeploy.artifact import Artifact
from snndeploy.simulators import lava
from snndeploy.targets.loihi2.place import place

RunLava = Callable[[Sequence[lava.Job]], list[dict[str, NDArray[Any]]]]


@pytest.fixture(scope="session")
def run_lava(pytestconfig: pytest.Config) -> RunLava:
    """`lava.simulate_jobs`, or with `--lava-answers FOLDER` what it said there to the very same jobs."""
    folder: Path | None = pytestconfig.getoption("--lava-answers")
    return lava.simulate_jobs if folder is None else lambda jobs: _kept(jobs, folder)


def _kept(jobs: Sequence[lava.Job], folder: Path) -> list[dict[str, NDArray[Any]]]:
    paths = [folder / f"{_content(job)}.npz" for job in jobs]
    unknown = [(job, path) for job, path in zip(jobs, paths, strict=True) if not path.exists()]
    answers = lava.simulate_jobs([job for job, _ in unknown]) if unknown else []
    for (_, path), answer in zip(unknown, answers, strict=True):
        np.savez(path, allow_pickle=False, **answer)
    return [dict(np.load(path)) for path in paths]


def _content(job: lava.Job) -> str:
    """A hash of the program, of what it is given, and of what is recorded."""
    said = [Artifact(job.program, place(job.program)).to_bytes(), repr(sorted(job.probes)).encode()]
    said += [x.tobytes() + repr((name, x.shape, x.dtype)).encode() for name, x in job.payloads.items()]
    return hashlib.sha256(b"".join(said)).hexdigest()
