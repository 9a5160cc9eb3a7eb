"""NIR to Network: what is composed, what is assumed and said, and what is refused."""

from __future__ import annotations

import time
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

from snndeploy.errors import BadInput, Problems
from snndeploy.export import composition, metadata
from snndeploy.export.lower import lower
from snndeploy.export.metadata import Metadata
from snndeploy.floats import simulate
from snndeploy.network import Network

DT = 1e-4
ASSUMED_DT = "NIR does not say the time step: assumed 0.0001 s"
ASSUMED_RESET = "NIR does not say the reset kind: assumed 'zero' (v becomes 0 on the spiking step) for all neurons"
ALL = (
    "Input, Output, Affine, Linear, Conv1d, Conv2d, SumPool2d, AvgPool2d, Scale, Flatten, Delay, "
    "LIF, CubaLIF, IF, LI, CubaLI, I, Threshold"
)


def lif(count: int = 2, tau: float = 2 * DT, r: float = 2.0, v_leak: float = 0.0, v_reset: float = 0.0) -> nir.LIF:
    """Without arguments: beta 0.5, gain 1, threshold 1."""
    full = [np.full(count, value) for value in (tau, r, v_leak, 1.0, v_reset)]
    return nir.LIF(tau=full[0], r=full[1], v_leak=full[2], v_threshold=full[3], v_reset=full[4])


def cuba(v_leak: float = 0.0) -> nir.CubaLIF:
    full = {key: np.full(2, value) for key, value in (("tau_syn", 2 * DT), ("tau_mem", 4 * DT), ("r", 8.0))}
    return nir.CubaLIF(**full, v_leak=np.full(2, v_leak), v_threshold=np.ones(2), w_in=np.full(2, 3.0))


def graph(nodes: dict[str, Any], *edges: str, said: Metadata | None = None) -> nir.NIRGraph:
    """A graph with an Input `in` and an Output `out` of two values, and edges "a b"."""
    ends = {"in": nir.Input(np.array([2])), "out": nir.Output(np.array([2]))}
    made = nir.NIRGraph({**ends, **nodes}, [tuple(e.split()) for e in edges], type_check=False)  # type: ignore[misc]
    if said is not None:
        metadata.write(made, said)
    return made


def chain(*nodes: Any, said: Metadata | None = None) -> nir.NIRGraph:
    """in -> n0 -> n1 -> ... -> out."""
    named = {f"n{i}": node for i, node in enumerate(nodes)}
    names = ["in", *named, "out"]
    return graph(named, *(f"{a} {b}" for a, b in pairwise(names)), said=said)


def weights(network: Network) -> dict[str, list[list[float]]]:
    return {p.name: p.weights.tolist() for p in network.projections}


def refusals(made: nir.NIRGraph, dt: float | None = None) -> list[str]:
    with pytest.raises(BadInput) as refused:
        lower(made, dt, where="g")
    return refused.value.lines()


W = np.array([[1.0, 2.0], [3.0, 4.0]])


class Odd(nir.NIRNode):  # type: ignore[misc]
    """A node that NIR may have one day."""

    def __init__(self) -> None:
        self.input_type = self.output_type = {}


def test_affine_chains_are_composed_with_gain_and_bias() -> None:
    second = nir.Affine(weight=2 * np.eye(2), bias=np.array([10.0, 20.0]))
    network = lower(chain(nir.Affine(weight=W, bias=np.ones(2)), second, lif(r=4.0)))
    assert weights(network) == {"in-n2": (4 * W).tolist()}  # gain 4 * 1/2 on 2 * W
    bias = network.population("n2").bias
    assert bias is not None
    assert bias.tolist() == [24.0, 44.0]
    assert network.population("n2").parameters["beta"].tolist() == [0.5, 0.5]
    assert network.notes == (ASSUMED_DT, ASSUMED_RESET)
    assert network.outputs == ("n2",)


