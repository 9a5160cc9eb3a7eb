"""The roofline of this machine, measured in the run: what no engine of this kind could exceed on one core.

A synaptic operation adds one weight of 8 bits to one sum: at best the processor reads bytes and adds them, 64 at a
time, from where a projection's weights fit. A neuron update is the engine's LIF step alone, with
everything in the first cache.
"""

from __future__ import annotations

import time
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from snndeploy.bench.nets import Work
from snndeploy.bench.timing import least_seconds
from snndeploy.integers import DECAY_BITS
from snndeploy.program import Program
from snndeploy.simulators._fast_intrinsics import address_pointer
from snndeploy.simulators._fast_lif import step_memory_bounded, step_plain_bounded
from snndeploy.simulators._fast_pools import aligned, joined, lif_columns, lif_parameters

NEURONS = 1024  # of an update: 12 KiB, and their parameters, which are alike
SUMS, LANES = 8, 64  # vectors of sums that stay in registers, bytes of each
SMALLEST = 2**14  # bytes: below it the loop around counts
BYTES_READ = 2**26  # in one reading, at least
ROUNDS = 7

_VECTOR, _INT64 = ir.VectorType(ir.IntType(8), LANES), ir.IntType(64)


@intrinsic
def add_bytes(typing: Any, address: Any, blocks: Any, sums: Any) -> Any:
    """Add `blocks` blocks of SUMS * LANES bytes at `address` to the bytes at address `sums`, which wrap."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, blocks, sums = arguments
        held = [cgutils.alloca_once_value(builder, ir.Constant(_VECTOR, None)) for _ in range(SUMS)]
        with cgutils.for_range(builder, blocks) as block:
            first = builder.add(address, builder.mul(block.index, _INT64(SUMS * LANES)))
            for i, one in enumerate(held):
                place = address_pointer(builder, builder.add(first, _INT64(LANES * i)))
                term = builder.load(place, typ=_VECTOR, align=LANES)
                builder.store(builder.add(builder.load(one, typ=_VECTOR), term), one)
        for i, one in enumerate(held):
            place = address_pointer(builder, builder.add(sums, _INT64(LANES * i)))
            builder.store(builder.load(one, typ=_VECTOR), place, align=LANES)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 3), build


@numba.njit(nogil=True)
def _add(weights: Any, sums: Any, repeats: Any) -> None:
    for _ in range(repeats):
        add_bytes(weights.ctypes.data, weights.size // (SUMS * LANES), sums.ctypes.data)


@numba.njit(nogil=True)
def _update(memory: Any, a: Any, states: Any, parameters: Any, bits: Any, repeats: Any) -> None:
    places = a.ctypes.data, states.ctypes.data, parameters.ctypes.data, bits.ctypes.data
    for _ in range(repeats):
        if memory:
            step_memory_bounded(*places, a.size, 0)
        else:
            step_plain_bounded(*places, a.size, 0)


def synaptic_peak(size: int) -> float:
    """Synaptic operations per second of one core with `size` bytes of weights."""
    size = -(-size // (SUMS * LANES)) * SUMS * LANES
    weights, sums = aligned(size, np.uint8), aligned(SUMS * LANES, np.uint8)
    weights[:] = 1
    repeats = max(1, BYTES_READ // size)
    (seconds,) = least_seconds([lambda: _add(weights, sums, repeats)], ROUNDS, time.thread_time)
    return size * repeats / seconds


def update_peak(memory: bool) -> float:
    """LIF updates per second of one core, of neurons whose u keeps something (`memory`) or does not."""
    draw = np.random.default_rng(0)
    a, states = (aligned(rows * NEURONS, np.int32) for rows in (1, 2))
    a[:] = draw.integers(-1000, 1000, NEURONS)
    du, dv, bias_mant, bias_exp, vth = (np.full(NEURONS, x) for x in (2000 if memory else 4095, 400, 0, 0, 2000))
    parameters = joined([lif_parameters(*lif_columns(du, dv, bias_mant, bias_exp, vth))], np.int64)
    bits = aligned(NEURONS // 64, np.uint64)
    repeats = BYTES_READ // 4 // NEURONS
    (seconds,) = least_seconds(
        [lambda: _update(memory, a, states, parameters, bits, repeats)], ROUNDS, time.thread_time
    )
    return NEURONS * repeats / seconds


class Roofline:
    """The peaks that a program is measured against; each is measured once, when it is first asked for."""

    def __init__(self) -> None:
        self.synaptic: dict[int, float] = {}  # by bytes of weights
        self.updates: dict[bool, float] = {}  # by whether u keeps something

    def floor(self, program: Program, done: Work) -> float:
        """Seconds that one core needs at least for that work of the program."""
        memory = any(int(p.parameters["du"].min()) < 2**DECAY_BITS - 1 for p in program.populations)
        if memory not in self.updates:
            self.updates[memory] = update_peak(memory)
        seconds = done.updates / self.updates[memory]
        for q in program.projections:
            size = max(q.weights.size, SMALLEST)
            if size not in self.synaptic:
                self.synaptic[size] = synaptic_peak(size)
            seconds += done.synaptic[q.name] / self.synaptic[size]
        return seconds
