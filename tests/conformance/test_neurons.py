"""Every neuron model: against a second implementation, against Lava, compiled and not."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import snndeploy
import snndeploy.neurons
from snndeploy.api import compared
from snndeploy.artifact import Artifact
from snndeploy.errors import BadInput
from snndeploy.integers import Ints
from snndeploy.program import Input, Population, Program, Projection
from snndeploy.registry import part, parts
from snndeploy.runs import Run, all_probes
from snndeploy.simulators import lava, reference
from snndeploy.targets.loihi2.place import place
from tests.conformance.conftest import RunLava
from tests.conformance.one_neuron import ONE_NEURON
from tests.programs import random_program

IN_24_BITS = ("u", "v", "i", "real", "imag")
INT32 = (-(2**31), 2**31 - 1)
ACTIVATIONS = (INT32, (-(2**18), 2**18), (-40, 40))
SEEDS = range(2000, 2008)  # programs of each model that are compared with Lava


def edgy(low: int, high: int, near: Sequence[int] = ()) -> st.SearchStrategy[int]:
    """Integers low..high, often at an edge, at 0 or at a value of `near` (a threshold), or next to one."""
    corners = {c + d for c in (low, -64, 0, 64, high, *near) for d in (-1, 0, 1) if low <= c + d <= high}
    return st.one_of(st.integers(low, high), st.sampled_from(sorted(corners)))


def state_range(name: str) -> tuple[int, int]:
    if name.startswith("_"):
        return 0, 1000
    return (1 - 2**23, 2**23) if name in IN_24_BITS else INT32


@st.composite
def cases(draw: st.DrawFn, model: ModuleType) -> tuple[list[int], list[int], list[int]]:
    """Activations of some steps, states before the first, parameters."""
    parameters = [draw(edgy(low, high)) for low, high in model.PARAMETERS.values()]
    near = [*parameters, *(64 * p for p in parameters)]
    span = draw(st.sampled_from(ACTIVATIONS))
    activations = draw(st.lists(edgy(*span, near), min_size=1, max_size=5))
    return activations, [draw(edgy(*state_range(name), near)) for name in model.STATES], parameters


def ints(values: Any) -> list[Ints]:
    return [np.array([value], np.int64) for value in values]


def test_every_model_has_a_second_implementation() -> None:
    assert sorted(ONE_NEURON) == list(parts("neurons"))


@pytest.mark.parametrize("name", ONE_NEURON)
def test_a_model_equals_its_second_implementation(name: str) -> None:
    model = part("neurons", name)

    @settings(max_examples=300, deadline=None)
    @given(case=cases(model))
    def equal(case: tuple[list[int], list[int], list[int]]) -> None:
        activations, states, parameters = case
        expected = tuple(states)
        arrays = ints(states)
        for a in activations:
            message, *expected = ONE_NEURON[name](a, *expected, *parameters)
            sent, *arrays = model.step(*ints([a]), *arrays, *ints(parameters))
            assert [int(x[0]) for x in (sent, *arrays)] == [message, *expected]

    equal()


@pytest.mark.parametrize("name", ONE_NEURON)
def test_before_the_first_step_all_states_are_zero_but_an_adaptive_threshold(name: str) -> None:
    model = part("neurons", name)
    largest = {parameter: high for parameter, (_, high) in model.PARAMETERS.items()}
    expected = [64 * largest["theta_0"] if state == "theta" else 0 for state in model.STATES]
    assert [int(np.ravel(x)[0]) for x in model.rest(*ints(largest.values()))] == expected


def test_the_smallest_int32_has_no_magnitude() -> None:
    """|-2**31| is -2**31 in Lava's int32: delta sends it if its error is large enough, but it clears no error."""
    delta, low = part("neurons", "delta"), -(2**31)
    for states, parameters, expected in (
        ((0, 0, 0), (0, 0, 0, 0), (0, low, low, 0)),
        ((0, 0, 1), (5, 0, 0, 1), (low, low, 0, low + 1)),
    ):
        answer = delta.step(*ints([low]), *ints(states), *ints(parameters))
        assert tuple(int(x[0]) for x in answer) == ONE_NEURON["delta"](low, *states, *parameters) == expected
    assert int(part("neurons", "graded-threshold").step(*ints([low, 5]))[0][0]) == 0


