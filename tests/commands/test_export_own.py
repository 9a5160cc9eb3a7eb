"""`snndeploy export MODULE:FACTORY` as a beginner types it: each mistake is one line that says what to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import snntorch as snn
import torch
from torch import nn

from snndeploy.cli import main
from snndeploy.files import NEVER

MODELS = """
import argparse

import snntorch as snn
import torch
from torch import nn

def build():
    return nn.Sequential(nn.Linear(4, 5), snn.Leaky(0.5, init_hidden=True))

net = build()
number = 3

def sized(inputs, outputs, beta=0.5):
    return build()

class Sized(nn.Module):
    def __init__(self, inputs):
        super().__init__()

def a_class():
    return Sized

def a_tuple():
    return build(), torch.optim.Adam(net.parameters())

def a_state():
    return build().state_dict()

def nothing():
    build()

def a_number():
    return 3

def broken():
    raise RuntimeError("two\\nlines")

def program():
    argparse.ArgumentParser().parse_args(["--gpu"])

def imports():
    import a_missing_package

def on_gpu():
    raise AssertionError("Torch not compiled with CUDA enabled")  # as build().to("cuda") does

def without_values():
    return build().to("meta")

class OnGpu(nn.Parameter):
    device = property(lambda self: torch.device("cuda", 0))

def says_gpu():
    model = build()
    model[0].weight = OnGpu(model[0].weight.data)
    return model

class Moves(nn.Module):
    def __init__(self):
        super().__init__()
        self.lif = snn.Leaky(0.5, init_hidden=True)

    def forward(self, x):
        raise AssertionError("Torch not compiled with CUDA enabled")  # as x.to("cuda") does

def parallel():
    return nn.DataParallel(build())

def compiled():
    return torch.compile(build())

def scripted():
    return torch.jit.trace(nn.Linear(4, 4), torch.zeros(1, 4))

def half():
    return build().half()

def training():
    return nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(), *build(), nn.Dropout(0.2))

def evaluated():
    return training().eval()

def image():
    return nn.Sequential(nn.Conv2d(1, 2, 3), snn.Leaky(0.5, init_hidden=True))

def flat():
    return nn.Sequential(nn.Flatten(), *build())

def tied():
    model = nn.Sequential(nn.Linear(4, 4), snn.Leaky(0.5, init_hidden=True), nn.Linear(4, 4), *build())
    model[2].weight = model[0].weight
    return model
