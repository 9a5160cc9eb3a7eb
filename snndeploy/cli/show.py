"""`snndeploy show`: what is in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from snndeploy.cli._output import Json, print_json, print_table


def command(artifact: Annotated[Path, typer.Argument(help="A .snn file.")], as_json: Json = False) -> None:
    """Print what a .snn file holds."""
    from snndeploy.artifact import load
    from snndeploy.cli._report import print_report, program_rows, projection_rows, report_dict

    loaded = load(artifact)
    program = loaded.program
    populations, projections = program_rows(program), projection_rows(program)
    if as_json:
        keys = (
            ("name", "shape", "neuron", "start", "parameters"),
            ("name", "ends", "shape", "weights", "exponent", "delay"),
        )
        print_json(
            {
                **report_dict(loaded),
                "populations": [dict(zip(keys[0], row, strict=True)) for row in populations],
                "projections": [dict(zip(keys[1], row, strict=True)) for row in projections],
            }
        )
        return
    print_table(("population", "shape", "neuron", "start", "parameters"), populations)
    print_table(("projection", "from -> to", "shape", "weights", "exponent", "delay"), projections)
    print_report(loaded)
