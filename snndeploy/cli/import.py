# ruff: noqa: N999 - a command is the file of its name
"""`snndeploy import`: a NIR graph to the weights of a snnTorch module, checked spike for spike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from snndeploy.cli._files import Dt, MaxTensorBytes, check_suffix
from snndeploy.cli._output import Json, print_json, print_table, say
from snndeploy.errors import BadInput, printable
from snndeploy.extras import extras
from snndeploy.files import GIB


def command(
    graph: Annotated[Path, typer.Argument(help="A .nir file.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The module's weights, .safetensors.")] = None,
    dt: Dt = None,
    max_tensor_bytes: MaxTensorBytes = GIB,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the inputs of the check.")] = 0,
    as_json: Json = False,
) -> None:
    """Make a snnTorch module of a NIR graph, to train it further.

    Module and graph run side by side first; unless every spike of every neuron is equal, nothing is written. The module
    itself is made in Python, by the line that is printed; the weights are its state.
    """
    if output is not None:
        check_suffix(output, ".safetensors")
    from snndeploy.export.nir_file import read_nir

    read = read_nir(graph, max_tensor_bytes)
    from snndeploy.export.to_snntorch import import_graph
    from snndeploy.files import atomic_write

    with extras():
        from safetensors.torch import save

    try:
        made = import_graph(read, dt, seed)
    except BadInput as error:
        lead = "" if error.where == "NIR graph" or not error.where else f"{error.where}: "
        raise BadInput(str(graph), [lead + problem for problem in error.problems]) from None
    if output is not None:
        atomic_write(output, save(made.module.state_dict()))
    said = "" if dt is None else f", dt={dt}"
    python = f"snndeploy.to_snntorch(snndeploy.read_nir({str(graph)!r}){said})"
    if as_json:
        checked = {"steps": made.steps, "samples": made.samples, "spikes": dict(made.spikes)}
        notes = list(made.module.notes)
        written = None if output is None else str(output)
        print_json({"output": written, "checked": checked, "silent": made.silent, "notes": notes, "python": python})
        return
    rows = [(name, count, "equal" if count else "equal, but it never spiked") for name, count in made.spikes.items()]
    print_table(("population", "spikes", f"module and graph, {made.samples} runs of {made.steps} steps"), rows)
    for note in made.module.notes:
        print(printable(f"note: {note}"))
    print(printable(f"in Python: model = {python}"))
    if output is not None:
        say(f"wrote {output}")
