"""Bad files by what the graph in them says: the cases of rows 19 to 51 of the table of bad inputs."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np

from snndeploy.export.nir_check import NODE_TYPES
from tests.refusals.nir_files import (
    BAD_NAME,
    FC,
    LIF,
    NUMBERS,
    UNSAFE,
    Case,
    conv_graph,
    drop,
    edges,
    empty,
    put,
    renamed,
    sets,
    small_graph,
    spoiled,
    texts,
    written,
)

TYPES = ", ".join(NODE_TYPES)
CONV, POOL = "node/nodes/conv", "node/nodes/pool"
DT = "NIR does not say the time step: assumed 0.0001 s"
ones = np.ones(2)
infinite = np.where(np.eye(2, 3), np.inf, 1.0)
nan = np.array([[0, 1, np.nan], [np.nan, 1, 2]])


def no_nodes(file: h5py.File) -> None:
    file["node/nodes"].clear()
    put(file, "node/edges", np.zeros((0, 2)))


def same_but_for_case(file: h5py.File) -> None:
    file.copy(LIF, "node/nodes/LIF")
    texts(file, "node/edges", [["in", "fc"], ["fc", "lif"], ["fc", "LIF"], ["LIF", "out"], ["lif", "out"]])


def same_once_legal(file: h5py.File) -> None:
    """The population of a LIF "0" would be `lif_0`, which there is."""
    file.copy(LIF, "node/nodes/0")
    file.move(LIF, "node/nodes/lif_0")
    texts(file, "node/edges", [["in", "fc"], ["fc", "0"], ["0", "lif_0"], ["lif_0", "out"]])


def algebraic_loop(file: h5py.File) -> None:
    more = file.create_group("node/nodes/more")
    put(file, f"{more.name}/type", "Linear")
    put(file, f"{more.name}/weight", np.ones((3, 2)))
    texts(file, "node/edges", [["in", "fc"], ["fc", "more"], ["more", "fc"], ["fc", "lif"], ["lif", "out"]])


def disconnected(file: h5py.File) -> None:
    file.copy(LIF, "node/nodes/alone")


def conv(parameter: str, value: Any, line: str) -> Case:
    return spoiled(sets(f"{CONV}/{parameter}", value), f"conv.{parameter}: {line}", graph=conv_graph)


def pool_graph() -> nir.NIRGraph:
    graph = conv_graph()
    pool = nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))
    nodes = {**graph.nodes, "pool": pool, "out": nir.Output(np.array([2, 2, 2]))}
    return nir.NIRGraph(nodes, list(pairwise(("in", "conv", "pool", "out"))), type_check=False)


def neuron(node: nir.NIRNode, line: str, *more: tuple[str, str]) -> Case:
    """The good graph with another neuron in the place of its LIF, and maybe more edges."""

    def make(path: Path) -> None:
        good = small_graph()
        written(nir.NIRGraph({**good.nodes, "lif": node}, [*good.edges, *more], type_check=False), path)

    return Case(make, [line])


def large_image(path: Path) -> None:
    """Its file is small: a stride takes one place of 127 x 127."""
    ones = np.ones((1, 315, 315))
    nodes = {
        "in": nir.Input(np.array([1, 40000, 40000])),
        "conv": nir.Conv2d((40000, 40000), np.ones((1, 1, 1, 1)), (127, 127), (0, 0), (1, 1), 1, np.zeros(1)),
        "if": nir.IF(ones, ones),
        "out": nir.Output(np.array([1, 315, 315])),
    }
    written(nir.NIRGraph(nodes, list(pairwise(nodes)), type_check=False), path)


def large_kernel(path: Path) -> None:
    """Of 4096 x 4096 places, which all sums would go through one by one."""
    one = np.ones((1, 1, 1))
    kernel = np.ones((1, 1, 4096, 4096), bool)
    nodes = {
        "in": nir.Input(np.array([1, 3842, 3842])),
        "conv": nir.Conv2d((3842, 3842), kernel, (1, 1), (127, 127), (1, 1), 1, np.zeros(1)),
        "if": nir.IF(one, one),
        "out": nir.Output(np.array([1, 1, 1])),
    }
    written(nir.NIRGraph(nodes, list(pairwise(nodes)), type_check=False), path)


FINITE, ABOVE, WHOLE = "expected finite numbers, found", "expected numbers above 0, found", "expected whole numbers"
CASES: dict[str, Case] = {
    "19 version 999": spoiled(sets("version", "999.0"), "/version: expected 0.x and 1.x, found '999.0'"),
    "19 version as a number": spoiled(sets("version", 1.0), "/version: expected 0.x and 1.x, found '1.0'"),
    "20 no version": spoiled(drop("version"), "/version: is missing; expected the version of NIR, 0.x and 1.x"),
    "21 unknown type": spoiled(
        sets(f"{LIF}/type", "Linera"), f"lif: unknown node type 'Linera'; did you mean Linear? NIR has {TYPES}"
    ),
    "21 far from any type": spoiled(sets(f"{LIF}/type", "zzz"), f"lif: unknown node type 'zzz'; NIR has {TYPES}"),
    "21 the graph is no graph": spoiled(sets("node/type", "LIF"), "/node: expected type 'NIRGraph', found 'LIF'"),
    "22 no type": spoiled(drop(f"{LIF}/type"), "lif: has no 'type'"),
    "22 type is a number": spoiled(sets(f"{LIF}/type", 3), "lif: 'type' is not one text"),
    "23 missing parameter": spoiled(drop(f"{LIF}/tau"), "lif: parameter 'tau' of LIF is missing"),
    "24 extra parameter": spoiled(
        sets(f"{FC}/wieght", 1.0), "fc: Affine has no parameter 'wieght'; it has weight, bias"
    ),
    "25 type_check": spoiled(
        sets("node/type_check", False), "/node: NIRGraph has no parameter 'type_check'; it has nodes, edges"
    ),
    "26 dangling edge": spoiled(
        edges(["in", "fc"], ["fc", "lif"], ["lif", "gone"], ["lif", "out"]),
        "edges: row 2 (lif -> gone): no node 'gone'",
    ),
    "27 duplicate edge": spoiled(
        edges(["in", "fc"], ["fc", "lif"], ["in", "fc"], ["lif", "out"]),
        "edges: row 2 (in -> fc): the same edge as row 0",
    ),
    "28 edges of width 3": spoiled(
        edges(["in", "fc", "x"]), "edges: row 0: expected two node names, found shape (1, 3) in all"
    ),
    "28 edges of numbers": spoiled(
        sets("node/edges", np.ones((2, 2), int)), "edges: expected rows of two node names, found numbers"
    ),
    "29 weights that feed themselves": spoiled(
        edges(["in", "fc"], ["fc", "fc"], ["fc", "lif"], ["lif", "out"]),
        "fc -> fc: a loop without a neuron; put a neuron into the loop",
    ),
    "29 a neuron that feeds itself": spoiled(
        edges(["in", "fc"], ["fc", "lif"], ["lif", "lif"], ["lif", "out"]),
        DT,
        "NIR does not say the delay of the loop of 'lif' to itself: assumed one step",
        code=0,
    ),
    "29 an integrator that feeds itself": neuron(
        nir.LI(1e-3 * ones, ones, 0 * ones),
        "lif: sends numbers, no spikes: a node of this kind may lead to an Output only, not to lif",
        ("lif", "lif"),
    ),
    "30 a loop without a state": spoiled(
        algebraic_loop, "fc -> more -> fc: a loop without a neuron; put a neuron into the loop"
    ),
    "31 no edges": spoiled(sets("node/edges", np.zeros((0, 2))), "edges: none between 4 nodes"),
    "32 disconnected node": spoiled(disconnected, "alone: no edge enters or leaves this node"),
    "33 no input": spoiled(sets("node/nodes/in/type", "Output"), "/node: the graph has no Input node"),
    "33 no output": spoiled(sets("node/nodes/out/type", "Input"), "/node: the graph has no Output node"),
    "34 no nodes": spoiled(no_nodes, "/node: the graph has no nodes"),
    "35 NaN weight": spoiled(sets(f"{FC}/weight", nan), f"fc.weight: {FINITE} nan at [0, 2] (and 1 more)"),
    "36 Inf weight": spoiled(sets(f"{FC}/weight", infinite), f"fc.weight: {FINITE} inf at [0, 0] (and 1 more)"),
    "36 Inf bias": spoiled(sets(f"{FC}/bias", [0, -np.inf]), f"fc.bias: {FINITE} -inf at [1]"),
    "36 Inf tau": spoiled(sets(f"{LIF}/tau", [1, np.inf]), f"lif.tau: {FINITE} inf at [1]"),
    "37 text weights": spoiled(sets(f"{FC}/weight", "abc"), "fc.weight: expected numbers, found text"),
    "37 complex weights": spoiled(
        sets(f"{FC}/weight", np.ones((2, 3), "c8")), f"/{FC}/weight: found complex64, expected {NUMBERS}, or text"
    ),
    "37 references as weights": spoiled(
        lambda file: put(file, f"{FC}/weight", file["node"].ref, dtype=h5py.ref_dtype),
        f"/{FC}/weight: found object, expected {NUMBERS}, or text",
    ),
    "37 lists as weights": spoiled(
        empty(f"{FC}/weight", (2, 3), dtype=h5py.vlen_dtype("f8")),
        f"/{FC}/weight: found object, expected {NUMBERS}, or text",
    ),
    **{
        f"38 {dtype} weights": spoiled(
            sets(f"{FC}/weight", np.ones((2, 3), dtype)), f"numbers of {dtype} are taken as float64: fc.weight", code=0
        )
        for dtype in ("bool", "int8", "float16")
    },
    "38 integers that float64 has not": spoiled(
        sets(f"{FC}/weight", np.full((2, 3), 2**53 + 1)),
        "fc.weight: expected numbers that float64 holds, to 2**53, found 9007199254740993 at [0, 0] (and 5 more)",
    ),
    "39 tau 0": spoiled(sets(f"{LIF}/tau", [1.0, 0.0]), f"lif.tau: {ABOVE} 0.0 at [1]"),
    "39 tau below 0": spoiled(sets(f"{LIF}/tau", [-1.0, -2.0]), f"lif.tau: {ABOVE} -1.0 at [0] (and 1 more)"),
    "39 tau below the time step": spoiled(
        sets(f"{LIF}/tau", [1e-3, 1e-5]),
        "lif.tau: expected at least the time step of 0.0001 s, found 1e-05 at [1]",
    ),
    "39 tau_syn 0": neuron(
        nir.CubaLIF(np.array([1e-3, 0]), 1e-3 * ones, ones, 0 * ones, ones), f"lif.tau_syn: {ABOVE} 0.0 at [1]"
    ),
    "39 tau of an integrator": neuron(nir.LI(np.array([-1.0, 1.0]), ones, 0 * ones), f"lif.tau: {ABOVE} -1.0 at [0]"),
    "40 threshold 0 of a Threshold": neuron(nir.Threshold(np.array([1.0, 0.0])), f"lif.threshold: {ABOVE} 0.0 at [1]"),
    "40 threshold 0": spoiled(sets(f"{LIF}/v_threshold", [1, 0]), f"lif.v_threshold: {ABOVE} 0 at [1]"),
    "40 threshold below 0": spoiled(sets(f"{LIF}/v_threshold", [-0.5, 1]), f"lif.v_threshold: {ABOVE} -0.5 at [0]"),
    "40 threshold NaN": spoiled(sets(f"{LIF}/v_threshold", [1, np.nan]), f"lif.v_threshold: {FINITE} nan at [1]"),
    "41 shapes of one neuron": spoiled(
        sets(f"{LIF}/tau", np.ones(3)),
        "lif: parameters of one neuron must have one shape, "
        "found r (2,), tau (3,), v_leak (2,), v_reset (2,), v_threshold (2,)",
    ),
    "42 shapes of an edge": spoiled(
        sets("node/nodes/in/shape", [4]), "in -> fc: the first gives the shape (4,), the second takes (3,)"
    ),
    "43 weights of no input": spoiled(
        sets(f"{FC}/weight", np.ones((2, 0))), "fc.weight: expected numbers, found none (shape (2, 0))"
    ),
    "43 weights of no output": spoiled(
        sets(f"{FC}/weight", np.ones((0, 3))), "fc.weight: expected numbers, found none (shape (0, 3))"
    ),
    **{
        f"44 weights of rank {len(shape)}": spoiled(
            sets(f"{FC}/weight", np.ones(shape)),
            f"fc.weight: expected 2 dimensions (out, in), found {len(shape)}: {shape}",
        )
        for shape in ((), (3,), (1, 1, 1, 2, 3))
    },
    "45 negative shape": spoiled(sets("node/nodes/in/shape", [-3]), "in.shape: expected at least 1, found -3 at [0]"),
    "45 float shape": spoiled(sets("node/nodes/in/shape", [3.0]), f"in.shape: {WHOLE}, found float64"),
    "45 scalar shape": spoiled(sets("node/nodes/in/shape", 3), "in.shape: expected a list of sizes, found shape ()"),
    "45 more values than memory has": Case(large_image, ["its nodes hold 1600099225 values, at most 16777216 fit"]),
    "47 stride 0": conv("stride", [0, 1], "expected at least 1, found 0 at [0]"),
    "47 stride 0 of a pool": spoiled(
        sets(f"{POOL}/stride", [2, 0]), "pool.stride: expected at least 1, found 0 at [1]", graph=pool_graph
    ),
    "48 groups 0": conv("groups", 0, "expected at least 1, found 0"),
    "48 groups -3": conv("groups", -3, "expected at least 1, found -3"),
    "48 groups 3": conv("groups", 3, "expected a divisor of the 2 outputs, found 3"),
    "48 bias of length 7": conv("bias", np.zeros(7), "expected shape (2,) like the outputs of weight, found (7,)"),
    "48 bias of another length": spoiled(
        sets(f"{FC}/bias", np.zeros(7)), "fc.bias: expected shape (2,) like the outputs of weight, found (7,)"
    ),
    "48 padding that is no word for it": conv("padding", "round", "expected numbers, found text"),
    "49 name '..x'": spoiled(renamed("..x"), f"..x: {BAD_NAME}"),
    "49 ANSI escape": spoiled(renamed("\x1b[31mred"), f"/node/nodes/\\x1b[31mred: {UNSAFE}"),
    "49 newline": spoiled(renamed("a\nb"), f"/node/nodes/a\\nb: {UNSAFE}"),
    "49 right-to-left": spoiled(renamed("a\u202eb"), f"/node/nodes/a\\u202eb: {UNSAFE}"),
    "49 60000 characters": spoiled(renamed("x" * 60000), f"/node/nodes/{'x' * 64}...: {UNSAFE}"),
    "51 case folding": spoiled(
        same_but_for_case, "/node: node names that differ in upper and lower case only: LIF, lif"
    ),
    "51 the same once they are legal": spoiled(
        same_once_legal,
        "lif_0: the nodes '0' and 'lif_0' would be populations of this name; rename all but one",
    ),
    "a kernel of 4096 x 4096": Case(
        large_kernel,
        [
            "conv: its kernel has 4096 x 4096 places, for 1 values: adding them up, with the graph's other kernels, "
            "takes more than 268435456 steps, the limit; use smaller kernels: one that covers its whole source is a "
            "Linear"
        ],
    ),
}
