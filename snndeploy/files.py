"""Files as data, never as code: whole writes, bounded reads, and `.npz` archives without pickle.

Everything here refuses with BadInput, one line a problem, and does so before it allocates what a file declares.
"""

from __future__ import annotations

import io
import math
import os
import secrets
import stat
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from snndeploy.errors import BadInput, Problems
from snndeploy.values import NAME

GIB = 2**30
BOMB_BYTES = 64 * 2**20  # data below this is never called a bomb,
BOMB_RATIO = 1000  # above it, what declares this many times its stored bytes is (deflate's own maximum is 1032)
NUMBERS = "bool, integers or floats of at most 64 bits"
_PICKLE = (
    "a PyTorch file: reading one can run code, so it is not opened; save the weights with "
    "safetensors.torch.save_model(model, 'net.safetensors'), then: "
    "snndeploy export MODULE:FACTORY --weights net.safetensors"
)
# Files that are never opened, by the end of their name -> what to do instead.
NEVER = dict.fromkeys((".pt", ".pth", ".ckpt", ".pkl", ".pickle"), _PICKLE) | {
    ".onnx": "an ONNX file: it has no spiking neurons, and is not opened; export the snnTorch model: "
    "snndeploy export MODULE:FACTORY -o net.nir"
}
TORCH_MAGIC = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")  # torch.save before 1.6; the zip of later ones
TORCH_ENTRY = b"/data.pkl"  # begins with this entry
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can hold


