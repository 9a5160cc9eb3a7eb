"""The fast engine as it is called: payloads, threads, Ctrl-C, what is kept, other processors, memory."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from snndeploy.errors import BadInput
from snndeploy.simulators import fast, reference
from tests.conformance.equal import dense_network, require_equal


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


def test_a_forked_process_has_threads_of_its_own() -> None:
    """The other threads stay from call to call, but not in the child of a fork, which would wait for them forever."""
    code = (
        SMALL
        + """
import os, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of newer Pythons: a fork has none of our threads
run = lambda: fast.simulate(program, {"in": np.ones((9, 3, 2), bool)}, ["out.spikes"])["out.spikes"].sum()
before, child = run(), os.fork()
if not child:
    os._exit(int(run() != before))
print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    )
    done = run_python(code, SNNDEPLOY_THREADS="2")
    assert done.stdout.split() == ["3", "child", "0"], done.stderr


@pytest.mark.parametrize("text", ["0", "-1", "many", "", "1.5", "4096"])
def test_a_number_of_threads_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNNDEPLOY_THREADS", text)
    program = dense_network((5, 3), np.random.default_rng(0))
    with pytest.raises(BadInput) as error:
        fast.simulate(program, {"in": np.zeros((1, 4, 5), bool)}, [])
    assert error.value.lines() == [f"$SNNDEPLOY_THREADS: expected 1 to 1024, found {text!r}"]


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **environment},
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
