"""The integer definition against a second one: one neuron and one synapse in plain Python integers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from snndeploy import integers
from snndeploy.neurons import lif

INT32 = st.integers(-(2**31), 2**31 - 1)
U = st.one_of(st.integers(-(2**23), 2**23), st.sampled_from([-(2**23) + 1, -1, 0, 1, 2**23]))
V = st.one_of(st.integers(1 - 2**23, 2**23 - 1), st.sampled_from([1 - 2**23, -1, 0, 1, 2**23 - 1]))


def array(*values: int) -> integers.Ints:
    return np.array(values, np.int64)


def as_int32(x: int) -> int:
    return (x + 2**31) % 2**32 - 2**31


def toward_zero(numerator: int, denominator: int) -> int:
    quotient = abs(numerator) // denominator
    return quotient if numerator >= 0 else -quotient


def lif_of_one(u: int, v: int, a: int, du: int, dv: int, mant: int, exp: int, vth: int) -> tuple[int, int, bool]:
    u = as_int32(toward_zero(u * (4096 - du - 1), 4096) + as_int32(a * 64))
    if u > 2**23:
        u -= 2**24
    if u <= -(2**23):
        u += 2**24
    v = as_int32(toward_zero(v * (4096 - dv), 4096) + u + mant * 2**exp)
    v = max(-(2**23) + 1, min(2**23 - 1, v))
    spikes = v > vth * 64
    return u, 0 if spikes else v, spikes


@given(
    u=U,
    v=V,
    a=st.one_of(st.integers(-(2**18), 2**18), INT32),
    du=st.integers(-1, 4095),
    dv=st.integers(0, 4096),
    mant=st.integers(-4096, 4095),
    exp=st.integers(0, 7),
    vth=st.integers(0, 131071),
)
def test_lif_step(u: int, v: int, a: int, du: int, dv: int, mant: int, exp: int, vth: int) -> None:
    spikes, new_u, new_v = lif.step(*map(array, (a, u, v, du, dv, mant, exp, vth)))
    expected = lif_of_one(u, v, a, du, dv, mant, exp, vth)
    assert (int(new_u[0]), int(new_v[0]), bool(spikes[0])) == expected


@given(x=st.integers(-(2**31), 2**31), d=st.integers(0, 4096))
def test_decay_rounds_toward_zero(x: int, d: int) -> None:
    assert int(integers.decay(array(x), array(d))[0]) == toward_zero(x * (4096 - d), 4096)


@given(x=st.integers(-(2**40), 2**40), e=st.integers(-8, 7))
def test_shift_rounds_toward_minus_infinity(x: int, e: int) -> None:
    assert int(integers.shift(array(x), array(e))[0]) == (x * 2**e if e >= 0 else x // 2**-e)


@given(w=st.integers(-300, 300), bits=st.integers(1, 8), mode=st.sampled_from(["mixed", "excitatory", "inhibitory"]))
def test_effective_weights(w: int, bits: int, mode: str) -> None:
    step = 2 ** (8 - bits + (mode == "mixed"))
    if mode == "mixed":
        expected = max(-256, min(255, w)) // step * step
    elif mode == "excitatory":
        expected = max(0, min(255, w)) // step * step
    else:
        expected = -(max(0, min(255, -w)) // step * step)
    assert int(integers.effective_weights(array(w), bits, mode)[0]) == expected


@given(
    messages=st.lists(st.integers(-(2**23), 2**23), min_size=3, max_size=3),
    weights=st.lists(st.integers(-256, 254), min_size=3, max_size=3),
    exponent=st.integers(-8, 7),
)
def test_bring(messages: list[int], weights: list[int], exponent: int) -> None:
    sums = {
        True: as_int32(sum(w * m for w, m in zip(weights, messages, strict=True))),
        False: sum(w for w, m in zip(weights, messages, strict=True) if m != 0),
    }
    for graded, total in sums.items():
        expected = as_int32(total * 2**exponent if exponent >= 0 else total // 2**-exponent)
        sent = array(*messages)[None] if graded else (array(*messages)[None] != 0).astype(np.int64)
        found = integers.bring(sent @ array(*weights)[:, None], exponent, graded)
        assert int(found[0, 0]) == expected


def test_the_edges_of_wrap() -> None:
    edge = 2**23
    before = array(edge, edge + 1, -edge, 1 - edge, -edge - 1, 3 * edge + 1)
    assert integers.wrap(before).tolist() == [edge, 1 - edge, edge, 1 - edge, edge - 1, edge + 1]


def test_the_threshold_is_strict() -> None:
    assert integers.spike(array(64, 65, 63), array(1, 1, 1)).tolist() == [False, True, False]
