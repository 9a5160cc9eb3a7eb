"""The compiled loops: samples one by one, groups of populations in order, steps in chunks. No Python in between.

What was sent in a step is a row of bits (uint64 words); where payloads count, of int32 values beside it.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba
import numpy as np

from snndeploy.simulators._fast_intrinsics import array_at, call, gather, inlined, nonzero_bytes, nonzero_ints
from snndeploy.simulators._fast_lif import step_memory, step_memory_bounded, step_plain, step_plain_bounded
from snndeploy.simulators._fast_plan import LIF_VARIANTS, SPIKES
from snndeploy.simulators._fast_synapses import Array, hear, i32


@inlined
def pack_bytes(address: Array, size: Array, bits: Array, first: Array) -> None:
    """The bits of `size` bytes at `address` that are not zero, to bits[first:]."""
    whole = size // 64
    for w in range(whole):
        bits[first + w] = nonzero_bytes(address + 64 * w)
    rest = size - 64 * whole
    if rest:
        seen = array_at(address + 64 * whole, rest, np.uint8)
        word = np.uint64(0)
        for j in range(rest):
            word |= np.uint64(seen[j] != 0) << np.uint64(j)
        bits[first + whole] = word


@inlined
def pack_ints(address: Array, words: Array, bits: Array, first: Array) -> None:
    """The bits of 64 * words int32 at `address` that are not zero."""
    for w in range(words):
        bits[first + w] = nonzero_ints(address + 256 * w)


@inlined
def step_lif(variant: Array, a: Array, states: Array, parameters: Array, bits: Array, row: Array, keep: Array) -> None:
    """One step of a LIF population by addresses (`_fast_lif`); `variant` is that of `_fast_pools.lif_variant`."""
    if variant == 0:
        step_memory(a, states, parameters, bits, row, keep)
    elif variant == 1:
        step_memory_bounded(a, states, parameters, bits, row, keep)
    elif variant == 2:
        step_plain(a, states, parameters, bits, row, keep)
    else:
        step_plain_bounded(a, states, parameters, bits, row, keep)


@inlined
def copy(source: Array, target: Array) -> None:
    for j in range(source.size):
        target[j] = source[j]


@inlined
def read_inputs(sample, steps, ends, inputs, bits, values):
    """Lay out what the inputs send in a sample."""
    for i in range(inputs.shape[0]):
        end = ends[inputs[i, 0]]
        size, given = end.size, inputs[i, 2]
        for t in range(given):
            at = sample * given + t
            first = end.bits * (steps + 1) + (t + 1) * end.words
            if end.values >= 0:
                row = end.values * (steps + 1) + (t + 1) * end.row
                copy(array_at(inputs[i, 1] + 4 * at * size, size, np.int32), values[row : row + size])
                pack_ints(values.ctypes.data + 4 * row, end.words, bits, first)
            else:
                pack_bytes(inputs[i, 1] + at * size, size, bits, first)


@inlined
def update(population, own, t, steps, a, bits, values, states, parameters, sent, keep):
    """One step of a population with the activations at address a; all else are addresses too."""
    row = population.row
    states += 8 * population.states
    parameters += 8 * population.parameters
    bits += 8 * (own.bits * (steps + 1) + t * own.words)
    if population.step < LIF_VARIANTS:
        step_lif(population.step, a, states, parameters, bits, row, keep)
        return
    if own.values >= 0:
        sent = values + 4 * (own.values * (steps + 1) + t * own.row)
    call(population.step, a, sent, states, parameters, population.size, row)
    array_at(sent, row, np.int32)[population.size :] = 0  # what a larger population has left there
    pack_ints(sent, own.words, array_at(bits, own.words, np.uint64), 0)


@inlined
def record(entry, at, population, own, bits, first, values, first_value, states, narrow_states, index, events):
    """Write one step of one record."""
    size, state = population.size, entry[1]
    if state == SPIKES and own.values < 0:
        spikes = array_at(entry[2] + at * size, size, np.uint8)
        for e in range(gather(bits.ctypes.data + 8 * first, own.words, events.ctypes.data)):
            spikes[index[population.order + events[e]]] = 1
        return
    out = array_at(entry[2] + 4 * at * size, size, np.int32)
    for j in range(size):
        if state == SPIKES:
            seen = i32(values[first_value + j])
        elif population.step < LIF_VARIANTS:
            seen = narrow_states[2 * population.states + state * population.row + j]
        else:
            seen = i32(states[population.states + state * population.row + j])
        out[index[population.order + j]] = seen


@lru_cache(maxsize=1)
def compiled_run() -> Any:
    """The loop over samples, compiled, or loaded from Numba's cache on disk.

    Numba looks at this file alone to tell whether what it has cached is still good: the key speaks for the others.
    """
    files = sorted(Path(__file__).parent.glob("_fast_*.py"))
    return _run(hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest())


def _run(key: str) -> Any:
    @numba.njit(nogil=True, cache=True, _nrt=False)
    def run(
        samples,
        steps,
        ends,
        populations,
        groups,
        arrivals,
        inputs,
        records,
        weights,
        halves,
        wide,
        index,
        rest,
        parameters,
        bits,
        values,
        states,
        activations,
        sums,
        total,
        events,
        sent,
        words_of_samples,
        turned,
        of_targets,
        walked,
        first_states,
    ):
        """Run `samples` samples of `steps` raw steps from rest.

        `inputs` (end, address of the payloads, their steps): bytes, or int32 where the end has values. `records`
        (population, state or SPIKES, address): zeros (samples, steps, size) to fill. The rest are the arrays of a
        Plan, and room to work in, of which bits, values and sent are zero.
        """
        _ = key
        pools = weights, halves, wide, index
        scratch = sums, total, events, words_of_samples, turned, of_targets, walked
        sendings = bits.reshape(-1), values.reshape(-1), bits.shape[1], values.shape[1]
        together, stride = bits.shape[0], activations.shape[1]
        first_states[:] = 0
        for r in range(records.shape[0]):
            if records[r, 1] == 0:
                first_states[records[r, 0]] = 1
        for first in range(0, samples, together):
            count = min(together, samples - first)
            for s in range(count):
                copy(rest, states[s])
                read_inputs(first + s, steps, ends, inputs, bits[s], values[s])
            for g in range(groups.shape[0]):
                group = groups[g]
                for t0 in range(1, steps + 1, group.chunk):
                    t1 = min(t0 + group.chunk, steps + 1)
                    for n in range(group.first, group.last):
                        heard = populations[n]
                        begin = max(t0, heard.start + 1)
                        if begin < t1:
                            a = activations.ctypes.data + 4 * (heard.activations + heard.row * (begin - t0))
                            among = heard.first, heard.loops, begin, t1, steps
                            to = count, a, stride, True
                            hear(heard, *among, ends, arrivals, pools, sendings, scratch, *to)
                    for s0 in range(t0, t1, group.inner):
                        s1 = min(s0 + group.inner, t1)
                        for n in range(group.first, group.last):
                            population = populations[n]
                            own = ends[population.end]
                            begin = max(s0, population.start + 1)
                            row = activations.ctypes.data + 4 * (population.activations - population.row * t0)
                            if begin < s1 and population.loops < population.last:
                                a = row + 4 * population.row * begin
                                among = population.loops, population.last, begin, s1, steps
                                to = count, a, stride, False
                                hear(population, *among, ends, arrivals, pools, sendings, scratch, *to)
                            for s in range(count):
                                for t in range(s0, s1):
                                    if t >= begin:
                                        update(
                                            population,
                                            own,
                                            t,
                                            steps,
                                            row + 4 * (population.row * t + s * stride),
                                            bits[s].ctypes.data,
                                            values[s].ctypes.data,
                                            states[s].ctypes.data,
                                            parameters.ctypes.data,
                                            sent.ctypes.data,
                                            first_states[n],
                                        )
                                    for r in range(records.shape[0]):
                                        if records[r, 0] == n:
                                            record(
                                                records[r],
                                                (first + s) * steps + t - 1,
                                                population,
                                                own,
                                                bits[s],
                                                own.bits * (steps + 1) + t * own.words,
                                                values[s],
                                                own.values * (steps + 1) + t * own.row,
                                                states[s],
                                                states[s].view(np.int32),
                                                index,
                                                events,
                                            )

    return run
