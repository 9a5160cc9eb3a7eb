"""A folder with a user's models.py, and `snndeploy export` typed there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from snndeploy.cli import main

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
