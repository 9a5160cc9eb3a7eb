"""Files that other loaders run, or unpack without end: given to our commands they are refused, and never opened.

A case whose name begins with "never" is a file that is code when it is read; its code would make the file `ran`.
"""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from snndeploy.files import TORCH_MAGIC
from tests.programs import small_artifact
from tests.refusals.nir_files import Case

PICKLE = (
    "a PyTorch file: reading one can run code, so it is not opened; save the weights with "
    "safetensors.torch.save_model(model, 'net.safetensors'), then: "
    "snndeploy export MODULE:FACTORY --weights net.safetensors"
)
ONNX = (
    "an ONNX file: it has no spiking neurons, and is not opened; export the snnTorch model: "
    "snndeploy export MODULE:FACTORY -o net.nir"
)
RUN = ("run", "small.snn", "--input")


class Attack:
    def __reduce__(self) -> Any:
        return os.mkdir, ("ran",)


ATTACK = pickle.dumps(Attack(), 4)


def torch_zip() -> bytes:
    """As torch.save writes since 1.6."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("archive/data.pkl", ATTACK)
    return content.getvalue()


def beside_an_artifact(content: Callable[[], bytes]) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        small_artifact(path.with_name("small.snn"))
        path.write_bytes(content())

    return make


def holds(content: bytes) -> Callable[[Path], Any]:
    return lambda path: path.write_bytes(content)


def archive(entry: Callable[[], bytes]) -> Callable[[], bytes]:
    def content() -> bytes:
        found = io.BytesIO()
        with zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
            file.writestr("x.npy", entry())
        return found.getvalue()

    return content


def npy(shape: tuple[int, ...], data: bytes = b"") -> bytes:
    entry = io.BytesIO()
    np.lib.format.write_array_header_1_0(entry, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return entry.getvalue() + data


def objects() -> bytes:
    entry = io.BytesIO()
    np.save(entry, np.array([Attack()], dtype=object), allow_pickle=True)
    return entry.getvalue()


FOUR_TIB, PLAIN = 2**39, "bool, integers or floats of at most 64 bits, or text"
BOMB = archive(lambda: npy((2**26,), bytes(2**29)))
CASES: dict[str, Case] = {
    "never: a checkpoint as a graph": Case(holds(torch_zip()), [PICKLE], command=("check", "bad.pt")),
    "never: a checkpoint as a model": Case(holds(torch_zip()), [PICKLE], command=("export", "bad.pt", "-o", "net.nir")),
    "never: a checkpoint as a network": Case(holds(torch_zip()), [PICKLE], command=("show", "bad.ckpt")),
    "never: a checkpoint as samples": Case(beside_an_artifact(torch_zip), [PICKLE], command=(*RUN, "bad.pth")),
    "never: a checkpoint by another name": Case(holds(torch_zip()), [PICKLE], command=("check", "bad.nir")),
    "never: an old checkpoint by another name": Case(
        holds(TORCH_MAGIC + ATTACK), [PICKLE], command=("check", "bad.nir")
    ),
    "never: a pickle by another name": Case(
        holds(pickle.dumps(Attack(), 4)),
        [f"not an HDF5 file ({len(pickle.dumps(Attack(), 4))} bytes)"],
        command=("check", "bad.nir"),
    ),
    "never: objects as samples": Case(
        beside_an_artifact(archive(objects)), [f"x.npy: expected {PLAIN}, found object"], command=(*RUN, "bad.npz")
    ),
    "ONNX as a graph": Case(holds(b"\x08\x0a"), [ONNX], command=("check", "bad.onnx")),
    "ONNX as a graph to import": Case(holds(b"\x08\x0a"), [ONNX], command=("import", "bad.onnx")),
    "ONNX as a network": Case(holds(b"\x08\x0a"), [ONNX], command=("run", "bad.onnx", "--input", "x.npz")),
    "ONNX as a model": Case(holds(b"\x08\x0a"), [ONNX], command=("export", "bad.onnx", "-o", "net.nir")),
    "an .npz of 0.5 MB that is 512 MiB": Case(
        beside_an_artifact(BOMB),
        [f"its {len(BOMB())} bytes declare {2**29 + 128}: more than 1000 times as many"],
        command=(*RUN, "bad.npz"),
    ),
    "an .npz that declares 4 TiB": Case(
        beside_an_artifact(archive(lambda: npy((FOUR_TIB,)))),
        [f"x.npy: shape ({FOUR_TIB},) of float64 needs {8 * FOUR_TIB} bytes, the entry has 0"],
        command=(*RUN, "bad.npz"),
    ),
}
