"""The base install, without torch, gives the same bytes on every Python that is supported."""

import hashlib
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from snndeploy.pythons import find_python
from tests.programs import small_artifact

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = [(3, 10), (3, 11), (3, 12), (3, 13)]


def output(command: list[str | Path], folder: Path) -> bytes:
    """What `command` prints, without this interpreter's packages. Fails with its messages if it does."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def base_install(python: Path, folder: Path) -> Path:
    """The programs folder of a new environment of `python` with snndeploy and what it must have, nothing more."""
    output([python, "-m", "venv", folder], folder.parent)
    pip: list[str | Path] = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    output([*pip, "-c", ROOT / "constraints.txt", ROOT], folder)
    return folder / "bin"


def digests(programs: Path, folder: Path) -> dict[str, str]:
    """What `show` prints and `run` writes there, hashed."""
    shown = output([programs / "snndeploy", "show", "x.snn", "--json"], folder)
    run = ["run", "x.snn", "--target", "loihi2-sim", "--input", "x.npz", "-o", "run.npz"]
    output([programs / "snndeploy", *run], folder)
    written = (folder / "run.npz").read_bytes()
    (folder / "run.npz").unlink()
    return {"show": hashlib.sha256(shown).hexdigest(), "run": hashlib.sha256(written).hexdigest()}


@pytest.mark.long
def test_every_python_gives_the_same_bytes(tmp_path: Path) -> None:
    pythons = {version: python for version in VERSIONS if (python := find_python(version))}
    assert len(pythons) >= (2 if os.environ.get("CI") == "true" else 1), f"found only {list(pythons)} of {VERSIONS}"
    small_artifact(tmp_path / "x.snn")
    spikes = np.random.default_rng(0).integers(0, 2, (3, 20, 4))  # samples, steps, the artifact's inputs
    np.savez(tmp_path / "x.npz", x=spikes)
    found = {}
    for version, python in pythons.items():
        programs = base_install(python, tmp_path / f"python{version[0]}.{version[1]}")
        packages = output([programs / "python", "-m", "pip", "list", "--format=freeze"], tmp_path).decode()
        assert not [line for line in packages.splitlines() if line.startswith(("torch==", "snntorch==", "lava"))]
        found[version] = digests(programs, tmp_path)
    assert len({tuple(digest.values()) for digest in found.values()}) == 1, found
