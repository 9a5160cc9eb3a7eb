"""The quickstart, whole: what a newcomer sees, and the figures that the project promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def quickstart(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snndeploy", "quickstart", "-o", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.long
def test_the_quickstart_keeps_its_promises(tmp_path: Path) -> None:
    done = quickstart(tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    accuracy, lava = result["accuracy"], result["lava"]
    assert accuracy["float"] >= 0.97
    assert abs(accuracy["integer"] - accuracy["float"]) <= 0.0075
    assert accuracy["agreement"] >= 0.98
    assert accuracy["ann"] > 0.95
    assert result["simulator"]["samples"] == 540
    assert lava["samples"] >= 120
    assert lava["values_compared"] >= 1_000_000
    assert lava["differences"] == 0
    assert result["seconds"] > 0
    made = {"net.nir", "net.snn", "run.npz", "test.npz", "report.json", "spikes.png"}
    assert made <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.long
def test_without_lava_it_says_why_and_goes_on(tmp_path: Path) -> None:
    done = quickstart(tmp_path, "--no-lava", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["lava"] == {
        "samples": 0,
        "values_compared": 0,
        "differences": None,
        "reason": "--no-lava was given",
    }