def test_fan_in_is_summed_and_edges_without_weights_are_identities() -> None:
    nodes = {"a": nir.Linear(W), "b": nir.Linear(W), "x": lif(), "y": lif()}
    network = lower(graph(nodes, "in a", "in b", "a x", "b x", "x y", "in y", "y out"), dt=DT)
    eye = np.eye(2).tolist()
    assert weights(network) == {"in-x": (2 * W).tolist(), "in-y": eye, "x-y": eye}
    assert [p.name for p in network.populations] == ["in", "x", "y"]


def test_synaptic_current_and_integrator() -> None:
    network = lower(chain(cuba(), nir.IF(r=np.full(2, 3 / DT), v_threshold=np.ones(2))))
    first, second = network.population("n0"), network.population("n1")
    assert first.parameters["alpha"].tolist() == [0.5, 0.5]
    assert first.parameters["beta"].tolist() == [0.75, 0.75]
    assert second.parameters["beta"].tolist() == [1.0, 1.0]
    assert weights(network) == {"in-n0": [[3.0, 0.0], [0.0, 3.0]], "n0-n1": [[3.0, 0.0], [0.0, 3.0]]}  # 8/4 * 3/2


def test_a_leak_is_a_bias() -> None:
    bias = lower(chain(lif(v_leak=6.0))).population("n0").bias
    assert bias is not None
    assert bias.tolist() == [3.0, 3.0]
    assert refusals(chain(cuba(v_leak=6.0))) == [
        "g: n0.v_leak: expected 0 in a neuron with synaptic current, where a leak is no constant current, "
        "found 6.0 at [0] (and 1 more)"
    ]


def test_flatten_keeps_the_order() -> None:
    flatten = nir.Flatten({"input": np.array([1, 2])}, start_dim=0)
    made = chain(flatten, nir.Linear(W), lif())
    made.nodes["in"] = nir.Input(np.array([1, 2]))
    network = lower(made)
    assert network.population("in").shape == (1, 2)
    assert weights(network) == {"in-n2": W.tolist()}


def test_metadata_gives_dt_reset_and_delay() -> None:
    said = Metadata(2e-4, {"n0": "subtract"})
    network = lower(chain(lif(tau=8e-4), said=said))
    assert network.dt == 2e-4
    assert network.population("n0").reset == "subtract"
    assert network.population("n0").parameters["beta"].tolist() == [0.75, 0.75]
    assert network.notes == ()
    assert refusals(chain(lif(tau=8e-4), said=said), 1e-4) == [
        "g: dt: the graph was exported with 0.0002 s, not 0.0001 s; leave dt out"
    ]


def test_delays_add_up_along_a_path() -> None:
    nodes = {"x": lif(), "rec": nir.Linear(W)}
    said = Metadata(DT, {"x": "zero"}, {("x", "rec"): 1, ("rec", "x"): 2})
    network = lower(graph(nodes, "in x", "x rec", "rec x", "x out", said=said))
    assert {p.name: p.delay for p in network.projections} == {"in-x": 0, "x-x": 3}


def test_two_delays_between_two_populations_are_two_projections() -> None:
    nodes = {"x": lif(), "late": nir.Linear(W), "y": lif()}
    said = Metadata(DT, {"x": "zero", "y": "none"}, {("x", "late"): 1})
    network = lower(graph(nodes, "in x", "x late", "late y", "x y", "y out", said=said))
    assert {p.name: p.delay for p in network.projections} == {"in-x": 0, "x-y.0": 0, "x-y.1": 1}


def test_a_loop_to_itself_takes_a_step_where_nothing_is_said() -> None:
    nodes = {"x": lif(), "rec": nir.Affine(weight=W, bias=np.ones(2))}
    network = lower(graph(nodes, "in x", "x rec", "rec x", "x out"), DT)
    assert {p.name: p.delay for p in network.projections} == {"in-x": 0, "x-x": 1}
    assert network.notes == (
        "NIR does not say the delay of the loop of 'x' to itself: assumed one step",
        ASSUMED_RESET,
    )


