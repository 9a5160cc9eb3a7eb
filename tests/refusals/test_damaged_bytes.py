"""Bytes changed at random in good files, and generated HDF5 trees: the reader reads or refuses, and nothing else.

What is read is lowered or refused; of generated trees it can be written too, and is then the same. The long run, 10^5
cases:

    python -m pytest tests/refusals/test_damaged_bytes.py --damaged 20000
"""

from __future__ import annotations

import faulthandler
import io
import random
import signal
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snndeploy.errors import BadInput
from snndeploy.export.lower import lower
from snndeploy.export.nir_check import NODE_TYPES
from snndeploy.export.nir_file import SEAL, read_nir, write_nir
from snndeploy.files import npz_bytes, read_npz


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
def cases(request: pytest.FixtureRequest) -> int:
    """How many cases each test has, a seed each."""
    count: int = request.config.getoption("--damaged")
    return count


@pytest.fixture
def alarm() -> Iterator[Callable[[], None]]:
    """Starts an alarm: 10 s of CPU time, or 5 minutes, in C end the test run with a trace, not never."""

    def start() -> None:
        signal.setitimer(signal.ITIMER_PROF, 10)
        faulthandler.dump_traceback_later(300, exit=True)

    faulthandler.register(signal.SIGPROF, chain=True)
    yield start
    signal.setitimer(signal.ITIMER_PROF, 0)
    faulthandler.cancel_dump_traceback_later()
    faulthandler.unregister(signal.SIGPROF)


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


def read_or_refuse(read: Callable[[Path], Any], data: bytes, path: Path, cases: int, alarm: Callable[[], None]) -> int:
    refused = 0
    for seed in range(cases):
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
def test_nir(
    write: Callable[[nir.NIRGraph, Path], None], tmp_path: Path, cases: int, alarm: Callable[[], None]
) -> None:
    path = tmp_path / "x.nir"
    write(nir_graph(), path)
    data = SEAL.sub(b"", path.read_bytes())  # the SHA-256 at the end of ours would leave nothing to look at
    assert read_or_refuse(read_and_lower, data, path, cases, alarm) > cases // 20


def test_nothing_wrong_is_read_from_a_file_of_ours(tmp_path: Path, cases: int) -> None:
    path = tmp_path / "x.nir"
    write_nir(nir_graph(), path)
    data, right = path.read_bytes(), read_nir(path).to_dict()
    for seed in range(cases):
        path.write_bytes(damaged(data, seed))
        try:
            found = read_nir(path).to_dict()
        except BadInput:
            continue
        assert same(found, right), seed


@pytest.mark.parametrize("name", ["lif_norse", "two_lif_v_leak"])
def test_nir_of_other_tools(name: str, shared: Path, tmp_path: Path, cases: int, alarm: Callable[[], None]) -> None:
    data = (shared / "nir" / f"{name}.nir").read_bytes()
    assert read_or_refuse(read_and_lower, data, tmp_path / "x.nir", cases, alarm) > cases // 20


def test_npz(tmp_path: Path, cases: int, alarm: Callable[[], None]) -> None:
    data = npz_bytes({"x": np.arange(20).reshape(4, 5), "y": np.ones(3, np.float32)})
    assert read_or_refuse(read_npz, data, tmp_path / "x.npz", cases, alarm) > cases // 2


def read_and_lower(path: Path) -> None:
    """Read a graph; what is read is lowered, or refused by that."""
    lower(read_nir(path), where=str(path)).check(str(path))


def read_and_write(path: Path) -> None:
    """Read a graph; what is read can be written, and is the same then."""
    graph, again = read_nir(path), path.with_name("again.nir")
    write_nir(graph, again)
    assert same(read_nir(again).to_dict(), graph.to_dict())
    lower(graph, where=str(path)).check(str(path))


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    left, right = np.asarray(a), np.asarray(b)
    equal = left.tobytes() == right.tobytes() if left.dtype.kind != "O" else left.tolist() == right.tolist()
    return left.dtype == right.dtype and left.shape == right.shape and equal


