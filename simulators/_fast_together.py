"""Lists of synapses for TOGETHER samples at once: what a source sends in all of them is one word of bits.

A list is walked target by target. A synapse costs the same however many samples spike, which is less than a walk for
each sample as soon as every seventh source spikes in one of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from snndeploy.integers import Ints
from snndeploy.simulators._fast_intrinsics import address_pointer, array_at, inlined

TOGETHER = 32  # samples: of 16-bit sums a vector register
WEIGHTS = 2**9  # different weights of 8 bits with a sign
TARGETS = 16  # whose sums are turned into rows of samples at a time
EVENT_COST = 8  # of a synapse of one sample that spikes, in synapses of all samples: measured, 10 M synapses
TARGET_COST = 16  # of a target's sums, which are turned into rows, likewise

_INT16, _INT32, _INT64 = (ir.IntType(bits) for bits in (16, 32, 64))
_MASK = ir.VectorType(ir.IntType(1), TOGETHER)
_ROW = ir.VectorType(_INT32, TARGETS)


@intrinsic
def turn_bits(typing: Any, words: Any, sent: Any) -> Any:
    """From TOGETHER words of 64 sources at `words` (uint64) to 64 words of samples (uint32) at `sent`."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        of_samples = ir.VectorType(_INT64, TOGETHER)
        words = builder.load(address_pointer(builder, arguments[0]), typ=of_samples, align=8)
        for source in range(64):
            one = builder.and_(words, ir.Constant(of_samples, [1 << source] * TOGETHER))
            there = builder.icmp_unsigned("!=", one, ir.Constant(of_samples, None))
            place = address_pointer(builder, builder.add(arguments[1], _INT64(4 * source)))
            builder.store(builder.bitcast(there, _INT32), place, align=4)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), build


