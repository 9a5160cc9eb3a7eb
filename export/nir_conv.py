"""NIR's convolutions and pools as linear maps: torch's conv1d, conv2d and avg_pool2d; a sum pool has weights of 1."""

from __future__ import annotations

import math
from typing import Any

import nir
import numpy as np

from snndeploy.errors import Problems
from snndeploy.export.linear import Linear, Shape
from snndeploy.network import Floats
from snndeploy.projections import conv

CONVS = (nir.Conv1d, nir.Conv2d)
POOLS = (nir.SumPool2d, nir.AvgPool2d)
MAX_KERNEL = 2**23  # weights that are made, not read: of a pool, or of a kernel spread by its dilation


def from_nir(name: str, node: nir.NIRNode, arriving: Shape, problems: Problems) -> Linear | None:
    """The map of a node that gets values of the shape `arriving`; None where there is none, said in `problems`."""
    before = len(problems.found)
    made = (_conv if isinstance(node, CONVS) else _pool)(name, node, arriving, problems)
    if made is None or len(problems.found) > before:
        return None
    conv.check(made, made.source, made.target, problems)
    kernel = made.weights.shape[2:]
    text = f"expected a source that the kernel {kernel} fits, found {made.source}"
    problems.require(all(length > 0 for length in made.target), name, text)
    return made if len(problems.found) == before else None


def _conv(name: str, node: Any, arriving: Shape, problems: Problems) -> Linear | None:
    weights = np.asarray(node.weight, np.float64)
    axes = 1 if isinstance(node, nir.Conv1d) else 2
    expected = f"expected (outputs, inputs / groups, *kernel) with {axes + 2} axes, found the shape {weights.shape}"
    if not problems.require(weights.ndim == axes + 2 and weights.size > 0, f"{name}.weight", expected):
        return None
    finite = problems.require(bool(np.isfinite(weights).all()), f"{name}.weight", "expected finite numbers")
    low = {"stride": 1, "dilation": 1} if isinstance(node.padding, str) else conv.LOWEST
    values = {key: _whole(f"{name}.{key}", getattr(node, key), least, axes, problems) for key, least in low.items()}
    only = _whole(f"{name}.groups", node.groups, 1, 1, problems)
    if not finite or only is None or any(value is None for value in values.values()):
        return None
    stride, dilation, groups = values["stride"], values["dilation"], int(only[0])
    text = f"expected a divisor of {len(weights)} target channels, found {groups}"
    if not problems.require(len(weights) % groups == 0, f"{name}.groups", text):
        return None
    if isinstance(node.padding, str):
        weights, padding, dilation = _named_padding(name, node.padding, weights, stride, dilation, problems)
    else:
        padding = values["padding"]
    given = getattr(node, "input_shape", None)
    source = arriving if given is None else (weights.shape[1] * groups, *np.atleast_1d(given).tolist())
    fits = len(source) == axes + 1 and source[0] == weights.shape[1] * groups
    fits = fits and math.prod(source) == math.prod(arriving)
    text = f"expected values of the shape ({weights.shape[1] * groups}, {'length' if axes == 1 else 'height, width'})"
    if given is not None:
        text = f"expected values of the shape {source}"
    if not problems.require(fits, name, f"{text}, {arriving} arrive"):
        return None
    return _map(name, weights, source, stride, padding, dilation, groups)


def _named_padding(name: str, padding: str, weights: Floats, stride: Any, dilation: Any, problems: Problems) -> Any:
    """Weights, padding and dilation of torch's "valid" and "same"; same pads one more behind where it must."""
    axes = len(stride)
    if problems.found or padding == "valid":
        return weights, np.zeros(axes, np.int64), dilation
    problems.require(padding == "same", f"{name}.padding", f"expected numbers, 'same' or 'valid', found {padding!r}")
    problems.require(bool((stride == 1).all()), f"{name}.padding", "'same' needs a stride of 1")
    around = dilation * (np.array(weights.shape[2:]) - 1)
    if not (around % 2).any():
        return weights, around // 2, dilation
    # As much in front as behind, with a first weight of 0 that takes back what is too much in front.
    odd = around % 2
    shape = (*weights.shape[:2], *(around + 1 + odd).tolist())
    text = f"expected numbers: 'same' needs a kernel of {math.prod(shape)} weights here, at most {MAX_KERNEL} fit"
    if not problems.require(math.prod(shape) <= MAX_KERNEL, f"{name}.padding", text):
        return weights, around // 2, dilation
    spread = np.zeros(shape)
    steps = [slice(int(first), None, int(step)) for first, step in zip(odd, dilation, strict=True)]
    spread[(slice(None), slice(None), *steps)] = weights
    return spread, (around + odd) // 2, np.ones(axes, np.int64)


def _pool(name: str, node: Any, arriving: Shape, problems: Problems) -> Linear | None:
    if not problems.require(
        len(arriving) == 3, name, f"expected values of the shape (channels, height, width), {arriving} arrive"
    ):
        return None
    low = {"kernel_size": 1, "stride": 1, "padding": 0}
    values = {key: _whole(f"{name}.{key}", getattr(node, key), least, 2, problems) for key, least in low.items()}
    if any(value is None for value in values.values()):
        return None
    kernel = tuple(values["kernel_size"].tolist())
    if not problems.require(
        arriving[0] * math.prod(kernel) <= MAX_KERNEL,
        f"{name}.kernel_size",
        f"expected a kernel that fits {arriving}, found {kernel}",
    ):
        return None
    weight = 1 / math.prod(kernel) if isinstance(node, nir.AvgPool2d) else 1.0
    weights = np.full((arriving[0], 1, *kernel), weight)
    return _map(name, weights, arriving, values["stride"], values["padding"], np.ones(2, np.int64), arriving[0])


def _map(name: str, weights: Floats, source: Shape, stride: Any, padding: Any, dilation: Any, groups: int) -> Linear:
    extra = {"stride": stride, "padding": padding, "dilation": dilation, "groups": np.array(groups)}
    draft = Linear(weights, source, (), "conv", extra, name)
    return Linear(weights, source, conv.out_shape(draft, source), "conv", extra, name)


def _whole(place: str, value: Any, low: int, axes: int, problems: Problems) -> Any:
    """One whole number for each axis, from one number or one for each; None where it is something else."""
    array = np.atleast_1d(np.asarray(value))
    good = array.dtype.kind in "iu" and array.shape in ((1,), (axes,))
    good = good and bool(((array >= low) & (array < 2**31)).all())
    found = f"found {str(value)[:64]}"
    if not problems.require(
        good,
        place,
        f"expected whole numbers from {low}, below 2**31, {'one' if axes == 1 else f'one or {axes}'}, {found}",
    ):
        return None
    return np.broadcast_to(array, axes).astype(np.int64)
