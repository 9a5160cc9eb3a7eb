"""Graphs that are small in a file, and would take minutes or gigabytes: read, or refused, in seconds."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest

import snndeploy
from snndeploy.errors import BadInput
from snndeploy.export.lower import lower
from snndeploy.export.nir_file import read_nir
from tests.refusals.nir_files import LIF, equal, put, refusal, small_graph, written

RING = """
import resource, sys, time
import h5py, nir
from snndeploy.errors import BadInput
from snndeploy.export.lower import lower
from snndeploy.export.nir_file import read_nir
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.process_time()
try:
    lower(read_nir(sys.argv[1]), where="ring")
except BadInput as error:
    print(error)
print(time.process_time() - start)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def nested(depth: int, entering: int) -> nir.NIRGraph:
    """Graphs in a graph, each entered by `entering` edges: nir's type inference needs entering**depth steps."""
    one = np.array([1])
    scales = {f"s{i}": nir.Scale(np.ones(1)) for i in range(entering)}
    inner: nir.NIRNode = nir.Scale(np.ones(1))
    for _ in range(depth):
        edges = [edge for name in scales for edge in (("in", name), (name, "inner"))]
        nodes = {"in": nir.Input(one), **scales, "inner": inner, "out": nir.Output(one)}
        inner = nir.NIRGraph(nodes, [*edges, ("inner", "out")], type_check=False)
    return inner


def test_subgraphs(tmp_path: Path) -> None:
    path = written(nested(30, 1), tmp_path / "x.nir")
    assert equal(read_nir(path).to_dict(), nested(30, 1).to_dict())
    assert len(read_nir(written(nested(30, 2), path)).nodes) == 5
    assert refusal(written(nested(40, 1), path)) == ["/node/nodes/inner/...: more than 64 groups deep, the limit"]


def test_a_time_constant_below_the_time_step(tmp_path: Path) -> None:
    """Row 39: only lowering knows the time step."""
    path = written(small_graph(), tmp_path / "x.nir")
    with h5py.File(path, "r+") as file:
        put(file, f"{LIF}/tau", [1.0, 1e-5])
    graph = read_nir(path)
    with pytest.raises(BadInput) as refused:
        lower(graph, 1e-4, str(path))
    assert refused.value.lines() == [
        f"{path}: lif.tau: expected at least the time step of 0.0001 s, found 1e-05 at [1]"
    ]
    assert lower(graph, 1e-5, str(path)).dt == 1e-5


def test_many_small_nodes_take_seconds_not_minutes(tmp_path: Path) -> None:
    path, ones = tmp_path / "ring.nir", np.ones(1)
    names = [f"n{i:04}" for i in range(1500)]
    nodes = {name: nir.LIF(ones, ones, 0 * ones, ones, 0 * ones) for name in names}
    ends = {"in": nir.Input(np.array([1])), "out": nir.Output(np.array([1]))}
    ring = [("in", names[0]), *pairwise([*names, names[0]]), (names[7], "out")]
    written(nir.NIRGraph({**nodes, **ends}, ring, type_check=False), path)
    command = [sys.executable, "-c", RING, str(path)]
    root = Path(__file__).parents[2]
    answer = subprocess.run(command, check=True, cwd=root, capture_output=True, text=True).stdout
    line, seconds, megabytes = answer.splitlines()
    assert line.startswith("ring: n0000, n0001, n0002, n0003 and 1496 more: a loop without a delay: NIR does not say ")
    assert float(seconds) < 4  # 1.7 on the machine that this was written on, more where it shares its cores
    assert float(megabytes) < 256


def test_repairs_do_not_multiply_what_is_in_a_file(tmp_path: Path) -> None:
    """Many edges to absent nodes beside many groups, and many Inputs that lead to many nodes through one port."""
    ones = np.array([1])
    groups = {f"g{i}.{kind}": node(ones) for i in range(300) for kind, node in (("i", nir.Input), ("o", nir.Output))}
    absent = [(f"g{i % 300}", f"x{i}") for i in range(30000)]
    graph = nir.NIRGraph({**groups, **dict(small_graph().nodes)}, absent, type_check=False)
    assert len(refusal(written(graph, tmp_path / "groups.nir"))) == 21
    inputs = {f"in{i}": nir.Input(ones) for i in range(400)}
    scales = {f"s{i}": nir.Scale(np.ones(2)) for i in range(400)}
    inner = nir.NIRGraph(
        {"in": nir.Input(ones), **scales, "out": nir.Output(ones)},
        [*(("in", name) for name in scales), *((name, "out") for name in scales)],
        type_check=False,
    )
    nodes = {**inputs, "sub": inner, "out": nir.Output(ones)}
    graph = nir.NIRGraph(nodes, [*((name, "sub") for name in inputs), ("sub", "out")], type_check=False)
    assert refusal(written(graph, tmp_path / "ports.nir"))[0].startswith("sub.in -> sub.s0: the first gives the shape ")


def through(nodes: dict[str, nir.NIRNode]) -> nir.NIRGraph:
    return nir.NIRGraph(nodes, list(pairwise(nodes)), type_check=False)


def test_a_kernel_that_becomes_large_is_refused() -> None:
    """A pool with a stride and a convolution with a dilation are one kernel with gaps, of 1025 x 1025 places."""
    one = np.ones((1, 1, 1))
    pool = nir.AvgPool2d(np.array([1, 1]), np.array([32, 32]), np.array([0, 0]))
    conv = nir.Conv2d(None, np.ones((1, 1, 2, 2)), (1, 1), (0, 0), (32, 32), 1, np.zeros(1))
    ends = {"in": nir.Input(np.array([1, 1025, 1025])), "out": nir.Output(np.array([1, 1, 1]))}
    graph = through({"in": ends["in"], "pool": pool, "conv": conv, "if": nir.IF(one, one), "out": ends["out"]})
    with pytest.raises(BadInput) as refused:
        lower(graph)
    (line,) = refused.value.problems
    assert line.startswith("in -> if: its kernel has 1025 x 1025 places, for 1 values: adding them up, ")


def test_more_neurons_than_a_chip_has_are_refused_before_they_are_quantized() -> None:
    ones = np.ones((1, 1024, 1024))
    conv = nir.Conv2d((1024, 1024), np.ones((1, 1, 1, 1)), (1, 1), (0, 0), (1, 1), 1, np.zeros(1))
    ends = {"in": nir.Input(np.array(ones.shape)), "out": nir.Output(np.array(ones.shape))}
    graph = through({"in": ends["in"], "conv": conv, "if": nir.IF(ones, ones), "out": ends["out"]})
    began = time.process_time()
    with pytest.raises(BadInput, match=r"^loihi2: 1048576 neurons; a chip has room for 983040$"):
        snndeploy.compile(graph)
    assert time.process_time() - began < 2
