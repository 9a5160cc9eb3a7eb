"""An interrupted training goes on where it was, to the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from snndeploy.errors import BadInput
from snndeploy.trainers.checkpoint import load
from snndeploy.trainers.training import train


class Interrupted(Exception):
    """What the user's Ctrl-C is in these tests."""


def stop_after(epochs: int):  # type: ignore[no-untyped-def]
    done = [0]

    def advance(more: int) -> None:
        done[0] += more
        if done[0] == epochs:
            raise Interrupted

    return advance


@pytest.mark.parametrize("name", ["digits-ann", "digits-rate"])
@pytest.mark.parametrize("stop", [1, 2, 3])
def test_resumed_and_uninterrupted_trainings_are_equal_bytes(name: str, stop: int, tmp_path: Path) -> None:
    whole, parted = tmp_path / "whole.safetensors", tmp_path / "parted.safetensors"
    train(name, epochs=3, path=whole)
    with pytest.raises(Interrupted):
        train(name, epochs=3, path=parted, advance=stop_after(stop))
    assert not parted.exists()
    done: list[int] = []
    train(name, epochs=3, path=parted, advance=done.append)
    assert done == [stop] + [1] * (3 - stop)
    assert parted.read_bytes() == whole.read_bytes()
    assert parted.with_suffix(".json").read_bytes() == whole.with_suffix(".json").read_bytes()
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".json", ".safetensors", ".safetensors"]


def test_progress_of_another_training_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    progress = path.with_suffix(".progress")
    with pytest.raises(Interrupted):
        train("digits-ann", epochs=3, path=path, advance=stop_after(1))
    with pytest.raises(BadInput) as refusal:
        train("digits-ann", seed=1, epochs=3, path=path)
    assert str(refusal.value) == (
        f"{progress}: is the progress of another training (digits-ann, seed 0, 3 epochs);"
        " remove it to train digits-ann, seed 1, 3 epochs from the start"
    )
    whole = progress.read_bytes()
    progress.write_bytes(whole[:100])
    with pytest.raises(BadInput, match=r"x\.progress: not a safetensors file \(100 bytes\): "):
        train("digits-ann", epochs=3, path=path)
    progress.write_bytes(whole.replace(b'"losses"', b'"lusses"'))
    with pytest.raises(BadInput) as refusal:
        train("digits-ann", epochs=3, path=path)
    assert str(refusal.value) == (
        f"{progress}: losses: expected 1 to 3 values, found 0;"
        " remove it to train digits-ann, seed 0, 3 epochs from the start"
    )
    progress.write_bytes(whole.replace(b"optimizer.0.step", b"optimizer.9.step"))
    with pytest.raises(BadInput) as refusal:
        train("digits-ann", epochs=3, path=path)
    assert str(refusal.value) == (
        f"{progress}: optimizer.0.step: expected a tensor of shape ();"
        " remove it to train digits-ann, seed 0, 3 epochs from the start"
    )


def test_a_description_of_something_else_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "keep.safetensors"
    description = path.with_suffix(".json")
    description.write_text("{}")
    with pytest.raises(BadInput) as refused:
        train("digits-ann", epochs=1, path=path)
    text = "is there, is no description of a checkpoint, and would be overwritten"
    assert refused.value.lines() == [f"{description}: {text}; move it, or give another name than keep.safetensors"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["keep.json"]
    description.unlink()
    for seed in (0, 1):  # a checkpoint is replaced by the next one
        train("digits-ann", seed=seed, epochs=1, path=path)
        assert load(path).seed == seed
