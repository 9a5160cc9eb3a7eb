"""The fast engine equals the reference: every state and message of generated programs, however the work is divided.

`pytest --seed N` repeats one of them, `--programs N` draws N.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from snndeploy.errors import BadInput
from snndeploy.integers import Ints
from snndeploy.program import Input, Population, Program, Projection
from snndeploy.runs import all_probes
from snndeploy.simulators import fast, reference
from tests.conftest import seed_groups
from tests.programs import random_program

PROGRAMS = 500
GROUP = 50
LIF = {"du": 1000, "dv": 300, "bias_mant": 20, "bias_exp": 3, "vth": 900}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seeds" in metafunc.fixturenames:
        groups = seed_groups(metafunc.config, PROGRAMS, GROUP)
        metafunc.parametrize("seeds", groups, ids=lambda seeds: f"seeds-{seeds.start}-to-{seeds.stop - 1}")


def require_equal(program: Program, payloads: dict[str, Ints], what: str) -> None:
    """Fails with the first value that differs; compares every probe in every raw step."""
    probes = all_probes(program)
    expected = reference.simulate(program, payloads, probes)
    found = fast.simulate(program, payloads, probes)
    for probe in probes:
        assert found[probe].dtype == expected[probe].dtype, f"{what}: {probe}"
        np.testing.assert_array_equal(found[probe], expected[probe], err_msg=f"{what}: {probe}")


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


def dense_network(sizes: tuple[int, ...], draw: np.random.Generator, **changes: int) -> Program:
    """Dense layers, binary, weights of 8 bits with both signs."""
    layers = [Population(f"l{i}", (n,), "lif", {**LIF, **changes}, i) for i, n in enumerate(sizes[1:], 1)]
    names = ["in", *(layer.name for layer in layers)]
    projections = [
        Projection(f"q{i}", names[i], names[i + 1], draw.integers(-128, 128, (sizes[i + 1], sizes[i])) * 2)
        for i in range(len(layers))
    ]
    program = Program((Input("in", (sizes[0],)),), tuple(layers), tuple(projections), (names[-1],))
    program.check()
    return program


@pytest.mark.parametrize("density", [0.0, 0.02, 0.3, 1.0])
@pytest.mark.parametrize("sizes", [(784, 256, 10), (1100, 65, 64, 63), (1, 1)])
def test_layers_wider_than_a_vector(sizes: tuple[int, ...], density: float) -> None:
    draw = np.random.default_rng(0)
    program = dense_network(sizes, draw)
    require_equal(program, {"in": (draw.random((3, 40, sizes[0])) < density).astype(np.int64)}, f"{sizes}")


@pytest.mark.parametrize("du", [-1, 0, 2000, 4094, 4095])
@pytest.mark.parametrize("exponent", [-8, 0, 7])
def test_synaptic_currents_that_may_wrap_and_that_cannot(du: int, exponent: int) -> None:
    """Both sides of the proof that u cannot wrap, for u with and without memory."""
    draw = np.random.default_rng(du + 8)
    weights = draw.choice([-256, 254], (40, 300))
    layer = Population("out", (40,), "lif", {**LIF, "du": du, "vth": 131071}, 1)
    q = Projection("q", "in", "out", weights, exponent=exponent)
    program = Program((Input("in", (300,)),), (layer,), (q,), ("out",))
    program.check()
    require_equal(program, {"in": (draw.random((4, 60, 300)) < draw.random((4, 60, 1))).astype(np.int64)}, f"du {du}")


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


@pytest.mark.parametrize("dv", [0, 4096])
@pytest.mark.parametrize("du", [2000, 4095])
def test_neurons_just_below_at_and_above_their_threshold(du: int, dv: int) -> None:
    weights = 2 * np.arange(120)
    thresholds = np.maximum(weights + np.arange(120) % 3 - 1, 0)
    layer = Population("out", (120,), "lif", {**LIF, "du": du, "dv": dv, "bias_mant": 0, "vth": thresholds}, 1)
    q = Projection("q", "in", "out", weights[:, None])
    program = Program((Input("in", (1,)),), (layer,), (q,), ("out",))
    program.check()
    spikes = fast.simulate(program, {"in": np.ones((1, 1, 1), bool)}, ["out.spikes"])["out.spikes"]
    assert spikes[0, 1].tolist() == (weights > thresholds).tolist()
    require_equal(program, {"in": np.tile([1, 0, 1, 1], 5).reshape(1, 20, 1)}, f"du {du}, dv {dv}")


@pytest.fixture
def lists_walked_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every list of synapses, however short, is held twice; activity decides how it is walked."""
    from snndeploy.simulators import _fast_layouts

    monkeypatch.setattr(_fast_layouts, "MANY_SYNAPSES", 0)


