"""Lava as an engine: a Program becomes real Lava processes in a worker process of its own, with a time limit.

Lava needs Python 3.10, changes the multiprocessing start method when it is imported, and can hang: it never runs here.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from snndeploy.errors import BadInput, Missing, Problems
from snndeploy.integers import Ints
from snndeploy.program import Input, Population, Program, Projection
from snndeploy.projections.conv import geometry
from snndeploy.registry import part
from snndeploy.runs import seen_states
from snndeploy.simulators._lava_env import worker_python

TARGET = "loihi2-lava"
TIME_LIMIT = 300.0  # seconds without a sign of life, after which the worker is killed
WORKER = Path(__file__).with_name("_lava_worker.py")
PROJECTIONS = ("conv", "dense", "sparse")  # the kinds that Lava has

# The models that Lava has as fixed_pt, each with the parameters of which its process takes one value, not arrays.
NEURONS: dict[str, tuple[str, ...]] = {
    "atrlif": ("theta_step",),
    "delta": ("cum_error",),
    "graded-relu": (),
    "graded-threshold": (),
    "li": (),
    "lif": (),
    "lif-reset": ("interval", "offset"),
    "rf": (),
    "rf-iz": (),
    "sigma": (),
    "sigma-delta": ("act_mode", "cum_error"),
    "ternary-lif": (),
}

# Why Lava cannot run the others.
CANNOT = {
    "lif-refractory": "Lava 0.10 has only a floating_pt model of it (lava/proc/lif/models.py)",
    "lif-subtract": "every LIF of Lava 0.10 resets to 0 (lava/proc/lif/models.py)",
    "lif-subtract-next": "every LIF of Lava 0.10 resets to 0 (lava/proc/lif/models.py)",
}


@dataclass(frozen=True)
class Job:
    """One program with its payloads (samples, steps, size) for each input, and the probes to record."""

    program: Program
    payloads: Mapping[str, Ints]
    probes: Collection[str]


def simulate(
    program: Program,
    payloads: Mapping[str, Ints],
    probes: Collection[str],
    advance: Callable[[int], None] = lambda samples: None,
) -> dict[str, NDArray[Any]]:
    """Run every sample in Lava and record raw steps, as `snndeploy.simulators.reference.simulate` does.

    Raises Missing where there is no worker environment, or the worker fails or does not answer.
    """
    return simulate_jobs([Job(program, payloads, probes)], advance)[0]


def simulate_jobs(
    jobs: Sequence[Job], advance: Callable[[int], None] = lambda samples: None
) -> list[dict[str, NDArray[Any]]]:
    """Run several programs in one worker, one after the other; see `simulate`."""
    for job in jobs:
        check(job.program)
    parts = [_runs(job) for job in jobs]
    answers = iter(_simulate_runs([run for runs in parts for run in runs], advance))
    return [_joined([next(answers) for _ in runs]) for runs in parts]


def _runs(job: Job) -> list[Job]:
    """A job as runs of Lava: one per sample where a population counts its steps, for Lava counts on over samples."""
    if all(p.neuron != "lif-reset" for p in job.program.populations):
        return [job]
    samples = max(len(next(iter(job.payloads.values()))), 1)
    return [replace(job, payloads={name: x[i : i + 1] for name, x in job.payloads.items()}) for i in range(samples)]


def _joined(answers: list[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    return {probe: np.concatenate([answer[probe] for answer in answers]) for probe in answers[0]}


def _simulate_runs(jobs: Sequence[Job], advance: Callable[[int], None]) -> list[dict[str, NDArray[Any]]]:
    python = worker_python()
    limit = _time_limit()
    with tempfile.TemporaryDirectory(prefix="snndeploy-lava-") as folder:
        # Lava imports every module that lies beside a process's own: the worker gets a folder to itself.
        script = Path(shutil.copy(WORKER, folder))
        places = [Path(folder) / f"job-{index}" for index in range(len(jobs))]
        for job, place in zip(jobs, places, strict=True):
            _write_job(job, place)
        _work([str(python), str(script), *map(str, places)], Path(folder) / "log", limit, advance)
        return [_read_recordings(job, place) for job, place in zip(jobs, places, strict=True)]


def check(program: Program) -> None:
    """Raise BadInput, with all problems together, for what Lava does not model."""
    problems = Problems(TARGET)
    for p in program.populations:
        _check_neurons(p, problems)
    for q in program.projections:
        if not problems.require(q.kind in PROJECTIONS, q.name, f"{q.kind}: Lava 0.10 has no such process"):
            continue
        if q.kind == "conv":
            _check_conv(q, program.end(q.source), problems)
    problems.raise_if_any()


def _check_neurons(p: Population, problems: Problems) -> None:
    if p.neuron not in NEURONS:
        problems.add(p.name, f"{p.neuron}: {CANNOT.get(p.neuron, 'Lava has no such process')}")
        return
    for name in NEURONS[p.neuron]:
        values = p.parameters[name]
        expected = f"expected {values.flat[0]} in every neuron, for Lava's process takes one value"
        problems.require_all(values, values == values.flat[0], f"{p.name}.{name}", expected)


def _check_conv(q: Projection, source: Input | Population, problems: Problems) -> None:
    """Report what Lava's Conv gets wrong without a word: counts above 127, and sums that no int32 holds."""
    for name, count in (("groups", geometry(q).groups), ("kernel size", max(q.weights.shape[2:]))):
        problems.require(count <= 127, q.name, f"Lava's Conv counts in 8 bits: expected {name} to 127, found {count}")
    reach = conv_reach(q, source)
    problems.require(reach < 2**31, q.name, f"Lava's Conv adds in 32 bits: expected sums below 2**31, found {reach}")


