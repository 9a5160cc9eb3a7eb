"""The whole path as four functions: to_nir, compile, run, verify. The commands are thin layers over them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from snndeploy import __version__, arguments
from snndeploy.artifact import Artifact
from snndeploy.errors import BadInput, Problems
from snndeploy.inputs import Samples, by_name, payloads
from snndeploy.network import Network
from snndeploy.program import Program
from snndeploy.runs import VIEWS, Run, all_probes, chip_probes, chip_view, in_sample_time, read_outs
from snndeploy.simulators import engine_of, engines
from snndeploy.targets.loihi2.place import place
from snndeploy.targets.loihi2.quantize import Quantize
from snndeploy.targets.loihi2.ranges import BINARY, InputRange, Ranges, said, told

if TYPE_CHECKING:
    import nir
    import torch

Advance = Callable[[int], None]


def _silent(samples: int) -> None:
    """Progress that nobody watches."""


def to_nir(model: Any, sample: Any, dt: float = 1e-4, seed: int = 0) -> nir.NIRGraph:
    """An snnTorch model as a NIR graph, checked spike for spike against the model; see `snndeploy.export.snntorch`."""
    from snndeploy.export.snntorch import to_nir

    return to_nir(model, sample, dt=dt, seed=seed)


def to_snntorch(graph: nir.NIRGraph, dt: float | None = None, seed: int = 0) -> torch.nn.Module:
    """A NIR graph as a snnTorch module to train, checked spike for spike; see `snndeploy.export.to_snntorch`."""
    from snndeploy.export.to_snntorch import to_snntorch

    return to_snntorch(graph, dt=dt, seed=seed)


def compile(
    graph: nir.NIRGraph,
    *,
    bits: int = 8,
    bound: str = "proven",
    input: str | None = None,
    calibrate: Samples | None = None,
    dt: float | None = None,
) -> Artifact:
    """Lower, quantize and place a NIR graph for Loihi 2.

    `input` says what samples hold: "binary", "graded:LOW:HIGH" (integer payloads) or "float:LOW:HIGH" (currents).
    Without it `calibrate` (samples, steps, *input_shape), for several inputs a mapping of such by their names, tells by
    dtype and range what each holds; without both it is binary.
    `bits` are those of a weight, 2 to 15: above 8 two projections carry it, and every neuron has a scale of its own.
    `bound` is "proven" (u cannot wrap for any admitted input) or "calibrated" (on `calibrate` plus a margin).
    Raises BadInput, with all problems together, for what cannot be kept exactly.
    """
    from snndeploy.export.fingerprint import fingerprint
    from snndeploy.export.lower import lower

    return compile_network(lower(graph, dt), fingerprint(graph), bits, bound, input, calibrate)


def compile_network(
    network: Network,
    source: str,
    bits: int = 8,
    bound: str = "proven",
    input: str | None = None,
    calibrate: Samples | None = None,
) -> Artifact:
    """Quantize and place what a graph was lowered to, as `compile` does; `source` is the SHA-256 of the graph."""
    arguments.require("bits", bits, arguments.WHOLE, "a whole number")
    ranges: Ranges = input_range(input)
    if input is None and calibrate is not None:
        ranges = told(by_name([p.name for p in network.inputs()], calibrate, Problems("calibrate")))
    program = dataclasses.replace(Quantize(bits, bound, ranges)(network, calibrate), source=source)
    return Artifact(program, place(program))


def input_range(text: str | None) -> InputRange:
    """What the samples of the inputs hold, as `text` says it; binary without one. Raises BadInput."""
    if text is None:
        return BINARY
    arguments.require("input", text, str, "a text", 'as "binary" or "float:0:1"')
    return said(text)


def run(
    artifact: Artifact,
    x: Samples,
    *,
    target: str = "loihi2-sim",
    probes: Collection[str] = (),
    view: str = "lava",
    advance: Advance = _silent,
    where: str = "input",
) -> Run:
    """Run samples (samples, steps, *input_shape) on a target, every sample from rest.

    `probes` are names `POPULATION.STATE` or `.spikes`; those of `runs.read_outs` are there always. With `view="chip"`
    a probed v is 128 where the neuron spikes, as a state probe of Loihi 2 reads it, and not 0, as Lava and the
    definition have it. `advance` is told of finished samples. Raises BadInput for samples that the program does not
    take, Missing where the target is not there.
    """
    program = _program(artifact)
    arguments.require("target", target, str, "the name of a target")
    name, engine = engine_of(target)
    probes = arguments.names("probes", probes)
    unknown = sorted(set(probes) - set(all_probes(program)))
    if unknown:
        raise BadInput("probe", f"no probe {', '.join(unknown)}; known: {', '.join(all_probes(program))}")
    if view not in VIEWS:
        raise BadInput("view", f"expected {' or '.join(VIEWS)}, found {view!r}")
    probes = [*probes, *(probe for probe in read_outs(program) if probe not in probes)]
    chip = chip_probes(program, probes) if view == "chip" else {}
    sent = payloads(program, x, where)
    output = f"{program.output().name}.spikes"
    steps = next(iter(sent.values())).shape[1]
    raw = engine.simulate(program, sent, sorted({output, *probes, *chip.values()}), advance)
    seen = {probe: in_sample_time(program, probe, record, steps) for probe, record in raw.items()}
    seen.update({probe: chip_view(seen[probe], seen[spikes]) for probe, spikes in chip.items()})
    made_by = {"snndeploy": __version__, "target": target, "engine": name, "artifact": artifact.sha256(), "view": view}
    answer = Run(seen[output], {probe: seen[probe] for probe in probes}, made_by)
    answer.check(program)
    return answer


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two targets on the same program and samples: every u, v and spike of every population in every raw step."""

    target: str
    against: str
    samples: int
    values_compared: int
    differences: int
    first: str = ""


