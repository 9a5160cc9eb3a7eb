"""What is measured: each net in its configurations beside its rivals, and how the engine scales on net (a)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from snndeploy.bench.memory import STEPS, peak_memory
from snndeploy.bench.nets import NETS, USUAL_DENSITY, noise, work
from snndeploy.bench.rivals import lava_seconds, snntorch_run, torch_threads
from snndeploy.bench.roofline import Roofline
from snndeploy.bench.timing import engine_threads, least_seconds
from snndeploy.simulators import fast, reference

REFERENCE_SAMPLES = 4  # of the batch: the reference takes long, and its cost per sample is flat


@dataclass(frozen=True)
class Row:
    """A net in one configuration. Ratios are rival over engine: how many times faster the engine is.

    `seconds` (per sample and step) and the rates are of one thread. `snntorch` and `reference` compare one thread each
    in its own time; `snntorch_all` the engine on all cores with snnTorch on one or all of them, whichever is faster, by
    the clock; `lava` is by the clock too. `roofline` is the least time that the machine allows over ours.
    """

    net: str
    batch: int
    density: float
    activity: dict[str, float]
    seconds: float
    snntorch: float
    snntorch_all: float
    reference: float
    lava: float | None
    synaptic_rate: float
    update_rate: float
    roofline: float


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int
    most_configurations: int  # of each net
    steps: int  # at most, of a configuration
    threads: Sequence[tuple[str, int]]  # nets and batches in which two threads are compared with one
    batches: Sequence[int]
    times: Sequence[int]
    images: int


FULL = Plan(
    5, 9, 100, (("a", 64), ("a", 512), ("b", 64), ("c", 64)), (64, 256, 1024, 4096), (100, 200, 400, 1600), 10_000
)
QUICK = Plan(2, 1, 20, (("a", 64),), (64, 256), (100, 200), 1000)


def configurations(letters: Sequence[str], plan: Plan) -> list[tuple[str, int, float]]:
    """(net, batch, density) of every row."""
    return [(n, *shape) for n in letters for shape in NETS[n].configurations[: plan.most_configurations]]


def row(letter: str, batch: int, density: float, plan: Plan, roofline: Roofline, lava: float | None) -> Row:
    """Measure a net in one configuration; `lava` are the seconds of a step in Lava, where it is known."""
    net, cores = NETS[letter], fast.threads()
    steps = min(net.steps, plan.steps)
    program = net.program(density)
    payloads = noise(program, batch, steps, density)
    done = work(program, payloads)
    rival = snntorch_run(program, payloads)
    probes = [f"{program.outputs[0]}.spikes"]

    def ours() -> object:
        return fast.simulate(program, payloads, probes)

    with engine_threads(1), torch_threads(1):
        one, rival_one = least_seconds([ours, rival], plan.rounds, time.thread_time)
    with engine_threads(cores):
        rivals = [_with_torch_threads(count, rival) for count in (1, cores)]
        many, *rival_many = least_seconds([ours, *rivals], plan.rounds, time.perf_counter)
    few = {name: x[:REFERENCE_SAMPLES, : net.reference_steps].astype(np.int64) for name, x in payloads.items()}
    (slow,) = least_seconds([lambda: reference.simulate(program, few, probes)], 1, time.thread_time)
    samples, short = next(iter(few.values())).shape[:2]
    raw, raw_short = steps + program.latency, short + program.latency
    per_step = one / batch / steps
    return Row(
        net=letter,
        batch=batch,
        density=density,
        activity=dict(done.activity),
        seconds=per_step,
        snntorch=rival_one / one,
        snntorch_all=min(rival_many) / many,
        reference=(slow / samples / raw_short) / (one / batch / raw),
        lava=None if lava is None else lava / per_step,
        synaptic_rate=sum(done.synaptic.values()) / one,
        update_rate=done.updates / one,
        roofline=roofline.floor(program, done) / one,
    )


def _with_torch_threads(count: int, run: Callable[[], object]) -> Callable[[], object]:
    def job() -> object:
        with torch_threads(count):
            return run()

    return job


def lava_step(plan: Plan) -> float:
    """Seconds of a step of net (a) in Lava, one sample. Raises Missing where Lava cannot run."""
    net = NETS["a"]
    program = net.program(USUAL_DENSITY)
    return lava_seconds(program, noise(program, 1, net.steps, USUAL_DENSITY), plan.rounds)


def scaling(plan: Plan) -> dict[str, Callable[[], float]]:
    """What is measured of the engine alone: its name, with the unit -> a function that measures it.

    Net (a) and one thread, where nothing else is said.
    """
    lines: dict[str, Callable[[], float]] = {}
    for letter, batch in plan.threads:
        lines[f"times faster with two threads, net {letter}, batch {batch}"] = partial(_gain, letter, batch, plan)
    for batch in plan.batches:
        lines[f"seconds of a sample and step, batch {batch}, T=25"] = partial(_per_step, batch, 25, plan)
    for steps in plan.times:
        lines[f"seconds of a sample and step, batch 64, T={steps}"] = partial(_per_step, 64, steps, plan)
    lines["seconds of a call on a loaded program, 1 sample, T=1"] = partial(_call, plan)
    lines[f"bytes at most of a process, {plan.images} images, T={STEPS}"] = partial(peak_memory, plan.images)
    return lines


def _gain(letter: str, batch: int, plan: Plan) -> float:
    """How many times faster the engine is with two threads than with one, in wall time."""
    run = _engine(letter, batch, NETS[letter].steps)

    def with_threads(count: int) -> object:
        with engine_threads(count):
            return run()

    one, two = least_seconds([partial(with_threads, 1), partial(with_threads, 2)], 2 * plan.rounds, time.perf_counter)
    return one / two


def _per_step(batch: int, steps: int, plan: Plan) -> float:
    with engine_threads(1):
        (seconds,) = least_seconds([_engine("a", batch, steps)], plan.rounds, time.thread_time)
    return seconds / (batch * steps)


def _call(plan: Plan) -> float:
    """Nothing is sent in that step."""
    program = NETS["a"].program(USUAL_DENSITY)
    loaded, nothing = fast.load(program), {"in": np.zeros((1, 1, 784), np.uint8)}
    with engine_threads(1):
        (seconds,) = least_seconds([lambda: loaded(nothing, ["out.spikes"])], plan.rounds, time.perf_counter)
    return seconds


def _engine(letter: str, batch: int, steps: int) -> Callable[[], object]:
    program = NETS[letter].program(USUAL_DENSITY)
    payloads, probes = noise(program, batch, steps, USUAL_DENSITY), [f"{program.outputs[0]}.spikes"]
    return lambda: fast.simulate(program, payloads, probes)