def compiled(function: FunctionType) -> Any:
    """`function` compiled by numba, with every function of this project that it calls."""
    scope = dict(function.__globals__)
    for name in function.__code__.co_names:
        if isinstance(scope.get(name), FunctionType):
            scope[name] = compiled(scope[name])
    return numba.njit(FunctionType(function.__code__, scope, function.__name__))


def compiles_to_the_same(name: str, cases: int = 200) -> None:
    """Hold the compiled step of a model, on single integers, against its step on arrays."""
    model, draw = part("neurons", name), np.random.default_rng(0)
    ranges = [INT32, *map(state_range, model.STATES), *model.PARAMETERS.values()]
    columns = [
        np.where(
            draw.random(cases) < 0.5,
            draw.integers(low, high + 1, cases),
            draw.choice(np.clip([low, -1, 0, 1, high], low, high), cases),
        )
        for low, high in ranges
    ]
    together = model.step(*columns)
    step = compiled(model.step)
    for row, values in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        assert [int(x) for x in step(*values)] == [int(x[row]) for x in together]


@pytest.mark.parametrize("name", ONE_NEURON)
def test_the_compiled_step_equals_that_on_arrays(name: str) -> None:
    compiles_to_the_same(name)


@pytest.mark.long
@pytest.mark.parametrize("name", lava.NEURONS)
def test_a_model_equals_lava(name: str, run_lava: RunLava) -> None:
    programs = [random_program(seed, neuron=name, for_lava=True) for seed in SEEDS]
    jobs = [lava.Job(program, payloads, all_probes(program)) for program, payloads in programs]
    values, messages = 0, 0
    for seed, job, found in zip(SEEDS, jobs, run_lava(jobs), strict=True):
        expected = reference.simulate(job.program, job.payloads, job.probes)
        comparison = compared(Artifact(job.program, place(job.program)), "lava", expected, found)
        assert comparison.differences == 0, f"seed {seed}: {comparison.first}"
        mine = [p.name for p in job.program.populations if p.neuron == name]
        values += sum(expected[probe].size for probe in expected if probe.rpartition(".")[0] in mine)
        messages += sum(int(np.count_nonzero(expected[f"{population}.spikes"])) for population in mine)
    print(f"{name}: {values} values equal, {messages} messages")
    assert values > 0
    assert messages > 0 or name == "li"


def one_population(neuron: str, parameters: dict[str, Any], size: int = 3) -> Program:
    projection = Projection("in-out", "in", "out", np.full((size, 1), 2))
    return Program((Input("in", (1,)),), (Population("out", (size,), neuron, parameters, 1),), (projection,), ("out",))


LIF = {"du": 4095, "dv": 0, "bias_mant": 0, "bias_exp": 0, "vth": 10}


def test_what_lava_cannot_run_is_refused_with_a_reason_before_a_worker_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNNDEPLOY_LAVA_PYTHON", "/nowhere/python")
    assert sorted([*lava.NEURONS, *lava.CANNOT]) == list(parts("neurons"))
    x = {"in": np.ones((1, 2, 1), np.int64)}
    for name, reason in lava.CANNOT.items():
        more = {"refractory_period": 2} if name == "lif-refractory" else {}
        with pytest.raises(BadInput) as error:
            lava.simulate(one_population(name, {**LIF, **more}), x, ["out.v"])
        assert str(error.value) == f"loihi2-lava: out: {name}: {reason}"
    apart = one_population("lif-reset", {**LIF, "interval": np.array([4, 5, 5]), "offset": 0})
    with pytest.raises(BadInput) as error:
        lava.simulate(apart, x, ["out.v"])
    assert str(error.value) == (
        "loihi2-lava: out.interval: expected 4 in every neuron, for Lava's process takes one value, "
        "found 5 at [1] (and 1 more)"
    )


