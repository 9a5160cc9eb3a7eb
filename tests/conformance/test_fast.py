"""The fast engine equals the reference: every state and message of generated programs, however the work is divided.

`pytest --seed N` repeats one of them, `--programs N` draws N.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snndeploy.program import Input, Population, Program, Projection
from snndeploy.runs import all_probes
from snndeploy.simulators import fast, reference
from tests.conformance.equal import LIF, dense_network, require_equal
from tests.conftest import seed_groups
from tests.programs import random_program

PROGRAMS = 500


GROUP = 50


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seeds" in metafunc.fixturenames:
        groups = seed_groups(metafunc.config, PROGRAMS, GROUP)
        metafunc.parametrize("seeds", groups, ids=lambda seeds: f"seeds-{seeds.start}-to-{seeds.stop - 1}")


def test_generated_programs_equal_the_reference(seeds: range) -> None:
    for seed in seeds:
        require_equal(*random_program(seed), f"--seed {seed}")


@pytest.mark.parametrize("threads", ["1", "2", "4"])
@pytest.mark.parametrize("seed", range(5))
def test_threads_and_batches_change_nothing(seed: int, threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program, payloads = random_program(seed)
    steps = next(iter(payloads.values())).shape[1]
    many = {name: np.resize(x, (23, steps, x.shape[2])) for name, x in payloads.items()}
    probes = all_probes(program)
    expected = reference.simulate(program, many, probes)
    monkeypatch.setenv("SNNDEPLOY_THREADS", threads)
    for block in (1, 7 * (steps + program.latency) * fast.load(program).words, 2**30):
        monkeypatch.setattr(fast, "BLOCK", block)
        done: list[int] = []
        found = fast.simulate(program, many, probes, done.append)
        assert sum(done) == 23
        for probe in probes:
            np.testing.assert_array_equal(found[probe], expected[probe])


@pytest.mark.parametrize("density", [0.0, 0.02, 0.3, 1.0])
@pytest.mark.parametrize("sizes", [(784, 256, 10), (1100, 65, 64, 63), (1, 1)])
def test_layers_wider_than_a_vector(sizes: tuple[int, ...], density: float) -> None:
    draw = np.random.default_rng(0)
    program = dense_network(sizes, draw)
    require_equal(program, {"in": (draw.random((3, 40, sizes[0])) < density).astype(np.int64)}, f"{sizes}")


# name -> an input, the shape of the target, a projection between them, and what its sum exceeds in the end
FULL = {
    "u at 2**23": (Input("in", (9,)), (3,), Projection("q", "in", "out", np.full((3, 9), 128), exponent=7), 2**17),
    "u at -2**23": (Input("in", (9,)), (3,), Projection("q", "in", "out", np.full((3, 9), -128), exponent=7), 2**17),
    "600 weights of 255": (
        Input("in", (600,)),
        (130,),
        Projection("q", "in", "out", np.full((130, 600), 255), sign_mode="excitatory"),
        2 * 257 * 255,
    ),
    "a convolution beyond 16 bits": (
        Input("in", (20, 8)),
        (3, 1),
        Projection("q", "in", "out", np.full((3, 20, 8), 254), kind="conv"),
        2**15,
    ),
    "a convolution beyond 24 bits": (
        Input("in", (1, 40), "graded", 0, 2**16 - 1),
        (2, 40),
        Projection("q", "in", "out", np.full((2, 1, 1), 254), kind="conv", message_bits=16),
        2**23,
    ),
}


@pytest.mark.parametrize("du", [0, 4095])
@pytest.mark.parametrize("name", FULL)
def test_sums_that_just_fit_their_registers(name: str, du: int) -> None:
    """From no message to the largest from every source, one source more in each step."""
    entry, shape, q, exceeded = FULL[name]
    assert (int(np.abs(q.weights[0]).sum()) * entry.maximum) << q.exponent > exceeded
    layer = Population("out", shape, "lif", {**LIF, "du": du, "vth": 131071}, 1)
    program = Program((entry,), (layer,), (q,), ("out",))
    program.check()
    x = np.tri(entry.size + 1, entry.size, -1, np.int64)[None] * entry.maximum
    require_equal(program, {"in": x}, name)


@pytest.mark.parametrize("kind", ["binary", "graded"])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation", "groups"),
    [
        ((3, 3), (1, 1), (1, 1), (1, 1), 1),
        ((3, 2), (2, 1), (0, 2), (1, 3), 1),
        ((5, 5), (3, 2), (2, 2), (2, 1), 1),
        ((1, 4), (1, 3), (0, 3), (1, 2), 2),
        ((3, 3), (1, 1), (1, 1), (1, 1), 8),
    ],
)
def test_convolutions_between_wide_populations(
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
    kind: str,
) -> None:
    draw = np.random.default_rng(groups)
    values = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    extra = {key: np.array(value) for key, value in values.items()}
    shapes = [(8, 20, 19)]
    for _ in range(2):
        sizes = zip(shapes[-1][1:], kernel, stride, padding, dilation, strict=True)
        shapes.append((8, *((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in sizes)))
    layers = [Population(f"c{i}", shape, "lif", {**LIF, "vth": 200}, i) for i, shape in enumerate(shapes) if i]
    weights = [draw.integers(-128, 128, (8, 8 // groups, *kernel)) * 2 for _ in range(2)]
    payload = Input("in", shapes[0]) if kind == "binary" else Input("in", shapes[0], "graded", -100, 100)
    program = Program(
        (payload,),
        (*layers, Population("out", (5,), "lif", LIF, 3)),
        (
            Projection("a", "in", "c1", weights[0], kind="conv", message_bits=payload.message_bits, extra=extra),
            Projection("b", "c1", "c2", weights[1], kind="conv", extra=extra, exponent=1),
            Projection("c", "c2", "out", draw.integers(-128, 128, (5, layers[1].size)) * 2),
        ),
        ("out",),
    )
    program.check()
    x = draw.integers(payload.minimum, payload.maximum + 1, (2, 12, payload.size)) * (draw.random((2, 12, 1)) < 0.5)
    require_equal(program, {"in": x}, f"kernel {kernel}")


@pytest.mark.parametrize("constant", [0, 1])
def test_layers_that_are_silent_and_that_always_spike(constant: int) -> None:
    draw = np.random.default_rng(0)
    program = dense_network((130, 70, 9), draw, vth=0, bias_mant=4095 if constant else -4096, bias_exp=7)
    spikes = fast.simulate(program, {"in": np.full((2, 30, 130), constant)}, ["l1.spikes"])["l1.spikes"]
    assert spikes[:, 1:].mean() == constant or 0 < spikes.mean() < 1
    require_equal(program, {"in": np.full((2, 30, 130), constant)}, f"all {constant}")


def test_one_step_and_thousands() -> None:
    draw = np.random.default_rng(0)
    program = dense_network((20, 15, 4), draw)
    for samples, steps in ((3, 1), (1, 5000)):
        require_equal(program, {"in": (draw.random((samples, steps, 20)) < 0.1).astype(np.int64)}, f"{steps} steps")


@pytest.mark.parametrize(("samples", "steps"), [(0, 5), (2, 1), (1, 2000)])
@pytest.mark.parametrize("seed", [4, 8, 37])
def test_generated_programs_without_samples_and_with_one_step_and_thousands(
    seed: int, samples: int, steps: int
) -> None:
    program, payloads = random_program(seed)
    draw = np.random.default_rng(0)
    shapes = {name: (samples, steps, x.shape[2]) for name, x in payloads.items()}
    drawn = {name: draw.permuted(np.resize(x, shapes[name]), axis=1) for name, x in payloads.items()}
    require_equal(program, drawn, f"seed {seed}")


MODEL = '''"""{doc}"""
from snndeploy.integers import int32

STATES = ("v",)
PARAMETERS = {{"vth": (0, 1000)}}
MESSAGE_BITS = 0


def rest(vth):
    return (3 * vth,)


def leaked(v):
    return v {leak}


def step(a, v, vth):
    v = int32(leaked(v) + a)
    return v > vth, v * (v <= vth)
'''


@pytest.fixture
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Adds a neuron model as one file of a folder that snndeploy.neurons lists too."""
    import snndeploy.neurons

    monkeypatch.setattr(snndeploy.neurons, "__path__", [*snndeploy.neurons.__path__, str(tmp_path)])

    def add(name: str, leak: str) -> None:
        (tmp_path / f"{name}.py").write_text(MODEL.format(doc=name, leak=leak))

    yield add
    for name in [name for name in sys.modules if name.startswith("snndeploy.neurons.own")]:
        del sys.modules[name]


