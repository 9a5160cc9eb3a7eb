"""`snndeploy export`: an snnTorch model to a NIR graph, checked spike for spike."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from snndeploy.cli._files import check_suffix
from snndeploy.cli._output import Json, print_json, print_table, say
from snndeploy.errors import BadInput, printable
from snndeploy.files import refuse_foreign


def command(
    model: Annotated[str, typer.Argument(help="MODULE:FACTORY that makes it, or a checkpoint NAME.safetensors.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .nir file to write.")],
    weights: Annotated[Path | None, typer.Option("--weights", help="The model's state, .safetensors.")] = None,
    shape: Annotated[
        str | None, typer.Option("--shape", help="Shape of one input, 2x34x34, or of several, 64,16.")
    ] = None,
    dt: Annotated[float, typer.Option("--dt", help="Time step in seconds.")] = 1e-4,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the inputs of the check.")] = 0,
    as_json: Json = False,
) -> None:
    """Export an snnTorch model to NIR, spike for spike.

    Model and graph run side by side first; unless every spike of every neuron is equal, nothing is written.
    """
    check_suffix(output, ".nir")
    refuse_foreign(model)
    from snndeploy.export.nir_file import write_nir
    from snndeploy.export.snntorch import export_model

    made, sample, notes = _model_and_sample(model, weights, shape)
    export = export_model(made, sample, dt, seed)
    notes += export.notes
    write_nir(export.graph, output)
    if as_json:
        checked = {"steps": export.steps, "samples": export.samples, "spikes": dict(export.spikes)}
        print_json({"output": str(output), "checked": checked, "silent": export.silent, "notes": notes})
        return
    rows = [(name, count, "equal" if count else "equal, but it never spiked") for name, count in export.spikes.items()]
    print_table(("population", "spikes", f"model and graph, {export.samples} runs of {export.steps} steps"), rows)
    for note in notes:
        print(printable(f"note: {note}"))
    say(f"wrote {output}")


def _model_and_sample(model: str, weights: Path | None, shape: str | None) -> tuple[Any, Any, list[str]]:
    """The model, an input to check it with (a test image for a checkpoint of ours, else `--shape`), and notes."""
    if model.endswith(".safetensors"):
        return *_checkpoint(model, weights, shape), []
    from snndeploy.export.factory import make_model

    if shape is None:
        raise BadInput("--shape", "expected the shape of one input, without batch, as in 64 or 2x34x34")
    shapes = [one.split("x") for one in shape.split(",")]
    if not all(re.fullmatch("[1-9][0-9]{0,8}", length) for lengths in shapes for length in lengths):
        lengths = "x".join(re.findall(r"(?<!\d)[1-9][0-9]{0,8}(?!\d)", shape))
        hint = f"; use {lengths}" if lengths else ""
        raise BadInput("--shape", f"expected whole numbers joined by x, as in 2x34x34, found {shape!r}{hint}")
    sample = tuple(tuple(map(int, lengths)) for lengths in shapes)
    made = make_model(model, weights)
    notes = [] if weights else [f"no --weights: the model is as {model} makes it, untrained unless that loads a state"]
    return made, sample if len(sample) > 1 else sample[0], notes


def _checkpoint(model: str, weights: Path | None, shape: str | None) -> tuple[Any, Any]:
    """The model of a checkpoint of `snndeploy train`, and a test image."""
    if weights is not None or shape is not None:
        raise BadInput(model, "a checkpoint of `snndeploy train` needs no --weights and no --shape; leave them out")
    description = Path(model).with_suffix(".json")
    if Path(model).is_file() and not description.is_file():
        text = f"no {description} beside it, so it is no checkpoint of `snndeploy train`; if it holds weights of yours"
        raise BadInput(model, f"{text}, give the code of the model: MODULE:FACTORY --weights {model} --shape ...")
    from snndeploy.trainers import checkpoint
    from snndeploy.trainers.training import encoded_test, recipe_of

    trained = checkpoint.load(model)
    return trained.model, encoded_test(recipe_of(trained.recipe))[0][0, 0]
