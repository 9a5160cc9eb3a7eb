"""Runs: samples are independent, batches change nothing, and equal runs are equal bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import snndeploy
from snndeploy.artifact import Artifact
from snndeploy.errors import BadInput
from snndeploy.files import read_bytes
from snndeploy.runs import Run, all_probes
from snndeploy.simulators import reference
from tests.programs import random_program, small_artifact


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return snndeploy.load(small_artifact(tmp_path / "small.snn"))


def samples(count: int, steps: int = 12) -> np.ndarray:
    return (np.random.default_rng(0).random((count, steps, 4)) < 0.4).astype(np.int64)


@pytest.mark.parametrize("seed", range(20))
def test_a_sample_does_not_depend_on_its_batch(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    program, payloads = random_program(seed)
    probes = all_probes(program)
    together = reference.simulate(program, payloads, probes)
    monkeypatch.setattr(reference, "BLOCK", 1)
    apart = reference.simulate(program, payloads, probes)
    for probe in probes:
        np.testing.assert_array_equal(together[probe], apart[probe])


@pytest.mark.parametrize("seed", range(20))
def test_the_first_steps_do_not_depend_on_the_later_ones(seed: int) -> None:
    program, payloads = random_program(seed)
    probes = all_probes(program)
    whole = reference.simulate(program, payloads, probes)
    half = next(iter(payloads.values())).shape[1] // 2 + 1
    short = reference.simulate(program, {name: x[:, :half] for name, x in payloads.items()}, probes)
    for probe in probes:
        start = program.end(probe.rpartition(".")[0]).start
        np.testing.assert_array_equal(whole[probe][:, start : start + half], short[probe][:, start : start + half])


def test_counts_and_predictions_take_the_lowest_index_on_a_tie() -> None:
    spikes = np.zeros((3, 4, 3), bool)
    spikes[0, :2, 2] = spikes[0, 2:, 1] = True  # two spikes each of neurons 1 and 2
    spikes[1, 0, 2] = True
    run = Run(spikes)
    assert run.counts.tolist() == [[0, 2, 2], [0, 0, 1], [0, 0, 0]]
    assert run.predictions.tolist() == [1, 2, 0]


def test_an_empty_batch_gives_an_empty_run(artifact: Artifact) -> None:
    run = snndeploy.run(artifact, samples(0), probes=["hidden.u"])
    assert run.spikes.shape == (0, 12, 3)
    assert run.probes["hidden.u"].shape == (0, 12, 6)
    assert run.predictions.shape == (0,)


def test_equal_runs_are_equal_bytes(artifact: Artifact, tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        snndeploy.run(artifact, samples(5), probes=["hidden.u", "output.v"]).save(tmp_path / name)
    assert read_bytes(tmp_path / "a.npz", 2**20) == read_bytes(tmp_path / "b.npz", 2**20)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as stored:
        assert stored["hidden.u"].shape == (5, 12, 6)
        assert stored["spikes"].shape == (5, 12, 3)
        assert str(stored["made_by.artifact"]) == artifact.sha256()


def test_progress_counts_every_sample(artifact: Artifact) -> None:
    done: list[int] = []
    snndeploy.run(artifact, samples(150), advance=done.append)
    assert sum(done) == 150


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 5, 3)), "expected (samples, steps, 4) with at least one step, found (2, 5, 3)"),
        (np.zeros((2, 0, 4)), "expected (samples, steps, 4) with at least one step, found (2, 0, 4)"),
        (np.full((2, 5, 4), -1), "expected binary spikes 0 or 1, found -1 at [0, 0, 0] (and 39 more)"),
        (np.full((1, 1, 4), 0.5), "expected binary spikes 0 or 1, found 0.5 at [0, 0, 0] (and 3 more)"),
        (np.full((1, 1, 4), np.nan), "expected finite numbers, found nan at [0, 0, 0] (and 3 more)"),
        (np.full((1, 1, 4), "a"), "expected integers or floats, found <U1"),
    ],
)
def test_samples_that_do_not_fit_are_refused(artifact: Artifact, x: np.ndarray, message: str) -> None:
    with pytest.raises(BadInput) as error:
        snndeploy.run(artifact, x)
    assert error.value.lines() == [f"input: input: {message}"]


def test_unknown_probes_and_targets_are_refused(artifact: Artifact) -> None:
    with pytest.raises(BadInput) as error:
        snndeploy.run(artifact, samples(1), probes=["hidden.w"])
    known = "hidden.u, hidden.v, hidden.spikes, output.u, output.v, output.spikes"
    assert error.value.lines() == [f"probe: no probe hidden.w; known: {known}"]
    with pytest.raises(BadInput) as error:
        snndeploy.run(artifact, samples(1), target="loihi3")
    assert error.value.lines() == ["no target 'loihi3'; known: loihi2-sim, loihi2-lava, reference"]
