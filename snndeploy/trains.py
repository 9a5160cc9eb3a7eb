"""How closely integers follow the floats: which spike trains are the same in every step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from snndeploy.artifact import Artifact
from snndeploy.errors import BadInput, Problems
from snndeploy.inputs import Samples, by_name, payloads

if TYPE_CHECKING:
    import nir

TOGETHER = 16  # samples: bounds the memory that spikes of all populations take


@dataclass(frozen=True)
class Agreement:
    """The spike trains of a population over `steps` first steps: how many are active, and how many of these identical.

    A train is what one neuron does in one sample; it is active where it has a spike in floats or in integers. Trains
    that are silent in both would make any two networks look alike.
    """

    population: str
    steps: int
    active: int
    identical: int

    @property
    def share(self) -> float:
        """Of the active trains; 1 where there is none."""
        return self.identical / self.active if self.active else 1.0


def identical_trains(floats: NDArray[np.bool_], integers: NDArray[np.bool_]) -> tuple[int, int]:
    """How many trains of (samples, steps, *shape) are active in either, and how many of these are identical."""
    active = (floats | integers).any(axis=1)
    equal = (floats == integers).all(axis=1)
    return int(active.sum()), int((active & equal).sum())


def agreement(
    artifact: Artifact,
    graph: nir.NIRGraph,
    x: Samples,
    *,
    steps: Sequence[int] = (),
    advance: Callable[[int], None] = lambda _: None,
    where: str = "input",
) -> list[Agreement]:
    """Compare the spikes of an artifact's integers with those of the graph in float64, population by population.

    `graph` is the one that the artifact was compiled from, `x` are samples as `run` takes them. For each of `steps` the
    trains are counted over that many first steps, without any over all. Raises BadInput for another graph, and for
    steps that the samples do not have.
    """
    from snndeploy.api import run
    from snndeploy.export.fingerprint import fingerprint
    from snndeploy.export.lower import lower
    from snndeploy.floats import simulate

    program = artifact.program
    if fingerprint(graph) != program.source:
        raise BadInput("graph", "not the one that the artifact was compiled from")
    samples, length = next(iter(payloads(program, x, where).values())).shape[:2]
    wrong = [count for count in steps if not 1 <= count <= length]
    if wrong:
        raise BadInput("steps", f"expected 1 to {length}, found {wrong[0]}")
    arrays = by_name([entry.name for entry in program.user_inputs()], x, Problems(where))
    network = lower(graph, program.dt)
    spiking = [p.name for p in network.populations if p.neuron == "lif"]
    counts = {(name, count): np.zeros(2, int) for count in steps or (length,) for name in spiking}
    for first in range(0, samples, TOGETHER):
        some: dict[str, NDArray[Any]] = {name: values[first : first + TOGETHER] for name, values in arrays.items()}
        floats = simulate(network, some)
        found = run(artifact, some, probes=[f"{name}.spikes" for name in spiking], where=where)
        for name, count in counts:
            trains = floats[name][:, :count], found.probes[f"{name}.spikes"][:, :count]
            counts[name, count] += identical_trains(*trains)
        advance(len(found.spikes))
    return [Agreement(name, count, *found.tolist()) for (name, count), found in counts.items()]
