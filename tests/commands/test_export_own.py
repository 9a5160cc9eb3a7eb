"""`snndeploy export MODULE:FACTORY` as a beginner types it: each mistake is one line that says what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from snndeploy.files import NEVER
from tests.commands.conftest import MODELS, Type


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
    ("build", "1,2,2"): f"model: forward: takes 1 input, but there are samples for 3; {SAMPLES}",
    ("build", "(4,)"): f"{WHOLE} '(4,)'; use 4",
    ("build", "1 2 2"): f"{WHOLE} '1 2 2'; use 1x2x2",
    ("build", "four"): f"{WHOLE} 'four'",
    ("build", "99999999999"): f"{WHOLE} '99999999999'",
    ("build", "999999999"): "sample: expected a shape of at most 16777216 values, found (999999999,)",
}


@pytest.mark.parametrize(("name", "shape"), SHAPES)
def test_shapes(name: str, shape: str, type_in: Type) -> None:
    assert type_in(f"models:{name}", "--shape", shape) == (2, [], [f"snndeploy: {SHAPES[name, shape]}"])


def test_no_shape(type_in: Type) -> None:
    text = "--shape: expected the shape of one input, without batch, as in 64 or 2x34x34"
    assert type_in("models:build") == (2, [], [f"snndeploy: {text}"])
