"""Finds an interpreter of a given version by running candidates: a name on PATH proves nothing.

A version manager puts shims on PATH that exit 127 for a version that is not selected, and Linux distributions split
`venv` and `ensurepip` off. So a candidate counts only if it runs, says the version and imports both.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PROBE = "import sys, venv, ensurepip; print(*sys.version_info[:2]); print(sys.executable)"
PROBE_SECONDS = 10.0
FETCH_SECONDS = 600.0
CONDA_FOLDERS = ("miniconda3", "miniforge3", "mambaforge", "anaconda3")


def find_python(version: tuple[int, int] = (3, 10)) -> Path | None:
    """The first interpreter of `version` that runs and can make virtual environments; None if there is none.

    Looks at the running interpreter, PATH, uv's and pyenv's interpreters, the system's folders and conda's
    environments, in this order.
    """
    tried = set()
    for candidate in _candidates(version):
        if candidate not in tried:
            tried.add(candidate)
            if found := _probe(candidate, version):
                return found
    return None


def fetch_python(version: tuple[int, int] = (3, 10)) -> Path | None:
    """An interpreter of `version` that uv downloads into its own folder; None where there is no uv or it cannot."""
    for uv in _on_path("uv"):
        _output([str(uv), "python", "install", f"{version[0]}.{version[1]}"], FETCH_SECONDS)
    return find_python(version)


def _probe(candidate: Path, version: tuple[int, int]) -> Path | None:
    """The interpreter behind `candidate` as it names itself (a shim may hide it), if it is of `version`."""
    said = _output([str(candidate), "-I", "-c", PROBE], PROBE_SECONDS)
    match said.splitlines():
        case [found, executable] if found == f"{version[0]} {version[1]}":
            return Path(executable)
    return None


def _candidates(version: tuple[int, int]) -> Iterator[Path]:
    number = f"{version[0]}.{version[1]}"
    yield Path(sys.executable)
    yield from _on_path(f"python{number}")
    for uv in _on_path("uv"):
        if found := _output([str(uv), "python", "find", number], PROBE_SECONDS).strip():
            yield Path(found)
    for root in _pyenv_roots():
        yield from sorted(root.glob(f"versions/{number}*/bin/python"), reverse=True)
    for folder in (Path("/usr/bin"), Path("/usr/local/bin"), *sorted(Path("/opt").glob("*/bin"))):
        yield folder / f"python{number}"
    for prefix in _conda_prefixes():
        yield prefix / "bin" / "python"


def _on_path(name: str) -> Iterator[Path]:
    """Every file of that name on PATH: behind a shim that does not work there may be one that does."""
    return (folder / name for folder in _path() if (folder / name).is_file())


def _path() -> list[Path]:
    return [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]


def _pyenv_roots() -> list[Path]:
    """pyenv's root folders: as stated, beside its shims on PATH, and its default."""
    stated = os.environ.get("PYENV_ROOT")
    beside = [folder.parent for folder in _path() if folder.name == "shims"]
    return [*([Path(stated)] if stated else []), *beside, _home() / ".pyenv"]


def _conda_prefixes() -> Iterator[Path]:
    """conda's environments: the active one, those in its own list, and those in its usual folders."""
    if active := os.environ.get("CONDA_PREFIX"):
        yield Path(active)
    listed = _home() / ".conda" / "environments.txt"
    if listed.is_file():
        yield from map(Path, listed.read_text(errors="replace").splitlines())
    for root in (*(_home() / folder for folder in CONDA_FOLDERS), Path("/opt/conda")):
        yield root
        yield from sorted(root.glob("envs/*"))


def _home() -> Path:
    return Path(os.path.expanduser("~"))  # unlike Path.home(), no error for a user without a home


def _output(command: list[str], seconds: float) -> str:
    """What a command prints; nothing if it cannot be run, fails or takes too long."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=seconds
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
