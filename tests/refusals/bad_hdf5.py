"""Bad files by what HDF5 finds in them: the cases of rows 1 to 18, 46, 50 and 52 of the table of bad inputs."""

from __future__ import annotations

import functools
import io
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from snndeploy.artifact import load
from snndeploy.export.nir_file import write_nir
from tests.programs import small_artifact
from tests.refusals.nir_files import (
    FC,
    UNSAFE,
    Case,
    drop,
    empty,
    good_bytes,
    link,
    renamed,
    sets,
    small_graph,
    spoiled,
    written,
)

GiB, TiB = 2**30, 2**40
LIMIT = f"the limit is {GiB} (--max-tensor-bytes)"


@functools.cache
def packed_zeros() -> bytes:
    """32 MiB of zeros as a chunk of some 32 kB."""
    with h5py.File(io.BytesIO(), "w") as file:
        zeros = file.create_dataset("z", (2**20, 8), "f4", chunks=(2**20, 8), compression=9)
        zeros[:] = 0
        return bytes(zeros.id.read_direct_chunk((0, 0))[1])


def gzip_bomb(file: h5py.File) -> None:
    """1 MB of packed zeros, nearly 1 GiB."""
    del file[f"{FC}/weight"]
    weight = file.create_dataset(f"{FC}/weight", (31 * 2**20, 8), "f4", chunks=(2**20, 8), compression=9)
    for row in range(0, 31 * 2**20, 2**20):
        weight.id.write_direct_chunk((row, 0), packed_zeros())


def one_chunk(file: h5py.File) -> None:
    empty(f"{FC}/weight", (2, 3), chunks=(1, 3))(file)
    file[f"{FC}/weight"][0] = 1


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout(shape=(2, 3), dtype="f8")
    layout[:] = h5py.VirtualSource("/etc/hostname", "w", shape=(2, 3))
    del file[f"{FC}/weight"]
    file[FC].create_virtual_dataset("weight", layout)


def deep(file: h5py.File) -> None:
    """2000 graphs in each other."""
    group = file["node/nodes"].id
    for _ in range(2000):
        group = h5py.h5g.create(h5py.h5g.create(group, b"g"), b"nodes")


def doubling(file: h5py.File) -> None:
    """26 groups, each with two links to the next: 49 kB that expand to 2**26 groups."""
    group = file["node/nodes"]
    for _ in range(26):
        group["a"] = file.create_group(None)
        group["b"] = group["a"]
        group = group["a"]


def not_utf8(file: h5py.File) -> None:
    h5py.h5o.link(h5py.h5g.create(file.id, None), file["node/nodes"].id, b"\xff\xfe")


def group_as_data(file: h5py.File) -> None:
    del file[f"{FC}/bias"]
    file.create_group(f"{FC}/bias")


def filtered(file: h5py.File) -> None:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((2, 3))
    properties.set_filter(h5py.h5z.FILTER_SCALEOFFSET, h5py.h5z.FLAG_OPTIONAL, (0, 2))
    del file[f"{FC}/weight"]
    space, kind = h5py.h5s.create_simple((2, 3)), h5py.h5t.NATIVE_INT32
    h5py.h5d.create(file[FC].id, b"weight", kind, space, properties).write(space, space, np.ones((2, 3), "i4"))


def holds(content: Callable[[bytes], bytes]) -> Callable[[Path], Any]:
    """Writes a file of some bytes, made from those of a good one."""
    return lambda path: path.write_bytes(content(good_bytes()))


def raw_name(name: bytes) -> Callable[[Path], None]:
    """A node's name that h5py would not write, put over one of the same length."""

    def make(path: Path) -> None:
        stand_in = b"Q" * len(name)
        with h5py.File(written(small_graph(), path), "r+") as file:
            renamed(stand_in.decode())(file)
        data = path.read_bytes()
        assert data.count(stand_in) == 3  # the link, and two edges
        path.write_bytes(data.replace(stand_in, name))

    return make


