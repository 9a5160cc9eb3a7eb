"""Placement on neurocores: each population is split into the fewest equal slices that fit.

An estimate from public numbers: axon tables and their limits are not published, so they are not counted.
"""

from __future__ import annotations

from snndeploy.placement import Core, Placement
from snndeploy.program import Population, Program
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
    for count in range(1, population.size + 1):
        width = -(-population.size // count)
        if (
            width <= limits.NEURONS_PER_CORE
            and synapse_bytes(program, population, width) <= limits.SYNAPSE_BYTES_PER_CORE
        ):
            break
    cores = []
    for first in range(0, population.size, width):
        stop = min(first + width, population.size)
        used = {"neurons": stop - first, "synapse_bytes": synapse_bytes(program, population, stop - first)}
        cores.append(Core(population.name, first, stop, used))
    return cores


def synapse_bytes(program: Program, population: Population, neurons: int) -> int:
    """Synapse memory that `neurons` neurons of a population need: an entry per source neuron of each projection."""
    words = 0
    for q in program.projections:
        if q.target == population.name:
            synapse_bits = q.weight_bits + (limits.DELAY_BITS if q.delay or "delays" in q.extra else 0)
            entry_bits = limits.SYNAPSE_PREFIX_BITS + neurons * synapse_bits
            words += program.end(q.source).size * -(-entry_bits // limits.SYNAPSE_WORD_BITS)
    return words * limits.SYNAPSE_WORD_BITS // 8
