"""What the tests of several folders share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--damaged", type=int, default=200, help="damaged files of each kind (tests/refusals)")
    parser.addoption("--seed", type=int, help="run the generated program of this seed only (tests/conformance)")
    parser.addoption(
        "--programs", type=int, help="generated programs of test_lava.py and test_fast.py, not CI's number"
    )
    parser.addoption("--lava-answers", type=Path, help="folder that keeps what Lava answers, to be read the next time")


def seed_groups(config: pytest.Config, programs: int, size: int) -> list[range]:
    """Seeds of generated programs in groups of `size`: `programs` of them if no option says how many, or which."""
    seed, count = config.getoption("--seed"), config.getoption("--programs") or programs
    return [range(i, min(i + size, count)) for i in range(0, count, size)] if seed is None else [range(seed, seed + 1)]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded traces and of files that other tools wrote; it is not part of the project."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        missing = f"the corpus is not there: {folder}"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return folder
