"""Numbers that a register does not hold: refused when a Program is made or checked, and scaled or refused by compile.

lava and netx take each of these in silence, and wrap, clip or ignore it.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import nir
import numpy as np
import pytest

import snndeploy
from snndeploy.errors import BadInput
from snndeploy.program import Input, Population, Program, Projection

GOOD = {"vth": 80, "du": 4095, "dv": 400, "bias_mant": 0, "bias_exp": 0}
WEIGHTS = np.array([[100, -20], [0, 50]])


def program(parameters: dict[str, Any], **projection: Any) -> Program:
    lif = Population("lif", (2,), projection.pop("neuron", "lif"), {**GOOD, **parameters}, 1)
    own = {"weights": WEIGHTS, **projection}
    return Program((Input("in", (2,)),), (lif,), (Projection("in-lif", "in", "lif", **own),), ("lif",))


def lines(make: Any) -> list[str]:
    with pytest.raises(BadInput) as refused:
        make()
    return refused.value.lines()


PARAMETERS: list[tuple[str, Any, str]] = [
    ("vth", 2**20, "program: lif.vth: expected 0 to 131071, found 1048576 at [0] (and 1 more)"),
    ("vth", -5, "program: lif.vth: expected 0 to 131071, found -5 at [0] (and 1 more)"),
    ("vth", 80.7, "lif.vth: expected integers of 32 bits, found 80.7 at [0] (and 1 more)"),
    ("vth", [80, np.nan], "lif.vth: expected integers of 32 bits, found nan at [1]"),
    ("vth", 2**32 + 80, "lif.vth: expected integers of 32 bits, found 4294967376 at [0] (and 1 more)"),
    ("du", 5000, "program: lif.du: expected -1 to 4095, found 5000 at [0] (and 1 more)"),
    ("du", -2, "program: lif.du: expected -1 to 4095, found -2 at [0] (and 1 more)"),
    ("dv", 70000, "program: lif.dv: expected 0 to 4096, found 70000 at [0] (and 1 more)"),
    ("bias_mant", 40000, "program: lif.bias_mant: expected -4096 to 4095, found 40000 at [0] (and 1 more)"),
    ("bias_exp", 30, "program: lif.bias_exp: expected 0 to 7, found 30 at [0] (and 1 more)"),
]


@pytest.mark.parametrize(("name", "value", "expected"), PARAMETERS)
def test_parameters_of_a_program(name: str, value: Any, expected: str) -> None:
    assert lines(lambda: program({name: value}).check()) == [expected]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"weights": WEIGHTS * 10}, "program: in-lif: expected 8 bit mixed weights, found 1000 at [0, 0] (and 1 more)"),
        (
            {"weights": [[300, 300], [0, 0]]},
            "program: in-lif: expected 8 bit mixed weights, found 300 at [0, 0] (and 1 more)",
        ),
        ({"weights": [[100.7, 0], [0, 0]]}, "in-lif.weights: expected integers of 32 bits, found 100.7 at [0, 0]"),
        ({"weights": [[np.nan, 0], [0, 0]]}, "in-lif.weights: expected integers of 32 bits, found nan at [0, 0]"),
        ({"delay": 100}, "program: in-lif.delay: expected 0 to 62, found 100"),
        ({"exponent": 8}, "program: in-lif.exponent: expected -8 to 7, found 8"),
        ({"weight_bits": 9}, "program: in-lif.weight_bits: expected 1 to 8, found 9"),
    ],
)
def test_projections_of_a_program(changes: dict[str, Any], expected: str) -> None:
    assert lines(lambda: program({}, **changes).check()) == [expected]


def test_a_refractory_period_of_nine_steps_is_one_of_nine_steps() -> None:
    held = program({"refractory_period": 9}, neuron="lif-refractory")
    held.check()
    assert held.populations[0].parameters["refractory_period"].tolist() == [9, 9]
    assert lines(lambda: program({"refractory_period": 0}, neuron="lif-refractory").check()) == [
        "program: lif.refractory_period: expected 1 to 2147483647, found 0 at [0] (and 1 more)"
    ]


def graph(weight: Any = WEIGHTS, end: str = "lif", extra: nir.NIRNode | None = None, **changes: Any) -> nir.NIRGraph:
    """Input, weights and a CubaLIF with other parameters; maybe a node more, in front of it."""
    ones = np.ones(2)
    values = {"tau_syn": 1e-3, "tau_mem": 1e-3, "r": 10, "w_in": 10, "v_leak": 0, "v_threshold": 80} | changes
    nodes = {
        "in": nir.Input(np.array([2])),
        "fc": nir.Linear(np.asarray(weight, float)),
        "lif": nir.CubaLIF(**{name: value * ones for name, value in values.items()}),
        "out": nir.Output(np.array([2])),
    }
    way = ["in", "fc", "lif", "out"]
    if extra is not None:
        nodes["more"] = extra
        way.insert(2, "more")
    links = [pair for pair in pairwise(way) if pair[1] != "out"]
    return nir.NIRGraph(nodes, [*links, (end, "out")], type_check=False)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (
            graph(tau_syn=10.0),
            "loihi2: lif: decays slower than the chip's slowest, 1/4096 a step; use a larger time step",
        ),
        (
            graph(end="fc"),
            "NIR graph: out: expected what one neuron node sends, and nothing in between; end the graph with a neuron",
        ),
        (
            graph(extra=nir.Delay(np.full(2, 0.01))),
            "loihi2: in-lif: needs a delay of 100, the chip has 0 to 62",
        ),
        (
            graph(v_threshold=2.0**40),
            "loihi2: lif: no scale fits weights, bias, threshold and u: their sizes lie too far apart for the chip's "
            "integers",
        ),
    ],
)
def test_what_compile_refuses(made: nir.NIRGraph, expected: str) -> None:
    assert lines(lambda: snndeploy.compile(made)) == [expected]


def test_weights_that_are_no_numbers() -> None:
    made = graph()
    made.nodes["fc"].weight = np.ones((2, 2), complex)
    assert lines(lambda: snndeploy.compile(made)) == [
        "NIR graph: fc.weight: expected bool, integers or floats of at most 64 bits, found complex128"
    ]


@pytest.mark.parametrize("factor", [1000.0, 300.0, 3.7, 0.01])
def test_what_compile_scales(factor: float) -> None:
    """Weights and threshold of any size together: all weights 300 in netx are shifted by -1, and become 0."""
    one = snndeploy.compile(graph(np.full((2, 2), factor), v_threshold=factor * 40.9)).program
    (projection,), row = one.projections, one.report[0]
    assert (projection.weights == projection.weights.max()).all()
    assert projection.weights.max() > 0
    assert row.threshold_error < 0.01
    held = projection.weights.max() * 2.0**projection.exponent / one.populations[0].parameters["vth"].max()
    assert held == pytest.approx(1 / 40.9, rel=0.01)
    replace(one).check()
