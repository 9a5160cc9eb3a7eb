"""The optional parts of snndeploy: where one is not installed, one line says what to type."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from snndeploy.errors import Missing

PACKAGES = {
    "torch": "train",
    "snntorch": "train",
    "sklearn": "train",
    "matplotlib": "report",
}


@contextmanager
def extras() -> Iterator[None]:
    """Put around imports of optional packages: raises Missing, with the line to type, where one is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        extra = PACKAGES.get(error.name or "")
        if extra is None:
            raise
        raise Missing("", f"{error.name} is not installed: pip install 'snndeploy[{extra}]'") from None
