"""The proof of the proof: every planted fault makes the suite fail, and without one the same tests pass.

Each runs in a copy of the project, in a process of its own, with the few tests that have to catch it. Lava answers
once: the unchanged copy keeps what it says, and copies with a fault in the definition are compared with that.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conformance.faults import SHARED, Fault
from tests.conformance.faults_engines import ENGINES, FAST_ENGINE
from tests.conformance.faults_neurons import NEURONS

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("export", "simulators", "snndeploy", "targets", "tests", "trainers")
DEFINITION = [*SHARED, *NEURONS]
FAULTS = [*DEFINITION, *ENGINES]
AT_ONCE = 2
TIME_LIMIT = 1200  # seconds, of a busy machine
CAUGHT = re.compile(r"^FAILED .* - (AssertionError|assert )", re.MULTILINE)


def copied(folder: Path) -> Path:
    """The project, in a folder of its own beside the corpus."""
    for name in FOLDERS:
        leave = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / "project" / name, symlinks=True, ignore=leave)
    shutil.copy(ROOT / "pyproject.toml", folder / "project")
    (folder / "shared").symlink_to(ROOT.parent / "shared")
    return folder / "project"


def run_tests(project: Path, tests: Iterable[str], *options: str | Path) -> subprocess.CompletedProcess[str]:
    """Run tests of a copy until one fails, the same way every time."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-rf", "--tb=line", "-p", "no:cacheprovider"]
    command += ["--hypothesis-seed=0", "--basetemp", str(project.parent / "tmp"), *map(str, options), *tests]
    environment = {**os.environ, "COLUMNS": "250"}
    return subprocess.run(
        command,
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
    )


def run_faulty(fault: Fault, folder: Path, answers: Path) -> subprocess.CompletedProcess[str]:
    """Plant the fault in a copy and run the tests that have to catch it."""
    project = copied(folder)
    file = project / fault.file
    file.write_text(file.read_text().replace(fault.old, fault.new))
    kept = ["--lava-answers", answers] if fault in DEFINITION else []
    done = run_tests(project, fault.tests, *kept)
    shutil.rmtree(folder)
    return done


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Lava answers to the tests of all faults, kept by the unchanged copy, which passes them."""
    folder = tmp_path_factory.mktemp("unchanged")
    kept = tmp_path_factory.mktemp("answers")
    done = run_tests(copied(folder), dict.fromkeys(test for f in FAULTS for test in f.tests), "--lava-answers", kept)
    assert done.returncode == 0, done.stdout[-4000:]
    return kept


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, answers: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[subprocess.CompletedProcess[str]]]]:
    """The runs of all faults that are asked for, AT_ONCE together."""
    items = (item for item in request.session.items if isinstance(item, pytest.Function))
    chosen = [i.callspec.params["fault"] for i in items if i.function is test_a_planted_fault_is_caught]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {f.what: pool.submit(run_faulty, f, tmp_path_factory.mktemp("faulty"), answers) for f in chosen}
        pool.shutdown(cancel_futures=True)


def test_the_faults_are_many_each_in_one_place() -> None:
    assert len(DEFINITION) >= 40
    assert len(FAST_ENGINE) >= 20
    names = [fault.what for fault in FAULTS]
    assert len(set(names)) == len(names)
    for fault in FAULTS:
        text = (ROOT / fault.file).read_text()
        assert text.count(fault.old) == 1, f"{fault.what}: {fault.old!r} stands {text.count(fault.old)} times"
        compile(text.replace(fault.old, fault.new), fault.file, "exec")


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what)
def test_a_planted_fault_is_caught(fault: Fault, runs: dict[str, Future[subprocess.CompletedProcess[str]]]) -> None:
    done = runs[fault.what].result()
    assert done.returncode == 1, f"exit code {done.returncode}: {done.stdout[-4000:]}{done.stderr[-2000:]}"
    assert CAUGHT.search(done.stdout), done.stdout[-4000:]
