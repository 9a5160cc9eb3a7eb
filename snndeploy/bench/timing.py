"""The clock: what is compared runs in turns, and of each the least time counts. A busy machine disturbs both alike."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

LEAST = 0.02  # seconds that one reading takes at least: a shorter job is repeated
ENOUGH = 5.0  # seconds after which FEWEST rounds do
FEWEST = 3


def least_seconds(jobs: Sequence[Callable[[], object]], rounds: int, clock: Callable[[], float]) -> list[float]:
    """The least seconds of each job over that many rounds, in which they take turns; fewer where they take long."""
    repeats = [_repeats(job) for job in jobs]
    least = [float("inf")] * len(jobs)
    started = time.perf_counter()
    for done in range(rounds):
        if done >= FEWEST and time.perf_counter() - started > ENOUGH:
            break
        for i, job in enumerate(jobs):
            begun = clock()
            for _ in range(repeats[i]):
                job()
            least[i] = min(least[i], (clock() - begun) / repeats[i])
    return least


def _repeats(job: Callable[[], object]) -> int:
    begun = time.perf_counter()
    job()  # it may have to compile, or to load: a short one runs again before it is believed
    if time.perf_counter() - begun > 100 * LEAST:
        return 1
    begun = time.perf_counter()
    job()
    return max(1, min(1000, round(LEAST / (time.perf_counter() - begun))))


@contextmanager
def engine_threads(count: int) -> Iterator[None]:
    """Let the fast engine use that many threads."""
    before = os.environ.get("SNNDEPLOY_THREADS")
    os.environ["SNNDEPLOY_THREADS"] = str(count)
    try:
        yield
    finally:
        if before is None:
            del os.environ["SNNDEPLOY_THREADS"]
        else:
            os.environ["SNNDEPLOY_THREADS"] = before
