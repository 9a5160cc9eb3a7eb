"""What HDF5 itself would hang, crash or run out of memory on; and odd files that are read all the same."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

from snndeploy.errors import BadInput
from snndeploy.export import hdf5_walk
from snndeploy.export.nir_file import SEAL_LENGTH, read_nir, write_nir
from tests.refusals.bad_hdf5 import packed_zeros
from tests.refusals.nir_files import FC, equal, put, refusal, small_graph, written


def test_small_bombs_count_together(tmp_path: Path) -> None:
    path = written(small_graph(), tmp_path / "bad.nir")
    with h5py.File(path, "r+") as file:
        for i in range(40):
            one = file[FC].create_dataset(f"w{i:02}", (2**20, 8), "f4", chunks=(2**20, 8), compression=9)
            one.id.write_direct_chunk((0, 0), packed_zeros())
    stored = 2 * len(packed_zeros()) + 160
    problem = f"with this dataset {stored} stored bytes declare {2**26 + 88}: more than 1000 times as many"
    lines = refusal(path)
    assert lines[0] == f"/{FC}/w01: {problem}"
    assert lines[-1].endswith("and 19 more problems")


def test_one_long_text_many_times(tmp_path: Path) -> None:
    """65,536 references to one text of 1 MB: 64 GiB from a file of 2 MB."""
    path, rows = written(small_graph(), tmp_path / "bad.nir"), 2**15
    with h5py.File(path, "r+") as file:
        del file["node/edges"]
        edges = file.create_dataset("node/edges", (rows, 2), h5py.string_dtype())
        edges[0] = ["x" * 2**20, "y"]
        start = edges.id.get_offset()
    data = bytearray(path.read_bytes())
    data[start : start + rows * 32] = data[start : start + 16] * rows * 2
    path.write_bytes(data)
    assert refusal(path) == ["/node/edges: the texts of the file hold more than 67108864 bytes, the limit"]


def test_a_heap_in_which_hdf5_would_hang(tmp_path: Path) -> None:
    path = written(small_graph(), tmp_path / "x.nir")
    data = bytearray(path.read_bytes())
    heap = data.index(b"GCOL")
    at, end = heap + 16, heap + int.from_bytes(data[heap + 8 : heap + 16], "little")
    while data[at : at + 2] != b"\0\0":  # the object of index 0 is what is free
        at += 16 + (int.from_bytes(data[at + 8 : at + 16], "little") + 7) // 8 * 8
    assert at + int.from_bytes(data[at + 8 : at + 16], "little") == end
    data[at + 8 : at + 16] = bytes(8)
    path.write_bytes(data)
    assert equal(read_nir(path).to_dict(), small_graph().to_dict())


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (0, 2**32 - 1, "the texts of the file hold more than 67108864 bytes, the limit"),
        (0, 9999, "damaged: a text of 9999 bytes is not in the heap at HEAP"),
        (4, 2**31, f"damaged: no heap of texts at {2**31}"),
        (12, 60000, "damaged: a text of 6 bytes is not in the heap at HEAP"),
    ],
)
def test_damaged_reference_to_a_text(field: int, value: int, expected: str, tmp_path: Path) -> None:
    path = written(small_graph(), tmp_path / "bad.nir")
    with h5py.File(path) as file:
        start = file[f"{FC}/type"].id.get_offset()
    data = bytearray(path.read_bytes())
    heap = int.from_bytes(data[start + 4 : start + 12], "little")
    data[start + field : start + field + 4] = value.to_bytes(4, "little")
    path.write_bytes(data)
    assert refusal(path) == [f"/{FC}/type: {expected.replace('HEAP', str(heap))}"]


def test_texts_of_fixed_length_are_read(tmp_path: Path) -> None:
    path = written(small_graph(), tmp_path / "x.nir")
    with h5py.File(path, "r+") as file:
        put(file, f"{FC}/type", np.bytes_("Affine"))
        put(file, "node/edges", np.array([["in", "fc"], ["fc", "lif"], ["lif", "out"]], "S5"), compression=9)
    assert equal(read_nir(path).to_dict(), small_graph().to_dict())


def test_addresses_of_another_size(tmp_path: Path) -> None:
    properties = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    properties.set_sizes(8, 4)
    path = tmp_path / "bad.nir"
    h5py.h5f.create(os.fsencode(path), h5py.h5f.ACC_TRUNC, properties).close()
    assert refusal(path) == ["addresses and lengths of (8, 4) bytes, expected (8, 8)"]


def test_limits(tmp_path: Path) -> None:
    path = written(small_graph(), tmp_path / "x.nir")
    with pytest.raises(BadInput, match=rf"holds {path.stat().st_size} bytes, the limit is 100$"):
        read_nir(path, max_tensor_bytes=100)
    with h5py.File(path, "r+") as file:
        put(file, f"{FC}/weight", np.zeros((100, 300)), compression=9)
    with pytest.raises(BadInput, match=r"weight: declares 240000 bytes, the limit is 100000 \(--max-tensor-bytes\)$"):
        read_nir(path, max_tensor_bytes=100000)


def test_no_dataset_stays_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An open one takes some 80 kB in HDF5: a file of 20 MB took 690 MB."""
    path, read, counts = written(small_graph(), tmp_path / "x.nir"), hdf5_walk._read, []

    def counting(file: h5py.File, *rest: Any) -> dict[str, Any]:
        counts.append(h5py.h5f.get_obj_count(file.id, h5py.h5f.OBJ_DATASET))
        return read(file, *rest)

    monkeypatch.setattr(hdf5_walk, "_read", counting)
    read_nir(path)
    assert counts == [0]


def test_a_flipped_bit_in_the_weights_is_noticed_by_every_reader(tmp_path: Path) -> None:
    path = tmp_path / "x.nir"
    write_nir(small_graph(), path)
    data = path.read_bytes()
    weights = np.arange(6.0).tobytes()
    assert data.count(weights) == 1
    damaged = bytearray(data)
    damaged[data.index(weights) + 20] ^= 1
    path.write_bytes(damaged[:-SEAL_LENGTH])
    (line,) = refusal(path)
    assert line.startswith(f"/{FC}/weight: damaged: ")
    with pytest.raises(OSError, match="synchronously read data"):
        nir.read(path)