def flipped(path: Path) -> None:
    """A file of ours with one bit flipped in a text, which has no checksum of HDF5's own."""
    write_nir(small_graph(), path)
    data = bytearray(path.read_bytes())
    data[data.index(b"Affine")] ^= 1
    path.write_bytes(data)


def flipped_artifact(path: Path) -> None:
    weights = load(small_artifact(path)).program.projections[0].weights.tobytes()
    data = bytearray(path.read_bytes())
    data[data.index(weights)] ^= 1
    path.write_bytes(data)


NOT_FOLLOWED = "links are not followed"
SIZE = len(good_bytes())
CASES: dict[str, Case] = {
    "01 declares 4 TiB": spoiled(
        empty(f"{FC}/weight", (TiB, 1), chunks=(1024, 1)), f"/{FC}/weight: declares {4 * TiB} bytes, {LIMIT}"
    ),
    "02 declares 8 GiB, nothing stored": spoiled(
        empty(f"{FC}/weight", (2**31, 1), chunks=(1024, 1)), f"/{FC}/weight: declares {2**33} bytes, {LIMIT}"
    ),
    "02 below the limit, nothing stored": spoiled(
        empty(f"{FC}/weight", (2**25, 1), chunks=(1024, 1)),
        f"/{FC}/weight: with this dataset 160 stored bytes declare {2**27 + 88}: more than 1000 times as many",
    ),
    "02 a little, not stored": spoiled(
        empty(f"{FC}/weight", (2, 3)), f"/{FC}/weight: not all of its numbers are stored; HDF5 would read zeros"
    ),
    "02 a chunk that is not stored": spoiled(
        one_chunk, f"/{FC}/weight: not all of its numbers are stored; HDF5 would read zeros"
    ),
    "03 31 million texts in 150 kB": spoiled(
        sets("node/edges", np.full((15 * 2**20, 2), b"in"), compression=9),
        f"/node/edges: with this dataset the file holds {30 * 2**20 + 1} texts, at most 131072 fit",
    ),
    "03 a gzip bomb": spoiled(
        gzip_bomb,
        f"/{FC}/weight: with this dataset {31 * len(packed_zeros()) + 160} stored bytes declare {31 * 2**25 + 88}: "
        "more than 1000 times as many",
    ),
    "03 a chunk larger than its dataset": spoiled(
        empty(f"{FC}/weight", (1, 1), maxshape=(None, 1), chunks=(2**29, 1)),
        f"/{FC}/weight: declares {2**31} bytes, {LIMIT}",
    ),
    "04 numbers in another file": spoiled(
        empty(f"{FC}/weight", (2, 3), external=[("/etc/passwd", 0, 24)]),
        f"/{FC}/weight: its numbers are in another file: /etc/passwd",
    ),
    "05 external link": spoiled(
        link(f"{FC}/weight", h5py.ExternalLink("other.h5", "/w")),
        f"/{FC}/weight: is an external link to other.h5:/w; {NOT_FOLLOWED}",
    ),
    "06 external link to a missing file": spoiled(
        link(f"{FC}/weight", h5py.ExternalLink("/nowhere/missing.h5", "/w")),
        f"/{FC}/weight: is an external link to /nowhere/missing.h5:/w; {NOT_FOLLOWED}",
    ),
    "07 dangling soft link": spoiled(
        link(f"{FC}/weight", h5py.SoftLink("/nowhere")), f"/{FC}/weight: is a soft link to /nowhere; {NOT_FOLLOWED}"
    ),
    "07 soft link to what is there": spoiled(
        link(f"{FC}/weight", h5py.SoftLink(f"/{FC}/bias")),
        f"/{FC}/weight: is a soft link to /{FC}/bias; {NOT_FOLLOWED}",
    ),
    "08 virtual dataset": spoiled(virtual, f"/{FC}/weight: is a virtual dataset: its numbers are in other files"),
    "09 hard-link cycle": spoiled(
        link("node/nodes/again", lambda file: file["node"]),
        "/node/nodes/again: an object that is reached twice; expected a tree",
    ),
    "10 soft-link cycle": spoiled(
        link("node/nodes/again", h5py.SoftLink("/node")),
        f"/node/nodes/again: is a soft link to /node; {NOT_FOLLOWED}",
    ),
    "11 deep groups": spoiled(deep, "/node/nodes/g/...: more than 64 groups deep, the limit"),
    "12 expanding graph": spoiled(
        doubling, "/node/nodes/b: an object that is reached twice (and 25 more); expected a tree"
    ),
    "12 too many objects": spoiled(
        lambda file: [h5py.h5g.create(file[FC].id, str(i).encode()) for i in range(2**14)],
        f"/{FC}: the file has more than 16384 objects, the limit",
    ),
    "13 FIFO": Case(os.mkfifo, ["is a FIFO, expected a regular file"]),
    "13 device": Case(lambda path: path.symlink_to("/dev/zero"), ["is a device, expected a regular file"]),
    "14 directory": Case(Path.mkdir, ["is a directory, expected a regular file"]),
    "15 half a file": Case(
        holds(lambda data: data[: len(data) // 2]), [f"truncated: expected {SIZE} bytes, found {SIZE // 2}"]
    ),
    "15 last byte missing": Case(
        holds(lambda data: data[:-1]), [f"truncated: expected {SIZE} bytes, found {SIZE - 1}"]
    ),
    "16 empty file": Case(holds(lambda _: b""), ["not an HDF5 file (0 bytes)"]),
    "17 random bytes": Case(holds(lambda _: random.Random(0).randbytes(1000)), ["not an HDF5 file (1000 bytes)"]),
    "17 no file": Case(lambda _: None, ["no such file"]),
    "18 not NIR": spoiled(drop("node"), "HDF5 but no NIR graph (/node is missing)"),
    "46 empty dataset": spoiled(
        sets(f"{FC}/bias", h5py.Empty("f8")), f"/{FC}/bias: holds nothing (HDF5 Empty), expected data"
    ),
    "46 a group as data": spoiled(group_as_data, "fc.bias: expected numbers, found a group"),
    "46 data as a group": spoiled(
        sets("node/nodes/extra", 1.0), "extra: is data, expected a group that describes a node"
    ),
    "49 '../x' in the file": Case(raw_name(b"../x"), [f"/node/nodes/../x: {UNSAFE}"]),
    "49 '/abs' in the file": Case(raw_name(b"/abs"), [f"/node/nodes//abs: {UNSAFE}"]),
    "49 'a/b' in the file": Case(raw_name(b"a/b"), [f"/node/nodes/a/b: {UNSAFE}"]),
    "49 NUL": Case(raw_name(b"Z\0Z"), ["/node/edges: a text with a NUL in it: Z\\x00Z"]),
    "50 not UTF-8": spoiled(not_utf8, f"/node/nodes/\\xff\\xfe: {UNSAFE}"),
    "52 a bit of anything in a file of ours": Case(flipped, ["damaged: its SHA-256 is not the one at its end"]),
    "52 a bit of an artifact": Case(
        flipped_artifact,
        ["input-hidden:weights: damaged: its SHA-256 is not the one in the manifest"],
        command=("show", "bad.snn"),
    ),
    "a foreign filter": spoiled(filtered, f"/{FC}/weight: filter 6; expected gzip, shuffle, fletcher32, szip, lzf"),
    "texts in chunks": spoiled(
        sets("node/edges", np.array([["in", "fc"]], object), dtype=h5py.string_dtype(), chunks=(1, 2)),
        "/node/edges: texts of variable length in chunks, expected them in one piece",
    ),
    "a named data type": spoiled(
        link("node/nodes/kind", lambda file: np.dtype("f4")),
        "/node/nodes/kind: is a named data type, expected a group or a dataset",
    ),
}
