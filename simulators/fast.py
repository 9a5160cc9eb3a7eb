"""The fast engine: the definition compiled, event-driven, parallel over the batch. Bit for bit the reference.

A program is laid out once (`_fast_plan`) and walked by compiled loops (`_fast_kernels`); a neuron model is compiled
from the very `step` that the reference runs (`_fast_models`). Threads share nothing but the program: their number and
the division of the samples change no value.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from snndeploy.errors import BadInput
from snndeploy.program import Program
from snndeploy.registry import part

if TYPE_CHECKING:
    from snndeploy.simulators._fast_plan import Plan

TARGET = "loihi2-sim"
BLOCK = 2**18  # samples * steps * neurons / 64 of a block, some ten milliseconds: Ctrl-C and progress come between
BLOCKS = 2  # for each thread at least, where there are as many samples: they end about together
MOST_THREADS = 1024
SAID_AFTER = 2.0  # seconds

Records = dict[str, NDArray[Any]]


def simulate(
    program: Program,
    payloads: Mapping[str, NDArray[Any]],
    probes: Collection[str],
    advance: Callable[[int], None] = lambda samples: None,
) -> Records:
    """Run every sample from rest and record raw steps, as `snndeploy.simulators.reference.simulate` does.

    `payloads` holds (samples, steps, size) of any integer dtype for each input, in the range that the input declares:
    what cannot overflow is proven from it. They may be mapped from a file: a block of samples at a time is read.
    `$SNNDEPLOY_THREADS` threads share the samples, all cores where it is not set.
    """
    loaded = load(program)
    return loaded(payloads, probes, advance)


def load(program: Program) -> Loaded:
    """The program, laid out and compiled; kept for as long as the program is."""
    key = id(program)
    found = _LOADED.get(key)
    if found is None:
        found = _LOADED[key] = Loaded(program)
        weakref.finalize(program, _LOADED.pop, key, None)
    return found


_LOADED: dict[int, Loaded] = {}


def threads() -> int:
    """The number of threads: `$SNNDEPLOY_THREADS`, or all cores. Raises BadInput where it is no number above 0."""
    text = os.environ.get("SNNDEPLOY_THREADS")
    if text is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= MOST_THREADS):
        raise BadInput("$SNNDEPLOY_THREADS", f"expected 1 to {MOST_THREADS}, found {text!r}")
    return int(text)


class Loaded:
    """A program that is ready to run: call it as `simulate`, without the program."""

    def __init__(self, program: Program) -> None:
        with _said_if_long():
            from snndeploy.simulators._fast_kernels import compiled_run
            from snndeploy.simulators._fast_plan import plan

            self._plan = plan(program)
            self._run_block = compiled_run()
            self._inputs = [(entry.name, entry.message_bits > 0) for entry in program.inputs]
            self._latency = program.latency
            self._probes = _probes(program, self._plan)
            self._rooms: list[_Room] = []  # in which no thread works
            nothing = {entry.name: np.zeros((0, 1, entry.size), np.uint8) for entry in program.inputs}
            self._run(nothing, {}, 0, 0, 1 + self._latency)

    @property
    def words(self) -> int:
        """Words of 64 neurons that a step of a sample has."""
        return self._plan.bits

    def __call__(
        self,
        payloads: Mapping[str, NDArray[Any]],
        probes: Collection[str],
        advance: Callable[[int], None] = lambda samples: None,
    ) -> Records:
        samples, steps = next(iter(payloads.values())).shape[:2]
        raw = steps + self._latency
        records = {probe: np.zeros((samples, raw, p.size), p.dtype) for probe in probes for p in [self._probes[probe]]}
        count = threads()
        size = min(BLOCK // (raw * self.words), -(-samples // (BLOCKS * count)) if count > 1 else samples)
        size = max(1, -(-size // self._plan.together)) * self._plan.together

        def run(first: int) -> int:
            return self._run(payloads, records, first, min(first + size, samples), raw)

        _share(range(0, samples, size), run, count, advance)
        return records

    def _run(self, payloads: Mapping[str, NDArray[Any]], records: Records, first: int, last: int, raw: int) -> int:
        """Run samples first..last and fill their records; returns their number."""
        sent = [_as_sent(payloads[name][first:last], graded) for name, graded in self._inputs]
        inputs = np.array([(i, x.ctypes.data, x.shape[1]) for i, x in enumerate(sent)], np.int64)
        table = np.zeros((len(records), 3), np.int64)
        for row, (probe, record) in zip(table, records.items(), strict=True):
            at = self._probes[probe]
            row[:] = at.population, at.state, record.ctypes.data + first * record.strides[0]
        try:
            room = self._rooms.pop()
        except IndexError:  # between a question and a pop another thread may take the last one
            room = None
        if room is None or room.raw != raw:
            room = _Room(self._plan, raw)
        p = self._plan
        self._run_block(last - first, raw, *p.tables(), inputs, table, *p.pools(), *room.arrays)
        self._rooms.append(room)
        return last - first


def _share(blocks: range, run: Callable[[int], int], count: int, advance: Callable[[int], None]) -> None:
    """Run all blocks in `count` threads, of which this is one: what it raises, as by Ctrl-C, ends the others.

    `run` returns the samples of a block, `advance` is told of them by this thread.
    """
    left = iter(blocks)
    if count == 1 or len(blocks) < 2:
        for first in left:
            advance(run(first))
        return
    by_others: deque[int] = deque()

    def help_out() -> None:
        by_others.extend(run(first) for first in left)

    others = [_pool().submit(help_out) for _ in range(min(count, len(blocks)) - 1)]
    try:
        for first in left:
            advance(run(first))
            while by_others:
                advance(by_others.popleft())
    finally:
        deque(left, maxlen=0)  # nothing is left for the others
        for other in others:
            other.exception()  # waits
    for other in others:
        other.result()
    for samples in by_others:
        advance(samples)


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    """The other threads, which stay: to start them anew takes a job of 2 milliseconds a tenth longer."""
    return ThreadPoolExecutor(MOST_THREADS - 1, "snndeploy")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a fork has no threads but its own


class _Probe(NamedTuple):
    """Where a probe is found: the row of its population, the number of its state, and what is recorded."""

    population: int
    state: int
    size: int
    dtype: np.dtype[Any]


def _probes(program: Program, plan: Plan) -> dict[str, _Probe]:
    probes = {}
    for population in program.populations:
        row = plan.places[population.name] - len(program.inputs)
        sent = np.dtype(np.int32 if population.message_bits else np.bool_)
        probes[f"{population.name}.spikes"] = _Probe(row, -1, population.size, sent)
        for number, state in enumerate(part("neurons", population.neuron).STATES):
            probes[f"{population.name}.{state}"] = _Probe(row, number, population.size, np.dtype(np.int32))
    return probes


def _as_sent(x: NDArray[Any], graded: bool) -> NDArray[Any]:
    """Payloads as the kernels read them: int32 where they are graded, else bytes that are 0 or not."""
    if graded:
        return np.ascontiguousarray(x, np.int32)
    present = x if x.dtype.itemsize == 1 else x != 0
    return np.ascontiguousarray(present).view(np.uint8)


class _Room:
    """What one thread works in, for samples of `raw` steps."""

    def __init__(self, plan: Plan, raw: int) -> None:
        from snndeploy.simulators._fast_plan import room

        self.raw, self.arrays = raw, room(plan, raw)


@contextmanager
def _said_if_long() -> Iterator[None]:
    """Say on standard error that compiling takes a moment, once it has."""
    text = "snndeploy: compiling the simulator for this machine; it is kept for the next time"
    timer = threading.Timer(SAID_AFTER, lambda: print(text, file=sys.stderr, flush=True))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
