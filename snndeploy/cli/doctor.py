"""`snndeploy doctor`: what is installed, what is missing, and how to get it."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from snndeploy import __version__
from snndeploy.cli._output import Json, print_json, print_table
from snndeploy.errors import Missing

PACKAGES = {
    "numpy": "",
    "nir": "",
    "h5py": "",
    "safetensors": "",
    "torch": "pip install 'snndeploy[train]'",
    "snntorch": "pip install 'snndeploy[train]'",
    "scikit-learn": "pip install 'snndeploy[train]'",
    "matplotlib": "pip install 'snndeploy[report]'",
}


def command(as_json: Json = False) -> None:
    """Say what is installed and what is missing."""
    from snndeploy.simulators._lava_env import worker_python

    found = {"snndeploy": __version__, "python": platform.python_version()}
    missing: dict[str, str] = {}
    for name, hint in PACKAGES.items():
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            missing[name] = hint or "pip install snndeploy"
    try:
        found["Lava worker"] = str(worker_python())
    except Missing as error:
        missing["Lava worker"] = error.problems[0]
    if as_json:
        print_json({"found": found, "missing": missing})
        return
    hints = {name: f"missing: {hint}" for name, hint in missing.items()}
    print_table(("part", "found"), list({**found, **hints}.items()))
