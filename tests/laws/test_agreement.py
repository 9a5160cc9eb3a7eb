"""How closely integers follow the floats: what is counted, and what graphs that others trained come to."""

from __future__ import annotations

from pathlib import Path

import nir
import numpy as np
import pytest
from numpy.typing import NDArray

import snndeploy
from snndeploy.errors import BadInput
from snndeploy.export.nir_file import read_nir
from snndeploy.trains import TOGETHER, Agreement, identical_trains

BRAILLE = {"braille_zero_flat": ("lif1.lif", "lif2"), "braille_zero_subgraph": ("lif1.lif1", "lif2")}


def test_trains_that_are_silent_in_both_are_not_counted() -> None:
    floats, integers = np.zeros((2, 2, 3, 4), bool)
    floats[0, 1, :2] = integers[0, 1, 0] = True  # equal, only in floats
    integers[1, 2, 3] = True  # only in integers
    floats[1, :, 0] = integers[1, :, 0] = True
    integers[1, 1, 0] = False  # one step apart
    assert identical_trains(floats, integers) == (4, 1)
    assert Agreement("p", 3, 4, 1).share == 0.25
    assert Agreement("p", 3, 0, 0).share == 1


def chain(weight: float = 1.0) -> nir.NIRGraph:
    """Two inputs, two neurons that spike where they get more than one spike's worth."""
    one = np.ones(2)
    nodes = {
        "in": nir.Input(np.array([2])),
        "w": nir.Linear(weight * np.array([[2.0, 0.0], [0.7, 0.7]])),
        "n": nir.LIF(tau=one * 2e-4, r=one * 2, v_leak=one * 0, v_threshold=one, v_reset=one * 0),
        "out": nir.Output(np.array([2])),
    }
    return nir.NIRGraph(nodes, [("in", "w"), ("w", "n"), ("n", "out")])


def test_agreement_counts_all_samples_over_the_first_steps() -> None:
    graph = chain()
    x = np.zeros((TOGETHER + 3, 5, 2), np.uint8)
    x[:, 2, 0] = 1
    x[-1] = 0
    artifact = snndeploy.compile(graph)
    done: list[int] = []
    found = snndeploy.agreement(artifact, graph, x, steps=(2, 5), advance=done.append)
    assert found == [Agreement("n", 2, 0, 0), Agreement("n", 5, TOGETHER + 2, TOGETHER + 2)]
    assert done == [TOGETHER, 3]
    assert snndeploy.agreement(artifact, graph, x) == found[1:]


def test_refusals() -> None:
    artifact, x = snndeploy.compile(chain()), np.zeros((1, 5, 2), np.uint8)
    with pytest.raises(BadInput) as error:
        snndeploy.agreement(artifact, chain(1.5), x)
    assert error.value.lines() == ["graph: not the one that the artifact was compiled from"]
    for steps in (0, 6):
        with pytest.raises(BadInput) as error:
            snndeploy.agreement(artifact, chain(), x, steps=(5, steps))
        assert error.value.lines() == [f"steps: expected 1 to 5, found {steps}"]


def random_spikes(seed: int) -> NDArray[np.uint8]:
    return (np.random.default_rng(seed).random((200, 256, 12)) < 0.05).astype(np.uint8)


@pytest.mark.long
@pytest.mark.parametrize("name", BRAILLE)
def test_braille(name: str, shared: Path) -> None:
    """Recurrent networks over 256 steps: 14 bits keep four of five active trains, 8 bits next to none."""
    graph = read_nir(shared / "nir" / f"{name}.nir")

    def shares(bits: int, bound: str = "proven") -> dict[tuple[str, int], float]:
        data = random_spikes(1234) if bound == "calibrated" else None
        artifact = snndeploy.compile(graph, bits=bits, bound=bound, calibrate=data)
        found = snndeploy.agreement(artifact, graph, random_spikes(0), steps=(25, 256))
        return {(row.population, row.steps): row.share for row in found}

    eight, fourteen, calibrated = shares(8), shares(14), shares(14, "calibrated")
    for population in BRAILLE[name]:
        assert fourteen[population, 25] > 0.97
        assert fourteen[population, 256] >= 0.8
        assert calibrated[population, 256] >= 0.8
        assert eight[population, 25] < 0.6
        assert eight[population, 256] < 0.1
