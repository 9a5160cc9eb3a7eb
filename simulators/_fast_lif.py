"""LIF for 64 neurons at a time, in int32: what `snndeploy.neurons.lif.step` computes, as vector code for LLVM.

The states fit: |u| stays below 2**31 and |v| below 2**23, and every sum wraps as an int32 register does.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from snndeploy.integers import ALIGN_BITS, DECAY_BITS, STATE_LIMIT
from snndeploy.simulators._fast_intrinsics import LANES, address_pointer, machine_has

_INT32 = ir.IntType(32)
_INT64 = ir.IntType(64)
LIF_COLUMNS = 4  # parameters of a step
PART = 16  # neurons whose states stay in registers together
_VECTOR = ir.VectorType(_INT32, PART)
_FLOATS = ir.VectorType(ir.FloatType(), PART)
_LOW = 2**DECAY_BITS - 1
_TOWARD_ZERO = 11  # the rounding of an AVX-512 instruction (Intel's _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)


class _Lanes:
    """PART integers of 32 bits in vector registers, with Python's operators."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    def _of(self, other: _Lanes | int) -> Any:
        return other.value if isinstance(other, _Lanes) else ir.Constant(_VECTOR, [other] * PART)

    def __add__(self, other: _Lanes | int) -> _Lanes:
        return _Lanes(self.builder, self.builder.add(self.value, self._of(other)))

    def __sub__(self, other: _Lanes | int) -> _Lanes:
        return _Lanes(self.builder, self.builder.sub(self.value, self._of(other)))

    def __mul__(self, other: _Lanes | int) -> _Lanes:
        return _Lanes(self.builder, self.builder.mul(self.value, self._of(other)))

    def __and__(self, other: _Lanes | int) -> _Lanes:
        return _Lanes(self.builder, self.builder.and_(self.value, self._of(other)))

    def __xor__(self, other: _Lanes | int) -> _Lanes:
        return _Lanes(self.builder, self.builder.xor(self.value, self._of(other)))

    def __lshift__(self, bits: int) -> _Lanes:
        return _Lanes(self.builder, self.builder.shl(self.value, self._of(bits)))

    def __rshift__(self, bits: int) -> _Lanes:
        return _Lanes(self.builder, self.builder.ashr(self.value, self._of(bits)))

    def compared(self, how: str, other: _Lanes | int) -> Any:
        return self.builder.icmp_signed(how, self.value, self._of(other))

    def where(self, there: Any, other: _Lanes | int) -> _Lanes:
        """`other` where `there`, else this."""
        return _Lanes(self.builder, self.builder.select(there, self._of(other), self.value))


def _leak(x: _Lanes, kept: Any, narrow: bool, toward_zero: bool) -> _Lanes:
    """x * kept toward zero, kept a float of 4096ths: `narrow` where |x| <= 2**23, else |x| < 2**31.

    `toward_zero`: the processor can multiply floats with that rounding. Of a product below 2**24, 24 bits are at least
    its integer part, and what is cut off them is cut off anyway.
    """
    builder = x.builder
    if narrow and toward_zero:
        kind = ir.FunctionType(_FLOATS, [_FLOATS, _FLOATS, _INT32])
        multiply = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512.mul.ps.512")
        product = builder.call(multiply, [builder.sitofp(x.value, _FLOATS), kept, _INT32(_TOWARD_ZERO)])
        return _Lanes(builder, builder.fptosi(product, _VECTOR))
    # Without a wide product: x = 4096 * high + low, and to round a negative product up 4095 is added to it.
    # What LLVM knows to have 16 bits it multiplies faster: it is shown the sign at 24 bits, and that parts have 13.
    parts = builder.fmul(kept, ir.Constant(_FLOATS, [float(2**DECAY_BITS)] * PART))
    factor = _Lanes(builder, builder.fptosi(parts, _VECTOR)) & (2 ** (DECAY_BITS + 1) - 1)
    high = (x << 7) >> (7 + DECAY_BITS) if narrow else x >> DECAY_BITS
    left: _Lanes = high * factor + (((x & _LOW) * factor + ((x >> 31) & _LOW)) >> DECAY_BITS)
    return left


