"""NIR files that other tools wrote: each reads, reads with named repairs, or is refused, with these very lines."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

import snndeploy
from snndeploy.errors import BadInput, Problems
from snndeploy.export.inline import inline
from snndeploy.export.nir_file import read_nir, write_nir

BATCH = "a leading axis of length 1, which nothing before it has, is taken off"
READ: dict[str, list[str]] = {
    "braille_subgraph_type_mismatch": [
        "hidden.lif, lif2: without v_reset, taken as 0",
        "hidden.lif, lif2: without w_in, taken as 1",
        "hidden.input: the shape (12,) is read as (38,), which arrives",
    ],
    "braille_subtract_flat": ["lif1.lif, lif2: without v_reset, taken as 0"],
    "braille_v2_absent_nodes": [
        "lif1: edges name it and it is no node; read as a graph of lif1.input, lif1.lif, lif1.output, lif1.w_rec",
        "lif2, lif1.lif: without v_reset, taken as 0",
        "lif2, lif1.lif: without w_in, taken as 1",
        "input: the shape (256, 12) is read as (12,), which what follows takes",
    ],
    "braille_zero_flat": ["lif1.lif, lif2: without v_reset, taken as 0"],
    "braille_zero_subgraph": ["lif1.lif1, lif2: without v_reset, taken as 0"],
    "lif_norse": ["1: without v_reset, taken as 0"],
    "lif_rockpool_shape_mismatch": [
        "1_LIFNeuronTorch: without v_reset, taken as 0",
        "output: the shape (1, 1, 1) is read as (1,), which arrives",
    ],
    "nengo_feedback": [],
    "nmnist_scnn": ["1, 10, 12, 3 and 1 more: without v_reset, taken as 0"],
    "nmnist_scnn_old_no_input_shape": [
        "1, 10, 12, 3 and 1 more: without v_reset, taken as 0",
        "input: the shape (1, 2, 34, 34) is read as (2, 34, 34), which what follows takes",
        "0, 2, 5: without input_shape, inferred from what arrives",
        f"1, 3, 6, 10 and 1 more: {BATCH}",
        f"8: {BATCH}, and its axes are counted without it",
        "8: without the lengths of its axes, inferred from what arrives",
        "output: the shape (1, 10) is read as (10,), which arrives",
    ],
    "two_lif_v_leak": ["lif1, lif2: without v_reset, taken as 0"],
}
NEGATIVE = "expected numbers above 0, found -0.4718349218594103 at [0]"
REFUSED = {
    "nirviz_srnn_negative": [
        f"{name}.{key}: {NEGATIVE}" for name in ("cu1", "cu2") for key in ("tau_mem", "tau_syn", "v_threshold")
    ],
    "not_hdf5": [
        "a PyTorch file: reading one can run code, so it is not opened; save the weights with "
        "safetensors.torch.save_model(model, 'net.safetensors'), then: "
        "snndeploy export MODULE:FACTORY --weights net.safetensors"
    ],
    "spyx_shd_negative_tau": [
        "LIF.tau: expected numbers above 0, found -201.81903076171875 at [0] (and 7 more)",
        "LIF_1.tau: expected numbers above 0, found -292.9596862792969 at [2] (and 7 more)",
    ],
}
NIR_REFUSES = {  # what the package nir makes of those with a mistake
    "braille_subgraph_type_mismatch",
    "braille_v2_absent_nodes",
    "lif_rockpool_shape_mismatch",
    "nmnist_scnn_old_no_input_shape",
}


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    return np.asarray(a).dtype == np.asarray(b).dtype and np.array_equal(a, b)


@pytest.mark.parametrize("name", READ)
def test_read(name: str, shared: Path, tmp_path: Path) -> None:
    path, copy = shared / "nir" / f"{name}.nir", tmp_path / "copy.nir"
    graph = read_nir(path)
    assert graph.metadata.get("snndeploy.repaired", "").splitlines() == [f"repaired: {line}" for line in READ[name]]
    write_nir(graph, copy)
    assert equal(graph.to_dict(), nir.read(copy).to_dict())  # a repaired graph is one that everyone reads
    assert equal(graph.to_dict(), read_nir(copy).to_dict())  # and stays as it is, its repairs named
    if name in NIR_REFUSES:
        with pytest.raises((TypeError, ValueError)):
            nir.read(path)
    else:
        same = nir.read(path).to_dict()
        assert equal({**graph.to_dict(), "metadata": {}}, same)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, shared: Path) -> None:
    path = shared / "nir" / f"{name}.nir"
    with pytest.raises(BadInput) as refused:
        read_nir(path)
    assert refused.value.lines() == [f"{path}: {line}" for line in REFUSED[name]]


def test_every_file_is_here(shared: Path) -> None:
    assert {path.stem for path in (shared / "nir").glob("*.nir")} == READ.keys() | REFUSED.keys()


def flat(shared: Path, name: str) -> nir.NIRGraph:
    return inline(read_nir(shared / "nir" / f"{name}.nir"), Problems(name))[0]


def test_the_old_convolutional_graph_is_the_new_one(shared: Path) -> None:
    """The NIR paper's network was written again later, with the same weights."""
    old, new = flat(shared, "nmnist_scnn_old_no_input_shape"), flat(shared, "nmnist_scnn")
    assert sorted(old.edges) == sorted(new.edges)
    for name, node in new.nodes.items():
        assert equal(old.nodes[name].to_dict(), node.to_dict()), name
        assert np.array_equal(old.nodes[name].input_type["input"], node.input_type["input"]), name


