"""`snndeploy check`: can this graph be kept exactly, and what will it take of the chip?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from snndeploy.cli._files import DEFAULT_BITS, Bits, Dt, InputRangeOption, MaxTensorBytes
from snndeploy.cli._output import Json, print_json, print_table
from snndeploy.errors import BadInput, CheckFailed, Problems, printable
from snndeploy.files import GIB


def command(
    graph: Annotated[Path, typer.Argument(help="A .nir file.")],
    target: Annotated[str, typer.Option("--target", help="The chip to check for: loihi2.")] = "loihi2",
    bits: Bits = DEFAULT_BITS,
    input_range: InputRangeOption = None,
    dt: Dt = None,
    max_tensor_bytes: MaxTensorBytes = GIB,
    as_json: Json = False,
) -> None:
    """Check every node of a NIR graph for a chip.

    A node is ok, and the table says what the chip does with it, or what is wrong with it; exit code 1 on any failure.
    """
    from snndeploy.api import compile_network
    from snndeploy.api import input_range as parsed_range
    from snndeploy.cli._nodes import Fates, nodes_of
    from snndeploy.cli._report import cores_line, report_dict
    from snndeploy.export import nir_repairs
    from snndeploy.export.fingerprint import fingerprint
    from snndeploy.export.lower import lowered
    from snndeploy.export.nir_file import read_nir
    from snndeploy.targets.loihi2.quantize import Quantize

    if target != "loihi2":
        raise BadInput("--target", f"no chip {target!r}; known: loihi2")
    Quantize(bits, input=parsed_range(input_range)).check()
    read = read_nir(graph, max_tensor_bytes)
    nodes = dict(nodes_of(read))
    repaired = nir_repairs.read(read.metadata, Problems(str(graph)))
    artifact, problems, fates = None, [], {}
    try:
        network, origins = lowered(read, dt)
        artifact = compile_network(network, fingerprint(read), bits, input=input_range)
        told = Fates(network, origins, artifact)
        fates = {name: told.of(name, node) for name, node in nodes.items()}
    except BadInput as error:
        if error.where == "dt" or any(problem.startswith("dt: ") for problem in error.problems):
            raise
        problems = list(error.problems)
    concerned = {problem: _concerned(problem, nodes) for problem in problems}
    rows = [_row(name, node, [p for p, own in concerned.items() if own == name]) for name, node in nodes.items()]
    others = [problem for problem, own in concerned.items() if own is None]
    if as_json:
        keys = ("node", "type", "shape", "result")
        table = [{**dict(zip(keys, row, strict=True)), "on_target": fates.get(row[0])} for row in rows]
        report = report_dict(artifact) if artifact else None
        found = {"nodes": table, "repaired": repaired, "problems": problems, "report": report}
        print_json({"ok": artifact is not None, **found})
    else:
        if fates:
            print_table(("node", "type", "shape", "result", f"on {target}"), [(*row, fates[row[0]]) for row in rows])
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
    own = [problem.removeprefix(f"{name}: ") for problem in problems]
    shape = node.output_type.get("output") if node.output_type else None
    text = "" if shape is None else "x".join(str(int(length)) for length in shape)
    return name, type(node).__name__, text, "; ".join(own) or "ok"


def _concerned(problem: str, nodes: Mapping[str, Any]) -> str | None:
    """The node that a problem is about, or one of its parameters: by its name or that of its population.

    The longest name is meant: "a.b: ..." is of a node "a.b" in a graph "a", if there is one.
    """
    from snndeploy.export.names import legal

    ends = [(own, name) for name, node in nodes.items() for own in (name, legal(name, type(node).__name__))]
    found = [name for own, name in ends if problem.startswith((f"{own}: ", f"{own}."))]
    return max(found, key=len, default=None)
