"""The compiled synapses: what arrives at a population, summed up event by event.

All integers wrap as int32 registers do, which is what `snndeploy.integers.bring` says of every sum of at least 32 bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from snndeploy.simulators._fast_intrinsics import MOST_ROWS, add_payloads, add_rows, add_run, array_at, gather, inlined
from snndeploy.simulators._fast_layouts import NARROW_RUNS, ROWS, RUNS
from snndeploy.simulators._fast_together import sent_together, walk_together, worth_it

i32 = np.int32
Array = Any  # of Numba: an array, a record or an integer


@inlined
def bring(total: Array, exponent: Array, bits: Array) -> Array:
    """`snndeploy.integers.bring` for an int32 sum."""
    shifted = i32(total << exponent) if exponent >= 0 else i32(total >> -exponent)
    return i32(i32(shifted << i32(32 - bits)) >> i32(32 - bits))


@inlined
def add_dense(arrival, values, first_value, events, count, weights, a, total):
    """Add the rows of all events to the activations at address a."""
    row, exponent = arrival.row, arrival.exponent
    linear = exponent >= 0 and arrival.bits == 32
    to, scale = a, arrival.factor
    if linear:
        scale <<= exponent
    else:
        total[:row] = 0
        to = total.ctypes.data
    base, given, tiles, offset = weights.ctypes.data + arrival.weights, events.ctypes.data, row // 64, arrival.offset
    if arrival.graded:
        payloads = values.ctypes.data + 4 * first_value
        add_payloads(to, scale, offset, base, given, payloads, count, tiles)
    else:
        for first in range(0, count, MOST_ROWS):
            add_rows(to, scale, offset, base, given + 4 * first, min(count - first, MOST_ROWS), tiles)
    if not linear:
        add_brought(total, exponent, arrival.bits, array_at(a, row, np.int32))


@inlined
def add_brought(sums: Array, exponent: Array, bits: Array, a: Array) -> None:
    """Add what sums bring to the activations."""
    if exponent >= 0 and bits == 32:
        scale = i32(1 << exponent)
        for j in range(a.size):
            a[j] += i32(i32(sums[j]) * scale)
    else:
        for j in range(a.size):
            a[j] += bring(i32(sums[j]), exponent, bits)


@inlined
def add_list(arrival, values, first_value, events, count, wide, index, sources, a, total):
    """Add the synapses of all events to the activations a."""
    begins, targets, weights = arrival.index, arrival.index + sources + 1, arrival.weights
    linear = arrival.exponent >= 0 and arrival.bits == 32
    to = a if linear else total
    scale = i32(1 << arrival.exponent) if linear else i32(1)
    if not linear:
        total[: a.size] = 0
    for e in range(count):
        payload = i32(values[first_value + events[e]] * scale) if arrival.graded else scale
        for k in range(index[begins + events[e]], index[begins + events[e] + 1]):
            to[index[targets + k]] += i32(wide[weights + k] * payload)
    if not linear:
        add_brought(total, arrival.exponent, arrival.bits, a)


@inlined
def add_runs(arrival, values, first_value, events, count, halves, index, a, sums):
    """Add the runs of all events to the activations a; `sums` holds as many integers, of 16 bits or 32."""
    row, channels, places = arrival.row, arrival.channels, arrival.places
    begins, first_run, weights = arrival.index, arrival.index + places + 1, arrival.weights
    sums[: a.size] = 0
    for e in range(count):
        if arrival.placewise:
            place, channel = events[e] // channels, events[e] % channels
        else:
            channel, place = events[e] // places, events[e] % places
        payload = values[first_value + events[e]] if arrival.graded else i32(1)
        own = weights + channel * row
        shift = channel // arrival.group * arrival.shift
        for k in range(index[begins + place], index[begins + place + 1]):
            run = first_run + 3 * k
            to, frm = index[run] + shift, own + index[run + 1]
            if sums.itemsize == 2:
                add_run(sums.ctypes.data + 2 * to, halves.ctypes.data + 2 * frm, np.int64(index[run + 2]))
            else:
                for j in range(index[run + 2]):
                    sums[to + j] += i32(halves[frm + j] * payload)
    add_brought(sums, arrival.exponent, arrival.bits, a)


@inlined
def hear(population, first, last, begin, t1, steps, ends, arrivals, pools, sent, room, samples, a, stride, fresh):
    """Add what arrivals first..last bring a population in steps begin..t1 to the rows from address `a` on.

    In all of `samples` samples that go through the steps together: the activations of one are `stride` after those of
    the one before it. `fresh`: nothing has arrived yet, and what lies there does not count.
    """
    weights, halves, wide, index = pools
    bits, values, of_bits, of_values = sent
    sums, total, events, _, _, _, _ = room
    row = population.row
    if population.together:
        for t in range(begin, t1):
            to = a + 4 * row * (t - begin)
            hear_together(row, first, last, t, steps, ends, arrivals, pools, sent, room, samples, to, stride, fresh)
    elif fresh:
        for sample in range(samples):
            array_at(a + 4 * sample * stride, row * (t1 - begin), np.int32)[:] = 0
    for k in range(first, last):
        arrival = arrivals[k]
        if arrival.together:
            continue
        source = ends[arrival.source]
        lag, words, sources = arrival.lag, source.words, source.size
        for t in range(max(begin, lag + 1), t1):
            first_word = bits.ctypes.data + 8 * (source.bits * (steps + 1) + (t - lag) * words)
            first_value = source.values * (steps + 1) + (t - lag) * source.row
            to = a + 4 * row * (t - begin)
            for sample in range(samples):
                count = gather(first_word + 8 * sample * of_bits, words, events.ctypes.data)
                if count == 0:
                    continue
                value = first_value + sample * of_values
                own = to + 4 * sample * stride
                if arrival.layout == ROWS:
                    add_dense(arrival, values, value, events, count, weights, own, total)
                    continue
                given_row = array_at(own, row, np.int32)
                if arrival.layout == NARROW_RUNS:
                    add_runs(arrival, values, value, events, count, halves, index, given_row, sums)
                elif arrival.layout == RUNS:
                    add_runs(arrival, values, value, events, count, halves, index, given_row, total)
                else:
                    add_list(arrival, values, value, events, count, wide, index, sources, given_row, total)


@inlined
def hear_together(row, first, last, t, steps, ends, arrivals, pools, sent, room, samples, a, stride, fresh):
    """As `hear`, step t of those lists that are held for it: each is walked in the way that costs less."""
    _, _, wide, index = pools
    bits, values, of_bits, _ = sent
    _, total, events, words_of_samples, turned, of_targets, walked = room
    number = 0
    for k in range(first, last):
        arrival = arrivals[k]
        if arrival.together and t > arrival.lag:
            source = ends[arrival.source]
            given = bits.ctypes.data + 8 * (source.bits * (steps + 1) + (t - arrival.lag) * source.words)
            laid_out = words_of_samples[number].ctypes.data
            spikes = sent_together(given, of_bits, samples, source.words, turned, laid_out)
            if worth_it(arrival, spikes, source.size, row):
                walked[number] = k
                number += 1
    if number > 0 or fresh:
        walk_together(walked[:number], arrivals, wide, index, words_of_samples, of_targets, a, stride, row, fresh)
    done = 0
    for k in range(first, last):
        arrival = arrivals[k]
        if done < number and walked[done] == k:
            done += 1
        elif arrival.together and t > arrival.lag:
            source = ends[arrival.source]
            given = bits.ctypes.data + 8 * (source.bits * (steps + 1) + (t - arrival.lag) * source.words)
            for sample in range(samples):
                count = gather(given + 8 * sample * of_bits, source.words, events.ctypes.data)
                to = array_at(a + 4 * sample * stride, row, np.int32)
                add_list(arrival, values, 0, events, count, wide, index, source.size, to, total)