def test_other_loops_without_a_delay_are_refused() -> None:
    nodes = {"x": lif(), "y": lif(), "z": lif()}
    loop = ("in x", "x y", "y x", "y z", "z out")
    advice = "export it with snndeploy, or give an edge a delay in the metadata"
    assert refusals(graph(nodes, *loop)) == [
        f"g: x, y: a loop without a delay: NIR does not say which projection waits a step; {advice}"
    ]
    said = Metadata(DT, dict.fromkeys(nodes, "zero"))
    assert refusals(graph(nodes, *loop, said=said)) == [
        f"g: x, y: a loop without a delay: the metadata gives none of its edges a delay; {advice}"
    ]
    kept = Metadata(DT, dict.fromkeys(nodes, "zero"), {("y", "x"): 1})
    assert {p.name: p.delay for p in lower(graph(nodes, *loop, said=kept)).projections}["y-x"] == 1


def test_a_delay_behind_a_bias_is_refused() -> None:
    nodes = {"x": lif(), "rec": nir.Affine(weight=W, bias=np.ones(2))}
    said = Metadata(DT, {"x": "zero"}, {("rec", "x"): 1})
    assert refusals(graph(nodes, "in x", "x rec", "rec x", "x out", said=said)) == [
        "g: rec -> x: a delay behind a bias; put it on the edge before the bias"
    ]


def test_names_of_other_tools() -> None:
    network = lower(graph({"0": nir.Linear(W), "1": lif()}, "in 0", "0 1", "1 out"), DT)
    assert weights(network) == {"in-lif_1": W.tolist()}
    assert network.notes == ("the node '1' is the population 'lif_1'", ASSUMED_RESET)


def test_nothing_depends_on_the_order_of_nodes_and_edges(tmp_path: Path) -> None:
    nodes = {"z": nir.Affine(weight=W, bias=np.ones(2)), "b": lif(), "a": cuba()}
    made = graph(nodes, "in z", "z b", "b a", "in a", "a out")
    turned = nir.NIRGraph(dict(reversed(made.nodes.items())), made.edges[::-1])
    nir.write(tmp_path / "g.nir", made)
    networks = [lower(g) for g in (made, turned, nir.read(tmp_path / "g.nir"))]
    for network in networks:
        assert [p.name for p in network.populations] == ["in", "b", "a"]
        assert weights(network) == weights(networks[0])
        assert [p.name for p in network.projections] == [p.name for p in networks[0].projections]


def test_all_that_is_wrong_with_neurons_is_told_at_once() -> None:
    broken = lif(tau=0.5 * DT, v_reset=0.25)
    broken.v_leak = np.array([0.0, np.nan])
    broken.v_threshold = np.array([1.0, -1.0])
    broken.r = np.ones(3)
    assert refusals(chain(broken)) == [
        "g: n0.tau: expected at least the time step of 0.0001 s, found 5e-05 at [0] (and 1 more)",
        "g: n0.r: expected the shape (2,) of v_threshold, found (3,)",
        "g: n0.v_leak: expected a finite number, found nan at [1]",
        "g: n0.v_threshold: expected a number above 0, found -1.0 at [1]",
        "g: n0.v_reset: expected 0 (a reset to another potential is not supported), found 0.25 at [0] (and 1 more)",
    ]


def test_all_that_is_wrong_with_the_structure_is_told_at_once() -> None:
    nodes = {
        "odd": Odd(),
        "dead": nir.Linear(W),
        "n": lif(),
    }
    assert refusals(graph(nodes, "in n", "in n", "in dead", "nowhere n", "n odd", "odd n")) == [
        f"g: odd: Odd is not supported; supported: {ALL}",
        "g: in -> n: the edge is there twice",
        "g: nowhere -> n: an edge of a node 'nowhere' that is not in the graph",
        "g: dead: no edge leaves it; connect it or leave it out",
        "g: out: no edge leads to it; connect it or leave it out",
    ]


