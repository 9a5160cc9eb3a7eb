"""Vector code that Numba's own loops do not become, written for LLVM, which fits it to the machine it runs on.

Everything takes plain addresses (int64): the arrays behind them belong to the caller and stay alive.
"""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

LANES = 64  # neurons side by side: rows are padded to multiples, so that nothing is left over
MOST_ROWS = 257  # unsigned bytes that can be added in 16 bits
TILES, FEW_TILES = 4, 2  # vectors of LANES sums that stay in registers together: with 32 long registers, with fewer
_INT8, _INT32, _INT64 = (ir.IntType(bits) for bits in (8, 32, 64))


# Without `_nrt=False` Numba counts references to every array that is passed on, and threads that count the same ones
# wait for each other.
inlined = numba.njit(nogil=True, _nrt=False)


def _vector(bits: int) -> ir.VectorType:
    return ir.VectorType(ir.IntType(bits), LANES)


def address_pointer(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, ir.PointerType())


def machine_has(context: Any, feature: str) -> bool:
    """Whether the processor that is compiled for has it, by LLVM's name."""
    return f"+{feature}" in context.codegen().magic_tuple()[2]


@intrinsic
def pointer(typing: Any, address: Any) -> Any:
    """The address as a pointer, for `numba.carray`."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), build


@intrinsic
def array_at(typing: Any, address: Any, size: Any, dtype: Any) -> Any:
    """The `size` elements at `address` as an array: `numba.carray`, for functions that count no references."""
    kind = types.Array(dtype.dtype, 1, "C")

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, size, _ = arguments
        array = make_array(kind)(context, builder)
        itemsize = context.get_abi_sizeof(context.get_data_type(kind.dtype))
        data = builder.inttoptr(address, array.data.type)
        populate_array(array, data, [size], [_INT64(itemsize)], _INT64(itemsize), None)
        return array._getvalue()

    return kind(types.int64, types.int64, dtype), build


@intrinsic
def call(typing: Any, address: Any, a: Any, sent: Any, states: Any, parameters: Any, size: Any, row: Any) -> Any:
    """Call the compiled step of a neuron model (`_fast_models.SIGNATURE`) at `address`."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function, *rest = arguments
        kind = ir.FunctionType(ir.VoidType(), [_INT64] * len(rest))
        builder.call(_Typed(address_pointer(builder, function), kind), rest)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 7), build


class _Typed:
    """A pointer that llvmlite may call: it asks the callee for its function type."""

    def __init__(self, value: Any, function_type: Any) -> None:
        self._value, self.function_type = value, function_type
        self.type = value.type

    def get_reference(self) -> Any:
        return self._value.get_reference()


