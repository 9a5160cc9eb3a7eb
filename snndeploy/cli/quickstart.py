"""`snndeploy quickstart`: the whole path on real images, from training to the comparison of simulator and Lava."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from numpy.typing import NDArray

from snndeploy.cli._output import Json, print_json, print_table, progress, say
from snndeploy.errors import BadInput, CheckFailed, Missing

LAVA_SAMPLES = 120  # over a million values of u, v and spikes
STEPS = 7
FOLDER = Path("snndeploy-quickstart")


def command(
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for everything it makes.")] = FOLDER,
    lava: Annotated[bool, typer.Option("--lava/--no-lava", help="Compare with Lava (made on first use).")] = True,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the trainings.")] = 0,
    as_json: Json = False,
) -> None:
    """The whole path on handwritten digits, in a minute.

    Trains an ANN and an SNN, exports the SNN to NIR, quantizes and compiles it, runs the integers on the test images,
    compares them with Lava, and writes everything into a folder.
    """
    started = time.perf_counter()
    result = _Quickstart(output, seed, lava).run()
    summary = {**result, "seconds": round(time.perf_counter() - started, 2)}
    from snndeploy.files import atomic_write

    atomic_write(output / "report.json", (json.dumps(summary, indent=2) + "\n").encode())
    if as_json:
        print_json(summary)
    else:
        _print(summary, output)
    if summary["lava"]["differences"]:
        raise CheckFailed("lava", f"{summary['lava']['differences']} values differ; first: {summary['lava']['first']}")


@dataclass(frozen=True)
class _Quickstart:
    """The steps, each of which anyone can repeat with the command or the function that it names."""

    folder: Path
    seed: int
    with_lava: bool

    def run(self) -> dict[str, Any]:
        from snndeploy import api
        from snndeploy.export.lower import lower
        from snndeploy.export.nir_file import read_nir, write_nir
        from snndeploy.extras import extras
        from snndeploy.files import atomic_write, npz_bytes
        from snndeploy.floats import simulate
        from snndeploy.pictures import spike_raster
        from snndeploy.trains import identical_trains

        with extras():
            import matplotlib  # noqa: F401  (before a minute of training, not after)

            from snndeploy.export.snntorch import export_model
            from snndeploy.trainers.evaluation import evaluate
            from snndeploy.trainers.training import encoded_test, input_of, recipe_of
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(str(self.folder), f"cannot be made: {error.strerror}; give another folder with -o") from None
        recipe = recipe_of("digits-snn")
        x, labels = encoded_test(recipe)
        atomic_write(self.folder / "test.npz", npz_bytes({"x": x, "y": labels}))

        ann = self._train(1, "digits-ann")
        snn = self._train(2, "digits-snn")
        _, guesses = evaluate(snn.model, x)

        step(3, "export to NIR, model and graph side by side")
        export = export_model(snn.model, x[0, 0])
        write_nir(export.graph, self.folder / "net.nir")

        step(4, "quantize and compile for Loihi 2")
        graph = read_nir(self.folder / "net.nir")
        artifact = api.compile(graph, input=input_of(recipe))
        artifact.save(self.folder / "net.snn")

        step(5, f"run {len(x)} test images on loihi2-sim")
        trains = [f"{p.name}.spikes" for p in artifact.program.populations]
        with progress("simulating", len(x)) as advance:
            run = api.run(artifact, x, probes=trains, advance=advance)
        run.save(self.folder / "run.npz")
        floats = simulate(lower(graph), x)

        lava = self._compare(artifact, x[:LAVA_SAMPLES])

        step(7, "write the report")
        pairs = {p.name: (floats[p.name], run.probes[f"{p.name}.spikes"]) for p in artifact.program.populations}
        trains_kept = {name: identical_trains(a, b) for name, (a, b) in pairs.items()}
        first = {name: (a[0], b[0]) for name, (a, b) in pairs.items()}
        title = f"a test image of a {labels[0]}: prediction {run.predictions[0]}"
        atomic_write(self.folder / "spikes.png", spike_raster(x[0, 0].reshape(8, 8), first, title))
        return {
            "accuracy": {
                "ann": ann.accuracy,
                "float": snn.accuracy,
                "integer": float((run.predictions == labels).mean()),
                "agreement": float((run.predictions == guesses).mean()),
            },
            "simulator": {"samples": len(x), "steps": int(x.shape[1]), "spikes": int(run.counts.sum())},
            "lava": lava,
            "trains": {name: identical / max(active, 1) for name, (active, identical) in trains_kept.items()},
            "layers": [
                {"population": r.population, "scale": r.scale, "error": r.error, "bound": r.bound, "proven": r.proven}
                for r in artifact.program.report
            ],
            "artifact": artifact.sha256(),
        }

    def _train(self, number: int, recipe: str) -> Any:
        from snndeploy.trainers.training import recipe_of, train

        step(number, f"train {recipe}: {recipe_of(recipe).description}")
        with progress("training", recipe_of(recipe).epochs) as advance:
            return train(recipe, self.seed, None, advance, self.folder / f"{recipe}.safetensors")

    def _compare(self, artifact: Any, x: NDArray[Any]) -> dict[str, Any]:
        """The comparison with Lava, or the reason why it was not made."""
        from snndeploy.api import verify
        from snndeploy.simulators._lava_env import has_worker, install

        step(6, "compare with Lava, every u, v and spike")
        nothing: dict[str, Any] = {"samples": 0, "values_compared": 0, "differences": None}
        if not self.with_lava:
            return {**nothing, "reason": "--no-lava was given"}
        try:
            if not has_worker():
                say("      making Lava's worker environment, once (about half a minute)")
                install()
            with progress("running Lava", 2 * len(x)) as advance:
                (comparison,) = verify(artifact, x, against=["loihi2-lava"], advance=advance)
        except Missing as error:
            return {**nothing, "reason": error.lines()[0]}
        return {
            "samples": comparison.samples,
            "values_compared": comparison.values_compared,
            "differences": comparison.differences,
            "first": comparison.first,
        }


def step(number: int, text: str) -> None:
    say(f"[{number}/{STEPS}] {text}")


def _print(summary: dict[str, Any], output: Path) -> None:
    accuracy, lava = summary["accuracy"], summary["lava"]
    rows = [
        ("ANN, float", f"{accuracy['ann']:.4f}", "the same MLP without spikes"),
        ("SNN, float", f"{accuracy['float']:.4f}", "snnTorch, as trained"),
        (
            "SNN, integer",
            f"{accuracy['integer']:.4f}",
            f"loihi2-sim; predicts as float: {_percent(accuracy['agreement'], 2)}",
        ),
    ]
    print_table(("network", "accuracy", f"on {summary['simulator']['samples']} test images"), rows)
    layers = [
        (
            row["population"],
            f"{row['scale']:.6g}",
            _percent(row["error"], 2),
            _percent(row["bound"], 1),
            _percent(summary["trains"][row["population"]], 1),
        )
        for row in summary["layers"]
    ]
    print_table(("population", "scale", "weight error", "|u| at most, of 2^23", "active spike trains kept"), layers)
    if lava["differences"] is None:
        print(f"Lava: the comparison was not made: {lava['reason']}")
    else:
        found = f"{lava['differences']} differences in {lava['values_compared']:,} values"
        print(f"Lava: {found} (every u, v and spike of {lava['samples']} images)")
    print(f"\n{summary['seconds']} s; in {output}/ are spikes.png, report.json, net.nir, net.snn, run.npz and test.npz")
    print(f"next: snndeploy show {output}/net.snn")


def _percent(share: float, digits: int) -> str:
    return f"{100 * share:.{digits}f} %"
