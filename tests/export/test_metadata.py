"""The metadata entry: there and back through a file, and what is refused in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

from snndeploy.errors import BadInput, Problems
from snndeploy.export import metadata
from snndeploy.export.metadata import Metadata


def graph() -> nir.NIRGraph:
    ones = np.ones(2)
    nodes = {
        "input": nir.Input(np.array([2])),
        "lif": nir.LIF(tau=ones, r=ones, v_leak=0 * ones, v_threshold=ones),
        "rec": nir.Linear(np.eye(2)),
        "output": nir.Output(np.array([2])),
    }
    return nir.NIRGraph(nodes, [("input", "lif"), ("lif", "rec"), ("rec", "lif"), ("lif", "output")])


def problems_of(text: Any) -> list[str]:
    tampered, problems = graph(), Problems("g")
    tampered.metadata["snndeploy"] = text
    assert metadata.read(tampered, problems) is None
    return problems.found


def test_it_survives_a_file(tmp_path: Path) -> None:
    given = Metadata(2.5e-4, {"lif": "zero-next"}, {("lif", "rec"): 1})
    written, problems = graph(), Problems("g")
    metadata.write(written, given)
    nir.write(tmp_path / "g.nir", written)
    assert metadata.read(nir.read(tmp_path / "g.nir"), problems) == given
    assert problems.found == []


def test_the_text_is_canonical() -> None:
    written = graph()
    metadata.write(written, Metadata(1e-4, {"lif": "zero"}, {("lif", "rec"): 1}))
    expected = '{"delays":[["lif","rec",1]],"dt":0.0001,"format":1,"resets":{"lif":"zero"}}'
    assert written.metadata == {"snndeploy": expected}


def test_no_entry_is_no_problem() -> None:
    problems = Problems("g")
    assert metadata.read(graph(), problems) is None
    assert problems.found == []


GOOD = {"format": 1, "dt": 1e-4, "resets": {"lif": "zero"}, "delays": []}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"format": 2}, ["metadata.snndeploy.format: expected 1, found 2; a newer snndeploy may read it"]),
        (
            {"color": "red"},
            [
                "metadata.snndeploy: expected the keys ['delays', 'dt', 'format', 'resets'], "
                "found ['color', 'delays', 'dt', 'format', 'resets']"
            ],
        ),
        ({"dt": 0.0}, ["metadata.snndeploy.dt: expected seconds above 0, found 0.0"]),
        ({"dt": True}, ["metadata.snndeploy.dt: expected seconds above 0, found True"]),
        ({"dt": float("inf")}, ["metadata.snndeploy.dt: expected seconds above 0, found inf"]),
        (
            {"resets": {"rec": "zero"}},
            [
                "metadata.snndeploy.resets: 'rec' is no neuron of the graph",
                "metadata.snndeploy.resets: nothing is said of the neuron 'lif'",
            ],
        ),
        (
            {"resets": {"lif": "hard"}},
            [
                "metadata.snndeploy.resets: unknown reset 'hard' of 'lif'; "
                "known: zero, zero-next, subtract, subtract-next, none"
            ],
        ),
        ({"resets": []}, ["metadata.snndeploy.resets: expected an object, found []"]),
        (
            {"delays": [["lif", "rec", 0], ["lif", "input", 1], ["lif", "rec", 1], ["lif", "rec", 2]]},
            [
                "metadata.snndeploy.delays: expected [source, target, 1 to 65536 steps], found ['lif', 'rec', 0]",
                "metadata.snndeploy.delays: 'lif' -> 'input' is no edge of the graph",
                "metadata.snndeploy.delays: 'lif' -> 'rec' is there twice",
            ],
        ),
    ],
)
def test_refusals(change: dict[str, Any], expected: list[str]) -> None:
    assert problems_of(json.dumps({**GOOD, **change})) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1]", "metadata.snndeploy: expected a JSON object, found list"),
        (np.zeros(3), "metadata.snndeploy: expected a JSON text of at most 1048576 characters, found ndarray"),
        (
            "{",
            "metadata.snndeploy: expected a JSON text: JSONDecodeError: "
            "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        ),
        (
            b"\xff",
            "metadata.snndeploy: expected a JSON text: JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
        ),
    ],
)
def test_what_is_no_entry(text: Any, expected: str) -> None:
    assert problems_of(text) == [expected]


def test_hostile_nesting() -> None:
    (problem,) = problems_of("[" * 100_000)
    assert problem.startswith("metadata.snndeploy: expected a JSON text: ")


def test_write_checks_too() -> None:
    with pytest.raises(BadInput, match="nothing is said of the neuron 'lif'"):
        metadata.write(graph(), Metadata(1e-4, {}))
