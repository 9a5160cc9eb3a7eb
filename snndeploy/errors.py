"""The errors: one root, one class per exit code, all problems of a file together.

A message names where, what was expected, what was found and what to do, in one line. The command line prints
`snndeploy: WHERE: PROBLEM`, one line a problem, and leaves with the class's exit code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHOWN = 20  # problems of one file: a hostile one can have thousands


class SnndeployError(Exception):
    """Root of all errors of snndeploy: `where` it happened (may be empty) and the `problems`, each one line."""

    exit_code = 1

    def __init__(self, where: str, problems: str | Sequence[str]) -> None:
        self.where = where
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.lines()))

    def lines(self) -> list[str]:
        """The problems as a user reads them, one line each, control characters escaped."""
        lead = f"{self.where}: " if self.where else ""
        return [printable(lead + problem) for problem in self.problems]


class CheckFailed(SnndeployError):
    """A check that the user asked for did not pass (exit code 1)."""

    exit_code = 1


class BadInput(SnndeployError, ValueError):
    """A file, a value or an option that cannot be used as it is (exit code 2)."""

    exit_code = 2


class Missing(SnndeployError, RuntimeError):
    """Something that is needed is not installed, or does not answer (exit code 3)."""

    exit_code = 3


class Problems:
    """Collects the problems of one file or value, so that a user sees them all at once."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.found: list[str] = []

    def add(self, place: str, text: str) -> None:
        self.found.append(f"{place}: {text}" if place else text)

    def require(self, holds: bool, place: str, text: str) -> bool:
        """Add the problem unless `holds`; returns `holds`, so that later checks can depend on it."""
        if not holds:
            self.add(place, text)
        return holds

    def require_all(self, values: NDArray[Any], good: NDArray[np.bool_], place: str, expected: str) -> bool:
        """Add the problem unless `good` holds everywhere, with the first value that breaks it and how many do."""
        if not good.all():
            self.add(place, f"{expected}, {first_bad(values, good)}")
        return bool(good.all())

    def raise_if_any(self) -> None:
        """Raise BadInput with the problems; of very many the first are shown, and how many more there are."""
        if self.found:
            more = len(self.found) - SHOWN
            raise BadInput(self.where, self.found[:SHOWN] + ([f"and {more} more problems"] if more > 0 else []))


def printable(text: str) -> str:
    """`text` with everything escaped that could move a terminal's cursor or hide in a log."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def first_bad(array: NDArray[Any], good: NDArray[np.bool_]) -> str:
    """`found VALUE at [INDEX]`, and how many more, for the first element where `good` is false."""
    bad = np.argwhere(~good)
    index = tuple(int(i) for i in bad[0])
    place = f" at {list(index)}" if index else ""
    more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
    return f"found {array[index]}{place}{more}"


def shortened(items: Sequence[object], limit: int = 4) -> str:
    """The first few of `items`, comma separated, and how many more there are."""
    shown = ", ".join(str(item) for item in items[:limit])
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit} more"
