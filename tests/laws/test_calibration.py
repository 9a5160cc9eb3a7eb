"""Calibration data of several inputs: what each holds, the bound that they give, and how they are refused."""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
import pytest

import snndeploy
from snndeploy.errors import BadInput
from snndeploy.targets.loihi2.ranges import InputRange, told

DT = 1e-4
DRAW = np.random.default_rng(0)
X = (DRAW.random((4, 30, 6)) < 0.2).astype(int)
Y = DRAW.uniform(-0.5, 2.0, (4, 30, 3))
BOTH = {"x": X, "y": Y}


def graph() -> nir.NIRGraph:
    """x reaches a population through another one, y reaches it directly and is most of what it gets."""
    draw = np.random.default_rng(1)
    nodes = {name: nir.Input(np.array([size])) for name, size in (("x", 6), ("y", 3))}
    for name, shape, spread in (("fc_a", (8, 6), 0.8), ("fc_b", (8, 8), 0.4), ("late", (8, 3), 1.6)):
        nodes[name] = nir.Linear(draw.normal(0.2, spread, shape))
    for name in "ab":
        full = [np.full(8, value) for value in (4 * DT, 4.0, 0.0, 1.0, 0.0)]
        nodes[name] = nir.LIF(*full)
    nodes["output"] = nir.Output(np.array([8]))
    edges = ["x fc_a", "fc_a a", "a fc_b", "fc_b b", "y late", "late b", "b output"]
    return nir.NIRGraph(nodes, [tuple(edge.split()) for edge in edges])


def test_each_input_has_the_range_of_its_own_data() -> None:
    artifact = snndeploy.compile(graph(), calibrate=BOTH, dt=DT)
    x, y = artifact.program.user_inputs()
    assert (x.name, x.kind, x.minimum, x.maximum) == ("x", "binary", 0, 1)
    assert (y.name, y.kind) == ("y", "float")
    assert (y.minimum, y.maximum) == (round(Y.min() * y.scale), round(Y.max() * y.scale))
    run = snndeploy.run(artifact, BOTH, probes=["a.spikes", "b.spikes"])
    assert all(0.02 < record.mean() < 0.98 for record in run.probes.values())
    assert snndeploy.verify(artifact, BOTH, against=["loihi2-sim"])[0].differences == 0


def test_inputs_that_hold_the_same_are_as_if_it_was_said() -> None:
    both = {"x": X, "y": X[:, :, :3]}
    found, said = (
        snndeploy.compile(graph(), dt=DT, **options) for options in ({"calibrate": both}, {"input": "binary"})
    )
    assert found.to_bytes() == said.to_bytes()


def test_a_calibrated_bound_sees_all_inputs() -> None:
    proven, calibrated = (
        snndeploy.compile(graph(), bound=bound, calibrate=BOTH, dt=DT) for bound in ("proven", "calibrated")
    )
    u = snndeploy.run(calibrated, BOTH, target="reference", probes=["a.u", "b.u"]).probes
    for before, row in zip(proven.program.report, calibrated.program.report, strict=True):
        assert before.proven
        assert not row.proven
        largest = np.abs(u[f"{row.population}.u"]).max()
        assert 0.7 * row.bound * 2**23 < largest < row.bound * 2**23, row  # the margin is a quarter


def test_what_data_tell() -> None:
    assert told({"x": X, "y": X}) == told({"x": X == 1}) == InputRange()
    assert told({"x": 3 - 5 * X, "y": X}) == {"x": InputRange("graded", -2, 3), "y": InputRange()}
    assert told({"x": X / 2}) == InputRange("float", 0, 0.5)


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        ({"x": X}, ["calibrate: expected samples for ['x', 'y'], found ['x']"]),
        (X, ["calibrate: expected samples for ['x', 'y'], found ['x']"]),
        ({**BOTH, "z": X}, ["calibrate: expected samples for ['x', 'y'], found ['x', 'y', 'z']"]),
        ({"x": X, "y": Y[:, :20]}, ["calibrate: the inputs differ in samples and steps: [(4, 20), (4, 30)]"]),
        (
            {"x": X[:, :, :5], "y": Y[..., None]},
            [
                "calibrate: x: expected (samples, steps, 6), found (4, 30, 5)",
                "calibrate: y: expected (samples, steps, 3), found (4, 30, 3, 1)",
            ],
        ),
        (
            {"x": X.astype(str), "y": Y * np.nan},
            [
                "calibrate: x: expected finite numbers, found <U21 of shape (4, 30, 6)",
                "calibrate: y: expected finite numbers, found float64 of shape (4, 30, 3)",
            ],
        ),
    ],
)
@pytest.mark.parametrize("bound", ["proven", "calibrated"])
def test_data_that_do_not_fit_are_refused(data: Any, lines: list[str], bound: str) -> None:
    with pytest.raises(BadInput) as refused:
        snndeploy.compile(graph(), bound=bound, calibrate=data, dt=DT)
    assert refused.value.lines() == lines


def test_data_beyond_a_range_that_was_said_are_refused_by_input() -> None:
    with pytest.raises(BadInput) as refused:
        snndeploy.compile(graph(), input="float:0:1", calibrate={"x": X, "y": np.where(Y > 1, 1.5, 0.5)}, dt=DT)
    (line,) = refused.value.lines()
    assert line.startswith("calibrate: y: expected 0 to 1, found 1.5 at [")
