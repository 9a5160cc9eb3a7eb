"""Names of nodes and modules become legal ones that leave room for the names of projections."""

from __future__ import annotations

import nir
import numpy as np
import pytest
import snntorch as snn
import torch
from torch import nn

from snndeploy.export.composition import sources
from snndeploy.export.lower import lower
from snndeploy.export.names import legal
from snndeploy.export.snntorch import export_model


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.b-C_1", "a.b-C_1"),
        ("0", "lif_0"),
        ("net/ä", "net__"),
        ("x" * 56, "x" * 56),
        ("x" * 57, "x" * 47 + "_ae14a256"),
        ("0" * 128, "lif_" + "0" * 43 + "_45725791"),
    ],
)
def test_legal(name: str, expected: str) -> None:
    assert legal(name, "LIF") == expected


def lif() -> nir.LIF:
    one = np.ones(2)
    return nir.LIF(tau=one, r=one, v_leak=0 * one, v_threshold=one)


def chain(*names: str) -> nir.NIRGraph:
    ends = {"in": nir.Input(np.array([2])), "out": nir.Output(np.array([2]))}
    nodes = {**ends, **{name: lif() for name in names}}
    return nir.NIRGraph(nodes, list(zip(("in", *names), (*names, "out"), strict=True)))


def test_long_names_in_a_graph_are_kept_apart() -> None:
    long = ["y" * 127 + end for end in "ab"]
    network = lower(chain(*long))
    short = [legal(name, "LIF") for name in long]
    assert [p.name for p in network.populations] == ["in", *short]
    assert [p.name for p in network.projections] == [f"in-{short[0]}", f"{short[0]}-{short[1]}"]
    assert f"the node {long[0]!r} is the population {short[0]!r}" in network.notes


def test_long_names_in_a_model() -> None:
    torch.manual_seed(1)
    long = "z" * 100
    model = nn.Sequential()
    model.add_module(long + "a", snn.RLeaky(0.5, linear_features=2, init_hidden=True))
    model.add_module(long + "b", snn.RLeaky(0.5, linear_features=2, init_hidden=True))
    network = export_model(model, (2,)).network
    assert len({p.name for p in network.projections}) == 4  # two of them recurrent
    assert all(len(p.name) <= 128 for p in network.projections)


def test_projections_whose_names_would_be_alike() -> None:
    graph = chain("a-b", "c", "a", "b-c")
    (first, second) = (p.name for p in lower(graph).projections if p.name.startswith("a-b-c"))
    assert {first, second} == {"a-b-c", "a-b-c_5c14c282"}


def test_sources_are_sorted() -> None:
    assert sources(chain("b", "a")) == {"in": [], "out": ["a"], "b": ["in"], "a": ["b"]}