def _nonzero(bits: int) -> Any:
    @intrinsic
    def nonzero(typing: Any, address: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            values = builder.load(address_pointer(builder, arguments[0]), typ=_vector(bits), align=bits // 8)
            there = builder.icmp_unsigned("!=", values, ir.Constant(_vector(bits), None))
            return builder.bitcast(there, _INT64)

        return types.uint64(types.int64), build

    return nonzero


nonzero_bytes = _nonzero(8)
nonzero_ints = _nonzero(32)


_PLACES = bytes(place for byte in range(256) for place in ([j for j in range(8) if byte >> j & 1] + [0] * 8)[:8])


@intrinsic
def gather(typing: Any, bits: Any, words: Any, events: Any) -> Any:
    """The numbers (int32) of the bits that are set in `words` words, to address `events`; returns how many.

    Without a branch for each bit, which would be guessed wrong: several numbers are written at a time, and those too
    many are overwritten by the next. There must be room for LANES more.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits, words, events = arguments
        count = cgutils.alloca_once_value(builder, _INT64(0))
        append = _compress if machine_has(context, "avx512vbmi2") else _look_up
        with cgutils.for_range(builder, words) as loop:
            word = builder.load(_element(builder, bits, loop.index, 3), typ=_INT64)
            with builder.if_then(builder.icmp_unsigned("!=", word, _INT64(0))):
                first = builder.trunc(builder.shl(loop.index, _INT64(6)), ir.IntType(32))
                append(builder, word, first, events, count)
        return builder.load(count, typ=_INT64)

    return types.int64(types.int64, types.int64, types.int64), build


def _compress(builder: Any, word: Any, first: Any, events: Any, count: Any) -> None:
    """Append the numbers of a word's bits by the instruction for it, sixteen at a time: few words have more."""
    bytes_, mask, several = (ir.VectorType(kind, n) for kind, n in ((_INT8, 64), (ir.IntType(1), 64), (_INT32, 16)))
    kind = ir.FunctionType(bytes_, [bytes_, bytes_, mask])
    compress = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512.mask.compress.v64i8")
    numbers = ir.Constant(bytes_, list(range(64)))
    found = builder.call(compress, [numbers, ir.Constant(bytes_, None), builder.bitcast(word, mask)])
    so_far, number = builder.load(count, typ=_INT64), builder.ctpop(word)
    base = _splat(builder, first, several)

    def store(part: int) -> None:
        these = ir.Constant(ir.VectorType(_INT32, 16), list(range(16 * part, 16 * part + 16)))
        places = builder.zext(builder.shuffle_vector(found, ir.Constant(bytes_, ir.Undefined), these), several)
        place = _element(builder, events, builder.add(so_far, _INT64(16 * part)), 2)
        builder.store(builder.add(places, base), place, align=4)

    store(0)
    with builder.if_then(builder.icmp_unsigned(">", number, _INT64(16)), likely=False):
        for part in range(1, 4):
            store(part)
    builder.store(builder.add(so_far, number), count)


def _look_up(builder: Any, word: Any, first: Any, events: Any, count: Any) -> None:
    """The same byte by byte, by a table of the bits that each has."""
    eight, eight_wide = ir.VectorType(_INT8, 8), ir.VectorType(_INT32, 8)
    table = builder.ptrtoint(
        cgutils.global_constant(builder, "places", ir.Constant(ir.ArrayType(_INT8, 2048), bytearray(_PLACES))), _INT64
    )
    for k in range(8):
        byte = builder.and_(builder.lshr(word, _INT64(8 * k)), _INT64(255))
        found = builder.zext(builder.load(_element(builder, table, byte, 3), typ=eight, align=8), eight_wide)
        found = builder.add(found, _splat(builder, builder.add(first, _INT32(8 * k)), eight_wide))
        so_far = builder.load(count, typ=_INT64)
        builder.store(found, _element(builder, events, so_far, 2), align=4)
        builder.store(builder.add(so_far, builder.ctpop(byte)), count)


@intrinsic
def add_rows(typing: Any, a: Any, scale: Any, offset: Any, weights: Any, events: Any, count: Any, tiles: Any) -> Any:
    """a[j] += scale * sum over events e of (weights[events[e], j] - offset), for up to MOST_ROWS events.

    Weights are unsigned bytes, `_fast_layouts.interleaved`, in rows of 64 * tiles; events and a are int32. The sums of
    several tiles stay in 16-bit registers while the events go by. A pair of bytes is one number: the sum of pairs less
    that of their upper bytes leaves the sum of the lower ones.
    """
    narrow = ir.VectorType(ir.IntType(16), LANES // 2)
    full = ir.VectorType(ir.IntType(32), LANES // 2)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, scale, offset, weights, events, count, tiles = arguments
        length = builder.mul(tiles, _INT64(LANES))
        scales = _splat(builder, builder.trunc(scale, ir.IntType(32)), full)
        shared = builder.mul(builder.mul(offset, count), scale)
        shared = _splat(builder, builder.trunc(shared, ir.IntType(32)), full)

        def add_tiles(first: Any, number: int) -> None:
            """All events, for `number` tiles from neuron `first` on."""
            sums = [cgutils.alloca_once(builder, narrow) for _ in range(2 * number)]
            for one in sums:
                builder.store(ir.Constant(narrow, None), one)
            with cgutils.for_range(builder, count) as event:
                source = builder.load(_element(builder, events, event.index, 2), typ=ir.IntType(32))
                row = builder.add(weights, builder.mul(builder.zext(source, _INT64), length))
                row = builder.add(row, first)
                for tile in range(number):
                    place = address_pointer(builder, builder.add(row, _INT64(LANES * tile)))
                    pairs = builder.load(place, typ=narrow, align=1)
                    upper = builder.lshr(pairs, ir.Constant(narrow, [8] * narrow.count))
                    for one, term in zip(sums[2 * tile :], (pairs, upper), strict=False):
                        builder.store(builder.add(builder.load(one, typ=narrow), term), one)
            for tile in range(number):
                pairs, upper = (builder.load(one, typ=narrow) for one in sums[2 * tile : 2 * tile + 2])
                lower = builder.sub(pairs, builder.shl(upper, ir.Constant(narrow, [8] * narrow.count)))
                for half, found in enumerate((lower, upper)):
                    at = builder.add(first, _INT64(LANES * tile + LANES // 2 * half))
                    _add_to(builder, _element(builder, a, at, 2), builder.zext(found, full), scales, shared)

        several = TILES if machine_has(context, "avx512bw") else FEW_TILES
        groups = builder.sdiv(tiles, _INT64(several))
        with cgutils.for_range(builder, groups) as group:
            add_tiles(builder.mul(group.index, _INT64(several * LANES)), several)
        done = builder.mul(groups, _INT64(several))
        with cgutils.for_range_slice(builder, done, tiles, _INT64(1), inc=True) as (tile, _):
            add_tiles(builder.mul(tile, _INT64(LANES)), 1)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 7), build


@intrinsic
def add_payloads(
    typing: Any, a: Any, scale: Any, offset: Any, weights: Any, events: Any, payloads: Any, count: Any, tiles: Any
) -> Any:
    """As `add_rows`, each row times payloads[events[e]] (int32), in 32 bits, for any number of events."""
    narrow = ir.VectorType(ir.IntType(16), LANES // 2)
    full = ir.VectorType(ir.IntType(32), LANES // 2)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, scale, offset, weights, events, payloads, count, tiles = arguments
        length = builder.mul(tiles, _INT64(LANES))
        scales = _splat(builder, builder.trunc(scale, ir.IntType(32)), full)
        with cgutils.for_range(builder, tiles) as tile:
            first = builder.mul(tile.index, _INT64(LANES))
            sums = [cgutils.alloca_once(builder, full) for _ in range(3)]  # lower bytes, upper bytes, payloads
            for one in sums:
                builder.store(ir.Constant(full, None), one)
            with cgutils.for_range(builder, count) as event:
                source = builder.load(_element(builder, events, event.index, 2), typ=ir.IntType(32))
                source = builder.zext(source, _INT64)
                row = builder.add(builder.add(weights, builder.mul(source, length)), first)
                payload = builder.load(_element(builder, payloads, source, 2), typ=ir.IntType(32))
                payload = _splat(builder, payload, full)
                pairs = builder.load(address_pointer(builder, row), typ=narrow, align=1)
                lower = builder.and_(pairs, ir.Constant(narrow, [255] * narrow.count))
                upper = builder.lshr(pairs, ir.Constant(narrow, [8] * narrow.count))
                terms = [builder.mul(builder.zext(half, full), payload) for half in (lower, upper)]
                for one, term in zip(sums, (*terms, payload), strict=True):
                    builder.store(builder.add(builder.load(one, typ=full), term), one)
            lower, upper, shared = (builder.load(one, typ=full) for one in sums)
            offsets = _splat(builder, builder.trunc(builder.mul(offset, scale), ir.IntType(32)), full)
            shared = builder.mul(shared, offsets)
            for half, found in enumerate((lower, upper)):
                at = builder.add(first, _INT64(LANES // 2 * half))
                _add_to(builder, _element(builder, a, at, 2), found, scales, shared)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 8), build


@intrinsic
def add_run(typing: Any, sums: Any, weights: Any, length: Any) -> Any:
    """sums[j] += weights[j] for j in length, both int16: sixteen at a time, then one by one."""
    several = ir.VectorType(ir.IntType(16), 16)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums, weights, length = arguments

        def add(first: Any, kind: Any) -> None:
            to, term = _element(builder, sums, first, 1), _element(builder, weights, first, 1)
            found = builder.add(builder.load(to, typ=kind, align=2), builder.load(term, typ=kind, align=2))
            builder.store(found, to, align=2)

        whole = builder.lshr(length, _INT64(4))
        with cgutils.for_range(builder, whole) as loop:
            add(builder.shl(loop.index, _INT64(4)), several)
        with cgutils.for_range_slice(builder, builder.shl(whole, _INT64(4)), length, _INT64(1), inc=True) as (j, _):
            add(j, ir.IntType(16))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 3), build


def _element(builder: Any, base: Any, index: Any, bits: int) -> Any:
    """A pointer to element `index` of 2**bits bytes each from address `base` on."""
    return address_pointer(builder, builder.add(base, builder.shl(index, _INT64(bits))))


def _add_to(builder: Any, place: Any, sums: Any, scales: Any, shared: Any) -> None:
    """What lies at `place` += sums * scales - shared."""
    added = builder.sub(builder.mul(sums, scales), shared)
    builder.store(builder.add(builder.load(place, typ=sums.type, align=4), added), place, align=4)


def _splat(builder: Any, value: Any, vector: ir.VectorType) -> Any:
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), mask)
