"""The commands as a user types them: output, errors, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nir
import numpy as np
import pytest
from safetensors.torch import load_file

import snndeploy
from snndeploy.export.nir_file import write_nir
from tests.programs import small_artifact

ROOT = Path(__file__).parents[2]
MODEL = """
import snntorch as snn
import torch
from torch import nn

def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), snn.Leaky(beta=0.5, reset_mechanism="zero", init_hidden=True))

def default_reset():
    return nn.Sequential(nn.Linear(4, 5), snn.Leaky(beta=0.5, init_hidden=True))

class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 5), nn.Linear(3, 5)
        self.lif = snn.Leaky(beta=0.5, threshold=0.5, reset_mechanism="zero", init_hidden=True)

    def forward(self, x, y):
        return self.lif(self.a(x) + self.b(y))

def two_inputs():
    torch.manual_seed(0)
    return Two()
"""


class Shell:
    """Runs `snndeploy ...` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "snndeploy", *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, env=environment)

    def refuses(self, code: int, *words: str) -> list[str]:
        """The lines of an error; asserts the exit code, and that there is neither a traceback nor output."""
        done = self(*words)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr.strip().splitlines()


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / "models.py").write_text(MODEL)
    small_artifact(tmp_path / "small.snn")
    x = np.random.default_rng(0).random((4, 10, 4)) < 0.5
    np.savez(tmp_path / "x.npz", x=x.astype(np.int8), y=np.zeros(4, int))
    return Shell(tmp_path)


