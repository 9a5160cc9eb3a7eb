"""An HDF5 file as a stranger's data: its whole structure is looked at before any of its numbers is read.

What HDF5 can do and a network never needs is refused: links that lead elsewhere (soft, external), numbers in other
files (external, virtual), objects that are reached twice (cycles, expanding graphs), deep or crowded trees, foreign
filters, declared sizes that the file cannot hold.
"""

from __future__ import annotations

import io
import math
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import h5py
import numpy as np

from snndeploy.errors import BadInput, Problems
from snndeploy.export.hdf5_text import Texts
from snndeploy.files import BOMB_BYTES, BOMB_RATIO, NUMBERS, is_number, noting, reason

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MAX_DEPTH = 64  # groups in groups; a subgraph takes two
MAX_OBJECTS = 2**14  # looking at so many takes HDF5 about two seconds; a network has some hundred
MAX_TEXTS = 2**17  # two names an edge: more edges than so many objects have; each takes some 10 microseconds
SHUFFLE, FLETCHER32 = 2, 3
FILTERS = {1: "gzip", SHUFFLE: "shuffle", FLETCHER32: "fletcher32", 4: "szip", 32000: "lzf"}  # HDF5's filter numbers
UNSAFE_NAME = "not a safe name: expected 1 to 128 printable characters without '/' and '\\'"
NOTHING = "not all of its numbers are stored; HDF5 would read zeros"
HARD_LINK = h5py.h5l.TYPE_HARD
SOFT_LINK = h5py.h5l.TYPE_SOFT

Path = tuple[str, ...]


def read_tree(data: bytes, where: str, limit: int) -> dict[str, Any]:
    """The content of an HDF5 file as nested dicts.

    Groups become dicts, texts str, arrays of texts nested lists of str, numbers numpy arrays or scalars in the
    machine's byte order. `limit` bounds the bytes of all datasets together. Raises BadInput with all problems.
    """
    problems = Problems(where)
    if not data.startswith(SIGNATURE):
        raise BadInput(where, f"not an HDF5 file ({len(data)} bytes)")
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            sizes = file.id.get_create_plist().get_sizes()
            problems.require(sizes == (8, 8), "", f"addresses and lengths of {sizes} bytes, expected (8, 8)")
            problems.raise_if_any()
            walk = _Walk(problems, limit, len(data))
            walk.walk(file)
            problems.raise_if_any()
            return _read(file, walk, problems, Texts(data))
    except BadInput:
        raise
    except Exception as error:  # damaged structures make HDF5 raise almost anything
        raise BadInput(where, _damage(error)) from None


def hdf5_end(data: bytes) -> int:
    """Where a file that `read_tree` has read ends, as its superblock says (HDF5's specification, II.A)."""
    begin = {0: 40, 1: 44}.get(data[8], 28)
    return int.from_bytes(data[begin : begin + 8], "little")


def is_safe_name(name: str) -> bool:
    """Whether `name` can be a key in a file: 1 to 128 printable characters, no '/' and '\\', not '.' or '..'."""
    return 0 < len(name) <= 128 and name.isprintable() and not set("/\\") & set(name) and name not in (".", "..")


def shown(path: Path) -> str:
    """`path` as HDF5 writes it, long names cut."""
    return "/" + "/".join(name if len(name) <= 64 else f"{name[:64]}..." for name in path)


class _Kind(NamedTuple):
    """What a dataset holds; `text` is None for numbers."""

    shape: tuple[int, ...]
    dtype: Any
    text: Any