def _wrap(u: _Lanes) -> _Lanes:
    u = u.where(u.compared(">", STATE_LIMIT), u - 2 * STATE_LIMIT)
    return u.where(u.compared("<=", -STATE_LIMIT), u + 2 * STATE_LIMIT)


def _saturate(v: _Lanes) -> _Lanes:
    v = v.where(v.compared("<", 1 - STATE_LIMIT), 1 - STATE_LIMIT)
    return v.where(v.compared(">", STATE_LIMIT - 1), STATE_LIMIT - 1)


def _step(memory: bool, bounded: bool) -> Any:
    """Compiles the step: with `memory` u decays, else u is only its input; `bounded`: u cannot wrap."""

    @intrinsic
    def step(typing: Any, a: Any, states: Any, parameters: Any, bits: Any, row: Any, keep: Any) -> Any:
        """Addresses of: activations and states u, v, each (row), int32; parameters as `_fast_pools.lif_parameters`
        lays them out; bits that are sent (row / 64 words). row is a multiple of 64. A u without memory is only written
        where `keep` is not 0: nobody reads it."""

        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, states, parameters, bits, row, keep = arguments
            kept = builder.icmp_unsigned("!=", keep, _INT64(0))
            wide = builder.shl(row, _INT64(2))  # bytes of a row
            toward_zero = machine_has(context, "avx512f")

            def place(base: Any, number: int, offset: Any) -> Any:
                return address_pointer(
                    builder, builder.add(builder.add(base, builder.mul(wide, _INT64(number))), offset)
                )

            def load(base: Any, number: int, offset: Any) -> _Lanes:
                return _Lanes(builder, builder.load(place(base, number, offset), typ=_VECTOR, align=4))

            columns = [
                [
                    builder.load(address_pointer(builder, builder.add(parameters, _INT64(8 * at))), typ=_INT64)
                    for at in (2 * number, 2 * number + 1)
                ]
                for number in range(LIF_COLUMNS)
            ]

            def advance(first: Any, part: int) -> Any:
                """Step a part of the tile that begins at `first` bytes of a row; returns where it spikes."""
                offset = builder.add(first, _INT64(4 * PART * part))

                def parameter(number: int, kind: Any) -> Any:
                    begin, mask = columns[number]
                    tile = builder.add(builder.add(parameters, begin), builder.and_(first, mask))
                    place = address_pointer(builder, builder.add(tile, _INT64(4 * PART * part)))
                    return builder.load(place, typ=kind, align=4)

                u = load(a, 0, offset) << ALIGN_BITS
                if memory:
                    u = _leak(load(states, 0, offset), parameter(0, _FLOATS), bounded, toward_zero) + u
                u = u if bounded else _wrap(u)
                v = _leak(load(states, 1, offset), parameter(1, _FLOATS), True, toward_zero) + u
                v = _saturate(v + _Lanes(builder, parameter(2, _VECTOR)))
                spikes = v.compared(">", _Lanes(builder, parameter(3, _VECTOR)))
                with nullcontext() if memory else builder.if_then(kept, likely=False):
                    builder.store(u.value, place(states, 0, offset), align=4)
                builder.store(v.where(spikes, 0).value, place(states, 1, offset), align=4)
                return builder.zext(builder.bitcast(spikes, ir.IntType(PART)), _INT64)

            with cgutils.for_range(builder, builder.sdiv(row, _INT64(LANES))) as tile:
                first = builder.mul(tile.index, _INT64(4 * LANES))
                word = _INT64(0)
                for part in range(LANES // PART):
                    found = advance(first, part)
                    word = builder.or_(word, builder.shl(found, _INT64(PART * part)))
                at = builder.add(bits, builder.mul(tile.index, _INT64(8)))
                builder.store(word, address_pointer(builder, at), align=8)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 6), build

    return step


step_memory = _step(memory=True, bounded=False)
step_memory_bounded = _step(memory=True, bounded=True)
step_plain = _step(memory=False, bounded=False)
step_plain_bounded = _step(memory=False, bounded=True)
