"""The SHA-256 of a NIR graph: of what it means, not of the file that it came in."""

from __future__ import annotations

import hashlib
from typing import Any

import nir
import numpy as np


def fingerprint(graph: nir.NIRGraph) -> str:
    """The same for equal nodes, edges and metadata, whatever their order and the version of HDF5 that stored them."""
    digest = hashlib.sha256()
    for name, node in sorted(graph.nodes.items()):
        for key, value in sorted(node.to_dict().items()):
            if key != "metadata" and value is not None:
                _add(digest, f"{name}.{key}", value)
    for source, target in sorted(graph.edges):
        _add(digest, "edge", f"{source} -> {target}")
    for key, value in sorted(graph.metadata.items()):
        _add(digest, f"metadata.{key}", value)
    return digest.hexdigest()


def _add(digest: Any, name: str, value: Any) -> None:
    array = np.asarray(value)
    text = f"{name} {array.dtype.kind}{array.dtype.itemsize if array.dtype.kind != 'U' else ''}{array.shape}\n"
    digest.update(text.encode() + (str(value).encode() if array.dtype.kind in "USO" else array.tobytes()))
