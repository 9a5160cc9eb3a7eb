"""`snndeploy bench`: what it reports, what it refuses, and that the work it counts is what the reference does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from snndeploy.bench.nets import NETS, USUAL_DENSITY, noise, sparse, work
from snndeploy.program import Program
from snndeploy.projections.conv import geometry
from snndeploy.simulators import reference

ROOT = Path(__file__).parents[2]
RATIOS = ("snntorch", "snntorch_all", "reference", "lava")
RATES = ("seconds", "synaptic_rate", "update_rate", "roofline")
WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name == {package!r}:
            raise ModuleNotFoundError("No module named " + name, name=name)

sys.meta_path.insert(0, Absent())
sys.argv = ["snndeploy", "bench"]
from snndeploy.cli import main
main()
"""


def bench(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snndeploy", "bench", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.long
def test_a_quick_run_reports_every_ratio_rate_and_peak() -> None:
    done = bench("--quick", "--json", "--nets", "a,d")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert list(report) == ["cores", "nets", "rows", "lava", "scaling", "peaks"]
    assert [(row["net"], row["batch"], row["density"]) for row in report["rows"]] == [("a", 1, 0.05), ("d", 1, 0.05)]
    mlp, recurrent = report["rows"]
    assert recurrent["lava"] is None
    for row, names in ((mlp, RATIOS + RATES), (recurrent, RATIOS[:3] + RATES)):
        assert all(row[name] > 0 for name in names), row
        assert 0 < row["roofline"] < 1
    assert report["lava"]["seconds"] > 0
    assert report["lava"]["reason"] == ""
    assert list(report["scaling"]) == [
        "times faster with two threads, net a, batch 64",
        "seconds of a sample and step, batch 64, T=25",
        "seconds of a sample and step, batch 256, T=25",
        "seconds of a sample and step, batch 64, T=100",
        "seconds of a sample and step, batch 64, T=200",
        "seconds of a call on a loaded program, 1 sample, T=1",
        "bytes at most of a process, 1000 images, T=16",
    ]
    assert all(value > 0 for value in report["scaling"].values())
    assert all(value > 0 for value in report["peaks"].values())
    assert len(report["peaks"]) == 7  # five sizes of weights, with synaptic memory and without


@pytest.mark.long
def test_the_tables_fit_and_a_missing_lava_is_named(tmp_path: Path) -> None:
    done = bench("--quick", "--nets", "a", SNNDEPLOY_LAVA_PYTHON="", XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(len(line) for line in lines if not line.startswith("Lava was not")) <= 100
    header, _, row = lines[1:4]
    assert header.split()[:6] == ["net", "batch", "input", "active", "µs", "snnTorch"]
    assert re.match(r" a +1 +5% .* missing ", row), row
    (reason,) = [line for line in lines if line.startswith("Lava was not")]
    assert reason == (
        "Lava was not measured: no Lava worker environment; run `snndeploy lava install` (it needs a Python 3.10)"
    )


def test_unknown_nets_are_refused() -> None:
    done = bench("--nets", "a,x")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "snndeploy: --nets: expected letters of a,b,c,d,e, found 'a,x'\n"


@pytest.mark.parametrize("package", ["torch", "snntorch"])
def test_without_snntorch_it_says_what_to_install(package: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WITHOUT.format(package=package)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"snndeploy: {package} is not installed: pip install 'snndeploy[train]'\n"


def small(letter: str) -> Program:
    return sparse(size=300, synapses=10) if letter == "e" else NETS[letter].program(USUAL_DENSITY)


@pytest.mark.parametrize("letter", NETS)
def test_the_work_is_what_the_spikes_of_the_reference_make_it(letter: str) -> None:
    program, samples, steps = small(letter), 2, 6
    program.check()
    payloads = {name: x.astype(np.int64) for name, x in noise(program, samples, steps, USUAL_DENSITY).items()}
    sent = reference.simulate(program, payloads, [f"{p.name}.spikes" for p in program.populations])
    messages = {**payloads, **{probe.removesuffix(".spikes"): spikes for probe, spikes in sent.items()}}
    found = work(program, payloads)
    for q in program.projections:
        source = program.end(q.source)
        arriving = messages[q.source][:, : steps + program.latency - 1].astype(np.int64)
        if q.kind == "conv":
            expected = conv_operations(arriving.reshape(-1, *source.shape), q)
        elif q.kind == "sparse":
            expected = sum(int(arriving[..., j].sum()) for j, w in zip(q.extra["indices"], q.weights, strict=True) if w)
        else:
            expected = sum(int(arriving[..., j].sum()) * np.count_nonzero(q.weights[:, j]) for j in range(source.size))
        assert found.synaptic[q.name] == expected
    seen = [x for p in program.populations for x in [sent[f"{p.name}.spikes"][:, p.start :]]]
    assert found.updates == sum(x.size for x in seen)
    assert list(found.activity.values()) == [x.mean() for x in seen]


def conv_operations(messages: np.ndarray, q: object) -> int:
    """Place by place: a weight that is not 0 counts where it meets a message."""
    weights, (stride, padding, _, _) = q.weights, geometry(q)  # type: ignore[attr-defined, arg-type]
    around = np.pad(messages, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    there, (height, width) = (weights != 0).sum(axis=0), weights.shape[2:]
    count = 0
    for y in range(0, around.shape[2] - height + 1, stride[0]):
        for x in range(0, around.shape[3] - width + 1, stride[1]):
            count += int((around[:, :, y : y + height, x : x + width] * there).sum())
    return count


@pytest.mark.long
@pytest.mark.parametrize("letter", ["a", "b", "c", "d"])
def test_every_layer_is_active(letter: str) -> None:
    net = NETS[letter]
    for _, density in net.configurations:
        program = net.program(density)
        activity = work(program, noise(program, 8, net.steps, density)).activity
        assert all(0.02 < share < 0.15 for share in activity.values()), activity