"""


def line(code: str) -> str:
    """Where `code` stands."""
    number = next(number for number, text in enumerate(MODELS.splitlines(), 1) if code in text)
    return f"(models.py, line {number})"


IN = "in 'models' (models.py)"
FORM = "expected MODULE:FACTORY, as in `my_models:build`, or a checkpoint NAME.safetensors"
FILE = "expected the name of a module, found that of its file"
RETURN = "to return a torch.nn.Module, found"
LINEAR = "model: 0: Linear expects the shape (4,), found {} (the batch not counted)"
CONV = "model: 0: Conv2d expects the shape (1, height, width), found {} (the batch not counted)"
WHOLE = "--shape: expected whole numbers joined by x, as in 2x34x34, found"
SAMPLES = "--shape 1x28x28 is one input, 64,16 are two"

Type = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def type_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Type]:
    """Runs `snndeploy export ...` in a folder with models.py: exit code, lines of output, lines of messages."""
    (tmp_path / "models.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)

    def typed(*words: str) -> tuple[int, list[str], list[str]]:
        monkeypatch.setattr(sys, "argv", ["snndeploy", "export", *words, "-o", "net.nir"])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out.splitlines(), err.splitlines()

    yield typed
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


# MODULE:FACTORY -> the line behind it, {} being the folder
NAMES = {
    "models.py:build": f"{FILE}; use models:build",
    "models.py": f"{FILE}; use models:FACTORY",
    "./models.py:build": f"{FILE}; use models:build",
    "package/inner.py:build": f"{FILE}; use package.inner:build",
    "package/inner:build": f"{FILE}; use package.inner:build",
    "../models.py:build": f"no file ../models.py; {FORM}",
    "../elsewhere.py:build": f"{FILE}; run the command in {{parent}}, with elsewhere:build",
    "models.ipynb:build": "a notebook is no module; save it as models.py, and use models:build",
    "model.pt": NEVER[".pt"],
    "models": "names no function; use models:FACTORY, the one in 'models' that makes the model",
    "models:": "names no function; use models:FACTORY, the one in 'models' that makes the model",
    "models.build": "expected MODULE:FACTORY; use models:build",
    "models:build()": "the function is called later; use models:build",
    "build": FORM,
    ":build": FORM,
    "model:build": "no module 'model' in {folder}, where the command runs, and none is installed; did you mean models?",
    "xyz:build": "no module 'xyz' in {folder}, where the command runs, and none is installed;"
    " there are broken_file, json, models, needs",
    "json:build": "json.py has the name of another module, {json}; rename it",
    "models:biuld": f"no function 'biuld' {IN}; did you mean build?",
    "models:xyz": f"no function 'xyz' {IN}; there are build, sized, Sized, a_class and 21 more",
    "models:number": f"expected a function 'number' {IN} that makes the model, found int",
    "models:net": f"'net' is a model, expected a function that makes it; add one {IN}: def make(): return net",
    "models:sized": f"sized() needs values for inputs, outputs; add a function without arguments {IN}:"
    " def make(): return sized(inputs=...)",
    "models:Sized": f"Sized() needs values for inputs; add a function without arguments {IN}:"
    " def make(): return Sized(inputs=...)",
    "models:a_class": f"expected a_class() {RETURN} the class Sized; return Sized()",
    "models:a_tuple": f"expected a_tuple() {RETURN} a tuple of Sequential, Adam; return the model alone",
    "models:a_state": f"expected a_state() {RETURN} a state dict; return the model, and give its state with"
    " --weights NAME.safetensors",
    "models:nothing": f"expected nothing() {RETURN} nothing; end it with `return model`",
    "models:a_number": f"expected a_number() {RETURN} int",
    "models:broken": f"failed with RuntimeError: two lines {line('two')}",
    "models:imports": f"needs the module 'a_missing_package', which is not installed {line('a_missing_package')};"
    " install it beside snndeploy",
    "needs:build": "needs the module 'a_missing_package', which is not installed (needs.py, line 1);"
    " install it beside snndeploy",
    "broken_file:build": "failed with SyntaxError: invalid syntax (broken_file.py, line 1)",
    "package.relative:build": "failed with ImportError: attempted relative import beyond top-level package"
    " (package/relative.py, line 1); run the command in {parent}, with {name}.package.relative:build",
    "models:on_gpu": f"failed with AssertionError: Torch not compiled with CUDA enabled {line('# as build()')};"
    " torch finds no GPU here: make the model on the CPU",
}


@pytest.mark.parametrize("name", NAMES)
def test_names(name: str, type_in: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "inner.py").touch()
    (tmp_path / "package" / "relative.py").write_text("from ..models import build\n")
    (tmp_path / "needs.py").write_text("import a_missing_package\n")
    (tmp_path / "broken_file.py").write_text("def build(:\n")
    (tmp_path / "json.py").touch()
    (tmp_path.parent / "elsewhere.py").touch()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, out, err = type_in(name, "--shape", "4")
    places = {"folder": tmp_path, "parent": tmp_path.parent, "name": tmp_path.name, "json": json.__file__}
    assert err == [f"snndeploy: {name}: {NAMES[name].format(**places)}"]
    assert (code, out) == (2, [])
    assert not (tmp_path / "net.nir").exists()


def test_a_program_as_module(type_in: Type) -> None:
    code, _, err = type_in("models:program", "--shape", "4")
    text = f"failed with SystemExit: 2 {line('ArgumentParser')}; what the file runs as a program belongs under"
    assert (code, err[-1]) == (2, f'snndeploy: models:program: {text} `if __name__ == "__main__":`')


MODEL_LINES = {
    "without_values": "0.weight, 0.bias, 1.threshold, 1.graded_spikes_factor and 3 more: no values (on the device"
    " 'meta'); make the model on the CPU and load its state, then export it",
    "Moves": "forward cannot be followed (AssertionError: Torch not compiled with CUDA enabled); a copy on the CPU is"
    " followed: take the device from the input, x.device",
    "parallel": "DataParallel is not supported; use its .module",
    "compiled": "OptimizedModule is not supported; use its ._orig_mod, which torch.compile was given",
    "scripted": "TopLevelTracedModule is not supported; use what torch.jit was given",
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", MODEL_LINES)
def test_models_that_are_refused(name: str, type_in: Type) -> None:
    assert type_in(f"models:{name}", "--shape", "4") == (2, [], [f"snndeploy: model: {MODEL_LINES[name]}"])


UNTRAINED = "note: no --weights: the model is as models:{} makes it, untrained unless that loads a state"
NOTES = {
    "build": [],
    "evaluated": [],
    "says_gpu": ["note: the model is on cuda:0: a copy of it on the CPU was exported"],
    "half": [
        "note: the model is in float16: exported and compared in float64; where that type rounds, the model's own"
        " spikes may differ"
    ],
    "training": [
        "note: in train mode: 0 (BatchNorm1d); exported as after model.eval(), with its running mean and variance",
        "note: in train mode: 1 (Dropout), 4 (Dropout); exported as after model.eval(), without it",
    ],
}


@pytest.mark.parametrize("name", NOTES)
def test_what_an_export_leaves_out_is_said(name: str, type_in: Type) -> None:
    code, out, err = type_in(f"models:{name}", "--shape", "4")
    notes = [UNTRAINED.format(name), *NOTES[name]]
    assert (code, [text for text in out if text.startswith("note: ")], err) == (0, notes, ["wrote net.nir"])
    _, out, _ = type_in(f"models:{name}", "--shape", "4", "--json")
    assert json.loads("\n".join(out))["notes"] == [text.removeprefix("note: ") for text in notes]


# (factory, --shape) -> the line
SHAPES = {
    ("build", "5"): f"{LINEAR.format('(5,)')}; give a sample (--shape) of that shape",
    ("build", "32x4"): f"{LINEAR.format('(32, 4)')}; give the sample (--shape) without a batch dimension, or put a"
    " Flatten before it",
    ("build", "2x2"): f"{LINEAR.format('(2, 2)')}; put a Flatten before it",
    ("flat", "32x2x2"): f"{LINEAR.format('(128,)').replace('0:', '1:')}; that is 32 times as many: is there a batch"
    " dimension in the sample (--shape)?",
    ("image", "32x1x8x8"): f"{CONV.format('(32, 1, 8, 8)')}; give the sample (--shape) without a batch dimension",
    ("image", "8x8"): f"{CONV.format('(8, 8)')}; give the sample that shape (--shape 1x8x8), channels first",
    ("image", "8x8x1"): f"{CONV.format('(8, 8, 1)')}; give the sample that shape (--shape 1x8x8), channels first",
    ("image", "3x8x8"): f"{CONV.format('(3, 8, 8)')}; give a sample (--shape) of that shape",
    ("image", "8"): f"{CONV.format('(8,)')}; give a sample (--shape) of that shape",
    ("build", "1,2,2"): f"model: forward: takes 1 inputs, but there are samples for 3; {SAMPLES}",
    ("build", "(4,)"): f"{WHOLE} '(4,)'; use 4",
    ("build", "1 2 2"): f"{WHOLE} '1 2 2'; use 1x2x2",
    ("build", "four"): f"{WHOLE} 'four'",
}


@pytest.mark.parametrize(("name", "shape"), SHAPES)
def test_shapes(name: str, shape: str, type_in: Type) -> None:
    assert type_in(f"models:{name}", "--shape", shape) == (2, [], [f"snndeploy: {SHAPES[name, shape]}"])


def test_no_shape(type_in: Type) -> None:
    text = "--shape: expected the shape of one input, without batch, as in 64 or 2x34x34"
    assert type_in("models:build") == (2, [], [f"snndeploy: {text}"])


def state(change: Callable[[str], str] = str, **tensors: torch.Tensor) -> dict[str, torch.Tensor]:
    """The state of models:build, some names changed, some tensors too."""
    model = nn.Sequential(nn.Linear(4, 5), snn.Leaky(0.5, init_hidden=True))
    own = {**model.state_dict(), **{name.replace("_", "."): tensor for name, tensor in tensors.items()}}
    return {change(name): tensor for name, tensor in own.items()}


SAVE = "safetensors.torch.save_model({}, 'w.safetensors')"
OTHER = f"not the state of this model, or not all of it; write it where this one was trained: {SAVE.format('model')}"
LEAD = "all its names begin with"
WEIGHTS: dict[str, tuple[Any, list[str]]] = {
    "DataParallel": (
        state(lambda name: f"module.{name}"),
        [f"{LEAD} 'module.', as DataParallel writes them; save the model in it: {SAVE.format('model.module')}"],
    ),
    "torch.compile": (
        state(lambda name: f"_orig_mod.{name}"),
        [f"{LEAD} '_orig_mod.', as torch.compile writes them; save the model in it: {SAVE.format('model._orig_mod')}"],
    ),
    "a module around": (
        state(lambda name: f"net.{name}"),
        [f"{LEAD} 'net.'; save the model in it: {SAVE.format('model.net')}"],
    ),
    "another model": (
        {"a": torch.zeros(1), "b.c": torch.zeros(1), "d": torch.zeros(1)},
        [
            "of another model: it has a, b.c and 1 more, the model has 0.bias, 0.weight and 4 more; give the weights"
            " of this one"
        ],
    ),
    "another size": (
        state(**{"0_weight": torch.zeros(6, 4), "0_bias": torch.zeros(6)}),
        [
            "0.bias: expected the shape (5,), found (6,)",
            "0.weight: expected the shape (5, 4), found (6, 4)",
            OTHER,
        ],
    ),
    "missing weights": ({"0.weight": torch.zeros(5, 4), **dict(list(state().items())[2:])}, ["0.bias: missing", OTHER]),
    "too many": (state(**{"2_bias": torch.zeros(6)}), ["2.bias: not in the model", OTHER]),
    "double": (
        state(**{"0_bias": torch.full((5,), 0.1, dtype=torch.float64)}),
        [
            "0.bias: the file holds float64, the model float32, which would round it; let the factory return"
            " model.double()",
            OTHER,
        ],
    ),
    "no such file": (None, ["no such file"]),
    "no safetensors file": (b"PK", ["not a safetensors file (2 bytes): Error while deserializing: header too small"]),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights(name: str, type_in: Type, tmp_path: Path) -> None:
    found, lines = WEIGHTS[name]
    if isinstance(found, bytes):
        (tmp_path / "w.safetensors").write_bytes(found)
    elif found is not None:
        safetensors.torch.save_file(found, tmp_path / "w.safetensors")
    code, out, err = type_in("models:build", "--shape", "4", "--weights", "w.safetensors")
    assert err == [f"snndeploy: w.safetensors: {text}" for text in lines]
    assert (code, out) == (2, [])


def test_other_files_as_weights(type_in: Type) -> None:
    other = f"expected a .safetensors file; write one where the model was trained: {SAVE.format('model')}"
    for name, text in (("w.pt", NEVER[".pt"]), ("w.bin", other)):
        found = type_in("models:build", "--shape", "4", "--weights", name)
        assert found == (2, [], [f"snndeploy: {name}: {text}"])


def test_weights_are_those_of_the_file(type_in: Type, tmp_path: Path) -> None:
    """With them nothing says that the model is untrained; half precision is kept, as no number is rounded."""
    import nir

    weights = torch.arange(20).reshape(5, 4).half() / 8
    safetensors.torch.save_file(state(**{"0_weight": weights}), tmp_path / "w.safetensors")
    code, out, _ = type_in("models:build", "--shape", "4", "--weights", "w.safetensors", "--json")
    assert (code, json.loads("\n".join(out))["notes"]) == (0, [])
    graph = nir.read(tmp_path / "net.nir")
    (layer,) = (node for node in graph.nodes.values() if isinstance(node, nir.Affine))
    assert layer.weight.tolist() == weights.tolist()


def test_shared_weights_are_saved_once(type_in: Type, tmp_path: Path) -> None:
    model = nn.Sequential(
        nn.Linear(4, 4), snn.Leaky(0.5, init_hidden=True), nn.Linear(4, 4), nn.Linear(4, 5), snn.Leaky(0.5)
    )
    model[2].weight = model[0].weight
    safetensors.torch.save_model(model, str(tmp_path / "w.safetensors"))
    code, _, err = type_in("models:tied", "--shape", "4", "--weights", "w.safetensors")
    assert (code, err) == (0, ["wrote net.nir"])


CHECKPOINTS = {
    (): "no w.json beside it, so it is no checkpoint of `snndeploy train`; if it holds weights of yours, give the code"
    " of the model: MODULE:FACTORY --weights w.safetensors --shape ...",
    ("--shape", "4"): "a checkpoint of `snndeploy train` needs no --weights and no --shape; leave them out",
}


@pytest.mark.parametrize("options", CHECKPOINTS)
def test_weights_without_a_model(options: tuple[str, ...], type_in: Type, tmp_path: Path) -> None:
    safetensors.torch.save_file(state(), tmp_path / "w.safetensors")
    expected = f"snndeploy: w.safetensors: {CHECKPOINTS[options]}"
    assert type_in("w.safetensors", *options) == (2, [], [expected])
