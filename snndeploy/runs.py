"""Run: what a simulator or a chip answered, and who made it.

Index t of every spike train and probe belongs to step t of the sample: each population's own start is taken off.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snndeploy.errors import BadInput, Problems
from snndeploy.files import atomic_write, npz_bytes
from snndeploy.program import Population, Program
from snndeploy.registry import part
from snndeploy.values import frozen_mapping

VIEWS = ("lava", "chip")  # of v in a step in which a neuron spikes: what Lava reads, or a state probe of Loihi 2
CHIP_SPIKING_V = 128  # in recordings of the NIR paper (lif_lava_loihi_fixed.csv) and of lava-dl (gts/pilotnet_lif)
CHIP_RECORDED = ("lif", "lif-reset")  # the models of which there is a recording


@dataclass(frozen=True)
class Run:
    """What the first output sent, and probes: `POPULATION.STATE` (int32) or `POPULATION.spikes`, what is sent there.

    `spikes` are (samples, steps, *output_shape): bool, or int32 payloads where the output's model is graded. `made_by`
    says what made it: target, engine, the artifact's SHA-256, snndeploy's version.
    """

    spikes: NDArray[Any]
    probes: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    made_by: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for array in (self.spikes, *self.probes.values()):
            array.setflags(write=False)
        object.__setattr__(self, "probes", frozen_mapping(self.probes))
        object.__setattr__(self, "made_by", frozen_mapping(self.made_by))

    def check(self, program: Program, where: str = "run") -> None:
        """Raise BadInput with all the problems of this run of `program`, if there are any."""
        problems = Problems(where)
        expected = {"spikes": self.spikes.shape[:2] + program.output().shape}
        expected.update({p: self.spikes.shape[:2] + program.end(p.rpartition(".")[0]).shape for p in self.probes})
        for name, array in {"spikes": self.spikes, **self.probes}.items():
            problems.require(array.shape == expected[name], name, f"expected {expected[name]}, found {array.shape}")
        sent = "int32" if program.output().message_bits else "bool"
        problems.require(self.spikes.dtype == sent, "spikes", f"expected {sent}, found {self.spikes.dtype}")
        problems.raise_if_any()

    @property
    def counts(self) -> NDArray[np.int64]:
        """Spikes of each output neuron per sample, or the sum of its payloads: (samples, *output_shape)."""
        counts: NDArray[np.int64] = self.spikes.sum(axis=1, dtype=np.int64)
        return counts

    @property
    def predictions(self) -> NDArray[np.int64]:
        """The output neuron with the largest count, the lowest index on a tie: (samples,)."""
        counts = self.counts.reshape(len(self.spikes), math.prod(self.spikes.shape[2:]))
        return np.asarray(counts.argmax(axis=1), np.int64)

    def to_bytes(self) -> bytes:
        """The run file: an uncompressed `.npz` that is the same for equal runs."""
        arrays = {"spikes": self.spikes, "counts": self.counts, "predictions": self.predictions, **self.probes}
        return npz_bytes({**arrays, **{f"made_by.{key}": np.array(text) for key, text in self.made_by.items()}})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the run file, whole or not at all. Raises BadInput where it cannot be written."""
        atomic_write(path, self.to_bytes())


def all_probes(program: Program) -> list[str]:
    """Every state and what is sent (`.spikes`, payloads too) of every population."""
    return [f"{p.name}.{state}" for p in program.populations for state in (*seen_states(p), "spikes")]


def seen_states(population: Population) -> list[str]:
    """The states that every engine holds; a name with `_` in front is a counter that one may keep in its own way."""
    return [state for state in part("neurons", population.neuron).STATES if not state.startswith("_")]


def read_outs(program: Program) -> list[str]:
    """The probes of every run: spikes of the outputs after the first, and v of outputs that never spike."""
    ends = [program.end(name) for name in program.outputs]
    integrators = [f"{end.name}.v" for end in ends if isinstance(end, Population) and end.neuron == "li"]
    return [*(f"{end.name}.spikes" for end in ends[1:]), *integrators]


def in_sample_time(program: Program, probe: str, record: NDArray[Any], steps: int) -> NDArray[Any]:
    """Raw steps (samples, steps + latency, size) of a population to the sample's own steps, in its shape."""
    end = program.end(probe.rpartition(".")[0])
    return record[:, end.start : end.start + steps].reshape(len(record), steps, *end.shape)


def chip_view(v: NDArray[Any], spikes: NDArray[np.bool_]) -> NDArray[Any]:
    """v (int32, of any shape) as a state probe of Loihi 2 reads it: 128 where the neuron spikes, and not 0.

    The register holds the state of the refractory period there; the next step goes on from 0 as in the definition.
    """
    return np.where(spikes, np.array(CHIP_SPIKING_V, v.dtype), v)


def chip_probes(program: Program, probes: Collection[str]) -> dict[str, str]:
    """Each probe of a v among `probes` -> that of the spikes that its chip view needs.

    Raises BadInput for models of which no recording says what the chip reads.
    """
    names = {probe: probe.rpartition(".")[0] for probe in probes if probe.endswith(".v")}
    models = {p.name: p.neuron for p in program.populations if p.name in names.values()}
    unknown = [f"{name} is {model}" for name, model in models.items() if model not in CHIP_RECORDED]
    if unknown:
        raise BadInput(
            "probe", f"the chip's view of v is known for {' and '.join(CHIP_RECORDED)}: {', '.join(unknown)}"
        )
    return {probe: f"{name}.spikes" for probe, name in names.items()}