@pytest.mark.long
def test_a_periodic_reset_begins_anew_in_each_sample() -> None:
    """Also in Lava, which counts the steps of its run: 8 in each sample, where 5 lie between two resets."""
    program = one_population("lif-reset", {**LIF, "vth": 1000, "interval": 5, "offset": 2})
    x, probes = {"in": np.ones((3, 7, 1), np.int64)}, all_probes(program)
    expected = reference.simulate(program, x, probes)
    assert expected["out.v"][:, 1:, 0].tolist() == [[128, 128, 256, 384, 512, 640, 128]] * 3
    found = lava.simulate(program, x, probes)
    assert compared(Artifact(program, place(program)), "lava", expected, found).first == ""


def test_a_counter_is_no_probe() -> None:
    program = one_population("lif-reset", {**LIF, "interval": 4, "offset": 0})
    assert all_probes(program) == ["out.u", "out.v", "out.spikes"]


def test_a_graded_output_is_a_run_of_payloads() -> None:
    """What a sigma or a ternary LIF sends comes back as it is, and its counts are sums."""
    x = np.array([[[3], [0], [-5], [0]]])
    lif = {name: LIF[name] for name in ("du", "dv", "bias_mant", "bias_exp")}
    for neuron, parameters, expected in (
        ("sigma", {}, [6, 6, -4, -4]),
        ("ternary-lif", {**lif, "vth_hi": 5, "vth_lo": -9}, [1, 0, -1, 0]),
    ):
        populations = (Population("out", (2,), neuron, parameters, 1),)
        projections = (Projection("in-out", "in", "out", np.full((2, 1), 2), message_bits=4),)
        program = Program((Input("in", (1,), "graded", -8, 7),), populations, projections, ("out",))
        artifact = Artifact(program, place(program))
        answer = snndeploy.run(artifact, x, probes=["out.spikes"])
        assert answer.spikes.dtype == np.int32
        assert answer.spikes[0, :, 1].tolist() == answer.probes["out.spikes"][0, :, 1].tolist() == expected
        assert answer.counts.tolist() == [[sum(expected)] * 2]
        with pytest.raises(BadInput) as error:
            Run(answer.spikes != 0).check(program)
        assert str(error.value) == "run: spikes: expected int32, found bool"


def test_a_readout_is_the_v_of_an_integrator_that_never_spikes() -> None:
    program = one_population("li", {name: LIF[name] for name in ("du", "dv", "bias_mant", "bias_exp")})
    answer = snndeploy.run(Artifact(program, place(program)), np.ones((1, 3, 1), np.int64), probes=["out.v"])
    assert answer.probes["out.v"][0, :, 0].tolist() == [128, 256, 384]
    assert not answer.spikes.any()


def spike_train(neuron: str, activations: list[int], **parameters: int) -> list[int]:
    model = part("neurons", neuron)
    values = ints({**LIF, **parameters}[name] for name in model.PARAMETERS)
    states, train = model.rest(*values), []
    for a in activations:
        sent, *states = model.step(*ints([a]), *states, *values)
        train.append(int(sent[0]))
    return train


def test_a_neuron_that_is_still_above_its_threshold() -> None:
    """Three and a half thresholds at once, no decay: worked out by hand, and what snnTorch does (docs/neurons.md)."""
    assert spike_train("lif-subtract", [35, 0, 0, 0, 0]) == [1, 1, 0, 0, 0]
    assert spike_train("lif-subtract-next", [35, 0, 0, 0, 0]) == [1, 1, 1, 0, 0]
    assert spike_train("lif", [35, 0, 0, 0, 0]) == [1, 0, 0, 0, 0]
    # At exactly the threshold it is not above it, and spikes for one unit more.
    assert spike_train("lif-subtract", [20, 1, 0]) == [1, 1, 0]


