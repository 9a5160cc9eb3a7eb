"""What the tests of several folders share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, help="run the generated program of this seed only (tests/conformance)")


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
