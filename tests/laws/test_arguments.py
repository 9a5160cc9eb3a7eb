"""The functions of the API, given what is no such thing: one line each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nir
import numpy as np
import pytest

import snndeploy
from snndeploy.errors import BadInput
from tests.programs import small_artifact

GRAPH = "make a nir.NIRGraph with snndeploy.to_nir(model, sample), or read one with snndeploy.read_nir(path)"
ARTIFACT = "make an Artifact with snndeploy.compile(graph), or read one with snndeploy.load(path)"
TEXT = 'expected a text, found {}; as "binary" or "float:0:1"'

CASES: dict[str, Callable[[Any], object]] = {
    f"graph: expected a NIR graph, found str; {GRAPH}": lambda a: snndeploy.compile("net.nir"),
    f"graph: expected a NIR graph, found the class NIRGraph; {GRAPH}": lambda a: snndeploy.to_snntorch(nir.NIRGraph),
    f"graph: expected a NIR graph, found Artifact; {GRAPH}": lambda a: snndeploy.write_nir(a.artifact, "net.nir"),
    "bits: expected a whole number, found str": lambda a: snndeploy.compile(a.graph, bits="8"),
    "bits: expected a whole number, found bool": lambda a: snndeploy.compile(a.graph, bits=True),
    f"input: {TEXT.format('tuple')}": lambda a: snndeploy.compile(a.graph, input=("float", 0, 1)),
    "calibrate: input: expected finite numbers, found <U5 of shape ()": lambda a: snndeploy.compile(
        a.graph, calibrate="x.npz"
    ),
    "calibrate: expected samples for ['input'], found ['other']": lambda a: snndeploy.compile(
        a.graph, calibrate={"other": a.x}
    ),
    "dt: expected seconds, found str": lambda a: snndeploy.compile(a.graph, dt="1e-4"),
    "dt: expected seconds above 0, found NoneType": lambda a: snndeploy.to_nir(None, (4,), dt=None),
    "seed: expected a whole number, found float": lambda a: snndeploy.to_nir(None, (4,), seed=0.5),
    "seed: expected a whole number, found list": lambda a: snndeploy.to_snntorch(a.graph, seed=[1]),
    "seed: expected 0 or more, found -1": lambda a: snndeploy.to_snntorch(a.graph, seed=-1),
    f"artifact: expected an Artifact, found str; {ARTIFACT}": lambda a: snndeploy.run("net.snn", a.x),
    f"artifact: expected an Artifact, found Program; {ARTIFACT}": lambda a: snndeploy.verify(a.artifact.program, a.x),
    "target: expected the name of a target, found list": lambda a: snndeploy.run(a.artifact, a.x, target=[]),
    "probes: expected a list of names, found one; use ['hidden.v']": lambda a: snndeploy.run(
        a.artifact, a.x, probes="hidden.v"
    ),
    "probes: expected a list of names, found NoneType": lambda a: snndeploy.run(a.artifact, a.x, probes=None),
    "probes: expected a list of names, found int; each is a text": lambda a: snndeploy.run(
        a.artifact,
        a.x,
        probes=[3],
    ),
    "against: expected a list of names, found one; use ['loihi2-sim']": lambda a: snndeploy.verify(
        a.artifact, a.x, against="loihi2-sim"
    ),
    "no target fast, reference to compare with reference; known: loihi2-sim, loihi2-lava": lambda a: snndeploy.verify(
        a.artifact, a.x, against=["reference", "fast"]
    ),
    "path: expected the path of a file, found NIRGraph": lambda a: snndeploy.read_nir(a.graph),
    "path: expected the path of a file, found int": lambda a: snndeploy.load(3),
}


@pytest.mark.parametrize("line", CASES)
def test_refusals(line: str, tmp_path: Path) -> None:
    ends = {"input": nir.Input(np.array([4])), "output": nir.Output(np.array([4]))}
    ones = np.ones(4)
    lif = nir.LIF(tau=ones * 1e-3, r=ones * 10, v_leak=ones * 0, v_threshold=ones)
    graph = nir.NIRGraph({**ends, "lif": lif}, [("input", "lif"), ("lif", "output")])
    artifact = snndeploy.load(small_artifact(tmp_path / "small.snn"))
    given = SimpleNamespace(graph=graph, artifact=artifact, x=np.zeros((2, 3, 4), int))
    with pytest.raises(BadInput) as refused:
        CASES[line](given)
    assert refused.value.lines() == [line]


def test_ragged_samples(tmp_path: Path) -> None:
    artifact = snndeploy.load(small_artifact(tmp_path / "small.snn"))
    with pytest.raises(BadInput, match=r"^input: expected an array of numbers \(setting an array element with a seq"):
        snndeploy.run(artifact, [[1], [1, 2]])