@pytest.mark.parametrize(
    ("name", "neuron", "weights"),
    [
        ("braille_subgraph_type_mismatch", "hidden.lif", "hidden.lin"),
        ("braille_v2_absent_nodes", "lif1.lif", "lif1.w_rec"),
        ("braille_zero_subgraph", "lif1.lif1", "lif1.lin"),
    ],
)
def test_the_braille_graphs_have_one_form(name: str, neuron: str, weights: str, shared: Path) -> None:
    graph = flat(shared, name)
    path = ["input", "fc1", neuron, "fc2", "lif2", "output"]
    loop = [(neuron, weights), (weights, neuron)]
    assert sorted(graph.edges) == sorted([*pairwise(path), *loop])
    assert {n: tuple(node.input_type["input"]) for n, node in graph.nodes.items()} == {
        **dict.fromkeys(("input", "fc1"), (12,)),
        **dict.fromkeys((neuron, weights, "fc2"), (38,)),
        **dict.fromkeys(("lif2", "output"), (7,)),
    }


SLOW = "decays slower than the chip's slowest, 1/4096 a step; use a larger time step"
NO_READOUT = "sends numbers, no spikes: a node of this kind may lead to an Output only, not to state_weights"
NOT_COMPILED = {
    "braille_subgraph_type_mismatch": [f"loihi2: hidden.lif: {SLOW}", f"loihi2: lif2: {SLOW}"],  # tau is 2 s
    "nengo_feedback": [f"NIR graph: feedback_ir: {NO_READOUT}"],
}


@pytest.mark.long
@pytest.mark.parametrize("name", READ)
def test_compiled_or_refused_in_one_line_a_problem(name: str, shared: Path) -> None:
    """What is compiled keeps the shape of its input and output, and both engines agree."""
    graph = read_nir(shared / "nir" / f"{name}.nir")
    if name in NOT_COMPILED:
        with pytest.raises(BadInput) as refused:
            snndeploy.compile(graph)
        assert refused.value.lines() == NOT_COMPILED[name]
        return
    artifact = snndeploy.compile(graph)
    (source, sink) = (graph.nodes[end].input_type["input"] for end in ends(graph))
    assert artifact.program.user_inputs()[0].shape == tuple(source)
    assert artifact.program.output().shape == tuple(sink)
    assert [note for note in artifact.program.notes if note.startswith("repaired")] == [
        f"repaired: {line}" for line in READ[name]
    ]
    x = np.random.default_rng(0).random((2, 20, *source)) < 0.2
    (fast,) = snndeploy.verify(artifact, x, against=["loihi2-sim"])
    assert fast.differences == 0


def ends(graph: nir.NIRGraph) -> list[str]:
    return [next(n for n, node in graph.nodes.items() if isinstance(node, kind)) for kind in (nir.Input, nir.Output)]