def packed(sources: Ints, weights: Ints) -> NDArray[np.int32] | None:
    """Synapses as words of 32 bits, half of what a source and a weight take: the walk waits for memory.

    None where they do not fit.
    """
    low, high = weights.min(initial=0), weights.max(initial=0)
    if low < -WEIGHTS // 2 or high >= WEIGHTS // 2 or sources.max(initial=0) >= 2**32 // WEIGHTS:
        return None
    return (sources * WEIGHTS + weights + WEIGHTS // 2).astype(np.uint32).view(np.int32)


def _sum_synapses(bits: int) -> Any:
    lanes = ir.VectorType(ir.IntType(bits), TOGETHER)
    values = range(-WEIGHTS // 2, WEIGHTS // 2)
    table = [value & 0xFFFFFFFF if bits == 32 else (value & 0xFFFF) * 0x10001 for value in values]

    @intrinsic
    def sum_synapses(typing: Any, sums: Any, synapses: Any, sent: Any, count: Any, exponent: Any) -> Any:
        """sums[sample] += 2**exponent * the weights of those of `count` synapses whose source spikes in the sample.

        Addresses of: sums (int32), synapses (`packed`), words of samples (uint32). A weight is looked up as the 32
        bits that fill a register, twice where the sums have 16.
        """

        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            sums, synapses, sent, count, exponent = arguments
            constant = ir.Constant(ir.ArrayType(_INT32, WEIGHTS), table)
            weights = builder.ptrtoint(cgutils.global_constant(builder, f"weights_{bits}", constant), _INT64)
            total = cgutils.alloca_once_value(builder, ir.Constant(lanes, None))

            def element(base: Any, index: Any) -> Any:
                place = builder.add(base, builder.shl(builder.zext(index, _INT64), _INT64(2)))
                return builder.load(address_pointer(builder, place), typ=_INT32)

            with cgutils.for_range(builder, count) as loop:
                synapse = element(synapses, loop.index)
                weight = element(weights, builder.and_(synapse, _INT32(WEIGHTS - 1)))
                weight = builder.bitcast(_splat(builder, weight, TOGETHER * bits // 32), lanes)
                source = builder.lshr(synapse, _INT32(WEIGHTS.bit_length() - 1))
                there = builder.bitcast(element(sent, source), _MASK)
                before = builder.load(total)
                builder.store(builder.select(there, builder.add(before, weight), before), total)
            found = builder.load(total)
            if bits < 32:
                found = builder.sext(found, ir.VectorType(_INT32, TOGETHER))
            by = _splat(builder, builder.trunc(exponent, _INT32), TOGETHER)
            place = address_pointer(builder, sums)
            before = builder.load(place, typ=found.type, align=4)
            builder.store(builder.add(before, builder.shl(found, by)), place, align=4)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 5), build

    return sum_synapses


sum_narrow, sum_wide = _sum_synapses(16), _sum_synapses(32)


def _turned(add: bool) -> Any:
    @intrinsic
    def turned(typing: Any, a: Any, stride: Any, sums: Any) -> Any:
        """a[sample * stride + target] = or += sums[target, sample] for TARGETS targets and TOGETHER samples, int32."""

        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, stride, sums = arguments
            low = [lane // 2 + TARGETS * (lane % 2) for lane in range(TARGETS)]  # of two rows by turns
            masks = [ir.Constant(_ROW, [lane + half for lane in low]) for half in (0, TARGETS // 2)]
            for first in range(0, TOGETHER, TARGETS):
                rows = [
                    builder.load(
                        address_pointer(builder, builder.add(sums, _INT64(4 * (TOGETHER * target + first)))),
                        typ=_ROW,
                        align=4,
                    )
                    for target in range(TARGETS)
                ]
                for _ in range(TARGETS.bit_length() - 1):
                    pairs = zip(rows[: TARGETS // 2], rows[TARGETS // 2 :], strict=True)
                    rows = [builder.shuffle_vector(one, other, mask) for one, other in pairs for mask in masks]
                for sample, row in enumerate(rows, first):
                    at = builder.add(a, builder.shl(builder.mul(stride, _INT64(sample)), _INT64(2)))
                    place = address_pointer(builder, at)
                    if add:
                        row = builder.add(builder.load(place, typ=_ROW, align=4), row)
                    builder.store(row, place, align=4)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 3), build

    return turned


write_turned, add_turned = _turned(add=False), _turned(add=True)


def _splat(builder: Any, value: Any, count: int) -> Any:
    vector = ir.VectorType(_INT32, count)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, _INT32(0))
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), ir.Constant(vector, None))


@inlined
def sent_together(bits, stride, samples, words, turned, sent):
    """Lay out what sources send in the samples as words of samples, at `sent`; returns the number of spikes.

    `bits` is the address of the words of the first sample, those of the next lie `stride` words later; `turned` has
    room for a word of each sample.
    """
    spikes = 0
    turned[:] = 0
    for word in range(words):
        for sample in range(samples):
            seen = array_at(bits + 8 * (sample * stride + word), 1, np.uint64)[0]
            turned[sample] = seen
            spikes += population_count(seen)
        turn_bits(turned.ctypes.data, sent + 256 * word)
    return spikes


@intrinsic
def population_count(typing: Any, word: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), build


@inlined
def worth_it(arrival, spikes, sources, row):
    """Whether a walk over all synapses costs less than one over those that spike, sample by sample."""
    return spikes * arrival.synapses * EVENT_COST > (arrival.synapses + row * TARGET_COST) * sources


@inlined
def walk_together(chosen, arrivals, wide, index, words, sums, a, stride, row, fresh):
    """Bring all samples what all synapses of the chosen arrivals do: to address a, `stride` further for the next.

    What the sources of each send lies in a row of `words`; `fresh` activations are written, others added to.
    """
    for first in range(0, row, TARGETS):
        sums[:] = 0
        for c in range(chosen.size):
            add_targets(arrivals[chosen[c]], wide, index, words[c].ctypes.data, sums.ctypes.data, first)
        if fresh:
            write_turned(a + 4 * first, stride, sums.ctypes.data)
        else:
            add_turned(a + 4 * first, stride, sums.ctypes.data)


@inlined
def add_targets(arrival, wide, index, sent, sums, first):
    """Add the synapses of TARGETS targets from `first` on to their sums."""
    begins = arrival.targets
    synapses = wide.ctypes.data + 4 * arrival.by_target
    for j in range(TARGETS):
        begin = np.int64(index[begins + first + j])
        count = index[begins + first + j + 1] - begin
        into = sums + 4 * TOGETHER * j
        if arrival.together == 16:
            sum_narrow(into, synapses + 4 * begin, sent, count, arrival.exponent)
        else:
            sum_wide(into, synapses + 4 * begin, sent, count, arrival.exponent)