def test_no_output() -> None:
    made = chain(lif())
    del made.nodes["out"]
    made.edges = made.edges[:-1]
    assert refusals(made) == ["g: expected one Output or more, found none"]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (chain(nir.Linear(np.ones((2, 3))), lif()), ["g: n0: expected 3 values, 2 arrive"]),
        (chain(nir.Linear(np.ones((3, 2))), lif()), ["g: n1: expected 2 values, 3 arrive"]),
        (
            chain(nir.Linear(np.ones((1, 2, 2))), lif()),
            ["g: n0.weight: expected (outputs, inputs), found the shape (1, 2, 2)"],
        ),
        (
            chain(nir.Linear(np.full((2, 2), np.inf)), lif()),
            ["g: n0.weight: expected finite numbers, found NaN or infinity"],
        ),
        (chain(nir.Affine(np.eye(2), np.ones(1)), lif()), ["g: n0.bias: expected the shape (2,), found (1,)"]),
        (
            graph({"a": nir.Linear(W), "b": nir.Linear(W), "n": lif()}, "in a", "a b", "b a", "b n", "n out"),
            ["g: a -> b -> a: a loop without a neuron; put a neuron into the loop"],
        ),
        (
            chain(lif(), nir.Linear(W)),
            ["g: out: expected what one neuron node sends, and nothing in between; end the graph with a neuron"],
        ),
    ],
)
def test_refusals(made: nir.NIRGraph, expected: list[str]) -> None:
    assert refusals(made) == expected


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


@pytest.mark.parametrize("dt", [0.0, -1.0, float("nan")])
def test_dt(dt: float) -> None:
    assert refusals(chain(lif()), dt) == [f"g: dt: expected seconds above 0, found {dt}"]


def only(network: Network) -> dict[str, Any]:
    """Neuron, parameters and bias of the one population that is no input."""
    (p,) = (p for p in network.populations if p.neuron != "input")
    bias = [] if p.bias is None else p.bias.tolist()
    return {"neuron": p.neuron, "bias": bias, **{key: value.tolist() for key, value in p.parameters.items()}}


def full(value: float) -> Any:
    return np.full(2, value)


LI = nir.LI(tau=full(2 * DT), r=full(4.0), v_leak=full(6.0))
CUBA_LI = nir.CubaLI(tau_syn=full(2 * DT), tau_mem=full(4 * DT), r=full(8.0), v_leak=full(0.0), w_in=full(3.0))


@pytest.mark.parametrize(
    ("node", "gain", "expected"),
    [
        (LI, 2.0, {"neuron": "li", "alpha": [0.0, 0.0], "beta": [0.5, 0.5], "bias": [3.0, 3.0]}),
        (CUBA_LI, 3.0, {"neuron": "li", "alpha": [0.5, 0.5], "beta": [0.75, 0.75], "bias": []}),
        (nir.I(r=full(3 / DT)), 3.0, {"neuron": "li", "alpha": [0.0, 0.0], "beta": [1.0, 1.0], "bias": []}),
        (
            nir.Threshold(full(0.5)),
            1.0,
            {"neuron": "lif", "alpha": [0.0, 0.0], "beta": [0.0, 0.0], "threshold": [0.5, 0.5], "bias": []},
        ),
    ],
)
def test_integrators_and_thresholds(node: nir.NIRNode, gain: float, expected: dict[str, Any]) -> None:
    network = lower(chain(node), DT)
    assert only(network) == expected
    assert weights(network) == {"in-n0": (gain * np.eye(2)).tolist()}
    read = ["'n0' never spikes: read its v, n0.v"]
    assert list(network.notes) == (read if expected["neuron"] == "li" else [])


def test_an_integrator_is_forward_euler_and_is_read() -> None:
    network = lower(chain(nir.Linear(W), LI), DT)
    x = np.random.default_rng(0).random((3, 20, 2)) < 0.3
    v = simulate(network, x)["n1"]
    expected, euler = np.zeros((3, 2)), []
    for t in range(20):  # tau dv = (v_leak - v) + r I
        expected = expected + DT / (2 * DT) * (6.0 - expected + 4.0 * (x[:, t] @ W.T))
        euler.append(expected)
    np.testing.assert_allclose(v, np.stack(euler, axis=1), rtol=1e-12)


