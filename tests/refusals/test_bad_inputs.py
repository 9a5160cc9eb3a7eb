"""The 52 rows of the table of bad inputs, each by files that a command is given: one line, no traceback, nothing left.

Every case is read within 2 s of CPU time and 256 MB above the start, and its line is exactly the one in the tables
`bad_hdf5.py` and `bad_graphs.py`, whose keys begin with the number of the row, and `bad_loaders.py`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.refusals import bad_graphs, bad_hdf5, bad_loaders
from tests.refusals.nir_files import COMPILE, small_graph, written

ROWS, SECONDS, MEGABYTES = 52, 2, 256
CASES = {**bad_hdf5.CASES, **bad_graphs.CASES, **bad_loaders.CASES}
ROOT = Path(__file__).parents[2]


def folder_of(base: Path, case: str) -> Path:
    return base / str(list(CASES).index(case))


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bad")


@pytest.fixture(scope="module")
def outcomes(base: Path) -> dict[str, dict[str, Any]]:
    """What came of each case; all are read by one process, each in a fork of it."""
    good, jobs, before = base / "good", [], {}
    good.mkdir()
    written(small_graph(), good / "bad.nir")
    for case, bad in CASES.items():
        folder = folder_of(base, case)
        folder.mkdir()
        file = next(word for word in bad.command if word.startswith("bad."))
        bad.make(folder / file)
        before[case] = names_in(folder)
        jobs.append((str(folder), bad.command))
    command = [sys.executable, "-m", "tests.refusals.measure"]
    asked = json.dumps([(str(good), COMPILE), *jobs])
    answer = subprocess.run(command, input=asked, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    found = dict(zip(CASES, json.loads(answer.stdout), strict=True))
    return {case: {**came, "written": names_in(folder_of(base, case)) - before[case]} for case, came in found.items()}


def test_every_row_has_a_case() -> None:
    assert {int(case[:2]) for case in CASES if case[:2].isdigit()} == set(range(1, ROWS + 1))


@pytest.mark.parametrize("case", CASES)
def test_a_bad_file(case: str, outcomes: dict[str, dict[str, Any]]) -> None:
    bad, found = CASES[case], outcomes[case]
    assert found["code"] == bad.code, found["lines"]
    if bad.code == 0:
        assert {f"note: {line}" for line in bad.lines} <= set(found["stdout"].splitlines())
    else:
        file = next(word for word in bad.command if word.startswith("bad."))
        assert found["lines"] == [f"snndeploy: {file}: {line}" for line in bad.lines]
        assert len(bad.lines) == 1
        assert found["stdout"] == ""
        assert found["written"] == set()
    assert found["seconds"] < SECONDS
    assert found["megabytes"] < MEGABYTES
