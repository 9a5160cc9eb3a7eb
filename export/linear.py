"""Linear maps between neurons: the weights of a projection of some kind (`snndeploy.projections`), composed and added.

What is a convolution stays one where that is exact; else the synapses are listed, and become a sparse projection, or a
dense one behind a matrix. Sums are added in one order, so that they are the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snndeploy.errors import Problems
from snndeploy.integers import Ints
from snndeploy.network import Floats
from snndeploy.projections import conv
from snndeploy.registry import part

Shape = tuple[int, ...]
BLOCK = 2**16  # numbers: half a MiB, so that a product stays in a processor's cache
MAX_LISTED = 2**23  # synapses of a graph that are listed one by one or multiplied: half a GiB
ROW = 2**5  # synapses: what adding a row of a matrix costs
PLAIN = 2**8  # multiplications of whole arrays, as many as cost a synapse


@dataclass(frozen=True)
class Linear:
    """A linear map from `source` to `target`: float64 weights and extra arrays of a kind of projection."""

    weights: Floats
    source: Shape
    target: Shape
    kind: str = "dense"
    extra: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    name: str = ""
    delay: int = 0

    def scaled(self, gain: Floats, name: str, budget: Budget) -> Linear:
        """The map with each target's sum times its `gain`, in the target's shape; a kernel has one for a channel."""
        if self.kind == "dense":
            return replace(self, weights=gain.reshape(-1, 1) * self.weights)
        if self.kind == "sparse":
            return replace(self, weights=np.repeat(gain.ravel(), np.diff(self.extra["indptr"])) * self.weights)
        by_channel = gain.reshape(len(self.weights), -1)
        if (by_channel == by_channel[:, :1]).all():
            return replace(
                self, weights=by_channel[:, 0].reshape(-1, *(1 for _ in self.weights.shape[1:])) * self.weights
            )
        return _one_by_one(self, self.source, self.target, name, budget).scaled(gain, name, budget)


@dataclass
class Budget:
    """How many synapses may still be listed."""

    problems: Problems
    left: int = MAX_LISTED

    def spend(self, name: str, count: int) -> None:
        """Take `count` synapses. Raises BadInput at the node `name` where there are not as many left."""
        self.left -= count
        text = f"its weights take more than {MAX_LISTED} synapses, one by one, the limit"
        advice = "put a convolution alone between neurons of its shapes, with one gain for each channel"
        self.problems.require(self.left >= 0, name, f"{text}; {advice}")
        self.problems.raise_if_any()


def identity(shape: Shape) -> Linear:
    """What changes nothing: a matrix, or single synapses where there are channels."""
    size = math.prod(shape)
    if len(shape) == 1:
        return Linear(np.eye(size), shape, shape)
    return diagonal(np.ones(size), shape)


def diagonal(factors: Floats, shape: Shape) -> Linear:
    """Each value times its own factor, as single synapses."""
    each = np.arange(math.prod(shape))
    return _sparse(each, each, factors, shape, shape)


def applied(outer: Linear, x: Floats, name: str, budget: Budget) -> Floats:
    """`outer` of one flat array."""
    if outer.kind == "dense":
        return product(outer.weights, x[:, None])[:, 0]
    budget.spend(name, _count(outer))
    sources, targets, weights = _listed(outer)
    return _sums(targets, weights * x[sources], math.prod(outer.target))


def composed(outer: Linear, inner: Linear, name: str, budget: Budget) -> Linear:
    """`outer` of `inner`; `name` is the node that asks for it."""
    if outer.kind == inner.kind == "dense":
        return Linear(product(outer.weights, inner.weights), inner.source, outer.target)
    meet = outer.kind == inner.kind == "conv" and outer.source == inner.target
    if meet and (one := _one_kernel(outer, inner, name, budget)) is not None:
        return one
    budget.spend(name, sum(_count(m) for m in (outer, inner) if m.kind != "dense"))
    if outer.kind == "dense" or inner.kind == "dense":
        return _dense_product(outer, inner, name, budget)
    outer_sources, outer_targets, outer_weights = _listed(outer)
    inner_sources, inner_targets, inner_weights = _listed(inner)
    order = np.argsort(inner_targets, kind="stable")
    starts = np.searchsorted(inner_targets[order], np.arange(math.prod(inner.target) + 1))
    counts = np.diff(starts)[outer_sources]
    budget.spend(name, int(counts.sum()))
    behind = np.repeat(np.arange(len(counts)), counts)  # the synapse of `outer` in each pair
    nth = np.arange(len(behind)) - np.repeat(np.cumsum(counts) - counts, counts)
    before = order[starts[outer_sources[behind]] + nth]
    weights = outer_weights[behind] * inner_weights[before]
    return _sparse(inner_sources[before], outer_targets[behind], weights, inner.source, outer.target)


def added(a: Linear, b: Linear, name: str, budget: Budget) -> Linear:
    """The sum of two maps between the same ends."""
    alike = a.kind == b.kind == "conv" and a.weights.shape == b.weights.shape
    if alike and (a.source, a.target, conv.geometry(a)) == (b.source, b.target, conv.geometry(b)):
        return replace(a, weights=a.weights + b.weights)
    if a.kind == b.kind == "dense":
        return replace(a, weights=a.weights + b.weights)
    budget.spend(name, sum(_count(m) for m in (a, b) if m.kind != "dense"))
    if "dense" in (a.kind, b.kind):
        return replace(a, weights=_matrix(a) + _matrix(b), kind="dense", extra={})
    (sources, targets, weights), (more_sources, more_targets, more_weights) = _listed(a), _listed(b)
    ends = np.append(sources, more_sources), np.append(targets, more_targets)
    return _sparse(*ends, np.append(weights, more_weights), a.source, a.target)


def between(m: Linear, source: Shape, target: Shape, name: str, budget: Budget) -> Linear:
    """The map with ends of the shapes `source` and `target`: a convolution of other shapes has its synapses listed."""
    if m.kind != "conv" or (m.source, m.target) == (source, target):
        return replace(m, source=source, target=target)
    return _one_by_one(m, source, target, name, budget)


def _one_by_one(m: Linear, source: Shape, target: Shape, name: str, budget: Budget) -> Linear:
    budget.spend(name, _count(m))
    return _sparse(*_listed(m), source, target)


def product(a: Floats, b: Floats) -> Floats:
    """The matrix product, summed in one order: BLAS has another on every machine, and artifacts must be the same."""
    total = np.zeros((a.shape[0], b.shape[1]))
    count = max(1, BLOCK // max(1, b.shape[1]))
    for start in range(0, len(a), count):
        rows = slice(start, start + count)
        for column, row in zip(a[rows].T, b, strict=True):
            total[rows] += np.outer(column, row)
    return total


def _one_kernel(outer: Linear, inner: Linear, name: str, budget: Budget) -> Linear | None:
    """Two convolutions as one, where one of them has a kernel for each channel, as pooling does; None where none is.

    outer reads at stride * y + dilation * k - padding what inner makes there; so positions of the kernel add up. What
    outer sees as zeros around its source must be zeros in terms of inner's source too.
    """
    far, near = conv.geometry(outer), conv.geometry(inner)
    channels = inner.target[0]
    inner_single = near.groups == channels == inner.source[0]
    outer_single = far.groups == channels == outer.target[0]
    if not (inner_single or outer_single) or not all(
        _pads_zeros(outer, inner, axis) for axis in range(len(far.stride))
    ):
        return None
    sizes = zip(outer.weights.shape[2:], inner.weights.shape[2:], far.dilation, near.stride, near.dilation, strict=True)
    kernel = [d * s * (k - 1) + e * (j - 1) + 1 for k, j, d, s, e in sizes]
    groups = far.groups if inner_single else near.groups
    shape = (outer.target[0], inner.source[0] // groups, *kernel)
    places = math.prod(outer.weights.shape[2:]) * math.prod(inner.weights.shape[2:])
    budget.spend(name, math.prod(shape) + places * (ROW + math.prod(shape[:2]) // PLAIN))
    weights = np.zeros(shape)
    own_group = np.arange(len(weights))[:, None] * groups // len(weights)
    through = own_group * weights.shape[1] + np.arange(
        weights.shape[1]
    )  # the channel of inner, where each has a kernel
    for far_place in np.ndindex(*outer.weights.shape[2:]):
        for near_place in np.ndindex(*inner.weights.shape[2:]):
            at = tuple(
                d * s * k + e * j
                for k, j, d, s, e in zip(far_place, near_place, far.dilation, near.stride, near.dilation, strict=True)
            )
            first = outer.weights[(..., *far_place)]
            second = inner.weights[(..., *near_place)]
            weights[(..., *at)] += first * second[through, 0] if inner_single else first * second
    stride = np.multiply(far.stride, near.stride)
    padding = np.multiply(far.padding, near.stride) + near.padding
    if max(*stride, *padding) > conv.MAX_STEP:
        return None
    extra = {"stride": stride, "padding": padding, "groups": np.array(groups)}
    return Linear(weights, inner.source, outer.target, "conv", extra)


def _pads_zeros(outer: Linear, inner: Linear, axis: int) -> bool:
    """Whether inner would make zeros of the zeros around its own source in all places that outer reads beyond it."""
    far, near = conv.geometry(outer), conv.geometry(inner)
    made, length = inner.target[1 + axis], inner.source[1 + axis]
    reach = near.dilation[axis] * (inner.weights.shape[2 + axis] - 1) + 1
    last = (outer.target[1 + axis] - 1) * far.stride[axis] + far.dilation[axis] * (outer.weights.shape[2 + axis] - 1)
    below = far.padding[axis] == 0 or reach <= near.stride[axis] + near.padding[axis]
    above = last - far.padding[axis] < made or made * near.stride[axis] - near.padding[axis] >= length
    return below and above


def _count(m: Linear) -> int:
    """The most synapses that listing a map gives."""
    return m.weights.size * (math.prod(m.target[1:]) if m.kind == "conv" else 1)


def _listed(m: Linear) -> tuple[Ints, Ints, Floats]:
    """Source, target and weight of every synapse."""
    sources, targets, weights, _ = part("projections", m.kind).synapses(m, m.source, m.target)
    return sources, targets, weights


def _matrix(m: Linear) -> Floats:
    if m.kind == "dense":
        return m.weights
    sources, targets, weights = _listed(m)
    matrix = np.zeros((math.prod(m.target), math.prod(m.source)))
    matrix[targets, sources] = weights
    return matrix


def _sparse(sources: Ints, targets: Ints, weights: Floats, source: Shape, target: Shape) -> Linear:
    """A sparse map of synapses, those between the same two ends added."""
    size, count = math.prod(source), math.prod(target)
    places, own = np.unique(targets * size + sources, return_inverse=True)
    summed = _sums(own.reshape(-1), weights, len(places))
    indptr = np.searchsorted(places // size, np.arange(count + 1))
    return Linear(summed, source, target, "sparse", {"indices": places % size, "indptr": indptr})


def _sums(places: Ints, values: Floats, count: int) -> Floats:
    """The values of each place added, in their order."""
    sums = np.zeros(count)
    np.add.at(sums, places, values)
    return sums


def _dense_product(outer: Linear, inner: Linear, name: str, budget: Budget) -> Linear:
    """The matrix of a product in which one of the two maps is a matrix and the other a list."""
    sources, targets, weights = _listed(outer if inner.kind == "dense" else inner)
    budget.spend(name, ROW * len(weights))
    if inner.kind == "dense":
        result = np.zeros((math.prod(outer.target), math.prod(inner.source)))
        for source, target, weight in zip(sources.tolist(), targets.tolist(), weights.tolist(), strict=True):
            result[target] += weight * inner.weights[source]
        return Linear(result, inner.source, outer.target)
    columns = np.zeros((math.prod(inner.source), math.prod(outer.target)))
    rows = np.ascontiguousarray(outer.weights.T)
    for source, target, weight in zip(sources.tolist(), targets.tolist(), weights.tolist(), strict=True):
        columns[source] += weight * rows[target]
    return Linear(np.ascontiguousarray(columns.T), inner.source, outer.target)
