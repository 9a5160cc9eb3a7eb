"""Good NIR files are read as nir reads them; what is written is read back, or is not written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

from snndeploy.errors import BadInput
from snndeploy.export.nir_file import SEAL_LENGTH, read_nir, write_nir
from tests.refusals.nir_files import BAD_NAME, FC, UNSAFE, equal, put, small_graph, written


@pytest.mark.parametrize("dtype", [bool, np.int8, np.float16, ">f4"])
def test_odd_number_types_are_read(dtype: Any, tmp_path: Path) -> None:
    path = written(small_graph(), tmp_path / "x.nir")
    with h5py.File(path, "r+") as file:
        put(file, f"{FC}/weight", np.ones((2, 3), dtype))
    weight = read_nir(path).nodes["fc"].weight
    assert weight.dtype == np.dtype(dtype).newbyteorder("=")
    assert weight.dtype.isnative


def test_write_keeps_metadata(tmp_path: Path) -> None:
    graph = small_graph()
    graph.metadata = {
        "snndeploy": '{"dt": 0.001}',
        "learning rate": 0.5,
        "inner": {"list": np.arange(3), "texts": ["a", "b"]},
    }
    graph.nodes["fc"].metadata = {"note": "é"}
    write_nir(graph, tmp_path / "x.nir")
    again = read_nir(tmp_path / "x.nir")
    assert equal(again.metadata, graph.metadata)
    assert again.nodes["fc"].metadata == {"note": "é"}


def test_equal_graphs_are_equal_bytes_in_two_processes(tmp_path: Path) -> None:
    write_nir(small_graph(), tmp_path / "a.nir")
    script = (
        "import sys; from snndeploy.export.nir_file import read_nir, write_nir; import time; time.sleep(1.1);"
        "g = read_nir(sys.argv[1]); g.nodes = dict(reversed(g.nodes.items())); write_nir(g, sys.argv[2])"
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", script, str(tmp_path / "a.nir"), str(tmp_path / "b.nir")]
    subprocess.run(command, check=True, cwd=root)
    assert (tmp_path / "a.nir").read_bytes() == (tmp_path / "b.nir").read_bytes()


def bad_graph(name: str, metadata: Any = None, weight: Any = None) -> nir.NIRGraph:
    weight = np.ones((1, 1)) if weight is None else weight
    nodes = {"in": nir.Input(np.array([1])), name: nir.Linear(weight), "out": nir.Output(np.array([1]))}
    return nir.NIRGraph(nodes, [("in", name), (name, "out")], metadata or {})


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (bad_graph("../x"), f"/node/nodes/../x: {UNSAFE}"),
        (bad_graph("/abs"), f"/node/nodes//abs: {UNSAFE}"),
        (bad_graph("a/b"), f"/node/nodes/a/b: {UNSAFE}"),
        (bad_graph("a\0b"), f"/node/edges: a text with a NUL in it\n/node/nodes/a\\x00b: {UNSAFE}"),
        (bad_graph("a\nb"), f"/node/nodes/a\\nb: {UNSAFE}"),
        (bad_graph("\x1b[31mred"), f"/node/nodes/\\x1b[31mred: {UNSAFE}"),
        (bad_graph("a\u202eb"), f"/node/nodes/a\\u202eb: {UNSAFE}"),
        (bad_graph("x" * 60000), f"/node/nodes/{'x' * 64}...: {UNSAFE}"),
        (bad_graph("a b"), f"a b: {BAD_NAME}"),
        (bad_graph("w", {"text": "a\0b"}), "/node/metadata/text: a text with a NUL in it"),
        (bad_graph("w", {"nothing": None}), "/node/metadata/nothing: cannot be written: found NoneType"),
        (bad_graph("w", {"mixed": ["a", 1]}), "/node/metadata/mixed: cannot be written: found list"),
        (bad_graph("w", weight=np.full((1, 1), np.nan)), "w.weight: expected finite numbers, found nan at [0, 0]"),
    ],
)
def test_a_graph_that_cannot_be_read_is_not_written(graph: nir.NIRGraph, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "x.nir"
    with pytest.raises(BadInput) as refused:
        write_nir(graph, path)
    assert refused.value.lines() == [f"{path}: {line}" for line in expected.split("\n")]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", range(1, SEAL_LENGTH + 1))
def test_a_changed_sha_256_is_noticed(place: int, tmp_path: Path) -> None:
    """Wherever the bit is: what is no SHA-256 any more is not taken for nothing."""
    path = tmp_path / "x.nir"
    write_nir(small_graph(), path)
    data = bytearray(path.read_bytes())
    for bit in range(8):
        path.write_bytes(data[:-place] + bytes([data[-place] ^ 1 << bit]) + data[len(data) - place + 1 :])
        with pytest.raises(BadInput, match="damaged: "):
            read_nir(path)


@pytest.mark.parametrize(("more", "found"), [(b"\n", 1), (b"x" * SEAL_LENGTH, SEAL_LENGTH)])
@pytest.mark.parametrize("ours", [True, False])
def test_what_stands_behind_a_file_is_refused(more: bytes, found: int, ours: bool, tmp_path: Path) -> None:
    path = tmp_path / "x.nir"
    if ours:
        write_nir(small_graph(), path)
    else:
        nir.write(path, small_graph())
    path.write_bytes(path.read_bytes() + more)
    with pytest.raises(BadInput) as refused:
        read_nir(path)
    text = f"expected its SHA-256 or nothing behind its end, found {found + SEAL_LENGTH * ours} bytes"
    assert refused.value.lines() == [f"{path}: damaged: {text}"]


def test_what_is_changed_on_purpose_is_read(tmp_path: Path) -> None:
    """HDF5 cuts off the SHA-256 at the end of the files that it changes; nir and h5py do not mind it."""
    path = tmp_path / "x.nir"
    write_nir(small_graph(), path)
    assert path.read_bytes()[-SEAL_LENGTH:].startswith(b"\nsnndeploy: SHA-256 ")
    assert equal(nir.read(path).to_dict(), small_graph().to_dict())
    with h5py.File(path, "r+") as file:
        file[f"{FC}/weight"][0, 0] = 7
    assert read_nir(path).nodes["fc"].weight[0, 0] == 7
