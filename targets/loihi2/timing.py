"""The start rule: when each population starts, and the delay that each projection needs for it.

On the chip every projection takes one step plus its delay; in the float model only projections with a delay take time.
A population starts one step after the latest of its delay-free sources, earlier paths are delayed to match, and a loop
is kept if and only if it takes long enough in the float model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from snndeploy.errors import Problems, shortened
from snndeploy.network import Network
from snndeploy.program import MAX_DELAY


@dataclass(frozen=True)
class Timing:
    """`starts`: step up to which each population holds still; `delays`: extra steps of each projection."""

    starts: Mapping[str, int]
    delays: Mapping[str, int]


def timing(network: Network) -> Timing:
    """Starts and delays of a network. Raises BadInput for loops and paths that the chip cannot keep."""
    problems = Problems("loihi2")
    starts: dict[str, int] = {}
    for name in network.order():
        sources = [q.source for q in network.projections if q.target == name and q.delay == 0]
        is_input = network.population(name).neuron == "input"
        starts[name] = 0 if is_input else 1 + max((starts[source] for source in sources), default=0)
    delays: dict[str, int] = {}
    for q in network.projections:
        # A spike of the source's step t is due in the target's step t + q.delay, and takes one step by itself.
        needed = starts[q.source] + 1 - starts[q.target]
        delays[q.name] = q.delay - needed
        if delays[q.name] < 0:
            there = _way(network, q.target, q.source)
            problems.add(
                q.name,
                f"takes {q.delay} step(s) in the model; on the chip this way back needs at least {needed}: "
                f"{q.source!r} starts in step {starts[q.source]}, {q.target!r} in step {starts[q.target]}"
                + (f"; the way there: {shortened(there)}" if there else ""),
            )
        problems.require(
            delays[q.name] <= MAX_DELAY, q.name, f"needs a delay of {delays[q.name]}, the chip has 0 to {MAX_DELAY}"
        )
    problems.raise_if_any()
    return Timing(starts, delays)


def _way(network: Network, start: str, end: str) -> list[str]:
    """The delay-free projections of a shortest way from `start` to `end`; none where there is no way."""
    ways: dict[str, list[str]] = {start: []}
    waiting = [start]
    for name in waiting:  # grows while it is gone through
        for q in network.projections:
            if q.source == name and q.delay == 0 and q.target not in ways:
                ways[q.target] = [*ways[name], q.name]
                waiting.append(q.target)
    return ways.get(end, [])
