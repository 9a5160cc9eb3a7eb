"""`snndeploy check`: what the table says of every node, from what lowering and the compiler made of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

import snndeploy
from snndeploy.cli import main
from snndeploy.export import metadata
from snndeploy.export.nir_file import write_nir

DT = 1e-4
Check = Callable[..., tuple[int, str]]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """Writes a graph and checks it: exit code and output."""
    monkeypatch.chdir(tmp_path)

    def run(graph: nir.NIRGraph, *options: str) -> tuple[int, str]:
        write_nir(graph, tmp_path / "net.nir")
        monkeypatch.setattr(sys, "argv", ["snndeploy", "check", "net.nir", *options])
        try:
            main()
        except SystemExit as left:
            return int(left.code or 0), capsys.readouterr().out
        return 0, capsys.readouterr().out

    return run


def lif(*shape: int) -> nir.LIF:
    ones = np.ones(shape)
    return nir.LIF(tau=2 * DT * ones, r=2 * ones, v_leak=0 * ones, v_threshold=ones, v_reset=0 * ones)


def cuba(*shape: int) -> nir.CubaLIF:
    ones = np.ones(shape)
    taus = {"tau_syn": 2 * DT * ones, "tau_mem": 4 * DT * ones, "w_in": 2 * ones}
    return nir.CubaLIF(**taus, r=4 * ones, v_leak=0 * ones, v_threshold=ones, v_reset=0 * ones)


def weights(outputs: int, inputs: int, bias: float = 0.0) -> Any:
    weight = (np.arange(outputs * inputs).reshape(outputs, inputs) % 7 - 2) / 8
    return nir.Affine(weight, np.full(outputs, bias)) if bias else nir.Linear(weight)


def graph(nodes: dict[str, Any], edges: str, delays: dict[tuple[str, str], int] | None = None) -> nir.NIRGraph:
    pairs = [tuple(edge.split()) for edge in edges.split(", ")]
    made = nir.NIRGraph(nodes, pairs, {}, type_check=False)
    if delays is not None:
        neurons = [name for name, node in nodes.items() if isinstance(node, nir.LIF | nir.CubaLIF)]
        metadata.write(made, metadata.Metadata(DT, dict.fromkeys(neurons, "zero"), delays))
    return made


def ends(source: int, target: int, **nodes: Any) -> dict[str, Any]:
    return {"input": nir.Input(np.array([source])), **nodes, "output": nir.Output(np.array([target]))}


def exponent(made: nir.NIRGraph, **options: Any) -> dict[str, str]:
    """Of every projection of the program, as the table says it."""
    program = snndeploy.compile(made, **options).program
    return {q.name: f"exponent {q.exponent}" for q in program.projections}


def fates(check: Check, made: nir.NIRGraph, *options: str) -> dict[str, str]:
    code, out = check(made, "--json", *options)
    found = json.loads(out)
    assert (code, found["ok"]) == (0, True)
    assert all(row["result"] == "ok" for row in found["nodes"])
    return {row["node"]: row["on_target"] for row in found["nodes"]}


def test_convolutions_pools_and_shapes(check: Check) -> None:
    kernel = nir.Conv2d((4, 4), np.ones((2, 1, 3, 3)) / 4, 1, 1, 1, 1, np.zeros(2))
    nodes = {
        "input": nir.Input(np.array([1, 4, 4])),
        "conv": kernel,
        "a": lif(2, 4, 4),
        "pool": nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "scale": nir.Scale(np.ones((2, 2, 2)) / 2),
        "flat": nir.Flatten({"input": np.array([2, 2, 2])}, 0, -1),
        "fc": weights(3, 8, 0.25),
        "b": cuba(3),
        "output": nir.Output(np.array([3])),
    }
    edges = "input conv, conv a, a pool, pool scale, scale flat, flat fc, fc b, b output"
    made = graph(nodes, edges, {})
    found = exponent(made, bits=6, input="graded:0:3")
    assert fates(check, made, "--bits", "6", "--input-range", "graded:0:3") == {
        "input": "input 'input' (1x4x4): payloads 0 to 3, 2 bits",
        "conv": f"conv weights 'input-a': 6 bits, {found['input-a']}",
        "a": "population of 32 lif neurons, 1 neurocore",
        "pool": "composed into 'scale'",
        "scale": "composed into 'fc'",
        "flat": "no synapses: only another shape",
        "fc": f"dense weights 'a-b': 6 bits, {found['a-b']}; bias of 'b', sent in every step",
        "b": "population of 3 lif neurons, 1 neurocore",
        "output": "output: the spikes of 'b', 2 steps after the input",
    }


def test_paths_loops_and_delays(check: Check) -> None:
    """A skip path waits for the longer one; a loop of two steps has one step left; sums have several makers."""
    late = nir.Delay(np.array([2 * DT, 2 * DT]))
    several = nir.Delay(np.array([0.0, DT]))
    nodes = ends(
        2,
        2,
        first=weights(2, 2),
        a=lif(2),
        middle=weights(2, 2),
        b=lif(2),
        skip=weights(2, 2, 0.5),
        back=weights(2, 2),
        late=late,
        several=several,
        c=lif(2),
    )
    edges = "input first, first a, a middle, middle b, b c, a skip, skip c, c back, back late, late c"
    made = graph(nodes, f"{edges}, a several, several b, c output", {("c", "back"): 1})
    found = exponent(made)
    assert fates(check, made) == {
        "input": "input 'input' (2): binary spikes",
        "first": f"dense weights 'input-a': 8 bits, {found['input-a']}",
        "a": "population of 2 lif neurons, 1 neurocore",
        "middle": f"dense weights 'a-b.0': 8 bits, {found['a-b.0']}",
        "b": "population of 2 lif neurons, 1 neurocore",
        "skip": f"dense weights 'a-c': 8 bits, {found['a-c']}, 1 more step of delay; bias of 'c'",
        "back": f"dense weights 'c-c': 8 bits, {found['c-c']}",
        "late": "2 steps of delay",
        "several": f"0 to 1 steps of delay; dense weights 'a-b.0': 8 bits, {found['a-b.0']};"
        f" sparse weights 'a-b.1': 8 bits, {found['a-b.1']}",
        "c": "population of 2 lif neurons, 1 neurocore; one to one from 'b'",
        "output": "output: the spikes of 'c', 3 steps after the input",
    }


def test_graphs_in_a_graph_and_other_names(check: Check) -> None:
    inner = graph(ends(2, 2, lif=lif(2), w=weights(2, 2)), "input lif, lif w, w lif, lif output")
    outer = graph(ends(2, 2, inner=inner), "input inner, inner output")
    nodes = ends(2, 2, fc=weights(2, 2), sub=outer, **{"1": lif(2)})
    made = graph(nodes, "input fc, fc sub, sub 1, 1 output")
    found = exponent(made)
    assert fates(check, made) == {
        "input": "input 'input' (2): binary spikes",
        "fc": f"dense weights 'input-sub.inner.lif': 8 bits, {found['input-sub.inner.lif']}",
        "sub": "inlined: 3 nodes",
        "sub.input": "taken out: its edges are joined",
        "sub.inner": "inlined: 4 nodes",
        "sub.inner.input": "taken out: its edges are joined",
        "sub.inner.lif": "population of 2 lif neurons, 1 neurocore",
        "sub.inner.w": f"dense weights 'sub.inner.lif-sub.inner.lif': 8 bits, {found['sub.inner.lif-sub.inner.lif']}",
        "sub.inner.output": "taken out: its edges are joined",
        "sub.output": "taken out: its edges are joined",
        "1": "population 'lif_1' of 2 lif neurons, 1 neurocore; one to one from 'sub.inner.lif'",
        "output": "output: the spikes of 'lif_1', 2 steps after the input",
    }


def test_what_a_neuron_brings_into_its_weights(check: Check) -> None:
    neuron = lif(2)
    neuron.r, neuron.v_leak = np.array([1.0, 4.0]), np.array([0.0, 0.5])
    found = fates(check, graph(ends(2, 2, n=neuron), "input n, n output", {}))
    text = "gain 0.5 to 2 in its weights; v_leak as bias; one to one from 'input'"
    assert found["n"] == f"population of 2 lif neurons, 1 neurocore; {text}"


def test_the_table_fits_100_columns(check: Check) -> None:
    long = "a_long_name_of_a_node_as_other_tools_write_it"
    nodes = ends(2, 2, **{f"{long}_weights": weights(2, 2, 0.5), f"{long}_neuron": cuba(2)})
    made = graph(nodes, f"input {long}_weights, {long}_weights {long}_neuron, {long}_neuron output", {})
    code, out = check(made)
    assert code == 0
    lines = out.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[1].split() == ["node", "type", "shape", "result", "on", "loihi2"]
    assert "neurocore" in out


def test_problems_stand_beside_their_own_node(check: Check) -> None:
    """`sub.lif: ...` is of the node lif in the graph sub, and not of sub."""
    slow = nir.LIF(*(np.full(2, value) for value in (10.0, 1.0, 0.0, 1.0, 0.0)))
    inner = graph(ends(2, 2, lif=slow), "input lif, lif output")
    code, out = check(graph(ends(2, 2, fc=weights(2, 2), sub=inner), "input fc, fc sub, sub output"), "--json")
    results = {row["node"]: row["result"] for row in json.loads(out)["nodes"]}
    text = "decays slower than the chip's slowest, 1/4096 a step; use a larger time step"
    assert code == 1
    assert {node: result for node, result in results.items() if result != "ok"} == {"sub.lif": text}
    assert {row["on_target"] for row in json.loads(out)["nodes"]} == {None}
