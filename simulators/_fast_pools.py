"""The flat arrays that the tables of a plan point into, while they grow, and how neurons lie in them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from snndeploy.integers import ALIGN_BITS, DECAY_BITS, STATE_LIMIT, SYNAPTIC_DECAY_OFFSET, Ints, int32, shift
from snndeploy.neurons import lif
from snndeploy.program import Population
from snndeploy.registry import part
from snndeploy.simulators._fast_intrinsics import LANES
from snndeploy.simulators._fast_models import compiled_step

CACHE_LINE = 64  # bytes


def padded(size: int) -> int:
    """The size of a row for that many neurons."""
    return -(-size // LANES) * LANES


def aligned(shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Zeros that begin at a cache line: vectors that lie across two of them take twice as long."""
    count = int(np.prod(shape))
    room = np.zeros(count * np.dtype(dtype).itemsize + CACHE_LINE, np.uint8)
    begin = -room.ctypes.data % CACHE_LINE
    return room[begin : begin + count * np.dtype(dtype).itemsize].view(dtype).reshape(shape)


def joined(arrays: list[NDArray[Any]], dtype: DTypeLike) -> NDArray[Any]:
    joined = aligned(sum(array.size for array in arrays), dtype)
    return np.concatenate([np.zeros(0, dtype), *arrays], out=joined)


class Pools:
    """The flat arrays while they grow."""

    def __init__(self) -> None:
        self.weights: list[NDArray[np.uint8]] = []
        self.halves: list[NDArray[np.int16]] = []
        self.wide: list[NDArray[np.int32]] = []
        self.index: list[NDArray[np.int32]] = []
        self.rest: list[Ints] = []
        self.parameters: list[Ints] = []
        self._lengths: dict[int, int] = {}

    def add(self, pool: list[NDArray[Any]], array: NDArray[Any]) -> int:
        """Add `array` to one of the pools; returns where it begins."""
        begins = self._lengths.get(id(pool), 0)
        pool.append(array.reshape(-1))
        self._lengths[id(pool)] = begins + array.size
        return begins

    def add_neurons(self, population: Population, reach: NDArray[Any], order: Ints) -> tuple[int, int, int]:
        """Step, and where states and parameters begin; `reach` bounds the activation of each neuron."""
        model = part("neurons", population.neuron)
        parameters = [population.parameters[name].reshape(-1).astype(np.int64) for name in model.PARAMETERS]
        states = [np.broadcast_to(state, population.size)[order] for state in model.rest(*parameters)]
        if model is lif:
            columns = [column[order] for column in lif_columns(*parameters)]
            packed = lif_parameters(*columns)
            begin = self.add(self.rest, np.zeros(padded(population.size), np.int64))  # u and v, int32
            return lif_variant(parameters[0], reach), begin, self.add(self.parameters, packed)
        step = compiled_step(model)
        return (
            step,
            self.add(self.rest, _rows(states, population.size, np.int64)),
            self.add(self.parameters, _rows([p[order] for p in parameters], population.size, np.int64)),
        )


def _rows(columns: list[NDArray[Any]], size: int, dtype: Any) -> NDArray[Any]:
    """The columns one after the other, each padded with zeros."""
    rows = np.zeros((len(columns), padded(size)), dtype)
    for row, column in zip(rows, columns, strict=True):
        row[:size] = column
    return rows.reshape(-1)


def lif_parameters(kept_u: NDArray[Any], kept_v: NDArray[Any], bias: NDArray[Any], threshold: NDArray[Any]) -> Ints:
    """The columns of a population for `_fast_lif`: where each begins and a mask, then their rows.

    A column with one value for all is a tile of a row, and its mask leaves 0 of any place in the row: what need not be
    read from the second cache leaves room for weights.
    """
    never = np.array(STATE_LIMIT, np.int32)  # v stays below it: what pads a row does not spike
    rows = [_padded(column, column[-1]) for column in (kept_u, kept_v, bias)] + [_padded(threshold, never)]
    same = [bool((row == row[0]).all()) for row in rows]
    rows = [row[:LANES] if alike else row for row, alike in zip(rows, same, strict=True)]
    begins = 8 * 2 * len(rows) + np.cumsum([0, *(row.nbytes for row in rows[:-1])])  # bytes
    head = np.stack([begins, np.where(same, 0, -1)], axis=1).reshape(-1)
    return np.concatenate([head, *(row.view(np.int64) for row in rows)])


def _padded(column: NDArray[Any], value: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([column, np.full(padded(column.size) - column.size, value)])


def lif_columns(du: Ints, dv: Ints, bias_mant: Ints, bias_exp: Ints, vth: Ints) -> list[NDArray[Any]]:
    """What stays of u and v in a step (float32, exact), the effective bias, and the aligned threshold (int32)."""
    kept = [1 - decay / 2**DECAY_BITS for decay in (du + SYNAPTIC_DECAY_OFFSET, dv)]
    levels = [int32(shift(bias_mant, bias_exp)), vth << ALIGN_BITS]
    return [x.astype(np.float32) for x in kept] + [x.astype(np.int32) for x in levels]


def lif_variant(du: Ints, reach: NDArray[Any]) -> int:
    """Which of the LIF steps of `_fast_lif` serves: whether u keeps anything, and whether it is proven not to wrap.

    What decays by (du + 1)/4096 in each step adds up to no more than 4096/(du + 1) times what comes in.
    """
    lost = np.maximum(du + SYNAPTIC_DECAY_OFFSET, 0) / 2**DECAY_BITS
    bounded = bool((reach * 2**ALIGN_BITS < STATE_LIMIT * lost).all())
    return 2 * int((lost == 1).all()) + bounded
