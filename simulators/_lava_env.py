"""Where Lava's worker lives: a Python 3.10 environment, found or made.

In this order: the running interpreter if it has lava, `$SNNDEPLOY_LAVA_PYTHON`, the environment in the user's cache
folder that `snndeploy lava install` made, keyed by its pins.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from snndeploy.errors import Missing
from snndeploy.pythons import fetch_python, find_python

PINS = Path(__file__).with_name("lava_requirements.txt")
INSTALL_HINT = "run `snndeploy lava install` (it needs a Python 3.10)"
INSTALL_SECONDS = 1800


def cache_folder() -> Path:
    """The user's cache folder for snndeploy."""
    base = os.environ.get("XDG_CACHE_HOME") or (Path.home() / ".cache")
    return Path(base) / "snndeploy"


def environment_folder() -> Path:
    """The folder of the environment for the present pins, whether it exists or not."""
    key = hashlib.sha256(PINS.read_bytes()).hexdigest()[:12]
    return cache_folder() / f"lava-{key}"


def worker_python() -> Path:
    """The interpreter that can import lava. Raises Missing, with the line to type, where there is none."""
    if _is_installed_here():
        return Path(sys.executable)
    given = os.environ.get("SNNDEPLOY_LAVA_PYTHON")
    if given:
        if shutil.which(given) is None:
            raise Missing("$SNNDEPLOY_LAVA_PYTHON", f"expected an executable Python, found {given!r}")
        return Path(given)
    if not _is_made():
        raise Missing("", f"no Lava worker environment; {INSTALL_HINT}")
    return environment_folder() / "bin" / "python"


def has_worker() -> bool:
    """Whether there is an interpreter to try; one that `$SNNDEPLOY_LAVA_PYTHON` names counts, right or wrong."""
    return _is_installed_here() or bool(os.environ.get("SNNDEPLOY_LAVA_PYTHON")) or _is_made()


def _is_installed_here() -> bool:
    """By its distribution: any folder that is called lava could be imported."""
    try:
        return bool(version("lava-nc"))
    except PackageNotFoundError:
        return False


def _is_made() -> bool:
    folder = environment_folder()
    return (folder / "ready").is_file() and (folder / "bin" / "python").exists()


def install() -> Path:
    """Make the environment, unless it is there; returns its interpreter. Raises Missing where it cannot be made.

    `ready` is written last: an environment without it is a half-made one, and is made anew.
    """
    folder = environment_folder()
    python = folder / "bin" / "python"
    if _is_made():
        return python
    base = find_python((3, 10)) or fetch_python((3, 10))
    if base is None:
        raise Missing(
            "",
            "found no Python 3.10 with venv, and Lava needs it: install one, or uv, then run `snndeploy lava install`",
        )
    shutil.rmtree(folder, ignore_errors=True)
    _run([str(base), "-m", "venv", str(folder)])
    _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(PINS)])
    _run([str(python), "-c", "import lava.proc.lif.process, lava.proc.dense.process"])
    (folder / "ready").touch()
    return python


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=INSTALL_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise Missing("Lava worker environment", f"`{' '.join(command)}` took over {INSTALL_SECONDS} s") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        raise Missing("Lava worker environment", f"`{' '.join(command)}` failed: {said[-1]}")
