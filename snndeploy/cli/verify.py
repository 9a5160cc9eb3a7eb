"""`snndeploy verify`: every target on the same program, value for value, and the integers beside the floats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from snndeploy.cli._files import BitsOfNir, Calibrate, InputFile, InputRangeOption, read_network, read_samples
from snndeploy.cli._output import Json, print_json, print_table, progress
from snndeploy.errors import BadInput, CheckFailed


def command(
    network: Annotated[Path, typer.Argument(help="A .snn file, or a .nir file to compile first.")],
    input: InputFile,
    target: Annotated[
        list[str] | None,
        typer.Option("--target", help="Compare only this one, loihi2-sim or loihi2-lava; may be repeated."),
    ] = None,
    floats: Annotated[
        Path | None, typer.Option("--float", help="The .nir file it was made of: count the spike trains it shares.")
    ] = None,
    steps: Annotated[
        list[int] | None, typer.Option("--steps", help="With --float: over these first steps; may be repeated.")
    ] = None,
    bits: BitsOfNir = None,
    input_range: InputRangeOption = None,
    calibrate: Calibrate = None,
    as_json: Json = False,
) -> None:
    """Compare all targets, every u, v and spike.

    Each is compared with `reference`, the definition; exit code 1 where a value differs, and the first one is named.
    With --float the spikes are also compared with those of the float network: rounding makes them differ, which is no
    failure.
    """
    import dataclasses

    from snndeploy.api import verify
    from snndeploy.export.nir_file import read_nir
    from snndeploy.trains import agreement

    if steps and floats is None:
        raise BadInput("--steps", "goes with --float NET.nir")
    artifact = read_network(network, bits, input_range, calibrate)
    arrays, _ = read_samples(input, [entry.name for entry in artifact.program.user_inputs()])
    kept = []
    if floats is not None:
        graph = read_nir(floats)
        with progress("beside the floats", len(next(iter(arrays.values())))) as advance:
            kept = agreement(artifact, graph, arrays, steps=steps or (), advance=advance, where=str(input))
    with progress("comparing", None) as advance:
        comparisons = verify(artifact, arrays, against=target or None, advance=advance, where=str(input))
    if as_json:
        compared = [dataclasses.asdict(row) for row in comparisons]
        print_json({"comparisons": compared, "agreement": [dataclasses.asdict(row) for row in kept]})
    else:
        rows = [(f"{c.target} = {c.against}", c.samples, c.values_compared, c.differences) for c in comparisons]
        print_table(("targets", "samples", "values compared", "differences"), rows)
        trains = [(a.population, a.steps, a.active, a.identical, f"{100 * a.share:.1f} %") for a in kept]
        if trains:
            print_table(("population", "steps", "active trains", "as in floats", "share"), trains)
    wrong = [
        f"{c.differences} of {c.values_compared} values differ; first: {c.first}" for c in comparisons if c.differences
    ]
    if wrong:
        raise CheckFailed(str(network), wrong)