@dataclass
class _Walk:
    """The structure of a file: its groups and datasets by path, parents first."""

    problems: Problems
    limit: int
    length: int
    groups: list[Path] = field(default_factory=list)
    datasets: list[tuple[Path, _Kind]] = field(default_factory=list)  # closed: an open one takes some 80 kB in HDF5
    declared: int = 0
    stored: int = 0
    texts: int = 0
    again: list[Path] = field(default_factory=list)  # links to objects that were reached before

    def walk(self, file: h5py.File) -> None:
        """Visit every object once, breadth first, without recursion; report where that is not all that there is."""
        self.visit(file)
        if self.again:
            more = f" (and {len(self.again) - 1} more)" if len(self.again) > 1 else ""
            self.problems.add(shown(self.again[0]), f"an object that is reached twice{more}; expected a tree")

    def visit(self, file: h5py.File) -> None:
        root = file["/"].id
        seen = {h5py.h5o.get_info(root).addr}
        waiting: deque[tuple[Path, Any]] = deque([((), root)])
        while waiting:
            path, group = waiting.popleft()
            if len(seen) + group.get_num_objs() > MAX_OBJECTS:
                self.problems.add(shown(path), f"the file has more than {MAX_OBJECTS} objects, the limit")
                return
            for raw in group:
                name = raw.decode("utf-8", "backslashreplace")
                place = (*path, name)
                target = self.follow(group, raw, place)
                if target is None:
                    continue
                address = h5py.h5o.get_info(target).addr
                if address in seen:
                    self.again.append(place)
                elif isinstance(target, h5py.h5g.GroupID) and len(place) > MAX_DEPTH:
                    self.problems.add(f"{shown(place[:3])}/...", f"more than {MAX_DEPTH} groups deep, the limit")
                    return
                elif isinstance(target, h5py.h5g.GroupID):
                    self.groups.append(place)
                    waiting.append((place, target))
                else:
                    kind = self.dataset(target)
                    if isinstance(kind, str):
                        self.problems.add(shown(place), kind)
                    else:
                        self.datasets.append((place, kind))
                seen.add(address)

    def follow(self, group: Any, raw: bytes, place: Path) -> Any:
        """The object behind a link, or None and a problem: only hard links with safe names are followed."""
        if not is_safe_name(place[-1]):  # first of all: HDF5 takes a/b for a path
            self.problems.add(shown(place), UNSAFE_NAME)
            return None
        link = group.links.get_info(raw).type
        if link == HARD_LINK:
            return h5py.h5o.open(group, raw)
        kind = "a soft link" if link == SOFT_LINK else "an external link"
        self.problems.add(shown(place), f"is {kind} to {_link_target(group, raw)}; links are not followed")
        return None

    def dataset(self, target: Any) -> _Kind | str:
        """What a dataset holds, or what is wrong with it, judged by its header alone."""
        if not isinstance(target, h5py.h5d.DatasetID):
            return "is a named data type, expected a group or a dataset"
        properties = target.get_create_plist()
        layout = properties.get_layout()
        if layout == h5py.h5d.VIRTUAL:
            return "is a virtual dataset: its numbers are in other files"
        if properties.get_external_count():
            other = properties.get_external(0)[0].decode("utf-8", "backslashreplace")
            return f"its numbers are in another file: {other}"
        filters = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
        if not set(filters) <= FILTERS.keys():
            return f"filter {max(set(filters) - FILTERS.keys())}; expected {', '.join(FILTERS.values())}"
        try:
            shape, dtype = target.shape, target.dtype
        except Exception as error:
            return f"a data type that numpy does not have ({reason(error)}); expected {NUMBERS}, or text"
        if shape is None:
            return "holds nothing (HDF5 Empty), expected data"
        text = h5py.check_string_dtype(dtype)
        if text is None and not is_number(dtype):
            return f"found {dtype}, expected {NUMBERS}, or text"
        if text and text.length is None and layout != h5py.h5d.CONTIGUOUS:
            return "texts of variable length in chunks, expected them in one piece"
        texts = self.texts + (math.prod(shape) if text else 0)
        if texts > MAX_TEXTS:
            return f"with this dataset the file holds {texts} texts, at most {MAX_TEXTS} fit"
        self.texts = texts
        if layout == h5py.h5d.CONTIGUOUS and math.prod(shape) and target.get_offset() is None:
            return NOTHING
        chunks = properties.get_chunk() if layout == h5py.h5d.CHUNKED else ()
        fault = self.size_fault(target, max(math.prod(shape), math.prod(chunks)) * dtype.itemsize)
        fault = fault or (self.chunk_fault(target, chunks, dtype.itemsize, set(filters)) if chunks else "")
        return fault or _Kind(shape, dtype, text)

    def size_fault(self, target: Any, own: int) -> str:
        """What is wrong with the bytes that a dataset declares, alone and with the good ones before it."""
        declared, stored = self.declared + own, self.stored + target.get_storage_size()
        if own > self.limit:
            return f"declares {own} bytes, the limit is {self.limit} (--max-tensor-bytes)"
        if declared > self.limit:
            return (
                f"with this dataset the file declares {declared} bytes, the limit is {self.limit} (--max-tensor-bytes)"
            )
        if declared > BOMB_BYTES and declared > BOMB_RATIO * stored:
            return f"with this dataset {stored} stored bytes declare {declared}: more than {BOMB_RATIO} times as many"
        self.declared, self.stored = declared, stored
        return ""

    def chunk_fault(self, target: Any, chunks: tuple[int, ...], itemsize: int, filters: set[int]) -> str:
        """What is wrong with the stored chunks: HDF5 2.0 believes their sizes, and a wrong one can crash it.

        Those that are not there would be read as zeros.
        """
        checksum = 4 if FLETCHER32 in filters else 0
        whole = math.prod(chunks) * itemsize + checksum
        packed = bool(filters - {SHUFFLE, FLETCHER32})
        if target.get_num_chunks() < math.prod(-(-n // c) for n, c in zip(target.shape, chunks, strict=True)):
            return NOTHING
        for index in range(target.get_num_chunks()):
            chunk = target.get_chunk_info(index)
            inside = 0 < chunk.byte_offset <= self.length - chunk.size
            fits = checksum < chunk.size if packed else chunk.size == whole
            if chunk.filter_mask or not (inside and fits):
                return f"damaged: its chunk {index} is stored in {chunk.size} bytes at {chunk.byte_offset}"
        return ""


def _read(file: h5py.File, walk: _Walk, problems: Problems, texts: Texts) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    parents: dict[Path, dict[str, Any]] = {(): tree}
    for path in walk.groups:
        parents[path] = parents[path[:-1]][path[-1]] = {}
    for path, (shape, dtype, text) in walk.datasets:
        with noting(problems, shown(path) + ": damaged" * (text is None)):
            dataset = h5py.h5d.open(file.id, "/".join(path).encode())
            value: Any
            if text is not None and text.length is None:
                value = texts.read(dataset.get_offset(), shape)
            else:
                value = np.empty(shape, dtype)
                if value.size:
                    dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, value)
                if text is None:
                    value = value.astype(dtype.newbyteorder("="), copy=False)[()]
                else:
                    value = np.array([item.decode() for item in value.ravel().tolist()], object).reshape(shape).tolist()
            parents[path[:-1]][path[-1]] = value
    problems.raise_if_any()
    return tree


def _link_target(group: Any, raw: bytes) -> str:
    value = group.links.get_val(raw)
    parts = value if isinstance(value, tuple) else (value,)
    return ":".join(part.decode("utf-8", "backslashreplace") for part in parts)


def _damage(error: Exception) -> str:
    """What HDF5 says of a damaged file; a truncated one by its numbers."""
    sizes = re.search(r"truncated file: eof = (\d+), .*stored_eof = (\d+)", str(error))
    if sizes:
        return f"truncated: expected {sizes[2]} bytes, found {sizes[1]}"
    return f"damaged HDF5 file: {reason(error)}"
