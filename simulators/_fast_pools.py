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
            columns = [column.astype(np.int32)[order] for column in lif_columns(*parameters)]
            packed = _rows(columns, population.size, np.int32).view(np.int64)
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


def lif_columns(du: Ints, dv: Ints, bias_mant: Ints, bias_exp: Ints, vth: Ints) -> list[Ints]:
    """What stays of u and v in a step (4096ths), the effective bias, and the aligned threshold."""
    one = 2**DECAY_BITS
    bias = int32(shift(bias_mant, bias_exp))
    return [one - (du + SYNAPTIC_DECAY_OFFSET), one - dv, bias, vth << ALIGN_BITS]


def lif_variant(du: Ints, reach: NDArray[Any]) -> int:
    """Which of the LIF steps of `_fast_lif` serves: whether u keeps anything, and whether it is proven not to wrap.

    What decays by (du + 1)/4096 in each step adds up to no more than 4096/(du + 1) times what comes in.
    """
    lost = np.maximum(du + SYNAPTIC_DECAY_OFFSET, 0) / 2**DECAY_BITS
    bounded = bool((reach * 2**ALIGN_BITS < STATE_LIMIT * lost).all())
    return 2 * int((lost == 1).all()) + bounded