SHAPES: list[tuple[int, ...]] = [(), (1,), (2,), (3,), (1, 2), (2, 2), (2, 3), (3, 2), (0, 2), (1, 1, 2, 2)]
WHOLE = ("shape", "input_shape", "input_type", "kernel_size", "stride", "padding", "dilation", "groups")
SPOILED: list[Any] = ["text", ["a", "b"], {}, np.ones(2, bool), np.full(2, np.nan), -np.ones(2), 1e300, np.int64(-1)]


@st.composite
def parameters(draw: Any, name: str) -> Any:
    """A value for a parameter of a node of two values, mostly one that is possible."""
    luck = draw(st.integers(0, 60))
    if luck == 60:
        return draw(st.sampled_from(SPOILED))
    if name in WHOLE:
        common = {"shape": [2], "input_type": [2], "padding": [0, 0]}.get(name, [1, 1])
        return np.array(common if luck < 55 else draw(st.lists(st.integers(0, 3), max_size=3)), np.int64)
    if name in ("start_dim", "end_dim"):
        return np.int64(draw(st.integers(-1, 1)))
    shape = (2, 2) if name == "weight" else (2,)
    shape = shape if luck < 55 else draw(st.sampled_from(SHAPES))
    value = draw(st.sampled_from([1.0, 2.0, 0.5, 1e-4, 2e-4, 0.0] if luck > 50 else [1.0, 2.0]))
    return np.full(shape, value, draw(st.sampled_from(["f8", "f4", "i4"])))


@st.composite
def trees(draw: Any, depth: int = 0) -> dict[str, Any]:
    """The content of a NIR graph: a chain of nodes, maybe further edges, with few mistakes."""
    kinds = draw(st.lists(st.sampled_from([*NODE_TYPES, *["LIF", "IF", "Linear"] * 4, "Nonsense"]), max_size=4))
    nodes: dict[str, Any] = {"in": {"type": "Input", "shape": draw(parameters("shape"))}}
    for i, kind in enumerate(kinds):
        if kind == "NIRGraph":
            nodes[f"n{i}"] = draw(trees(depth + 1)) if depth < 2 else {"type": kind}
            continue
        required, optional = (names.split() for names in NODE_TYPES.get(kind, ("", "")))
        names = required + [name for name in optional if draw(st.booleans())]
        nodes[f"n{i}"] = {"type": kind, **{name: draw(parameters(name)) for name in names}}
    nodes["out"] = {"type": "Output", "shape": draw(parameters("shape"))}
    ends = st.sampled_from([*nodes, "n0.in", "n0.out", "absent"])
    edges = [*pairwise(nodes), *draw(st.lists(st.tuples(ends, ends), max_size=draw(st.sampled_from([0, 0, 0, 2]))))]
    return {"type": "NIRGraph", "nodes": nodes, "edges": [list(edge) for edge in edges]}


def stored(tree: dict[str, Any]) -> bytes:
    """`tree` as a NIR file."""

    def put(group: h5py.Group, values: dict[str, Any]) -> None:
        for name, value in values.items():
            if isinstance(value, dict):
                put(group.create_group(name), value)
            elif isinstance(value, (str, list)):
                group.create_dataset(name, data=np.array(value, object), dtype=h5py.string_dtype())
            else:
                group.create_dataset(name, data=value)

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        put(file, {"version": "1.0.8", "node": tree})
    return buffer.getvalue()


def test_generated_trees(tmp_path: Path, cases: int, alarm: Callable[[], None]) -> None:
    path, refused = tmp_path / "x.nir", list[int]()

    @settings(
        max_examples=cases, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(trees())
    def run(tree: dict[str, Any]) -> None:
        path.write_bytes(stored(tree))
        alarm()
        lines = lines_of(read_and_write, path, 0)
        assert all(line.startswith(f"{path}: ") and line.isprintable() for line in lines)
        refused.append(bool(lines))

    run()
    assert 0 < sum(refused) < len(refused)


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
    data = bytearray(SEAL.sub(b"", path.read_bytes()))
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
