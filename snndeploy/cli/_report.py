"""What compiling did, for people and for machines: the integers of every layer, what they cost, and the cores."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snndeploy.artifact import Artifact
from snndeploy.cli._output import print_table
from snndeploy.errors import printable
from snndeploy.program import Input, Program


def report_dict(artifact: Artifact) -> dict[str, Any]:
    """The report as one plain object."""
    program, placement = artifact.program, artifact.placement
    return {
        "sha256": artifact.sha256(),
        "target": placement.target,
        "dt": program.dt,
        "latency": program.latency,
        "inputs": [dataclasses.asdict(i) for i in program.inputs],
        "layers": [dataclasses.asdict(row) for row in program.report],
        "cores": [{**vars(core), "used": dict(core.used)} for core in placement.cores],
        "limits": dict(placement.limits),
        "passes": list(program.passes),
        "notes": list(program.notes),
        "source": program.source,
    }


def print_report(artifact: Artifact) -> None:
    """The report as tables on standard output."""
    program = artifact.program
    for entry in program.user_inputs():
        print(f"input {input_line(entry)}")
    rows = [
        (
            row.population,
            f"{row.scale:.6g}",
            row.threshold,
            row.weight_max,
            percent(row.error),
            percent(row.error_unbounded),
            percent(max(row.decay_error, row.bias_error, row.threshold_error)),
            percent(row.bound),
            row.limit,
        )
        for row in program.report
    ]
    columns = ("population", "scale", "vth", "max |w|", "error", "unbounded", "registers", "max |u|", "limit")
    print_table(columns, rows)
    seen = [row.population for row in program.report if not row.proven]
    if seen:
        print(printable(f"max |u| is not proven, but that of the calibration data and a margin, in {', '.join(seen)}"))
    saturating = [row.population for row in program.report if row.saturates]
    if saturating:
        print(printable(f"v could fall to its lower limit, and saturate there, in {', '.join(saturating)}"))
    for note in program.notes:
        print(printable(f"note: {note}"))
    print(cores_line(artifact))


def input_line(entry: Input) -> str:
    """An input in words."""
    shape = "x".join(map(str, entry.shape))
    if entry.kind == "binary":
        return f"{entry.name!r} ({shape}): binary spikes"
    scale = "" if entry.scale == 1 else f", payload = round({entry.scale:.6g} x)"
    return f"{entry.name!r} ({shape}): payloads {entry.minimum} to {entry.maximum}, {entry.message_bits} bits{scale}"


def cores_line(artifact: Artifact) -> str:
    """How much of a chip the artifact takes."""
    cores, limits = artifact.placement.cores, artifact.placement.limits
    synapses = max((core.used["synapse_bytes"] for core in cores), default=0)
    return (
        f"{len(cores)} of {limits['cores']} cores, the fullest with {synapses} of {limits['synapse_bytes']} bytes "
        f"of synapses; latency {artifact.program.latency} steps"
    )


def percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def program_rows(program: Program) -> list[tuple[object, ...]]:
    """A row for each population: name, shape, neuron, start, and the ranges of its parameters."""
    rows: list[tuple[object, ...]] = []
    for p in program.populations:
        spans = (f"{key} {_span(v)}" for key, v in p.parameters.items())
        rows.append((p.name, "x".join(map(str, p.shape)), p.neuron, p.start, ", ".join(spans)))
    return rows


def projection_rows(program: Program) -> list[tuple[object, ...]]:
    """A row for each projection: name, ends, size, weights and timing."""
    return [
        (
            q.name,
            f"{q.source} -> {q.target}",
            "x".join(map(str, q.weights.shape)),
            f"{q.weight_bits} bit {q.sign_mode} {_span(q.weights)}",
            q.exponent,
            q.delay,
        )
        for q in program.projections
    ]


def _span(values: NDArray[np.int32]) -> str:
    if not values.size:
        return "none"  # a sparse projection may have no synapse
    low, high = int(values.min()), int(values.max())
    return str(low) if low == high else f"{low}..{high}"