def verify(
    artifact: Artifact,
    x: Samples,
    *,
    against: Sequence[str] | None = None,
    advance: Advance = _silent,
    where: str = "input",
) -> list[Comparison]:
    """Compare other targets (all that are simulated, by default) with `reference`, value for value.

    Raises Missing where what a target needs is not there: none is ever left out in silence.
    """
    program = _program(artifact)
    sent = payloads(program, x, where)
    known = {engine.TARGET: engine for engine in engines().values()}
    reference = known.pop("reference")
    others = list(known) if against is None else arguments.names("against", against)
    unknown = sorted(set(others) - set(known))
    if unknown:
        raise BadInput("", f"no target {', '.join(unknown)} to compare with reference; known: {', '.join(known)}")
    probes = all_probes(program)
    expected = reference.simulate(program, sent, probes, advance)
    comparisons = []
    for name in others:
        found = known[name].simulate(program, sent, probes, advance)
        comparisons.append(compared(artifact, name, expected, found))
    return comparisons


def _program(artifact: Artifact) -> Program:
    arguments.require("artifact", artifact, Artifact, "an Artifact", arguments.ARTIFACT)
    return artifact.program


def compared(
    artifact: Artifact, target: str, expected: dict[str, NDArray[Any]], found: dict[str, NDArray[Any]]
) -> Comparison:
    """Count the values that differ from the first step of each population on, and name the earliest one."""
    values = differences = 0
    firsts = []
    for probe, right in expected.items():
        start = artifact.program.end(probe.rpartition(".")[0]).start
        left, right = found[probe][:, start:], right[:, start:]
        values += right.size
        places = np.argwhere(left != right)
        differences += len(places)
        if len(places):
            sample, step, neuron = min(map(tuple, places.tolist()), key=lambda place: (place[1], place[0], place[2]))
            text = f"{probe} of neuron {neuron}, step {step + 1}, sample {sample}: "
            text += f"{target} {left[sample, step, neuron]}, reference {right[sample, step, neuron]}"
            firsts.append((start + step, text))
    samples = len(next(iter(expected.values())))
    return Comparison(target, "reference", samples, values, differences, min(firsts)[1] if firsts else "")
