"""Placement on neurocores: each population is split into the fewest equal slices that fit.

An estimate from public numbers: axon tables and their limits are not published, so they are not counted.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from snndeploy.errors import BadInput
from snndeploy.placement import Core, Placement
from snndeploy.program import Population, Program, Projection
from snndeploy.registry import part
from snndeploy.targets.loihi2 import limits


def place(program: Program) -> Placement:
    """Give every neuron of the program a core. Raises BadInput where a chip has too few, or a neuron fits on none."""
    cores = [core for population in program.populations for core in _cores(program, population)]
    room = {
        "neurons": limits.NEURONS_PER_CORE,
        "synapse_bytes": limits.SYNAPSE_BYTES_PER_CORE,
        "cores": limits.CORES_PER_CHIP,
    }
    placement = Placement("loihi2", tuple(cores), room)
    placement.check(program, "loihi2")
    return placement


def _cores(program: Program, population: Population) -> list[Core]:
    least = least_bytes(program, population)
    for count in range(1, min(population.size, limits.CORES_PER_CHIP) + 1):
        width = -(-population.size // count)
        if width > limits.NEURONS_PER_CORE or least > count * limits.SYNAPSE_BYTES_PER_CORE:
            continue
        used = synapse_bytes(program, population, width)
        if used.max() <= limits.SYNAPSE_BYTES_PER_CORE:
            break
    else:
        room = f"{limits.CORES_PER_CHIP} cores of {limits.NEURONS_PER_CORE} neurons"
        room += f" and {limits.SYNAPSE_BYTES_PER_CORE} bytes of synapses"
        raise BadInput("loihi2", f"{population.name}: it does not fit onto the {room} of a chip; use fewer synapses")
    cores = []
    for first, synapses in zip(range(0, population.size, width), used.tolist(), strict=True):
        stop = min(first + width, population.size)
        cores.append(Core(population.name, first, stop, {"neurons": stop - first, "synapse_bytes": synapses}))
    return cores


def synapse_bytes(program: Program, population: Population, width: int) -> NDArray[np.int64]:
    """Synapse memory of each slice of `width` neurons of a population, the last one maybe shorter: (slices,).

    A projection has entries, each of some synapses: of a source neuron if it is dense or sparse, where a synapse of
    sparse also names its target. A convolution is stored once in a core, for all places: an entry for each place of the
    kernel and each channel that it reads, with a weight for each channel that the slice lies in.
    """
    words = np.zeros(-(-population.size // width), np.int64)
    for q in program.projections:
        if q.target == population.name:
            bits = _bits(q)
            if q.kind == "dense":
                words += _words(_widths(population.size, width) * bits) * program.end(q.source).size
            elif q.kind == "conv":
                words += _words(_channels(population, width) * bits) * math.prod(q.weights.shape[1:])
            else:
                words += _listed_words(program, q, width, bits + (width - 1).bit_length())
    return words * (limits.SYNAPSE_WORD_BITS // 8)


def least_bytes(program: Program, population: Population) -> int:
    """Synapse memory that a population takes at least, in any slices: that of its weights and delays."""
    own = [q for q in program.projections if q.target == population.name and q.kind != "conv"]
    counts = [q.weights.size if q.kind == "dense" else int(np.count_nonzero(q.weights)) for q in own]
    return sum(count * _bits(q) for count, q in zip(counts, own, strict=True)) // 8


def _bits(q: Projection) -> int:
    """Bits of a synapse: its weight, and its delay."""
    return q.weight_bits + (limits.DELAY_BITS if q.delay or "delays" in q.extra else 0)


def _widths(size: int, width: int) -> NDArray[np.int64]:
    """The neurons of each slice."""
    firsts = np.arange(0, size, width)
    return np.minimum(firsts + width, size) - firsts


def _channels(population: Population, width: int) -> NDArray[np.int64]:
    """The channels that each slice lies in."""
    firsts = np.arange(0, population.size, width)
    lasts = firsts + _widths(population.size, width) - 1
    places = math.prod(population.shape[1:])
    return lasts // places - firsts // places + 1


def _listed_words(program: Program, q: Projection, width: int, bits: int) -> NDArray[np.int64]:
    """The words of each slice where only the synapses that there are take room."""
    source, target = program.end(q.source), program.end(q.target)
    sources, targets, *_ = part("projections", q.kind).synapses(q, source.shape, target.shape)
    slices = -(-target.size // width)
    entries, synapses = np.unique(targets // width * source.size + sources, return_counts=True)
    found: NDArray[np.int64] = np.bincount(entries // source.size, _words(synapses * bits), slices).astype(np.int64)
    return found


def _words(synapse_bits: NDArray[np.int64]) -> NDArray[np.int64]:
    """Words of an entry."""
    return -(-(limits.SYNAPSE_PREFIX_BITS + synapse_bits) // limits.SYNAPSE_WORD_BITS)
