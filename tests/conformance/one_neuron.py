"""A second implementation of every neuron model: one neuron in plain Python integers, one step.

Each takes the activation, the states and the parameters in the order of the model's file, and returns what is sent and
the new states. Written from Lava's sources, or from the equations where the model is ours; no line is shared.
"""

from __future__ import annotations

Answer = tuple[int, ...]
TOP = 2**23


def as_int32(x: int) -> int:
    return (x + 2**31) % 2**32 - 2**31


def toward_zero(numerator: int, denominator: int) -> int:
    quotient = abs(numerator) // denominator
    return quotient if numerator >= 0 else -quotient


def clipped(v: int) -> int:
    return max(1 - TOP, min(TOP - 1, v))


def current(a: int, u: int, du: int) -> int:
    u = as_int32(toward_zero(u * (4096 - du - 1), 4096) + as_int32(a * 64))
    if u > TOP:
        u -= 2 * TOP
    if u <= -TOP:
        u += 2 * TOP
    return u


def unclipped(v: int, u: int, dv: int, mant: int, exp: int) -> int:
    return as_int32(toward_zero(v * (4096 - dv), 4096) + u + mant * 2**exp)


def lif(a: int, u: int, v: int, du: int, dv: int, mant: int, exp: int, vth: int) -> Answer:
    u = current(a, u, du)
    v = clipped(unclipped(v, u, dv, mant, exp))
    return (1, u, 0) if v > vth * 64 else (0, u, v)


def lif_reset(a: int, u: int, v: int, steps: int, *parameters: int) -> Answer:
    *of_lif, interval, offset = parameters
    steps += 1
    if steps % interval == offset % interval:
        u = v = 0
    return (*lif(a, u, v, *of_lif), steps % interval)


def lif_refractory(a: int, u: int, v: int, wait: int, *parameters: int) -> Answer:
    du, dv, mant, exp, vth, period = parameters
    if wait > 0:
        return 0, current(a, u, du), 0, wait - 1
    spike, u, v = lif(a, u, v, du, dv, mant, exp, vth)
    return spike, u, v, period if spike else 0


def lif_subtract(a: int, u: int, v: int, du: int, dv: int, mant: int, exp: int, vth: int) -> Answer:
    needed = 2 * vth * 64 if v > vth * 64 else vth * 64
    u = current(a, u, du)
    v = clipped(unclipped(v, u, dv, mant, exp))
    return (1, u, v - vth * 64) if v > needed else (0, u, v)


def lif_subtract_next(a: int, u: int, v: int, du: int, dv: int, mant: int, exp: int, vth: int) -> Answer:
    u, owed = current(a, u, du), vth * 64 if v > vth * 64 else 0
    v = clipped(unclipped(v, u, dv, mant, exp) - owed)
    return int(v > vth * 64), u, v


def ternary_lif(a: int, u: int, v: int, du: int, dv: int, mant: int, exp: int, high: int, low: int) -> Answer:
    u = current(a, u, du)
    v = clipped(unclipped(v, u, dv, mant, exp))
    if v > high * 64:
        return 1, u, 0
    return (-1, u, 0) if v < low * 64 else (0, u, v)


def li(a: int, u: int, v: int, du: int, dv: int, mant: int, exp: int) -> Answer:
    u = current(a, u, du)
    return 0, u, clipped(unclipped(v, u, dv, mant, exp))


def sigma(a: int, total: int) -> Answer:
    return as_int32(total + a), as_int32(total + a)


def delta(a: int, act: int, residue: int, error: int, vth: int, spike_exp: int, state_exp: int, cum: int) -> Answer:
    new = as_int32(a * 2 ** (spike_exp + state_exp))
    return coded(new, act, residue, error, vth * 2 ** (spike_exp + state_exp), state_exp, cum)


def coded(new: int, act: int, residue: int, error: int, threshold: int, state_exp: int, cum: int) -> Answer:
    change = as_int32(as_int32(new - act) + residue)
    error = as_int32(error + change) if cum else 0
    sent = change if as_int32(abs(error if cum else change)) >= threshold else 0
    if as_int32(abs(sent)) > 0:
        error = 0
    return sent // 2**state_exp, new, change - sent, error


def sigma_delta(a: int, total: int, act: int, residue: int, error: int, *parameters: int) -> Answer:
    vth, spike_exp, state_exp, cum, bias, mode = parameters
    scale = 2 ** (spike_exp + state_exp)
    total = as_int32(total + a)
    new = as_int32(total + bias * scale)
    if mode == 1 and new < 0:
        new = 0
    message, *states = coded(new, act, residue, error, vth * scale, state_exp, cum)
    return (message, total, *states)


def graded_relu(a: int, vth: int) -> Answer:
    return (a if a > vth else 0,)


def graded_threshold(a: int, vth: int) -> Answer:
    return (a if as_int32(abs(a)) > vth else 0,)


def turned(a: int, re: int, im: int, sin: int, cos: int, bits: int, state_exp: int) -> tuple[int, int]:
    new_re = toward_zero(cos * re, 2**bits) - toward_zero(sin * im, 2**bits) + as_int32(a * 2**state_exp)
    new_im = toward_zero(sin * re, 2**bits) + toward_zero(cos * im, 2**bits)
    return clipped(new_re), clipped(new_im)


def rf(a: int, re: int, im: int, sin: int, cos: int, bits: int, state_exp: int, vth: int) -> Answer:
    new_re, new_im = turned(a, re, im, sin, cos, bits, state_exp)
    return int(new_re >= vth * 2**state_exp and new_im >= 0 and im < 0), new_re, new_im


def rf_iz(a: int, re: int, im: int, sin: int, cos: int, bits: int, state_exp: int, vth: int) -> Answer:
    re, im = turned(a, re, im, sin, cos, bits, state_exp)
    return (1, 0, vth * 2**state_exp - 1) if im >= vth * 2**state_exp else (0, re, im)


def atrlif(a: int, i: int, v: int, theta: int, r: int, *parameters: int) -> Answer:
    delta_i, delta_v, delta_theta, delta_r, mant, exp, theta_0, theta_step = parameters
    i = current(a, i, delta_i)
    v = clipped(unclipped(v, i, delta_v, mant, exp))
    above = as_int32(theta - theta_0 * 64)
    theta = as_int32(toward_zero(above * (4096 - delta_theta), 4096) + theta_0 * 64)
    r = toward_zero(r * (4096 - delta_r), 4096)
    if as_int32(v - r) < theta:
        return 0, i, v, theta, r
    return 1, i, v, as_int32(theta + theta_step * 64), as_int32(r + as_int32(2 * theta))


ONE_NEURON = {
    "atrlif": atrlif,
    "delta": delta,
    "graded-relu": graded_relu,
    "graded-threshold": graded_threshold,
    "li": li,
    "lif": lif,
    "lif-refractory": lif_refractory,
    "lif-reset": lif_reset,
    "lif-subtract": lif_subtract,
    "lif-subtract-next": lif_subtract_next,
    "rf": rf,
    "rf-iz": rf_iz,
    "sigma": sigma,
    "sigma-delta": sigma_delta,
    "ternary-lif": ternary_lif,
}
