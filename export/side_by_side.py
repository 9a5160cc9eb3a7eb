"""What running a model and its graph side by side has shown: how much was tried, and which populations never spiked."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SideBySide:
    """Every spike of every population was equal in `samples` runs of `steps` steps.

    `spikes` says how many there were in each population; where there was none, threshold and reset were not tried.
    Integrators, which never spike, are not among them.
    """

    steps: int
    samples: int
    spikes: Mapping[str, int]

    @property
    def silent(self) -> list[str]:
        """The populations that never spiked in the check."""
        return [name for name, count in self.spikes.items() if count == 0]

    def warn_of_silent(self) -> None:
        """Warn whoever called the function that calls this, if a population never spiked."""
        if self.silent:
            text = f"never spiked in the check, so threshold and reset were not tried: {', '.join(self.silent)}"
            warnings.warn(text, stacklevel=3)
