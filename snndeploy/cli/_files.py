"""What the commands share in reading: networks by the end of their name, samples, and the options that name them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from numpy.typing import NDArray

from snndeploy.artifact import Artifact
from snndeploy.cli._output import say
from snndeploy.errors import BadInput, printable
from snndeploy.files import GIB

if TYPE_CHECKING:
    import nir

InputRangeOption = Annotated[
    str | None,
    typer.Option(
        "--input-range", help="What samples hold: binary, graded:LOW:HIGH (integers) or float:LOW:HIGH (currents)."
    ),
]
BITS = typer.Option("--bits", help="Bits of a weight, 2 to 15 (8 by default): above 8 two projections carry it.")
Bits = Annotated[int, BITS]
BitsOfNir = Annotated[int | None, BITS]
DEFAULT_BITS = 8
Bound = Annotated[str, typer.Option("--bound", help="proven: u cannot wrap; calibrated: on --calibrate plus a margin.")]
Calibrate = Annotated[
    Path | None, typer.Option("--calibrate", help="An .npz as of --input, for the range of the inputs.")
]
Dt = Annotated[float | None, typer.Option("--dt", help="Time step in seconds, for a graph that does not say.")]
MaxTensorBytes = Annotated[
    int, typer.Option("--max-tensor-bytes", min=1, help="Bytes that the file, and all its arrays, may have at most.")
]
InputFile = Annotated[
    Path,
    typer.Option(
        "--input",
        help="An .npz with x (samples, steps, *input shape), or one such for each input; maybe labels y.",
    ),
]


def read_samples(path: Path, inputs: Collection[str]) -> tuple[dict[str, NDArray[Any]], NDArray[Any] | None]:
    """The samples of an input file by name, and its labels `y`, if it has any and none of `inputs` is named so."""
    from snndeploy.files import read_npz

    arrays = read_npz(path)
    labels = None if "y" in inputs else arrays.pop("y", None)
    if not arrays:
        raise BadInput(str(path), "expected an array x of shape (samples, steps, *input_shape), found none")
    samples = len(next(iter(arrays.values()))) if next(iter(arrays.values())).ndim else 0
    if labels is not None and (labels.shape != (samples,) or labels.dtype.kind not in "iu"):
        raise BadInput(str(path), f"expected y of shape ({samples},), integers, found {labels.shape}, {labels.dtype}")
    return arrays, labels


def compile_file(
    path: Path,
    bits: int = DEFAULT_BITS,
    bound: str = "proven",
    input_range: str | None = None,
    calibrate: Path | None = None,
    dt: float | None = None,
    max_tensor_bytes: int = GIB,
) -> Artifact:
    """A `.nir` file to an artifact; what its making assumed and repaired is in the program's notes."""
    from snndeploy.api import compile
    from snndeploy.export.nir_file import read_nir

    graph = read_nir(path, max_tensor_bytes)
    data = None if calibrate is None else read_samples(calibrate, _input_names(graph))[0]
    try:
        return compile(graph, bits=bits, bound=bound, input=input_range, calibrate=data, dt=dt)
    except BadInput as error:
        lead = f"{error.where}: " if error.where not in ("", "NIR graph") else ""
        raise BadInput(str(path), [lead + problem for problem in error.problems]) from None


def _input_names(graph: nir.NIRGraph) -> list[str]:
    """The names that the inputs of `graph` have in a program."""
    import nir

    from snndeploy.export.names import legal

    return [legal(name, "Input") for name, node in graph.nodes.items() if isinstance(node, nir.Input)]


def read_network(path: Path, bits: int | None, input_range: str | None, calibrate: Path | None) -> Artifact:
    """A `.snn` file as it is, or a `.nir` file compiled with a proven bound, its assumptions said."""
    from snndeploy.artifact import load

    if path.suffix != ".nir":
        given = {"--bits": bits, "--input-range": input_range, "--calibrate": calibrate}
        wrong = [name for name, value in given.items() if value is not None]
        if wrong:
            raise BadInput(str(path), f"{' and '.join(wrong)}: for .nir files; this one is compiled already")
        return load(path)
    artifact = compile_file(path, DEFAULT_BITS if bits is None else bits, input_range=input_range, calibrate=calibrate)
    for note in artifact.program.notes:
        say(printable(f"note: {note}"))
    return artifact


def check_suffix(path: Path, suffix: str) -> None:
    """Refuse an output whose name does not say what it is: other commands tell files by it."""
    if path.suffix != suffix:
        raise BadInput(str(path), f"expected a name that ends in {suffix}")
