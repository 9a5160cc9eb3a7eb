"""MODULE:FACTORY runs a stranger's code: what it prints, how it ends and where it goes do no harm."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from torch import nn

from snndeploy.errors import BadInput
from snndeploy.export.factory import make_model
from snndeploy.export.snntorch import export_model

SOURCE = """
import os, sys
import snntorch, torch
print("imported")

class Chatty(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lif = snntorch.Leaky(0.5, init_hidden=True)

    def forward(self, x):
        print("forward")
        return self.lif(x)

def chatty():
    print("made")
    return Chatty()

def leaves():
    sys.exit("no GPU")

def wanders():
    os.chdir("/")
    return chatty()

def tidies():
    sys.path.remove(os.getcwd())
    return chatty()
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the working folder, of a name of its own."""
    name = f"a_model_of_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    return name


def test_what_it_prints_goes_to_stderr(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    export_model(make_model(f"{module}:chatty"), (2,))
    out, err = capsys.readouterr()
    assert out == ""
    assert set(err.split()) == {"imported", "made", "forward"}


def test_a_factory_that_ends_the_process(module: str) -> None:
    with pytest.raises(BadInput) as refused:
        make_model(f"{module}:leaves")
    text = f"failed with SystemExit: no GPU ({module}.py, line 20)"
    advice = 'what the file runs as a program belongs under `if __name__ == "__main__":`'
    assert refused.value.lines() == [f"{module}:leaves: {text}; {advice}"]


@pytest.mark.parametrize("factory", ["wanders", "tidies"])
def test_folder_and_path_are_as_before(factory: str, module: str) -> None:
    folder, path = Path.cwd(), list(sys.path)
    assert isinstance(make_model(f"{module}:{factory}"), nn.Module)
    assert Path.cwd() == folder
    assert sys.path == path