def conv_reach(q: Projection, source: Input | Population) -> int:
    """A bound of the sums of a convolution. Lava makes them int32 from float64, which is not defined from 2**31 on."""
    largest = max(-source.minimum, source.maximum) if isinstance(source, Input) else 2**source.message_bits
    weights = np.abs(q.weights.astype(np.int64)).reshape(len(q.weights), -1)
    return (largest if q.message_bits else 1) * int(weights.sum(axis=1).max()) << q.exponent


def _time_limit() -> float:
    text = os.environ.get("SNNDEPLOY_LAVA_TIME_LIMIT", str(TIME_LIMIT))
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if not 0 < limit < 1e6:
        raise BadInput("$SNNDEPLOY_LAVA_TIME_LIMIT", f"expected seconds above 0 and below 1e6, found {text!r}")
    return limit


def _write_job(job: Job, place: Path) -> None:
    program = job.program
    samples, steps = next(iter(job.payloads.values())).shape[:2]
    description = {
        "samples": samples,
        "steps": steps,
        "latency": program.latency,
        "probes": list(job.probes),
        "inputs": [{"name": i.name} for i in program.inputs],
        "populations": [
            {
                "name": p.name,
                "size": p.size,
                "start": p.start,
                "neuron": p.neuron,
                "states": seen_states(p),
                "parameters": list(p.parameters),
                "message_bits": p.message_bits,
            }
            for p in program.populations
        ],
        "projections": [
            {
                "name": q.name,
                "source": q.source,
                "target": q.target,
                "weight_bits": q.weight_bits,
                "sign_mode": q.sign_mode,
                "exponent": q.exponent,
                "delay": q.delay,
                "message_bits": q.message_bits,
                "kind": q.kind,
                "shapes": [program.end(q.source).shape, program.end(q.target).shape],
                "extra": list(q.extra),
                "geometry": geometry(q)._asdict() if q.kind == "conv" else {},
            }
            for q in program.projections
        ],
    }
    arrays: dict[str, NDArray[Any]] = {f"{name}.payloads": x for name, x in job.payloads.items()}
    arrays.update({f"{p.name}.{key}": value for p in program.populations for key, value in p.parameters.items()})
    arrays.update({f"{p.name}.rest.{key}": value for p in program.populations for key, value in _rest(p).items()})
    for q in program.projections:
        arrays.update({f"{q.name}.{key}": array for key, array in {"weights": q.weights, **q.extra}.items()})
    place.mkdir()
    (place / "job.json").write_text(json.dumps(description))
    np.savez(place / "arrays.npz", allow_pickle=False, **arrays)


def _rest(population: Population) -> dict[str, NDArray[Any]]:
    """What the states of a population hold before the first step."""
    model = part("neurons", population.neuron)
    parameters = [population.parameters[name].reshape(-1) for name in model.PARAMETERS]
    return dict(zip(model.STATES, map(np.asarray, model.rest(*parameters)), strict=True))


def _read_recordings(job: Job, place: Path) -> dict[str, NDArray[Any]]:
    samples, steps = next(iter(job.payloads.values())).shape[:2]
    period = steps + job.program.latency
    if samples == 0:  # Lava cannot run for no steps
        return {probe: np.zeros((0, period, _size(job, probe)), np.int32) for probe in job.probes}
    records = {}
    for probe in job.probes:
        path = place / f"{probe}.npy"
        if not path.exists():
            raise Missing("Lava worker", f"ended without the recording of {probe}; see `snndeploy doctor`")
        records[probe] = np.load(path, allow_pickle=False).reshape(samples, period, -1)
    return records


def _size(job: Job, probe: str) -> int:
    return job.program.end(probe.rpartition(".")[0]).size


def _work(command: list[str], log: Path, limit: float, advance: Callable[[int], None]) -> None:
    """Run the worker to its end; it and all its processes are killed when it stays silent for `limit` seconds."""
    with log.open("wb") as errors:
        # The worker ends itself when its standard input closes, as it does when this process is killed.
        worker = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        )
    lines: queue.Queue[bytes] = queue.Queue()
    assert worker.stdin is not None
    assert worker.stdout is not None
    reader = threading.Thread(target=_forward, args=(worker.stdout, lines), daemon=True)
    reader.start()
    try:
        while line := lines.get(timeout=limit):
            advance(int(line) if line.strip().isdigit() else 0)
        code = worker.wait(timeout=limit)
    except (queue.Empty, subprocess.TimeoutExpired):
        advice = "set $SNNDEPLOY_LAVA_TIME_LIMIT to wait longer, or see `snndeploy doctor`"
        raise Missing("Lava worker", f"no answer for {limit:g} s, so it was stopped; {advice}") from None
    finally:
        _kill_group(worker)
        reader.join()
        worker.stdin.close()
    if code != 0:
        said = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
        raise Missing("Lava worker", f"ended with exit code {code}: {said[-1]}")


def _forward(stream: IO[bytes], lines: queue.Queue[bytes]) -> None:
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(b"")


def _kill_group(worker: subprocess.Popen[bytes]) -> None:
    """End whatever is left of the worker: Lava forks one process for each of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