@pytest.mark.usefixtures("lists_walked_together")
@pytest.mark.parametrize("seed", range(100))
def test_generated_programs_in_batches_that_step_together(seed: int) -> None:
    """Batches of less than 32 samples, of 32, and of more; with delays, loops and other layouts beside the lists."""
    program, payloads = random_program(seed, kind="sparse" if seed % 2 else "")
    steps = next(iter(payloads.values())).shape[1]
    for samples in (1, 5, 32, 71):
        many = {name: np.resize(np.roll(x, samples), (samples, steps, x.shape[2])) for name, x in payloads.items()}
        require_equal(program, many, f"seed {seed}, {samples} samples")


def sparse_loop(size: int, synapses: int, largest: int, draw: np.random.Generator, exponent: int = 0) -> Program:
    """An input to each of `size` neurons, which hear `synapses` of each other at random, one and four steps later."""
    indices = np.sort(np.argsort(draw.random((size, size)), axis=1)[:, :synapses], axis=1)
    extra = {"indptr": np.arange(size + 1) * synapses, "indices": indices.reshape(-1)}
    extra["delays"] = draw.choice([0, 3], indices.size)
    weights = draw.integers(-largest, largest + 1, indices.size) * 2
    one = {"indptr": np.arange(size + 1), "indices": np.arange(size)}
    program = Program(
        (Input("in", (size,)),),
        (Population("loop", (size,), "lif", LIF, 1),),
        (
            Projection("i", "in", "loop", np.full(size, 200), kind="sparse", exponent=1, extra=one),
            Projection("q", "loop", "loop", weights, kind="sparse", exponent=exponent, extra=extra),
        ),
        ("loop",),
    )
    program.check()
    return program


@pytest.mark.parametrize("density", [0.0, 0.003, 0.05, 0.5, 1.0])
@pytest.mark.parametrize(("synapses", "largest", "exponent"), [(150, 60, 0), (200, 127, 7), (290, 127, 2)])
def test_many_synapses_of_many_samples(synapses: int, largest: int, exponent: int, density: float) -> None:
    """Both ways through a list that is held twice, chosen by activity, with sums of 16 bits and of 32."""
    from snndeploy.simulators import _fast_layouts

    draw = np.random.default_rng(synapses)
    program = sparse_loop(900, synapses, largest, draw, exponent)
    assert program.projections[1].weights.size > _fast_layouts.MANY_SYNAPSES
    require_equal(program, {"in": (draw.random((37, 9, 900)) < density).astype(np.int64)}, f"density {density}")


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


def test_an_empty_batch() -> None:
    program = dense_network((5, 3), np.random.default_rng(0))
    found = fast.simulate(program, {"in": np.zeros((0, 7, 5), bool)}, ["l1.u", "l1.spikes"])
    assert {name: (record.shape, record.dtype) for name, record in found.items()} == {
        "l1.u": ((0, 8, 3), np.int32),
        "l1.spikes": ((0, 8, 3), np.bool_),
    }


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint64])
def test_payloads_of_any_integer_dtype(dtype: type) -> None:
    """Also where they lie apart in memory, or belong to a file."""
    draw = np.random.default_rng(0)
    program = dense_network((70, 9), draw)
    x = draw.random((6, 20, 70)) < 0.2
    expected = fast.simulate(program, {"in": x.astype(np.int64)}, ["l1.u"])["l1.u"]
    turned = np.ascontiguousarray(x.astype(dtype).transpose(2, 0, 1)).transpose(1, 2, 0)
    for given in (x.astype(dtype), turned, np.repeat(x.astype(dtype), 2, axis=0)[::2]):
        np.testing.assert_array_equal(fast.simulate(program, {"in": given}, ["l1.u"])["l1.u"], expected)


