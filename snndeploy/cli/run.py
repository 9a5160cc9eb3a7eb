"""`snndeploy run`: samples through a network, on a target."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from snndeploy.cli._files import (
    BitsOfNir,
    Calibrate,
    InputFile,
    InputRangeOption,
    check_suffix,
    read_network,
    read_samples,
)
from snndeploy.cli._output import Json, print_json, print_table, progress, say


def command(
    network: Annotated[Path, typer.Argument(help="A .snn file, or a .nir file to compile first.")],
    input: InputFile,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The run file (.npz) to write.")] = None,
    target: Annotated[str, typer.Option("--target", help="loihi2-sim, loihi2-lava, or reference.")] = "loihi2-sim",
    probe: Annotated[
        list[str] | None, typer.Option("--probe", help="Record POPULATION.u, .v or .spikes; may be repeated.")
    ] = None,
    probe_view: Annotated[
        str,
        typer.Option("--probe-view", help="v in a spiking step: 0 as lava reads it, or 128 as a chip's probe does."),
    ] = "lava",
    bits: BitsOfNir = None,
    input_range: InputRangeOption = None,
    calibrate: Calibrate = None,
    as_json: Json = False,
) -> None:
    """Run samples through a network, on a target."""
    from snndeploy.api import run

    if output is not None:
        check_suffix(output, ".npz")
    artifact = read_network(network, bits, input_range, calibrate)
    arrays, labels = read_samples(input, [entry.name for entry in artifact.program.user_inputs()])
    samples = len(next(iter(arrays.values())))
    with progress(f"running on {target}", samples) as advance:
        answer = run(
            artifact, arrays, target=target, probes=probe or (), view=probe_view, advance=advance, where=str(input)
        )
    if output is not None:
        answer.save(output)
    accuracy = None if labels is None or not len(labels) else float((answer.predictions == labels).mean())
    summary = {
        "target": target,
        "samples": len(answer.spikes),
        "steps": answer.spikes.shape[1],
        "spikes": int(np.count_nonzero(answer.spikes)),
        "accuracy": accuracy,
        "output": None if output is None else str(output),
    }
    if as_json:
        print_json({**summary, "predictions": answer.predictions.tolist(), "made_by": dict(answer.made_by)})
        return
    rows = [
        (key, value if not isinstance(value, float) else f"{value:.4f}")
        for key, value in summary.items()
        if value is not None
    ]
    print_table(("run", ""), rows)
    if output is None:
        say("nothing written: give -o run.npz to keep spikes, counts, predictions and probes")
