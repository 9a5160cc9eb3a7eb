"""What lowering a graph may cost: refused before it takes time or memory."""

from __future__ import annotations

import time
import tracemalloc
from itertools import pairwise
from typing import Any

import nir
import numpy as np
import pytest

from snndeploy.errors import Problems
from snndeploy.export import composition
from snndeploy.export.lower import lower
from snndeploy.export.metadata import Metadata
from tests.export.graphs import (
    DT,
    chain,
    graph,
    lif,
    refusals,
)


def test_a_projection_that_would_not_fit_is_refused_before_it_is_made() -> None:
    made = chain(lif(20_000))
    made.nodes["in"], made.nodes["out"] = nir.Input(np.array([20_000])), nir.Output(np.array([20_000]))
    assert refusals(made) == ["g: n0: a projection of 20000 x 20000 weights; at most 16777216 fit"]


def sized(nodes: dict[str, Any], size: int, *edges: str, said: Metadata | None = None) -> nir.NIRGraph:
    made = graph(nodes, *edges, said=said)
    made.nodes["in"], made.nodes["out"] = nir.Input(np.array([size])), nir.Output(np.array([size]))
    return made


def many_identities() -> nir.NIRGraph:
    names = [f"n{i}" for i in range(9)]
    path = ["in", *names, "out"]
    return sized({name: lif(4096) for name in names}, 4096, *(f"{a} {b}" for a, b in pairwise(path)))


def wide_products() -> nir.NIRGraph:
    ones = np.broadcast_to(np.float64(1), (4096, 4096))
    nodes = {"a": nir.Linear(ones), "b": nir.Linear(ones), "n": lif(4096)}
    return sized(nodes, 4096, "in a", "a b", "b n", "n out")


def long_products() -> nir.NIRGraph:
    ones = np.broadcast_to(np.float64(1), (2**20, 1))
    nodes = {"a": nir.Affine(ones, ones[:, 0]), "b": nir.Linear(ones.T), "n": lif(1)}
    return sized(nodes, 1, "in a", "a b", "b n", "n out")


def many_delays() -> nir.NIRGraph:
    """30 times two paths of different delays: 2**30 sums of them."""
    nodes: dict[str, Any] = {"n": lif(1)}
    edges, delays, last = list[str](), dict[tuple[str, str], int](), "in"
    for i in range(30):
        nodes |= {f"{kind}{i}": nir.Linear(np.ones((1, 1))) for kind in "abc"}
        edges += [f"{last} a{i}", f"{last} b{i}", f"a{i} c{i}", f"b{i} c{i}"]
        delays[f"a{i}", f"c{i}"] = min(2**i, 2**16)
        last = f"c{i}"
    said = Metadata(DT, {"n": "zero"}, delays)
    return sized(nodes, 1, *edges, f"{last} n", "n out", said=said)


ALL_WEIGHTS = "its projections, dense, take more than 134217728 weights, the limit; put weights between fewer or"


WORK = "multiplying its weights takes more than 2147483648 multiplications, the limit; merge the Linear and Affine"


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (many_identities, f"g: {ALL_WEIGHTS} smaller populations"),
        (many_delays, f"g: {ALL_WEIGHTS} smaller populations"),
        (wide_products, f"g: {WORK} nodes that follow each other"),
        (long_products, f"g: {WORK} nodes that follow each other"),
    ],
)
def test_what_would_take_too_long_or_too_much_memory_is_refused_first(make: Any, expected: str) -> None:
    made = make()
    tracemalloc.start()
    start = time.process_time()
    try:
        assert refusals(made) == [expected]
        assert time.process_time() - start < 5
        assert tracemalloc.get_traced_memory()[1] < 2**25
    finally:
        tracemalloc.stop()


def test_weights_of_the_file_may_be_more_than_those_that_are_made() -> None:
    ones = np.broadcast_to(np.float64(1), (1, 2**24 + 1))
    nodes = {"a": nir.Linear(ones), "n": lif(1)}
    made, problems = sized(nodes, 2**24 + 1, "in a", "a n", "n out"), Problems("g")
    composition.check(made, ["a"], {}, True, problems)
    assert problems.found == []


def test_a_ring_of_many_neurons_is_refused_quickly() -> None:
    names = [f"n{i:04}" for i in range(1500)]
    edges = [f"{a} {b}" for a, b in pairwise([*names, names[0]])]
    start = time.process_time()
    (line,) = refusals(sized({name: lif(1) for name in names}, 1, "in n0000", *edges, "n0007 out"))
    assert line.startswith("g: n0000, n0001, n0002, n0003 and 1496 more: a loop without a delay: ")
    assert time.process_time() - start < 3


def test_a_product_in_blocks_has_the_same_bits() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(1500, 20)), random.normal(size=(20, 100))
    expected = np.zeros((1500, 100))
    for k in range(20):
        expected += a[:, k : k + 1] * b[k]
    made = sized({"b": nir.Linear(b), "a": nir.Linear(a), "n": lif(1500)}, 100, "in b", "b a", "a n", "n out")
    made.nodes["out"] = nir.Output(np.array([1500]))
    network = lower(made, DT)
    assert (network.projections[0].weights == expected).all()
