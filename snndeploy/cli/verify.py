"""`snndeploy verify`: every engine on the same program, value for value."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from snndeploy.cli._files import Calibrate, InputFile, InputRangeOption, read_network, read_samples
from snndeploy.cli._output import Json, print_json, print_table, progress
from snndeploy.errors import CheckFailed


def command(
    network: Annotated[Path, typer.Argument(help="A .snn file, or a .nir file to compile first.")],
    input: InputFile,
    engine: Annotated[
        list[str] | None, typer.Option("--engine", help="Compare only this engine; may be repeated.")
    ] = None,
    input_range: InputRangeOption = None,
    calibrate: Calibrate = None,
    as_json: Json = False,
) -> None:
    """Compare all engines, every u, v and spike.

    Each is compared with the reference; exit code 1 where a value differs, and the first one is named.
    """
    import dataclasses

    from snndeploy.api import verify

    artifact = read_network(network, input_range, calibrate)
    arrays, _ = read_samples(input)
    with progress("comparing", None) as advance:
        comparisons = verify(artifact, arrays, against=engine or None, advance=advance, where=str(input))
    if as_json:
        print_json({"comparisons": [dataclasses.asdict(c) for c in comparisons]})
    else:
        rows = [(f"{c.engine} = {c.against}", c.samples, c.values_compared, c.differences) for c in comparisons]
        print_table(("engines", "samples", "values compared", "differences"), rows)
    wrong = [
        f"{c.differences} of {c.values_compared} values differ; first: {c.first}" for c in comparisons if c.differences
    ]
    if wrong:
        raise CheckFailed(str(network), wrong)