def test_the_whole_path(shell: Shell) -> None:
    exported = shell("export", "models:build", "--shape", "4", "-o", "net.nir", "--json")
    assert exported.returncode == 0, exported.stderr
    assert json.loads(exported.stdout)["checked"]["steps"] >= 32
    checked = shell("check", "net.nir", "--json")
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["ok"]
    compiled = shell("compile", "net.nir", "-o", "net.snn", "--json")
    assert compiled.returncode == 0, compiled.stderr
    report = json.loads(compiled.stdout)
    assert report["layers"][0]["proven"]
    ran = shell("run", "net.snn", "--input", "x.npz", "-o", "run.npz", "--probe", "lif_1.v", "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["made_by"]["artifact"] == report["sha256"]
    with np.load(shell.folder / "run.npz", allow_pickle=False) as run:
        assert run["lif_1.v"].shape == (4, 10, 5)
    straight = shell("run", "net.nir", "--input", "x.npz", "-o", "run2.npz")
    assert straight.returncode == 0, straight.stderr
    assert (shell.folder / "run.npz").stat().st_size > (shell.folder / "run2.npz").stat().st_size


def test_import(shell: Shell) -> None:
    assert shell("export", "models:build", "--shape", "4", "-o", "net.nir").returncode == 0
    done = shell("import", "net.nir", "-o", "model.safetensors", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    python = "snndeploy.to_snntorch(snndeploy.read_nir('net.nir'))"
    assert (said["output"], said["silent"], said["python"]) == ("model.safetensors", [], python)
    assert said["checked"]["spikes"]["lif_1"] > 0
    model = snndeploy.to_snntorch(snndeploy.read_nir(shell.folder / "net.nir"))
    model.load_state_dict(load_file(shell.folder / "model.safetensors"))
    told = shell("import", "net.nir")
    assert told.returncode == 0, told.stderr
    assert f"in Python: model = {python}" in told.stdout.splitlines()
    assert shell.refuses(2, "import", "net.nir", "-o", "net.py") == [
        "snndeploy: net.py: expected a name that ends in .safetensors"
    ]
    assert shell.refuses(2, "import", "net.nir", "--dt", "1") == [
        "snndeploy: net.nir: dt: the graph was exported with 0.0001 s, not 1.0 s; leave dt out"
    ]


def test_verify_and_show(shell: Shell) -> None:
    verified = shell("verify", "small.snn", "--input", "x.npz", "--json")
    assert verified.returncode == 0, verified.stderr
    comparisons = json.loads(verified.stdout)["comparisons"]
    assert [comparison["target"] for comparison in comparisons] == ["loihi2-sim", "loihi2-lava"]
    for comparison in comparisons:
        assert comparison["differences"] == 0
        assert comparison["values_compared"] > 1000
    shown = shell("show", "small.snn")
    assert shown.returncode == 0, shown.stderr
    assert "hidden -> output" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 100


def test_verify_beside_the_floats(shell: Shell) -> None:
    assert shell("export", "models:build", "--shape", "4", "-o", "net.nir").returncode == 0
    verify = ("verify", "net.nir", "--input", "x.npz", "--target", "loihi2-sim", "--bits", "14")
    counted = shell(*verify, "--float", "net.nir", "--steps", "4", "--steps", "10", "--json")
    assert counted.returncode == 0, counted.stderr
    rows = json.loads(counted.stdout)["agreement"]
    assert [(row["population"], row["steps"]) for row in rows] == [("lif_1", 4), ("lif_1", 10)]
    assert 0 < rows[0]["active"] <= rows[1]["active"]
    assert all(row["identical"] == row["active"] for row in rows)
    told = shell(*verify, "--float", "net.nir")
    assert told.returncode == 0, told.stderr
    (line,) = (line.split() for line in told.stdout.splitlines() if line.startswith(" lif_1"))
    assert line == ["lif_1", "10", str(rows[1]["active"]), str(rows[1]["active"]), "100.0", "%"]
    assert shell.refuses(2, "verify", "small.snn", "--input", "x.npz", "--float", "net.nir") == [
        "snndeploy: graph: not the one that the artifact was compiled from"
    ]
    assert shell.refuses(2, *verify, "--float", "net.nir", "--steps", "11")[-1] == (
        "snndeploy: steps: expected 1 to 10, found 11"
    )
    assert shell.refuses(2, *verify, "--steps", "4") == ["snndeploy: --steps: goes with --float NET.nir"]


def test_bits_of_a_nir_file(shell: Shell) -> None:
    assert shell("export", "models:build", "--shape", "4", "-o", "net.nir").returncode == 0
    for command in (
        ("run", "net.nir", "--input", "x.npz"),
        ("check", "net.nir"),
        ("verify", "net.nir", "--input", "x.npz"),
    ):
        assert shell.refuses(2, *command, "--bits", "16")[-1].endswith("bits: expected 2 to 15, found 16")
    artifacts = []
    for bits in ("8", "14"):
        ran = shell("run", "net.nir", "--input", "x.npz", "--bits", bits, "--json")
        assert ran.returncode == 0, ran.stderr
        artifacts.append(json.loads(ran.stdout)["made_by"]["artifact"])
        compiled = shell("compile", "net.nir", "-o", "net.snn", "--bits", bits, "--json")
        assert json.loads(compiled.stdout)["sha256"] == artifacts[-1]
    assert artifacts[0] != artifacts[1]
    assert shell.refuses(2, "run", "small.snn", "--input", "x.npz", "--bits", "14", "--input-range", "binary") == [
        "snndeploy: small.snn: --bits and --input-range: for .nir files; this one is compiled already"
    ]


def test_both_targets_give_the_same_spikes(shell: Shell) -> None:
    for target in ("loihi2-sim", "loihi2-lava"):
        done = shell("run", "small.snn", "--input", "x.npz", "-o", f"{target}.npz", "--target", target)
        assert done.returncode == 0, done.stderr
    with np.load(shell.folder / "loihi2-sim.npz") as a, np.load(shell.folder / "loihi2-lava.npz") as b:
        np.testing.assert_array_equal(a["spikes"], b["spikes"])


def test_a_difference_fails_verify(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that is off by one in one value is found, and named."""
    from snndeploy import api
    from snndeploy.simulators import lava, reference

    def off_by_one(*arguments: object) -> dict[str, np.ndarray]:
        records = reference.simulate(*arguments)  # type: ignore[arg-type]
        records["hidden.u"] = records["hidden.u"].copy()
        records["hidden.u"][2, 5, 1] += 1
        return records

    monkeypatch.setattr(lava, "simulate", off_by_one)
    artifact = snndeploy.load(shell.folder / "small.snn")
    same, comparison = api.verify(artifact, np.zeros((4, 10, 4), np.int64))
    assert (same.target, same.differences) == ("loihi2-sim", 0)
    assert comparison.differences == 1
    assert comparison.first.startswith("hidden.u of neuron 1, step 5, sample 2: loihi2-lava ")


REFUSALS = {
    "no such file": (2, ["show", "none.snn"], ["none.snn: no such file"]),
    "a folder as a file": (2, ["show", "."], [".: is a directory, expected a regular file"]),
    "no samples": (2, ["run", "small.snn", "--input", "none.npz"], ["none.npz: no such file"]),
    "unknown target": (
        2,
        ["run", "small.snn", "--input", "x.npz", "--target", "loihi3"],
        ["no target 'loihi3'; known: loihi2-sim, loihi2-lava, reference"],
    ),
    "output in a folder that is not there": (
        2,
        ["run", "small.snn", "--input", "x.npz", "-o", "none/run.npz"],
        ["none/run.npz: cannot be written: No such file or directory; choose a folder with room that you may write"],
    ),
    "an unknown recipe": (2, ["train", "mnist"], ["no recipe 'mnist'; known: digits-ann, digits-rate, digits-snn"]),
    "a range that is none": (
        2,
        ["run", "net.nir", "--input", "x.npz", "--input-range", "graded:1"],
        ["net.nir: input: expected binary, graded:LOW:HIGH or float:LOW:HIGH, found 'graded:1'"],
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(name: str, shell: Shell) -> None:
    code, words, lines = REFUSALS[name]
    if "net.nir" in words and words[0] == "run":
        write_nir(tiny_graph("LIF"), shell.folder / "net.nir")
    before = {path.name for path in shell.folder.iterdir()}
    assert shell.refuses(code, *words) == [f"snndeploy: {line}" for line in lines]
    assert {path.name for path in shell.folder.iterdir()} - {"__pycache__"} == before


def tiny_graph(kind: str) -> nir.NIRGraph:
    ones = np.ones(4)
    neuron = {
        "LIF": nir.LIF(tau=ones * 1e-3, r=ones * 10, v_leak=ones * 0, v_threshold=ones),
        "reset": nir.LIF(tau=ones * 1e-3, r=ones * 10, v_leak=ones * 0, v_threshold=ones, v_reset=ones / 2),
    }[kind]
    nodes = {
        "input": nir.Input({"input": np.array([4])}),
        "fc": nir.Linear(np.eye(4)),
        "neuron": neuron,
        "output": nir.Output({"output": np.array([4])}),
    }
    return nir.NIRGraph(nodes, [("input", "fc"), ("fc", "neuron"), ("neuron", "output")])


def test_check_names_the_node_and_exits_with_1(shell: Shell) -> None:
    graph = tiny_graph("reset")
    graph.nodes["input"].input_type["input"] = np.array([3, 4])
    nir.write(shell.folder / "x.nir", graph)
    done = shell("check", "x.nir")
    assert done.returncode == 1
    assert "v_reset: expected 0 (a reset to another potential is not supported), found 0.5" in " ".join(
        done.stdout.split()
    )
    assert "note: repaired: input: the shape (3, 4) is read as (4,), which what follows takes\n" in done.stdout
    assert done.stderr == "snndeploy: x.nir: 1 problem(s): this graph cannot be kept exactly on loihi2\n"
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_a_reset_by_subtraction_is_exported_and_refused_by_compile(shell: Shell) -> None:
    assert shell("export", "models:default_reset", "--shape", "4", "-o", "net.nir").returncode == 0
    assert shell.refuses(2, "compile", "net.nir", "-o", "net.snn") == [
        "snndeploy: net.nir: loihi2: lif_1: reset 'subtract-next': Loihi's LIF sets v to 0 on the spiking step; "
        'train with reset_mechanism="zero", reset_delay=False'
    ]
    assert not (shell.folder / "net.snn").exists()


def test_doctor_says_what_is_there(shell: Shell) -> None:
    done = shell("doctor", "--json")
    assert done.returncode == 0
    assert {"numpy", "nir", "snndeploy", "python"} <= json.loads(done.stdout)["found"].keys()


def test_debug_shows_the_traceback(shell: Shell) -> None:
    done = shell("--debug", "show", "none.snn")
    assert "Traceback" in done.stderr


def test_version(shell: Shell) -> None:
    from snndeploy import __version__

    assert shell("--version").stdout.strip() == __version__


def test_two_inputs_from_one_file(shell: Shell) -> None:
    """Their names are those of forward, `y` too: labels are only where no input has that name."""
    draw = np.random.default_rng(0)
    x, y = (draw.random((4, 10, 4)) < 0.5).astype(np.int8), draw.random((4, 10, 3))
    np.savez(shell.folder / "both.npz", x=x, y=y)
    assert shell("export", "models:two_inputs", "--shape", "4,3", "-o", "net.nir").returncode == 0
    for bound in ("proven", "calibrated"):
        words = ("--calibrate", "both.npz", "--bound", bound, "-o", "net.snn", "--json")
        compiled = shell("compile", "net.nir", *words)
        assert compiled.returncode == 0, compiled.stderr
        assert json.loads(compiled.stdout)["layers"][0]["proven"] == (bound == "proven")
        ran = shell("run", "net.snn", "--input", "both.npz", "--json")
        assert ran.returncode == 0, ran.stderr
        assert json.loads(ran.stdout)["spikes"] > 0
        assert json.loads(ran.stdout)["accuracy"] is None
        assert shell("verify", "net.snn", "--input", "both.npz", "--target", "loihi2-sim").returncode == 0
    np.savez(shell.folder / "one.npz", x=x)
    assert shell.refuses(2, "compile", "net.nir", "--calibrate", "one.npz", "-o", "net.snn") == [
        "snndeploy: net.nir: calibrate: expected samples for ['x', 'y'], found ['x']"
    ]
