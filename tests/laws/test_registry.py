"""Parts are found by listing a folder; a clash or a part that fails to import is an error."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import snndeploy.neurons
from snndeploy import registry
from snndeploy.errors import BadInput
from snndeploy.neurons import lif


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    registry._outsiders.cache_clear()
    yield
    registry._outsiders.cache_clear()


def outsiders(monkeypatch: pytest.MonkeyPatch, *points: tuple[str, str]) -> None:
    group = "snndeploy.neurons"
    found = [EntryPoint(name, value, group) for name, value in points]
    monkeypatch.setattr(registry, "entry_points", lambda group: found)


def test_a_file_is_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_neuron.py").write_text("STATES = ()\n")
    (tmp_path / "_hidden.py").write_text("")
    before = registry.parts("neurons").keys()
    monkeypatch.setattr(snndeploy.neurons, "__path__", [*snndeploy.neurons.__path__, str(tmp_path)])
    assert registry.parts("neurons").keys() - before == {"my-neuron"}
    assert registry.part("neurons", "my-neuron").STATES == ()


def test_an_outsider_adds_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    outsiders(monkeypatch, ("theirs", "snndeploy.neurons.lif"))
    assert registry.part("neurons", "theirs") is lif


def test_a_name_that_is_taken_twice_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    outsiders(monkeypatch, ("lif", "their.lif"))
    with pytest.raises(BadInput) as error:
        registry.parts("neurons")
    assert error.value.lines() == ["neurons: the name 'lif' is taken twice: by snndeploy.neurons.lif and by their.lif"]


def test_a_part_that_fails_to_import_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    outsiders(monkeypatch, ("broken", "no_such_package.neuron"))
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        registry.part("neurons", "broken")


def test_an_unknown_part_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadInput) as error:
        registry.part("trainers.encoders", "morse")
    assert error.value.lines() == [f"no encoder 'morse'; known: {', '.join(registry.parts('trainers.encoders'))}"]
