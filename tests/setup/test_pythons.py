"""Interpreters are found by running them; every candidate here is a script that plays one."""

from pathlib import Path

import pytest

from snndeploy import pythons
from snndeploy.pythons import fetch_python, find_python

VERSION = (3, 99)  # no real interpreter of this machine can be in the way


@pytest.fixture(autouse=True)
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'first'}:{tmp_path / 'second'}:/usr/bin:/bin")
    for name in ("PYENV_ROOT", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pythons, "PROBE_SECONDS", 0.5)


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def python(path: Path, version: str = "3 99") -> Path:
    return script(path, f"echo {version}; echo {path}")


def test_none_where_there_is_none() -> None:
    assert find_python(VERSION) is None


@pytest.mark.parametrize(
    "body",
    ["exit 127", "echo 3 99; echo /x; exit 1", "echo 3 98; echo /x", "echo 3 99", "sleep 60", "printf '\\377\\376'"],
    ids=["shim", "no ensurepip", "other version", "half an answer", "hangs", "not text"],
)
def test_a_broken_candidate_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    script(tmp_path / "first/python3.99", body)
    good = python(tmp_path / "second/python3.99")
    assert find_python(VERSION) == good


def test_a_file_that_cannot_be_run_is_passed_over(tmp_path: Path) -> None:
    python(tmp_path / "first/python3.99").chmod(0o644)
    assert find_python(VERSION) is None


def test_a_shim_gives_the_interpreter_behind_it(tmp_path: Path) -> None:
    real = python(tmp_path / "versions/python")
    script(tmp_path / "first/python3.99", f"exec {real}")
    assert find_python(VERSION) == real


@pytest.mark.parametrize("place", ["home/.pyenv", "stated", "manager"])
def test_pyenv_is_searched_where_it_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    script(tmp_path / "manager/shims/python3.99", "exit 127")
    monkeypatch.setenv("PATH", f"{tmp_path / 'manager/shims'}:/usr/bin:/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "stated"))
    python(tmp_path / place / "versions/3.98.1/bin/python", "3 98")
    good = python(tmp_path / place / "versions/3.99.1/bin/python")
    assert find_python(VERSION) == good


@pytest.mark.parametrize("place", ["active", "listed", "home/miniforge3", "home/miniconda3/envs/lava"])
def test_conda_is_searched_where_it_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("CONDA_PREFIX", str(tmp_path / "active"))
    listed = tmp_path / "home/.conda/environments.txt"
    listed.parent.mkdir(parents=True)
    listed.write_text(f"{tmp_path / 'gone'}\n{tmp_path / 'listed'}\n")
    good = python(tmp_path / place / "bin/python")
    assert find_python(VERSION) == good


def test_uv_is_asked(tmp_path: Path) -> None:
    good = python(tmp_path / "uv/python")
    script(tmp_path / "first/uv", "exit 127")
    script(tmp_path / "second/uv", f'test "$*" = "python find 3.99" && echo {good}')
    assert find_python(VERSION) == good


def test_fetch_has_uv_install_one(tmp_path: Path) -> None:
    good = tmp_path / "uv/python"
    real = python(tmp_path / "store/python")
    script(
        tmp_path / "first/uv",
        f'case "$2" in install) mkdir -p {good.parent}; cp {real} {good};; find) echo {good};; esac',
    )
    assert find_python(VERSION) is None
    assert fetch_python(VERSION) == real


def test_fetch_without_uv_finds_what_there_is(tmp_path: Path) -> None:
    assert fetch_python(VERSION) is None
    good = python(tmp_path / "first/python3.99")
    assert fetch_python(VERSION) == good