def test_a_threshold_keeps_nothing() -> None:
    x = np.random.default_rng(0).integers(-3, 4, (3, 20, 2))
    assert np.array_equal(simulate(lower(chain(nir.Threshold(full(1.0))), DT), x)["n0"], x > 1)


def test_a_scale_is_a_diagonal() -> None:
    scale = nir.Scale(np.array([2.0, -3.0]))
    network = lower(chain(nir.Affine(W, np.ones(2)), scale, lif()), DT)
    assert weights(network) == {"in-n2": [[2.0, 4.0], [-9.0, -12.0]]}
    assert only(network)["bias"] == [2.0, -3.0]
    assert weights(lower(chain(scale, lif()), DT)) == {"in-n1": [2.0, -3.0]}  # single synapses


def test_delays_are_those_of_synapses() -> None:
    network = lower(chain(nir.Linear(W), nir.Delay(np.float32([3 * DT, 3 * DT])), nir.Delay(full(DT)), lif()), DT)
    assert [(p.name, p.delay) for p in network.projections] == [("in-n3", 4)]
    network = lower(chain(nir.Delay(np.array([0.0, 2 * DT])), nir.Linear(W), lif()), DT)
    assert {(p.delay, str(p.weights.tolist())) for p in network.projections} == {
        (0, "[[1.0, 0.0], [3.0, 0.0]]"),
        (2, "[[0.0, 2.0], [0.0, 4.0]]"),
    }
    x = np.random.default_rng(0).random((3, 20, 2)) < 0.4
    late = x.copy()
    late[:, 2:, 1], late[:, :2, 1] = x[:, :-2, 1], False
    assert np.array_equal(simulate(network, x)["n2"], simulate(lower(chain(nir.Linear(W), lif()), DT), late)["n1"])


def test_several_inputs_and_outputs() -> None:
    ends = {"b": nir.Input(np.array([2])), "z": nir.Output(np.array([2]))}
    made = graph({**ends, "x": lif(), "y": lif(), "w": nir.Linear(W)}, "in x", "b w", "w x", "b y", "x out", "y z")
    network = lower(made, DT)
    assert [p.name for p in network.inputs()] == ["b", "in"]
    assert network.outputs == ("x", "y")
    assert sorted(weights(network)) == ["b-x", "b-y", "in-x"]


THREE = ["g: n0: expected 3 values, 2 arrive"]
ADVICE = "expected multiples of the time step of 0.0001 s, up to 65536 of them, found"


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (chain(nir.Delay(np.array([DT, 1.5 * DT])), lif()), [f"g: n0.delay: {ADVICE} 0.00015000000000000001 at [1]"]),
        (chain(nir.Delay(full(10.0)), lif()), [f"g: n0.delay: {ADVICE} 10.0 at [0] (and 1 more)"]),
        (
            chain(nir.Affine(W, np.ones(2)), nir.Delay(full(DT)), lif()),
            ["g: n1: a delay behind a bias; put it before the bias"],
        ),
        (chain(nir.Delay(np.ones(3) * DT), lif()), THREE),
        (chain(nir.Scale(np.ones(3)), lif()), THREE),
        (
            chain(nir.Scale(full(np.nan)), lif()),
            ["g: n0.scale: expected finite numbers, found NaN or infinity"],
        ),
        (
            chain(LI, nir.Linear(W), lif()),
            ["g: n0: sends numbers, no spikes: a node of this kind may lead to an Output only, not to n1"],
        ),
        (
            chain(nir.Threshold(full(0.0))),
            ["g: n0.threshold: expected a number above 0, found 0.0 at [0] (and 1 more)"],
        ),
        (
            chain(nir.LI(tau=full(DT / 2), r=full(1.0), v_leak=full(0.0))),
            ["g: n0.tau: expected at least the time step of 0.0001 s, found 5e-05 at [0] (and 1 more)"],
        ),
    ],
)
def test_refusals_of_further_nodes(made: nir.NIRGraph, expected: list[str]) -> None:
    assert refusals(made, DT) == expected
