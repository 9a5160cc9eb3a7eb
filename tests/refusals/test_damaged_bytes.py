"""Bytes changed at random in good files: the reader reads or refuses, and raises nothing else."""

from __future__ import annotations

import faulthandler
import os
import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

from snndeploy.errors import BadInput
from snndeploy.export.nir_file import read_nir, write_nir
from snndeploy.files import npz_bytes, read_npz

CASES = int(os.environ.get("SNNDEPLOY_DAMAGED_CASES", "300"))  # a seed each


def nir_graph() -> nir.NIRGraph:
    ones = np.ones(2)
    nodes = {
        "in": nir.Input(np.array([1, 4, 4])),
        "conv": nir.Conv2d((4, 4), np.ones((1, 1, 3, 3)), (1, 1), (1, 1), (1, 1), 1, np.zeros(1)),
        "flat": nir.Flatten(np.array([1, 4, 4]), 0, -1),
        "fc": nir.Affine(np.ones((2, 16)), 0 * ones),
        "lif": nir.CubaLIF(ones, ones, ones, 0 * ones, ones),
        "out": nir.Output(np.array([2])),
    }
    names = list(nodes)
    return nir.NIRGraph(nodes, list(pairwise(names)), {"dt": 0.001})


@pytest.fixture
def alarm() -> Iterator[Callable[[], None]]:
    """Starts a 10 s alarm: a hang in C ends the test run with a trace, not never."""
    yield lambda: faulthandler.dump_traceback_later(10, exit=True)
    faulthandler.cancel_dump_traceback_later()


def damaged(data: bytes, seed: int) -> bytes:
    """`data` with one of: a bit flipped, some bytes replaced by tell-tale values, a stretch removed or doubled."""
    dice, result = random.Random(seed), bytearray(data)
    place = dice.randrange(len(data))
    length = dice.choice([1, 2, 4, 8])
    match dice.randrange(5):
        case 0 | 1:
            result[place] ^= 1 << dice.randrange(8)
        case 2:
            result[place : place + length] = dice.choice([b"\xff", b"\x00", b"\x7f", b"\x80"]) * length
        case 3:
            del result[place : place + length]
        case _:
            result[place:place] = result[place : place + dice.choice([1, 8, 64])]
    return bytes(result)


def read_or_refuse(read: Callable[[Path], Any], data: bytes, path: Path, alarm: Callable[[], None]) -> int:
    refused = 0
    for seed in range(CASES):
        path.write_bytes(damaged(data, seed))
        alarm()
        lines = lines_of(read, path, seed)
        assert all(line.startswith(f"{path}: ") and line.isprintable() for line in lines), seed
        refused += bool(lines)
    return refused


def lines_of(read: Callable[[Path], Any], path: Path, seed: int) -> list[str]:
    """What reading `path` is refused with, nothing if it is read."""
    try:
        read(path)
    except BadInput as error:
        return error.lines()
    except Exception as error:
        raise AssertionError(f"seed {seed}") from error
    return []


@pytest.mark.parametrize("write", [write_nir, lambda graph, path: nir.write(path, graph)], ids=["ours", "nir's"])
def test_nir(write: Callable[[nir.NIRGraph, Path], None], tmp_path: Path, alarm: Callable[[], None]) -> None:
    path = tmp_path / "x.nir"
    write(nir_graph(), path)
    assert read_or_refuse(read_nir, path.read_bytes(), path, alarm) > CASES // 20


def test_npz(tmp_path: Path, alarm: Callable[[], None]) -> None:
    data = npz_bytes({"x": np.arange(20).reshape(4, 5), "y": np.ones(3, np.float32)})
    assert read_or_refuse(read_npz, data, tmp_path / "x.npz", alarm) > CASES // 2


@pytest.mark.parametrize(
    ("field", "change", "expected"),
    [
        ("size", 0, "in 0 bytes at"),  # HDF5 2.0.0 takes 4 bytes of a checksum off it, and crashes the process
        ("size", 3, "in 3 bytes at"),
        ("mask", 1, "bytes at"),
        ("place", 2**40, f"bytes at {2**40}"),
    ],
)
def test_a_chunk_that_is_not_there_as_a_whole(field: str, change: int, expected: str, tmp_path: Path) -> None:
    """In the index of chunks: size (4 bytes), mask of skipped filters (4), first element (8 a dimension), place (8)."""
    path = tmp_path / "bad.nir"
    write_nir(nir_graph(), path)
    with h5py.File(path) as file:
        dataset = next(d for d in _datasets(file) if d.chunks is not None)
        chunk, name = dataset.id.get_chunk_info(0), dataset.name
    data = bytearray(path.read_bytes())
    size, place = chunk.size.to_bytes(4, "little") + bytes(4), chunk.byte_offset.to_bytes(8, "little")
    at = data.index(place)
    entry = data.rindex(size, 0, at)
    assert data.count(place) == 1
    start, length = {"size": (entry, 4), "mask": (entry + 4, 4), "place": (at, 8)}[field]
    data[start : start + length] = change.to_bytes(length, "little")
    path.write_bytes(data)
    (line,) = lines_of(read_nir, path, 0)
    assert line.startswith(f"{path}: {name}: damaged: its chunk 0 is stored in ")
    assert expected in line


def _datasets(file: h5py.File) -> list[h5py.Dataset]:
    found: list[h5py.Dataset] = []
    file.visititems(lambda name, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
    return found