def atomic_write(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path`: afterwards there is the old file or the whole new one, never half a file.

    The bytes go to a hidden temporary file in the same folder, then to the disk, then replace `path` in one step.
    A symbolic link is followed. Raises BadInput where that is not possible; the temporary file is then removed.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name[:64]}.{secrets.token_hex(4)}.part")
    try:
        if target.exists() and not target.is_file():
            raise BadInput(str(path), f"is {_kind(target.stat().st_mode)}; give the name of a file to write")
        try:
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        cause = error.strerror or reason(error)
        raise BadInput(str(path), f"cannot be written: {cause}; choose a folder with room that you may write") from None


def read_bytes(path: str | os.PathLike[str], limit: int) -> bytes:
    """The bytes of the regular file `path`, at most `limit` of them. Raises BadInput for anything else.

    What is known to be code when it is read is refused with what to do instead. The kind of file is looked at before
    it is opened: opening a FIFO would wait for ever.
    """
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise BadInput(str(path), f"is {_kind(status.st_mode)}, expected a regular file")
        if status.st_size > limit:
            raise BadInput(str(path), f"holds {status.st_size} bytes, the limit is {limit}")
        refuse_foreign(path)
        with open(path, "rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        raise BadInput(str(path), "no such file") from None
    except OSError as error:
        raise BadInput(str(path), f"cannot be read: {error.strerror or reason(error)}") from None
    if len(data) > limit:
        raise BadInput(str(path), f"holds more than {limit} bytes, the limit")
    if data.startswith(TORCH_MAGIC) or (data.startswith(b"PK") and TORCH_ENTRY in data[:256]):
        raise BadInput(str(path), _PICKLE)
    return data


def refuse_foreign(path: str | os.PathLike[str]) -> None:
    """Raise BadInput for a name of a file that is never opened, with what to do instead."""
    if Path(path).suffix.lower() in NEVER:
        raise BadInput(str(path), NEVER[Path(path).suffix.lower()])


def read_npz(path: str | os.PathLike[str], limit: int = GIB) -> dict[str, NDArray[Any]]:
    """The arrays of an `.npz` file: read-only; bool, integers, floats or text, in the machine's byte order.

    Nothing is unpickled: object arrays are refused. The zip directory and the header of every array are checked against
    each other and `limit` (bytes of the file, and of all its arrays) before an array is allocated. Raises BadInput.
    """
    where = str(path)
    data = read_bytes(path, limit)
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except Exception as error:  # a hostile directory raises almost anything
        raise BadInput(where, f"not an .npz file ({len(data)} bytes): {reason(error)}") from None
    problems = Problems(where)
    total = sum(entry.file_size for entry in archive.infolist())
    problems.require(total <= limit, "", f"its arrays declare {total} bytes, the limit is {limit}")
    bomb = total > BOMB_BYTES and total > BOMB_RATIO * len(data)
    problems.require(not bomb, "", f"its {len(data)} bytes declare {total}: more than {BOMB_RATIO} times as many")
    for name, count in Counter(archive.namelist()).items():
        problems.require(count == 1, name[:64], f"the entry is there {count} times")
    problems.raise_if_any()
    headers = {}
    for entry in archive.infolist():
        with noting(problems, entry.filename[:64]):
            headers[entry.filename] = _header(archive, entry)
    problems.raise_if_any()
    arrays = {}
    for name, header in headers.items():
        with noting(problems, name):
            arrays[name.removesuffix(".npy")] = header.array(archive.read(name))
    problems.raise_if_any()
    return arrays


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The `.npz` archive of `arrays`: uncompressed, sorted by name, little endian, with fixed dates and attributes.

    Equal arrays give equal bytes, on any Python and machine. Raises BadInput for what `read_npz` would refuse.
    """
    problems = Problems("npz")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for name, values in sorted(arrays.items()):
            array = np.asarray(values, order="C")
            named = problems.require(NAME.fullmatch(name) is not None, name[:64], f"expected a name {NAME.pattern}")
            plain = _is_plain(array.dtype)
            if named and problems.require(plain, name, f"expected {NUMBERS}, or text, found {array.dtype}"):
                content = io.BytesIO()
                little = array.astype(array.dtype.newbyteorder("<"), copy=False)
                np.lib.format.write_array(content, little, version=(1, 0), allow_pickle=False)
                info = zipfile.ZipInfo(f"{name}.npy", ZIP_EPOCH)
                info.create_system = 3  # Unix, wherever it is written
                info.external_attr = 0o644 << 16
                file.writestr(info, content.getvalue())
    problems.raise_if_any()
    return archive.getvalue()


def is_number(dtype: np.dtype[Any]) -> bool:
    """Whether arrays of `dtype` are data that snndeploy reads: bool, integers, or floats of at most 64 bits."""
    return dtype.kind in "biuf" and dtype.itemsize <= 8


@contextmanager
def noting(problems: Problems, place: str) -> Iterator[None]:
    """Turns whatever a library raises on a stranger's data into a problem at `place`."""
    try:
        yield
    except Exception as error:
        problems.add(place, reason(error))


def reason(error: Exception) -> str:
    """What `error` says, as one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__


class _Header(NamedTuple):
    """What an `.npy` entry says about itself; its numbers begin at byte `start`."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    start: int

    def array(self, content: bytes) -> NDArray[Any]:
        flat = np.frombuffer(content, self.dtype, offset=self.start)
        array = flat.reshape(self.shape, order="F" if self.fortran else "C")
        array = array.astype(self.dtype.newbyteorder("="), order="C", copy=False)
        if array.dtype.kind == "U" and (np.frombuffer(array.tobytes(), np.uint32) > sys.maxunicode).any():
            raise ValueError("a text with characters that do not exist")
        array.setflags(write=False)
        return array


def _header(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> _Header:
    """The checked header of one entry. Raises ValueError, or what zipfile and numpy raise, with the reason."""
    name = entry.filename
    if not (name.endswith(".npy") and NAME.fullmatch(name[:-4])):
        raise ValueError(f"not an array's entry: expected NAME.npy with a name {NAME.pattern}")
    if entry.flag_bits & 1:
        raise ValueError("is encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"compression method {entry.compress_type}, expected 0 (stored) or 8 (deflated)")
    with archive.open(entry) as file:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        elif version == (2, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
        else:
            raise ValueError(f".npy format {version[0]}.{version[1]}, expected 1.0 or 2.0")
        start = file.tell()
    if not _is_plain(dtype):
        raise ValueError(f"expected {NUMBERS}, or text, found {dtype}")
    declared = math.prod(shape) * dtype.itemsize
    if any(n < 0 for n in shape) or declared != entry.file_size - start:
        raise ValueError(f"shape {shape} of {dtype} needs {declared} bytes, the entry has {entry.file_size - start}")
    return _Header(shape, fortran, dtype, start)


def _is_plain(dtype: np.dtype[Any]) -> bool:
    return is_number(dtype) or (dtype.kind == "U" and dtype.itemsize > 0)


def _kind(mode: int) -> str:
    kinds = {stat.S_ISDIR: "directory", stat.S_ISFIFO: "FIFO", stat.S_ISSOCK: "socket"}
    return next((f"a {kind}" for is_kind, kind in kinds.items() if is_kind(mode)), "a device")
