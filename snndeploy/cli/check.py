"""`snndeploy check`: can this graph be kept exactly, and what will it take of the chip?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from snndeploy.cli._files import DEFAULT_BITS, Bits, Dt, InputRangeOption, MaxTensorBytes
from snndeploy.cli._output import Json, print_json, print_table
from snndeploy.errors import BadInput, CheckFailed, Problems, printable
from snndeploy.files import GIB


def command(
    graph: Annotated[Path, typer.Argument(help="A .nir file.")],
    target: Annotated[str, typer.Option("--target", help="The chip to check for.")] = "loihi2",
    bits: Bits = DEFAULT_BITS,
    input_range: InputRangeOption = None,
    dt: Dt = None,
    max_tensor_bytes: MaxTensorBytes = GIB,
    as_json: Json = False,
) -> None:
    """Check every node of a NIR graph for a chip.

    A node is ok, or the table says what is wrong with it; exit code 1 on any failure.
    """
    from snndeploy.api import compile
    from snndeploy.api import input_range as parsed_range
    from snndeploy.cli._report import cores_line, report_dict
    from snndeploy.export import nir_repairs
    from snndeploy.export.nir_file import read_nir
    from snndeploy.targets.loihi2.quantize import Quantize

    if target != "loihi2":
        raise BadInput("--target", f"no chip {target!r}; known: loihi2")
    Quantize(bits, input=parsed_range(input_range)).check()
    read = read_nir(graph, max_tensor_bytes)
    repaired = nir_repairs.read(read.metadata, Problems(str(graph)))
    artifact, problems = None, []
    try:
        artifact = compile(read, bits=bits, input=input_range, dt=dt)
    except BadInput as error:
        if error.where == "dt" or any(problem.startswith("dt: ") for problem in error.problems):
            raise
        problems = list(error.problems)
    rows = [_row(name, node, problems) for name, node in read.nodes.items()]
    others = [problem for problem in problems if not any(_concerns(problem, *item) for item in read.nodes.items())]
    if as_json:
        keys = ("node", "type", "shape", "result")
        table = [dict(zip(keys, row, strict=True)) for row in rows]
        report = report_dict(artifact) if artifact else None
        found = {"nodes": table, "repaired": repaired, "problems": problems, "report": report}
        print_json({"ok": artifact is not None, **found})
    else:
        print_table(("node", "type", "shape", "result"), rows)
        for line in repaired if artifact is None else ():  # else they are among the notes
            print(printable(f"note: {line}"))
        for problem in others:
            print(printable(f"graph: {problem}"))
        if artifact is not None:
            for note in artifact.program.notes:
                print(printable(f"note: {note}"))
            print(cores_line(artifact))
    if problems:
        raise CheckFailed(str(graph), f"{len(problems)} problem(s): this graph cannot be kept exactly on {target}")


def _row(name: str, node: Any, problems: list[str]) -> tuple[str, str, str, str]:
    own = [problem.removeprefix(f"{name}: ") for problem in problems if _concerns(problem, name, node)]
    shape = node.output_type.get("output") if node.output_type else None
    text = "" if shape is None else "x".join(str(int(length)) for length in shape)
    return name, type(node).__name__, text, "; ".join(own) or "ok"


def _concerns(problem: str, name: str, node: Any) -> bool:
    """Whether a problem is about a node, or one of its parameters, by its name or that of its population."""
    from snndeploy.export.names import legal

    names = {name, legal(name, type(node).__name__)}
    return any(problem.startswith((f"{own}: ", f"{own}.")) for own in names)
