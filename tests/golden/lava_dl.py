"""The wheel of lava-dl 0.6.0, for the recordings in it: fetched with pip once, kept in the user's cache folder.

It is known by its SHA-256, in the cache as well. Nothing of it is installed or run.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from snndeploy.files import atomic_write
from snndeploy.simulators._lava_env import cache_folder

VERSION = "0.6.0"
SHA256 = "bcb448f2bb85dc0da4b4dbbbae16543d2a978c1da7279acc522ad621fc68c437"
RECORDINGS = "tests/lava/lib/dl/netx/gts"
DOWNLOAD_SECONDS = 600


@cache
def wheel() -> zipfile.ZipFile:
    """The wheel. What is cached but broken is fetched anew; raises where pip cannot, or brings another file."""
    path = cache_folder() / f"lava_dl-{VERSION}.whl"
    if not path.is_file() or _digest(path.read_bytes()) != SHA256:
        content = _downloaded()
        found = _digest(content)
        assert found == SHA256, f"pip brought another lava-dl {VERSION}: expected the SHA-256 {SHA256}, found {found}"
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, content)
    return zipfile.ZipFile(path)


def array(name: str) -> NDArray[Any]:
    """The recording `name`, a path under RECORDINGS."""
    return np.load(io.BytesIO(wheel().read(f"{RECORDINGS}/{name}")), allow_pickle=False)


def network(name: str) -> h5py.File:
    """The network file `name`, a path under RECORDINGS."""
    return h5py.File(io.BytesIO(wheel().read(f"{RECORDINGS}/{name}")))


def _downloaded() -> bytes:
    """The wheel as pip brings it. It declares Python 3.10, whatever runs here."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        words = ["--only-binary=:all:", "--python-version", "3.10", "--dest", folder, f"lava-dl=={VERSION}"]
        done = subprocess.run(
            [*pip, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=DOWNLOAD_SECONDS
        )
        assert done.returncode == 0, f"`pip download lava-dl=={VERSION}` failed: {done.stderr.strip()}"
        (path,) = Path(folder).iterdir()
        return path.read_bytes()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
