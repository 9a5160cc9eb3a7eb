"""Texts of variable length in an HDF5 file, decoded from the bytes of the file and not by HDF5.

HDF5 2.0.0 allocates the length that a reference to a text declares (4 GiB from a flipped bit) before it looks for the
text, and goes round for ever in a heap whose free space has size 0. The format is small:

    reference   length (4 bytes), address of a heap (8), index in it (4)
    heap        "GCOL", version (1), nothing (3), size (8), objects
    object      index (2), references (2), nothing (4), size (8), content, padding to 8 bytes; index 0 is what is free

(HDF5 File Format Specification 3.0, III.E "Global Heap"; little endian, for addresses and lengths of 8 bytes.)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

MAX_TEXT_BYTES = 64 * 2**20  # of all texts of a file
REFERENCE = np.dtype([("length", "<u4"), ("heap", "<u8"), ("index", "<u4")])


class Texts:
    """Reads the texts of one file; it remembers its heaps and what it has read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.heaps: dict[int, dict[int, bytes]] = {}
        self.heap_bytes = 0
        self.text_bytes = 0

    def read(self, start: int | None, shape: tuple[int, ...]) -> Any:
        """The str of a dataset without dimensions, or the nested list of those of any other, in one piece at `start`.

        Raises ValueError for damaged references and above MAX_TEXT_BYTES in all.
        """
        if start is None:
            raise ValueError("no texts are stored")
        references = np.frombuffer(self.data, REFERENCE, math.prod(shape), start)
        text_bytes = self.text_bytes + int(references["length"].sum(dtype=np.uint64))
        if text_bytes > MAX_TEXT_BYTES:
            raise ValueError(f"the texts of the file hold more than {MAX_TEXT_BYTES} bytes, the limit")
        self.text_bytes = text_bytes
        texts = np.empty(len(references), dtype=object)
        texts[:] = [self._text(*reference) for reference in references.tolist()]
        return texts.reshape(shape).tolist()

    def _text(self, length: int, heap: int, index: int) -> str:
        if length == 0:
            return ""
        if heap not in self.heaps:
            self.heaps[heap] = self._heap(heap)
        content = self.heaps[heap].get(index, b"")
        if len(content) < length:
            raise ValueError(f"damaged: a text of {length} bytes is not in the heap at {heap}")
        text = content[:length].rstrip(b"\0")  # C programs store the end of a text too
        if b"\0" in text:
            raise ValueError(f"a text with a NUL in it: {text[:64].decode('utf-8', 'backslashreplace')}")
        return text.decode()

    def _heap(self, start: int) -> dict[int, bytes]:
        """The objects of the heap at `start` by index. Heaps do not overlap: together they are within the file."""
        size = int.from_bytes(self.data[start + 8 : start + 16], "little")
        self.heap_bytes += size
        if self.data[start : start + 5] != b"GCOL\1" or self.heap_bytes > len(self.data):
            raise ValueError(f"damaged: no heap of texts at {start}")
        objects: dict[int, bytes] = {}
        at = start + 16
        while at + 16 <= start + size:
            index = int.from_bytes(self.data[at : at + 2], "little")
            if index == 0:
                break
            length = int.from_bytes(self.data[at + 8 : at + 16], "little")
            objects[index] = self.data[at + 16 : at + 16 + length]
            at += 16 + (length + 7) // 8 * 8
        return objects