@pytest.mark.parametrize(("name", "leak"), [("own", "// 2"), ("own_other", ">> 3")])
def test_a_model_of_one_file_runs_in_both_engines(own_models: Callable[[str, str], None], name: str, leak: str) -> None:
    own_models(name, leak)
    layer = Population("out", (70,), name.replace("_", "-"), {"vth": np.arange(70)}, 1)
    draw = np.random.default_rng(0)
    q = Projection("q", "in", "out", draw.integers(-20, 60, (70, 30)) * 2)
    program = Program((Input("in", (30,)),), (layer,), (q,), ("out",))
    program.check()
    require_equal(program, {"in": (draw.random((3, 50, 30)) < 0.1).astype(np.int64)}, name)


def test_compiled_steps_are_told_apart_by_what_they_compute() -> None:
    """Names do not decide: two functions of one name have two kernels, and helpers count."""
    from snndeploy.simulators._fast_models import content

    def model(scale: int) -> Callable[[Any], Any]:
        names: dict[str, Any] = {}
        exec(f"def helper(a):\n    return a * {scale}\ndef step(a):\n    return (helper(a),)\n", names)
        return names["step"]  # type: ignore[no-any-return]

    assert list(content(model(2))) == list(content(model(2)))
    assert list(content(model(2))) != list(content(model(3)))
