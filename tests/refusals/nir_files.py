"""Good NIR files, ways to spoil them, and what refusing one is: shared by the tests of bad files."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import nir
import numpy as np
import pytest

from snndeploy.errors import BadInput
from snndeploy.export.nir_file import read_nir

FC, LIF = "node/nodes/fc", "node/nodes/lif"
NUMBERS = "bool, integers or floats of at most 64 bits"
BAD_NAME = "not a node name: expected letters, digits, '_', '.', '-', at most 128"
UNSAFE = "not a safe name: expected 1 to 128 printable characters without '/' and '\\'"
COMPILE = ("compile", "bad.nir", "-o", "net.snn")

Change = Callable[[h5py.File], None]


class Case(NamedTuple):
    """A bad file: `make(path)` writes it; `command` then ends with `code` and the `lines` after the file's name.

    Of a file that is accepted (code 0) the lines are notes, in the report.
    """

    make: Callable[[Path], Any]
    lines: list[str]
    code: int = 2
    command: tuple[str, ...] = COMPILE


def small_graph() -> nir.NIRGraph:
    ones = np.ones(2)
    nodes = {
        "in": nir.Input(np.array([3])),
        "fc": nir.Affine(np.arange(6.0).reshape(2, 3), np.zeros(2)),
        "lif": nir.LIF(tau=1e-3 * ones, r=10 * ones, v_leak=0 * ones, v_threshold=ones),
        "out": nir.Output(np.array([2])),
    }
    return nir.NIRGraph(nodes, [("in", "fc"), ("fc", "lif"), ("lif", "out")])


def conv_graph() -> nir.NIRGraph:
    conv = nir.Conv2d((4, 4), np.ones((2, 1, 3, 3)), (1, 1), (1, 1), (1, 1), 1, np.zeros(2))
    return nir.NIRGraph(
        {"in": nir.Input(np.array([1, 4, 4])), "conv": conv, "out": nir.Output(np.array([2, 4, 4]))},
        [("in", "conv"), ("conv", "out")],
    )


def written(graph: nir.NIRGraph, path: Path) -> Path:
    nir.write(path, graph, compression=None)
    return path


@functools.cache
def good_bytes() -> bytes:
    """The file of the small graph."""
    with tempfile.TemporaryDirectory() as folder:
        return written(small_graph(), Path(folder, "good.nir")).read_bytes()


def spoiled(change: Change, *lines: str, code: int = 2, graph: Callable[[], nir.NIRGraph] = small_graph) -> Case:
    """The case of a good file that is changed."""

    def make(path: Path) -> None:
        with h5py.File(written(graph(), path), "r+") as file:
            change(file)

    return Case(make, list(lines), code)


def put(file: h5py.File, path: str, data: Any, **options: Any) -> None:
    """Replace what is at `path`."""
    if path in file:
        del file[path]
    file.create_dataset(path, data=data, **options)


def texts(file: h5py.File, path: str, rows: list[list[str]]) -> None:
    put(file, path, np.array(rows, dtype=object), dtype=h5py.string_dtype())


def drop(*paths: str) -> Change:
    def change(file: h5py.File) -> None:
        for path in paths:
            del file[path]

    return change


def sets(path: str, data: Any, **options: Any) -> Change:
    return lambda file: put(file, path, data, **options)


def edges(*rows: list[str]) -> Change:
    return lambda file: texts(file, "node/edges", list(rows))


def empty(path: str, shape: tuple[int, ...], **options: Any) -> Change:
    """A dataset that declares a shape and stores nothing."""

    def change(file: h5py.File) -> None:
        del file[path]
        file.create_dataset(path, shape, **{"dtype": "f4", **options})

    return change


def link(path: str, to: Any) -> Change:
    def change(file: h5py.File) -> None:
        if path in file:
            del file[path]
        file[path] = to(file) if callable(to) else to

    return change


def renamed(new: str) -> Change:
    def change(file: h5py.File) -> None:
        file["node/nodes"].move("fc", new)
        texts(file, "node/edges", [["in", new], [new, "lif"], ["lif", "out"]])

    return change


def refusal(path: Path) -> list[str]:
    """The lines that reading `path` is refused with, without its name."""
    with pytest.raises(BadInput) as refused:
        read_nir(path)
    lead = f"{path}: "
    assert all(line.startswith(lead) and line.isprintable() for line in refused.value.lines())
    return [line.removeprefix(lead) for line in refused.value.lines()]


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    return np.asarray(a).dtype == np.asarray(b).dtype and np.array_equal(a, b)
