"""Delays per synapse: the reference against plain loops and against Lava's DelayDense."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from snndeploy.api import compared
from snndeploy.artifact import Artifact, load
from snndeploy.errors import BadInput
from snndeploy.program import Input, Population, Program, Projection
from snndeploy.runs import all_probes
from snndeploy.simulators import lava, reference
from snndeploy.targets.loihi2.place import place

PARAMETERS = {"du": 4095, "dv": 300, "bias_mant": 0, "bias_exp": 0, "vth": 200}


def delayed(delays: np.ndarray, exponent: int) -> Program:
    weights = np.random.default_rng(0).integers(-60, 120, delays.shape) * 2
    neurons = {key: np.array(value) for key, value in PARAMETERS.items()}
    return Program(
        (Input("in", (4,)),),
        (Population("out", (3,), "lif", neurons, 1),),
        (Projection("in-out", "in", "out", weights, exponent=exponent, extra={"delays": delays}),),
        ("out",),
    )


@pytest.mark.parametrize("exponent", [0, 2, -3])
@pytest.mark.parametrize("longest", [0, 5, 62])
def test_delays_per_synapse(longest: int, exponent: int) -> None:
    draw = np.random.default_rng(longest)
    delays = draw.integers(0, longest + 1, (3, 4))
    delays[0, 0] = longest
    program = delayed(delays, exponent)
    program.check()
    x = (draw.random((2, 80, 4)) < 0.3).astype(np.int64)
    probes = all_probes(program)
    records = reference.simulate(program, {"in": x}, probes)

    weights = program.projections[0].weights
    for t in range(80):  # u of step t is the activation of step t: du = 4095 leaves it no memory
        for neuron in range(3):
            columns: dict[int, int] = {}
            for source in range(4):
                sent = t - int(delays[neuron, source])
                if sent >= 0 and x[0, sent, source]:
                    delay = int(delays[neuron, source])
                    columns[delay] = columns.get(delay, 0) + int(weights[neuron, source])
            a = sum(column * 2**exponent if exponent >= 0 else column // 2**-exponent for column in columns.values())
            assert records["out.u"][0, t + 1, neuron] == 64 * a

    found = lava.simulate(program, {"in": x}, probes)
    assert compared(Artifact(program, place(program)), "lava", records, found).first == ""


def test_delays_are_kept_in_the_artifact(tmp_path: Path) -> None:
    program = delayed(np.arange(12).reshape(3, 4), 1)
    written = Artifact(program, place(program))
    written.save(tmp_path / "net.snn")
    read = load(tmp_path / "net.snn")
    assert read.to_bytes() == written.to_bytes()
    np.testing.assert_array_equal(read.program.projections[0].extra["delays"], np.arange(12).reshape(3, 4))


def test_delays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadInput) as error:
        delayed(np.full((3, 4), 63), 0).check("p")
    assert error.value.lines() == ["p: in-out.delays: expected 0 to 62, found 63 at [0, 0] (and 11 more)"]