def test_a_resonator_spikes_at_exactly_its_threshold() -> None:
    """5 << 6 = 320: RF crosses the real axis there, the imaginary part of RF-IZ reaches it by a quarter turn."""
    for a, spikes in ((4, 0), (5, 1)):
        assert [int(x[0]) for x in part("neurons", "rf").step(*ints([a, 0, -1, 0, 0, 12, 6, 5]))] == [spikes, 64 * a, 0]
    quarter = part("neurons", "rf-iz").step
    assert [int(x[0]) for x in quarter(*ints([0, 319, 0, 4096, 0, 12, 6, 5]))] == [0, 0, 319]
    assert [int(x[0]) for x in quarter(*ints([0, 320, 0, 4096, 0, 12, 6, 5]))] == [1, 0, 319]


def test_delta_and_sigma_delta_send_at_exactly_their_threshold() -> None:
    """5 << 1 + 2 = 40 as delta counts, which shifts its activation likewise; what is sent is shifted back by 2."""
    exponents = [1, 2]
    for a, sent in ((4, 0), (5, 10), (-4, 0), (-5, -10)):
        found = part("neurons", "delta").step(*ints([a, 0, 0, 0, 5, *exponents, 0]))
        assert [int(x[0]) for x in found] == [sent, 8 * a, 0 if sent else 8 * a, 0]
    for a, sent in ((39, 0), (40, 10), (-39, 0), (-40, -10)):
        found = part("neurons", "sigma-delta").step(*ints([a, 0, 0, 0, 0, 5, *exponents, 0, 0, 0]))
        assert [int(x[0]) for x in found] == [sent, a, a, 0 if sent else a, 0]


def test_a_refractory_period_and_a_periodic_reset_by_hand() -> None:
    assert spike_train("lif-refractory", [11] * 7, refractory_period=2) == [1, 0, 0, 1, 0, 0, 1]
    assert spike_train("lif", [4] * 7) == [0, 0, 1, 0, 0, 1, 0]
    # Cleared before steps 2, 5 and 8: each time 4, 8 and then 12 > 10 in the step before.
    assert spike_train("lif-reset", [4] * 8, interval=3, offset=2) == [0, 0, 0, 1, 0, 0, 1, 0]
    assert spike_train("lif-reset", [4] * 8, interval=2, offset=0) == [0] * 8


NEW_MODEL = """
from snndeploy.integers import int32

STATES = ("total",)
PARAMETERS = {"factor": (-8, 7), "limit": (1, 2**20)}
MESSAGE_BITS = 24


def rest(factor, limit):
    return (0 * factor,)


def step(a, total, factor, limit):
    total = int32(total + factor * a)
    sent = total * (total > limit)
    return sent, total - sent
"""


def test_a_new_model_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found in its folder, simulated, drawn by the generator, held by the checks above, refused for Lava by name."""
    (tmp_path / "new_model.py").write_text(NEW_MODEL)
    monkeypatch.setattr(snndeploy.neurons, "__path__", [*snndeploy.neurons.__path__, str(tmp_path)])
    try:
        assert "new-model" in parts("neurons")
        compiles_to_the_same("new-model")
        messages = 0
        for seed in range(8):
            program, payloads = random_program(seed, neuron="new-model")
            answer = reference.simulate(program, payloads, all_probes(program))
            mine = [p.name for p in program.populations if p.neuron == "new-model"]
            messages += sum(int(np.count_nonzero(answer[f"{name}.spikes"])) for name in mine)
        assert messages > 0
        with pytest.raises(BadInput) as error:
            lava.check(one_population("new-model", {"factor": 1, "limit": 5}))
        assert str(error.value) == "loihi2-lava: out: new-model: Lava has no such process"
        drawn = (p.neuron for seed in range(100) for p in random_program(seed)[0].populations)
        assert "new-model" in drawn, "the generator draws it by itself"
    finally:
        sys.modules.pop("snndeploy.neurons.new_model", None)
