"""NIR files: read as a stranger's data, written whole and with the same bytes for the same graph."""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Mapping
from typing import Any

import h5py
import nir
import numpy as np

from snndeploy import arguments
from snndeploy.errors import BadInput, Problems
from snndeploy.export import nir_repairs
from snndeploy.export.hdf5_walk import UNSAFE_NAME, hdf5_end, is_safe_name, read_tree, shown
from snndeploy.export.nir_check import graph_of
from snndeploy.export.nir_shapes import resolve
from snndeploy.files import GIB, atomic_write, is_number, read_bytes

MAJOR_VERSIONS = (0, 1)  # of the nir packages whose files are alike: 0.1.1 to 1.0.8 tried
# What stands behind the HDF5 of our files. HDF5 does not look there, and cuts it off where it changes a file.
SEAL = re.compile(rb"\nsnndeploy: SHA-256 ([0-9a-f]{64})\n\Z")
SEAL_LENGTH = 85


def read_nir(path: str | os.PathLike[str], max_tensor_bytes: int = GIB) -> nir.NIRGraph:
    """The NIR graph in the HDF5 file `path`, equal to what `nir.read` gives for a good file of today.

    `max_tensor_bytes` bounds the file, and all its tensors together, in bytes. Parameters keep their dtype. Raises
    BadInput with all problems of the file, one line each. Mistakes of other writers that can be understood in one way
    only are repaired; the graph's metadata `snndeploy.repaired` has a line for each (`snndeploy.export.nir_repairs`).
    """
    arguments.require("path", path, arguments.PATH, "the path of a file")
    data = read_bytes(path, max_tensor_bytes)
    seal = SEAL.match(data[-SEAL_LENGTH:])
    if seal and seal[1] != _digest(memoryview(data)[:-SEAL_LENGTH]):
        raise BadInput(str(path), "damaged: its SHA-256 is not the one at its end")
    graph = _graph(data, str(path), max_tensor_bytes)
    behind = len(data) - hdf5_end(data)
    if not seal and behind > 0:  # as where a bit of the SHA-256 has changed, or more was written behind it
        raise BadInput(str(path), f"damaged: expected its SHA-256 or nothing behind its end, found {behind} bytes")
    return graph


def write_nir(graph: nir.NIRGraph, path: str | os.PathLike[str]) -> None:
    """Write `graph` to `path` so that `read_nir` and `nir.read` read it: equal graphs give equal bytes.

    A flipped bit is noticed: arrays carry fletcher32 checksums for every reader, and the SHA-256 of the file stands at
    its end, for ours. Raises BadInput, and writes nothing, where the graph is one that `read_nir` would refuse or
    repair.
    """
    arguments.require("graph", graph, nir.NIRGraph, "a NIR graph", arguments.GRAPH)
    problems = Problems(str(path))
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_dataset("version", data=nir.version, dtype=h5py.string_dtype())
        _write(file.create_group("node"), graph.to_dict(), problems)
    problems.raise_if_any()
    data = buffer.getvalue()
    before = nir_repairs.read(graph.metadata, problems)
    problems.found += nir_repairs.read(_graph(data, str(path), GIB).metadata, problems)[len(before) :]
    problems.raise_if_any()
    atomic_write(path, data + b"\nsnndeploy: SHA-256 " + _digest(data) + b"\n")


def _digest(data: bytes | memoryview) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


def _graph(data: bytes, where: str, limit: int) -> nir.NIRGraph:
    tree = read_tree(data, where, limit)
    node = tree.get("node")
    if not isinstance(node, dict):
        raise BadInput(where, "HDF5 but no NIR graph (/node is missing)")
    problems, repairs = Problems(where), nir_repairs.Repairs()
    _check_version(tree.get("version"), problems)
    kind = node.get("type")
    graph = None
    if problems.require(kind == "NIRGraph", "/node", f"expected type 'NIRGraph', found {str(kind)[:64]!r}"):
        graph = graph_of(node, problems, repairs)
    problems.raise_if_any()
    assert graph is not None
    resolve(graph, problems, repairs)
    nir_repairs.read(graph.metadata, problems)
    problems.raise_if_any()
    nir_repairs.write(graph, repairs)
    return graph


def _check_version(version: Any, problems: Problems) -> None:
    known = " and ".join(f"{major}.x" for major in MAJOR_VERSIONS)
    if version is None:
        problems.add("/version", f"is missing; expected the version of NIR, {known}")
    else:
        found = re.match(r"(\d{1,9})\.", version) if isinstance(version, str) else None
        good = found is not None and int(found[1]) in MAJOR_VERSIONS
        problems.require(good, "/version", f"expected {known}, found {str(version)[:64]!r}")


def _write(group: h5py.Group, values: Mapping[str, Any], problems: Problems) -> None:
    for name, value in sorted(values.items()):
        place = f"{group.name}/{shown((name,))[1:]}"
        if not problems.require(is_safe_name(name), place, UNSAFE_NAME):
            continue
        if isinstance(value, Mapping):
            if value or name != "metadata":
                _write(group.create_group(name), value, problems)
            continue
        array = np.asarray(value)
        if array.dtype.kind == "U":  # lists of texts and numbers also become this: they are refused
            array = np.array(value, dtype=object)
        if array.dtype == object and all(isinstance(text, str) for text in array.flat):
            if problems.require(not any("\0" in text for text in array.flat), place, "a text with a NUL in it"):
                group.create_dataset(name, data=array, dtype=h5py.string_dtype())
        elif problems.require(is_number(array.dtype), place, f"cannot be written: found {type(value).__name__}"):
            checksums = {"chunks": True, "fletcher32": True} if array.ndim and array.size else {}
            group.create_dataset(name, data=array.astype(array.dtype.newbyteorder("<")), **checksums)
