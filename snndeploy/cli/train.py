"""`snndeploy train`: a named recipe, seeded and resumable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from snndeploy.cli._output import Json, print_json, print_table, progress, say


def command(
    recipe: Annotated[str, typer.Argument(help="digits-snn, digits-rate or digits-ann; `list` says what they are.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The checkpoint [RECIPE.safetensors].")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of everything that is random.")] = 0,
    epochs: Annotated[int | None, typer.Option("--epochs", help="Passes over the data.")] = None,
    test_set: Annotated[
        Path | None, typer.Option("--test-set", help="Also write the encoded test split to this .npz.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a recipe to a checkpoint; resumes if interrupted."""
    from snndeploy.files import atomic_write, npz_bytes
    from snndeploy.registry import parts
    from snndeploy.trainers.training import encoded_test, input_of, recipe_of, train

    if recipe == "list":
        rows = [(name, recipe_of(name).description) for name in parts("trainers.recipes")]
        if as_json:
            print_json({"recipes": dict(rows)})
        else:
            print_table(("recipe", "what it is"), rows)
        return
    chosen = recipe_of(recipe)
    path = output or Path(f"{recipe}.safetensors")
    with progress(f"training {recipe}", epochs or chosen.epochs) as advance:
        trained = train(recipe, seed, epochs, advance, path)
    if test_set is not None:
        x, y = encoded_test(chosen)
        atomic_write(test_set, npz_bytes({"x": x, "y": y}))
    summary = {
        "recipe": recipe,
        "seed": seed,
        "epochs": trained.epochs,
        "loss": trained.losses[-1],
        "accuracy": trained.accuracy,
        "input": input_of(chosen),
        "output": str(path),
    }
    if as_json:
        print_json(summary)
        return
    print_table(("training", ""), [(k, f"{v:.4f}" if isinstance(v, float) else v) for k, v in summary.items()])
    say(f"wrote {path} and {path.with_suffix('.json')}")
