"""The `.snn` artifact: the same bytes for the same graph, and nothing else than what was written is read."""

from __future__ import annotations

import dataclasses
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

import snndeploy
from snndeploy.artifact import load
from snndeploy.errors import BadInput
from snndeploy.export.nir_file import write_nir
from tests.programs import random_program, small_artifact


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    return small_artifact(tmp_path / "small.snn")


def graph() -> nir.NIRGraph:
    draw = np.random.default_rng(0)
    lif = {"tau": np.full(5, 1e-3), "r": np.full(5, 10.0), "v_leak": np.zeros(5), "v_threshold": np.ones(5)}
    nodes = {
        "input": nir.Input({"input": np.array([4])}),
        "fc": nir.Affine(draw.normal(0, 1, (5, 4)), draw.normal(0, 1, 5)),
        "lif": nir.LIF(**lif),
        "output": nir.Output({"output": np.array([5])}),
    }
    return nir.NIRGraph(nodes, [("input", "fc"), ("fc", "lif"), ("lif", "output")])


def test_compiling_in_two_processes_gives_the_same_bytes(tmp_path: Path) -> None:
    write_nir(graph(), tmp_path / "net.nir")
    for name in ("a.snn", "b.snn"):
        command = [sys.executable, "-m", "snndeploy", "compile", str(tmp_path / "net.nir"), "-o", str(tmp_path / name)]
        subprocess.run([*command, "--input-range", "float:-1:2"], check=True, capture_output=True)
    assert (tmp_path / "a.snn").read_bytes() == (tmp_path / "b.snn").read_bytes()


def test_a_graph_and_its_file_give_the_same_bytes(tmp_path: Path) -> None:
    write_nir(graph(), tmp_path / "net.nir")
    from_file = snndeploy.compile(snndeploy.read_nir(tmp_path / "net.nir"))
    assert from_file.to_bytes() == snndeploy.compile(graph()).to_bytes()


@pytest.mark.parametrize("seed", range(10))
def test_reading_gives_back_what_was_written(seed: int, tmp_path: Path) -> None:
    from snndeploy.artifact import Artifact
    from snndeploy.targets.loihi2.place import place

    program, _ = random_program(seed)
    written = Artifact(program, place(program))
    written.save(tmp_path / "x.snn")
    read = load(tmp_path / "x.snn")
    assert read.to_bytes() == written.to_bytes()
    assert repr(read.program) == repr(program)
    assert read.placement == written.placement


def split(data: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def joined(header: dict[str, Any], body: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def edited(path: Path, edit: Any) -> None:
    """Rewrite the manifest of the artifact at `path` as `edit` changes it."""
    header, body = split(path.read_bytes())
    manifest = json.loads(header["__metadata__"]["snndeploy"])
    edit(manifest)
    header["__metadata__"]["snndeploy"] = json.dumps(manifest)
    path.write_bytes(joined(header, body))


def refusal(path: Path) -> list[str]:
    with pytest.raises(BadInput) as error:
        load(path)
    return [line.removeprefix(f"{path}: ") for line in error.value.lines()]


def test_a_flipped_bit_is_found(stored: Path) -> None:
    data = bytearray(stored.read_bytes())
    data[-1] ^= 1
    stored.write_bytes(data)
    (line,) = refusal(stored)
    assert line.endswith(": damaged: its SHA-256 is not the one in the manifest")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda m: m.update(format=2),
            "has format 2, this snndeploy reads 1: update snndeploy, or compile the graph again",
        ),
        (
            lambda m: m.update(extra=1),
            "manifest: expected the keys ['format', 'placement', 'program', 'sha256'], "
            "found ['extra', 'format', 'placement', 'program', 'sha256']",
        ),
        (
            lambda m: m["program"]["projections"][0].update(delay=70),
            "input-hidden.delay: expected 0 to 62, found 70",
        ),
        (lambda m: m["program"].update(outputs=["x"]), "x: an output that is no population"),
        (
            lambda m: m["placement"]["cores"][0].update(stop=5),
            "hidden: expected cores for neurons 0 to 5, found [(0, 5)]",
        ),
        (
            lambda m: m["placement"]["cores"][0]["used"].update(synapse_bytes=10**9),
            "core 0: synapse_bytes: uses 1000000000, the limit is 131072",
        ),
    ],
)
def test_an_edited_manifest_is_refused(stored: Path, edit: Any, message: str) -> None:
    edited(stored, edit)
    assert refusal(stored) == [message]


FAULTS: dict[str, tuple[str, Any]] = {
    "program": ("program", []),
    "name": ("program.populations.0.name", 5),
    "start": ("program.populations.0.start", "x"),
    "start is no bool": ("program.populations.0.start", True),
    "start far away": ("program.populations.1.start", 10**12),
    "shape": ("program.populations.0.shape", 6),
    "a shape of gigabytes": ("program.populations.0.shape", [2 * 10**9]),
    "negative shape": ("program.inputs.0.shape", [-2, -2]),
    "minimum": ("program.inputs.0.minimum", 0.5),
    "scale": ("program.inputs.0.scale", None),
    "kind": ("program.inputs.0.kind", [1]),
    "dt": ("program.dt", True),
    "outputs": ("program.outputs", [[1]]),
    "notes": ("program.notes", "abc"),
    "deep notes": ("program.notes", [[[[["x"]]]]]),
    "neuron": ("program.populations.0.neuron", "__init__"),
    "exponent": ("program.projections.0.exponent", 1.5),
    "weight bits": ("program.projections.0.weight_bits", 7.5),
    "report": ("program.report", [{"scale": 1.0}]),
    "limits": ("placement.limits", []),
    "name of a limit": ("placement.limits", {"evil\x1b[31m": 1}),
    "no use": ("placement.cores.0.used", {}),
    "use": ("placement.cores.0.used", {"neurons": "x", "synapse_bytes": 1}),
    "hashes": ("sha256", None),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_field_of_another_kind_is_refused(name: str, stored: Path) -> None:
    path, value = FAULTS[name]

    def edit(manifest: dict[str, Any]) -> None:
        *way, last = (int(key) if key.isdigit() else key for key in path.split("."))
        entry: Any = manifest
        for key in way:
            entry = entry[key]
        entry[last] = value

    edited(stored, edit)
    assert refusal(stored)


@pytest.mark.parametrize("key", ["inputs", "populations", "projections", "dt", "report"])
def test_a_missing_field_is_refused_in_one_line(stored: Path, key: str) -> None:
    edited(stored, lambda manifest: manifest["program"].pop(key))
    (line,) = refusal(stored)
    assert line.startswith("program")


def test_other_files_are_refused(tmp_path: Path, stored: Path) -> None:
    other = tmp_path / "other.snn"
    other.write_bytes(b"")
    assert refusal(other)[0].startswith("not a .snn file (0 bytes): ")
    header, body = split(stored.read_bytes())
    del header["__metadata__"]
    other.write_bytes(joined(header, body))
    assert refusal(other) == ["a safetensors file, but no .snn: it has no snndeploy manifest"]


def test_a_program_is_frozen(stored: Path) -> None:
    program = load(stored).program
    with pytest.raises(dataclasses.FrozenInstanceError):
        program.dt = 1.0  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        program.projections[0].weights[0, 0] = 1
    with pytest.raises(TypeError):
        program.populations[0].parameters["du"] = 1  # type: ignore[index]
