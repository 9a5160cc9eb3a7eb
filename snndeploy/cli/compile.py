"""`snndeploy compile`: a NIR graph to the integers of Loihi 2."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from snndeploy.cli._files import (
    DEFAULT_BITS,
    Bits,
    Bound,
    Calibrate,
    Dt,
    InputRangeOption,
    MaxTensorBytes,
    check_suffix,
    compile_file,
)
from snndeploy.cli._output import Json, print_json, say
from snndeploy.files import GIB


def command(
    graph: Annotated[Path, typer.Argument(help="A .nir file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .snn file to write.")],
    bits: Bits = DEFAULT_BITS,
    bound: Bound = "proven",
    input_range: InputRangeOption = None,
    calibrate: Calibrate = None,
    dt: Dt = None,
    max_tensor_bytes: MaxTensorBytes = GIB,
    as_json: Json = False,
) -> None:
    """Quantize and place a NIR graph: NET.nir to NET.snn."""
    from snndeploy.cli._report import print_report, report_dict

    check_suffix(output, ".snn")
    artifact = compile_file(graph, bits, bound, input_range, calibrate, dt, max_tensor_bytes)
    artifact.save(output)
    if as_json:
        print_json({"output": str(output), **report_dict(artifact)})
    else:
        print_report(artifact)
    say(f"wrote {output}")
