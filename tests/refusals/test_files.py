"""Writing whole files, reading bounded ones, `.npz` without pickle: what is refused, with these very lines."""

from __future__ import annotations

import errno
import io
import os
import pickle
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from snndeploy.errors import BadInput
from snndeploy.files import atomic_write, npz_bytes, read_bytes, read_npz

ROOT = Path(__file__).parents[2]
PLAIN = "bool, integers or floats of at most 64 bits, or text"
NAME = "[A-Za-z_][A-Za-z0-9_.-]{0,127}"
ADVICE = "choose a folder with room that you may write"


def refused(action: Any, *arguments: Any) -> list[str]:
    began = time.monotonic()
    with pytest.raises(BadInput) as error:
        action(*arguments)
    assert time.monotonic() - began < 2
    lead = f"{arguments[0]}: "
    assert all(line.startswith(lead) for line in error.value.lines())
    return [line.removeprefix(lead) for line in error.value.lines()]


# Writing


def test_write_replaces_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for data in (b"first", b"", b"second" * 100000):
        atomic_write(path, data)
        assert path.read_bytes() == data
    assert os.listdir(tmp_path) == ["x"]


def test_write_follows_a_link_and_honors_the_umask(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    before = os.umask(0o027)
    try:
        atomic_write(tmp_path / "link", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o640


def test_write_where_it_cannot(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    missing = f"cannot be written: No such file or directory; {ADVICE}"
    assert refused(atomic_write, tmp_path / "no" / "x", b"") == [missing]
    no_folder = f"cannot be written: Not a directory; {ADVICE}"
    assert refused(atomic_write, tmp_path / "file" / "x", b"") == [no_folder]
    assert refused(atomic_write, tmp_path, b"") == ["is a directory; give the name of a file to write"]
    assert refused(atomic_write, "/dev/null", b"") == ["is a device; give the name of a file to write"]
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_full_disk(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "x"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, call, fail)
    assert refused(atomic_write, path, b"new") == [f"cannot be written: No space left on device; {ADVICE}"]
    assert os.listdir(tmp_path) == ["x"]
    assert path.read_bytes() == b"old"


def run_python(script: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_write_into_an_unwritable_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    script = (
        "import os, sys; from snndeploy.files import BadInput, atomic_write\n"
        "if os.geteuid() == 0: os.seteuid(65534)  # root may write everywhere\n"
        "try: atomic_write(sys.argv[1], bytes(10))\n"
        "except BadInput as error: print(error)"
    )
    output, _ = run_python(script, str(tmp_path / "x")).communicate()
    assert output == f"{tmp_path / 'x'}: cannot be written: Permission denied; {ADVICE}\n"


def test_a_write_that_the_system_cuts_short(tmp_path: Path) -> None:
    """A limit on the size of files, as a full disk or a quota makes one: the write really stops in the middle."""
    path = tmp_path / "x"
    path.write_bytes(b"old")
    script = (
        "import resource, signal, sys; from snndeploy.files import BadInput, atomic_write\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: atomic_write(sys.argv[1], bytes(100000))\n"
        "except BadInput as error: print(error)"
    )
    output, _ = run_python(script, str(path)).communicate()
    assert output == f"{path}: cannot be written: File too large; {ADVICE}\n"
    assert os.listdir(tmp_path) == ["x"]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_kill_in_the_middle_leaves_the_old_file(call: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    script = (
        "import os, sys, time; from snndeploy.files import atomic_write\n"
        f"os.{call} = lambda *_: (print('here', flush=True), time.sleep(60))\n"
        "atomic_write(sys.argv[1], bytes(100000))"
    )
    process = run_python(script, str(path))
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert path.read_bytes() == b"old"


# Reading


def test_read_bytes_reads_regular_files_only(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    assert refused(read_bytes, path, 4) == ["holds 5 bytes, the limit is 4"]
    os.mkfifo(tmp_path / "fifo")
    assert refused(read_bytes, tmp_path / "fifo", 9) == ["is a FIFO, expected a regular file"]
    assert refused(read_bytes, tmp_path, 9) == ["is a directory, expected a regular file"]
    assert refused(read_bytes, "/dev/zero", 9) == ["is a device, expected a regular file"]
    assert refused(read_bytes, tmp_path / "no", 9) == ["no such file"]
    assert refused(read_bytes, path / "below", 9) == ["cannot be read: Not a directory"]


def npy(header: str) -> bytes:
    """The beginning of an `.npy` entry with any header."""
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def saved(array: Any) -> bytes:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)
    return content.getvalue()


class Attack:
    def __reduce__(self) -> Any:
        return os.mkdir, ("pickle_was_here",)


HEADER = "{'descr': '<f8', 'fortran_order': False, 'shape': %s}"
ENTRIES = {
    "objects": ("x.npy", saved(np.array([Attack()], dtype=object)), f"x.npy: expected {PLAIN}, found object"),
    "bytes": ("x.npy", saved(np.array([b"a"])), f"x.npy: expected {PLAIN}, found |S1"),
    "dates": ("x.npy", saved(np.zeros(1, "M8[s]")), f"x.npy: expected {PLAIN}, found datetime64[s]"),
    "characters": (
        "x.npy",
        saved(np.array("a"))[:-4] + b"\xff" * 4,
        "x.npy: a text with characters that do not exist",
    ),
    "complex": ("x.npy", saved(np.ones(1, complex)), f"x.npy: expected {PLAIN}, found complex128"),
    "4 TiB": (
        "x.npy",
        npy(HEADER % "(549755813888,)"),
        "x.npy: shape (549755813888,) of float64 needs 4398046511104 bytes, the entry has 0",
    ),
    "negative": (
        "x.npy",
        npy(HEADER % "(-1, -1)") + bytes(8),
        "x.npy: shape (-1, -1) of float64 needs 8 bytes, the entry has 8",
    ),
    "short": ("x.npy", saved(np.ones(3))[:-1], "x.npy: shape (3,) of float64 needs 24 bytes, the entry has 23"),
    "pickle": ("x.npy", pickle.dumps(Attack()), None),
    "code": ("x.npy", npy("__import__('os').mkdir('pickle_was_here')"), None),
    "format 3": ("x.npy", b"\x93NUMPY\x03\x00" + bytes(100), "x.npy: .npy format 3.0, expected 1.0 or 2.0"),
    "empty": ("x.npy", b"", None),
    "path": ("../x.npy", saved(np.ones(1)), f"../x.npy: not an array's entry: expected NAME.npy with a name {NAME}"),
    "escape": (
        "\x1b[31m.npy",
        saved(np.ones(1)),
        f"\\x1b[31m.npy: not an array's entry: expected NAME.npy with a name {NAME}",
    ),
    "folder": ("x/", b"", f"x/: not an array's entry: expected NAME.npy with a name {NAME}"),
}


@pytest.mark.parametrize("case", ENTRIES)
def test_bad_entry(case: str, tmp_path: Path) -> None:
    name, content, expected = ENTRIES[case]
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(name, content)
    lines = refused(read_npz, path)
    assert len(lines) == 1
    assert lines == [expected or lines[0]]
    assert lines[0].startswith(name.replace("\x1b", "\\x1b"))
    assert not Path("pickle_was_here").exists()


def test_all_bad_entries_are_named_together(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.npy", saved(np.ones(3))[:-1])
        file.writestr("b.txt", b"")
    assert refused(read_npz, path) == [
        "a.npy: shape (3,) of float64 needs 24 bytes, the entry has 23",
        f"b.txt: not an array's entry: expected NAME.npy with a name {NAME}",
    ]


def test_bad_archives(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(b"nothing")
    assert refused(read_npz, path) == ["not an .npz file (7 bytes): File is not a zip file"]
    path.write_bytes(saved(np.ones(3)))
    assert refused(read_npz, path) == ["not an .npz file (152 bytes): File is not a zip file"]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as file:
        file.writestr("x.npy", saved(np.ones(3)))
    assert refused(read_npz, path) == ["x.npy: compression method 14, expected 0 (stored) or 8 (deflated)"]
    good = npz_bytes({"x": np.ones(3)})
    assert refused_bytes(path, good, good.index(b"PK\x01\x02") + 8, 1) == ["x.npy: is encrypted"]
    assert refused_bytes(path, good, 180, 1)[0].startswith("x.npy: Bad CRC-32")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x.npy", saved(np.ones(3)))
        file.filelist.append(file.filelist[0])
    assert refused(read_npz, path) == ["x.npy: the entry is there 2 times"]


def refused_bytes(path: Path, data: bytes, offset: int, flip: int) -> list[str]:
    damaged = bytearray(data)
    damaged[offset] ^= flip
    path.write_bytes(damaged)
    return refused(read_npz, path)


def test_zip_bomb(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        file.writestr("x.npy", saved(np.zeros(2**24)))
    size, declared = path.stat().st_size, 2**27 + 128
    assert refused(read_npz, path) == [f"its {size} bytes declare {declared}: more than 1000 times as many"]
    assert refused(read_npz, path, 2**20)[0] == f"its arrays declare {declared} bytes, the limit is {2**20}"


# The archive

numbers = hnp.scalar_dtypes().filter(lambda dtype: dtype.kind in "biuf" and dtype.itemsize <= 8)
texts = hnp.unicode_string_dtypes(max_len=4)
arrays = hnp.arrays(numbers | texts, hnp.array_shapes(min_dims=0, min_side=0))


@given(st.dictionaries(st.from_regex(NAME, fullmatch=True), arrays, max_size=3))
def test_npz_round_trip(tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("npz") / "x.npz"
    path.write_bytes(npz_bytes(content))
    again = read_npz(path)
    with np.load(path) as loaded:
        assert list(again) == sorted(content) == list(loaded)
        for name, array in content.items():
            for read in (again[name], loaded[name]):
                assert read.shape == array.shape
                assert read.dtype == array.dtype.newbyteorder("=")
                np.testing.assert_array_equal(read, array)
            assert not again[name].flags.writeable
    assert npz_bytes(dict(reversed(again.items()))) == path.read_bytes()


def test_npz_of_numpy_is_read(tmp_path: Path) -> None:
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3)).astype(">f4")
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "x.npz", x=array, y=np.arange(3))
        found = read_npz(tmp_path / "x.npz")
        assert list(found) == ["x", "y"]
        np.testing.assert_array_equal(found["x"], array)
        assert found["x"].flags.c_contiguous


def test_npz_bytes_depend_on_the_values_alone() -> None:
    ones = np.ones((2, 3))
    expected = npz_bytes({"a": ones, "b": np.arange(3)})
    assert npz_bytes({"b": np.arange(3), "a": np.asfortranarray(ones).astype(">f8")}) == expected
    (first, _) = zipfile.ZipFile(io.BytesIO(expected)).infolist()
    assert (first.date_time, first.compress_type, first.create_system) == ((1980, 1, 1, 0, 0, 0), 0, 3)


def test_npz_refuses_what_it_would_not_read() -> None:
    with pytest.raises(BadInput) as error:
        npz_bytes({"../x": np.ones(1), "y": np.ones(1, complex)})
    assert error.value.lines() == [f"npz: ../x: expected a name {NAME}", f"npz: y: expected {PLAIN}, found complex128"]
