"""The worker that is not there, crashes, or hangs: one line, exit code 3, and nothing is left running."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import snndeploy
from snndeploy.errors import Missing
from tests.programs import small_artifact


def fake_python(folder: Path, body: str) -> str:
    """An executable that stands in for the worker's interpreter."""
    script = folder / "python"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    return str(script)


def refusal(tmp_path: Path) -> list[str]:
    artifact = snndeploy.load(small_artifact(tmp_path / "small.snn"))
    with pytest.raises(Missing) as error:
        snndeploy.run(artifact, np.zeros((1, 3, 4), np.int64), target="loihi2-lava")
    assert error.value.exit_code == 3
    return error.value.lines()


def test_a_worker_that_hangs_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = tmp_path / "pid"
    monkeypatch.setenv("SNNDEPLOY_LAVA_PYTHON", fake_python(tmp_path, f"sleep 100 & echo $! > {pid}; wait"))
    monkeypatch.setenv("SNNDEPLOY_LAVA_TIME_LIMIT", "1")
    started = time.perf_counter()
    assert refusal(tmp_path) == [
        "Lava worker: no answer for 1 s, so it was stopped; "
        "set $SNNDEPLOY_LAVA_TIME_LIMIT to wait longer, or see `snndeploy doctor`"
    ]
    assert time.perf_counter() - started < 10
    state = Path(f"/proc/{pid.read_text().strip()}/status")
    assert not state.exists() or "zombie" in state.read_text()


def test_a_worker_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "echo first >&2; echo 'ImportError: no lava' >&2; exit 7"
    monkeypatch.setenv("SNNDEPLOY_LAVA_PYTHON", fake_python(tmp_path, body))
    assert refusal(tmp_path) == ["Lava worker: ended with exit code 7: ImportError: no lava"]


def test_a_worker_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNNDEPLOY_LAVA_PYTHON", str(tmp_path / "none"))
    assert refusal(tmp_path) == [f"$SNNDEPLOY_LAVA_PYTHON: expected an executable Python, found '{tmp_path / 'none'}'"]


def test_no_worker_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SNNDEPLOY_LAVA_PYTHON", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert refusal(tmp_path) == ["no Lava worker environment; run `snndeploy lava install` (it needs a Python 3.10)"]


def test_a_half_made_environment_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from snndeploy.simulators import _lava_env

    monkeypatch.delenv("SNNDEPLOY_LAVA_PYTHON", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (_lava_env.environment_folder() / "bin").mkdir(parents=True)
    assert len(refusal(tmp_path)) == 1


def test_without_any_python_3_10_install_says_so(tmp_path: Path) -> None:
    code = (
        "from snndeploy.simulators import _lava_env as e; e.find_python = e.fetch_python = lambda v: None; e.install()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"XDG_CACHE_HOME": str(tmp_path), "PATH": "/nowhere", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 1
    assert (
        done.stderr.strip()
        .splitlines()[-1]
        .endswith(
            "found no Python 3.10 with venv, and Lava needs it: install one, or uv, then run `snndeploy lava install`"
        )
    )


def test_a_time_limit_that_is_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from snndeploy.errors import BadInput

    monkeypatch.setenv("SNNDEPLOY_LAVA_PYTHON", sys.executable)
    monkeypatch.setenv("SNNDEPLOY_LAVA_TIME_LIMIT", "soon")
    artifact = snndeploy.load(small_artifact(tmp_path / "small.snn"))
    with pytest.raises(BadInput) as error:
        snndeploy.run(artifact, np.zeros((1, 3, 4), np.int64), target="loihi2-lava")
    assert error.value.lines() == ["$SNNDEPLOY_LAVA_TIME_LIMIT: expected seconds above 0 and below 1e6, found 'soon'"]


def test_a_worker_learns_that_its_parent_was_killed(tmp_path: Path) -> None:
    """Its standard input ends with the parent; the real worker then ends itself and all of Lava's processes."""
    ended = tmp_path / "ended"
    started = tmp_path / "started"
    small_artifact(tmp_path / "small.snn")
    np.savez(tmp_path / "x.npz", x=np.zeros((1, 3, 4), np.int64))
    python = fake_python(tmp_path, f"touch {started}; cat > /dev/null; touch {ended}")
    root = str(Path(__file__).parents[2])
    parent = subprocess.Popen(
        [sys.executable, "-m", "snndeploy", "verify", "small.snn", "--input", "x.npz"],
        cwd=tmp_path,
        env={**os.environ, "SNNDEPLOY_LAVA_PYTHON": python, "PYTHONPATH": root},
        stderr=subprocess.DEVNULL,
    )
    assert _appears(started)
    assert not ended.exists()
    parent.kill()
    parent.wait()
    assert _appears(ended)


def _appears(path: Path) -> bool:
    end = time.monotonic() + 20
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.05)
    return path.exists()
