"""snndeploy: a spiking neural network from snnTorch to Loihi 2, and the very same integers on a CPU.

>>> import snndeploy
>>> snndeploy.__version__
'0.1.0'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from snndeploy.api import Comparison, compile, run, to_nir, to_snntorch, verify
    from snndeploy.artifact import Artifact, load
    from snndeploy.export.nir_file import read_nir, write_nir
    from snndeploy.runs import Run
    from snndeploy.trains import Agreement, agreement

_HOMES = {
    **dict.fromkeys(("Comparison", "compile", "run", "to_nir", "to_snntorch", "verify"), "snndeploy.api"),
    **dict.fromkeys(("Artifact", "load"), "snndeploy.artifact"),
    **dict.fromkeys(("Agreement", "agreement"), "snndeploy.trains"),
    "Run": "snndeploy.runs",
    **dict.fromkeys(("read_nir", "write_nir"), "snndeploy.export.nir_file"),
}
__all__ = [
    "Agreement",
    "Artifact",
    "Comparison",
    "Run",
    "agreement",
    "compile",
    "load",
    "read_nir",
    "run",
    "to_nir",
    "to_snntorch",
    "verify",
    "write_nir",
]


def __getattr__(name: str) -> Any:
    """Load what is asked for, and nothing before: importing snndeploy stays fast."""
    if name not in _HOMES:
        raise AttributeError(f"module 'snndeploy' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