def test_samples_from_a_mapped_file(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    program = dense_network((70, 9), draw)
    x = draw.random((50, 20, 70)) < 0.2
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    expected = fast.simulate(program, {"in": x}, ["l1.v"])["l1.v"]
    np.testing.assert_array_equal(fast.simulate(program, {"in": mapped}, ["l1.v"])["l1.v"], expected)


def test_runs_of_different_lengths_leave_nothing_behind() -> None:
    draw = np.random.default_rng(0)
    program = dense_network((70, 30, 9), draw)
    for steps in (20, 5, 20, 21):
        require_equal(program, {"in": (draw.random((3, steps, 70)) < 0.2).astype(np.int64)}, f"{steps} steps")


def test_a_loaded_program_is_kept_as_long_as_the_program() -> None:
    program = dense_network((5, 3), np.random.default_rng(0))
    assert fast.load(program) is fast.load(program)
    kept = weakref.ref(fast.load(program))
    del program
    gc.collect()
    assert kept() is None


def test_ctrl_c_stops_between_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    program = dense_network((5, 3), np.random.default_rng(0))
    monkeypatch.setattr(fast, "BLOCK", 1)  # a sample
    x = {"in": np.zeros((100, 4, 5), bool)}
    for threads in ("1", "2"):
        monkeypatch.setenv("SNNDEPLOY_THREADS", threads)
        done: list[int] = []

        def interrupt(samples: int, done: list[int] = done) -> None:
            done.append(samples)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fast.simulate(program, x, ["l1.spikes"], interrupt)
        assert done == [1]
        assert fast.simulate(program, x, ["l1.spikes"])["l1.spikes"].shape == (100, 5, 3)


@pytest.mark.parametrize("text", ["0", "-1", "many", "", "1.5", "4096"])
def test_a_number_of_threads_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNNDEPLOY_THREADS", text)
    program = dense_network((5, 3), np.random.default_rng(0))
    with pytest.raises(BadInput) as error:
        fast.simulate(program, {"in": np.zeros((1, 4, 5), bool)}, [])
    assert error.value.lines() == [f"$SNNDEPLOY_THREADS: expected 1 to 1024, found {text!r}"]


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


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}
    )


SMALL = """
import numpy as np
from snndeploy.program import Input, Population, Program, Projection
from snndeploy.simulators import fast
fast.SAID_AFTER = 0.01
neurons = {"du": 4095, "dv": 300, "bias_mant": 0, "bias_exp": 0, "vth": 0}
program = Program((Input("in", (2,)),), (Population("out", (1,), "lif", neurons, 1),),
                  (Projection("q", "in", "out", np.full((1, 2), 20)),), ("out",))
print(fast.simulate(program, {"in": np.ones((1, 3, 2), bool)}, ["out.spikes"])["out.spikes"].sum())
"""


@pytest.mark.long
def test_compiling_is_announced_and_works_without_a_cache_folder(tmp_path: Path) -> None:
    """A file stands where the cache folders would be: nothing can be written into them."""
    (tmp_path / "file").write_text("")
    done = run_python(SMALL, XDG_CACHE_HOME=str(tmp_path / "file"), NUMBA_CACHE_DIR=str(tmp_path / "numba"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["3"]
    assert done.stderr == "snndeploy: compiling the simulator for this machine; it is kept for the next time\n"


@pytest.mark.long
def test_machine_code_for_any_processor() -> None:
    """Without the vector instructions of this machine other ways are compiled: they equal the reference too."""
    code = """
import numpy as np
from snndeploy.runs import all_probes
from snndeploy.simulators import fast, reference
from tests.programs import random_program
for seed in range(12):
    program, payloads = random_program(seed)
    probes = all_probes(program)
    expected, found = (engine.simulate(program, payloads, probes) for engine in (reference, fast))
    assert all(np.array_equal(expected[probe], found[probe]) for probe in probes), seed
print("equal")
"""
    done = run_python(code, NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="", PYTHONPATH=".")
    assert done.stdout == "equal\n", done.stderr


def test_listing_the_engines_does_not_load_numba() -> None:
    code = "import sys; from snndeploy.simulators import engines; print(*engines(), 'numba' in sys.modules)"
    assert run_python(code).stdout.split() == ["fast", "lava", "reference", "False"]


@pytest.mark.long
def test_ten_thousand_images_stay_below_a_gigabyte() -> None:
    code = """
import resource
import numpy as np
import snndeploy
from snndeploy.artifact import Artifact
from snndeploy.program import Input, Population, Program, Projection
from snndeploy.targets.loihi2.place import place
draw = np.random.default_rng(0)
sizes = (784, 256, 128, 10)
neurons = {"du": 4095, "dv": 300, "bias_mant": 0, "bias_exp": 0, "vth": 900}
layers = tuple(Population(f"l{i}", (n,), "lif", neurons, i) for i, n in enumerate(sizes[1:], 1))
names = ["in", *(layer.name for layer in layers)]
dense = tuple(Projection(f"q{i}", names[i], names[i + 1], draw.integers(-128, 128, (sizes[i + 1], sizes[i])) * 2)
              for i in range(3))
program = Program((Input("in", (28, 28)),), layers, dense, (names[-1],))
x = np.zeros((10_000, 16, 28, 28), bool)
for images in x.reshape(100, 100, 16, 28, 28):
    images[:] = draw.random(images.shape) < 0.05
run = snndeploy.run(Artifact(program, place(program)), x)
print(run.spikes.shape[0], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    samples, kibibytes = map(int, done.stdout.split())
    assert samples == 10_000
    assert kibibytes < 2**20


def test_both_engines_serve_their_targets() -> None:
    targets: dict[str, ModuleType] = {module.TARGET: module for module in (fast, reference)}
    assert sorted(targets) == ["loihi2-sim", "reference"]
