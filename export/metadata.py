"""The one metadata entry of ours in a NIR graph: what an export needs and NIR cannot say.

`graph.metadata["snndeploy"]` is a canonical JSON text, for example

    {"delays":[["lif","lif.recurrent",1]],"dt":0.0001,"format":1,"resets":{"lif":"zero"}}

It survives `nir.write` and `nir.read`; a tool that ignores it still reads valid NIR.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import nir

from snndeploy.errors import Problems
from snndeploy.export import nir_neurons
from snndeploy.network import RESETS
from snndeploy.values import frozen_mapping

KEY = "snndeploy"
FORMAT = 1
MAX_TEXT = 2**20  # characters: some ten thousand neuron nodes, while NIR graphs have some ten
MAX_DELAY = 2**16  # steps: longer than any run, so a larger number is a mistake


@dataclass(frozen=True)
class Metadata:
    """What NIR cannot say: the time step `dt` in seconds, neuron node -> reset kind, edge -> delay in steps."""

    dt: float
    resets: Mapping[str, str]
    delays: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "resets", frozen_mapping(self.resets))


def write(graph: nir.NIRGraph, metadata: Metadata) -> None:
    """Put `metadata` into `graph`, in place of what is there. Raises BadInput where it does not fit the graph."""
    entry = {
        "format": FORMAT,
        "dt": float(metadata.dt),
        "resets": dict(metadata.resets),
        "delays": [[source, target, steps] for (source, target), steps in sorted(metadata.delays.items())],
    }
    problems = Problems("NIR graph")
    _check(entry, graph, problems)
    problems.raise_if_any()
    graph.metadata[KEY] = json.dumps(entry, sort_keys=True, separators=(",", ":"), allow_nan=False)


def read(graph: nir.NIRGraph, problems: Problems) -> Metadata | None:
    """The entry in `graph`; None where there is none, or where it cannot be used, which is added to `problems`."""
    text = graph.metadata.get(KEY)
    if text is None:
        return None
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        problems.add(_place(), f"expected a JSON text of at most {MAX_TEXT} characters, found {type(text).__name__}")
        return None
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError) as error:
        problems.add(_place(), f"expected a JSON text: {type(error).__name__}: {error}")
        return None
    before = len(problems.found)
    _check(entry, graph, problems)
    if len(problems.found) > before:
        return None
    delays = {(source, target): steps for source, target, steps in entry["delays"]}
    return Metadata(float(entry["dt"]), entry["resets"], delays)


def _place(key: str = "") -> str:
    return ".".join(filter(None, ("metadata", KEY, key)))


def _check(entry: Any, graph: nir.NIRGraph, problems: Problems) -> None:
    keys = {"format", "dt", "resets", "delays"}
    if not isinstance(entry, dict) or not problems.require(
        entry.get("format") == FORMAT,
        _place("format"),
        f"expected {FORMAT}, found {entry.get('format')!r}; a newer snndeploy may read it",
    ):
        problems.require(isinstance(entry, dict), _place(), f"expected a JSON object, found {type(entry).__name__}")
        return
    if not problems.require(set(entry) == keys, _place(), f"expected the keys {sorted(keys)}, found {sorted(entry)}"):
        return
    dt, resets, delays = entry["dt"], entry["resets"], entry["delays"]
    good_dt = isinstance(dt, float) and math.isfinite(dt) and dt > 0
    problems.require(good_dt, _place("dt"), f"expected seconds above 0, found {dt!r}")
    if problems.require(isinstance(resets, dict), _place("resets"), f"expected an object, found {resets!r}"):
        _check_resets(
            resets, {name for name, node in graph.nodes.items() if isinstance(node, nir_neurons.SPIKING)}, problems
        )
    if problems.require(isinstance(delays, list), _place("delays"), f"expected a list, found {delays!r}"):
        _check_delays(delays, {tuple(edge) for edge in graph.edges}, problems)


def _check_resets(resets: dict[str, Any], neurons: set[str], problems: Problems) -> None:
    place = _place("resets")
    for name in sorted(set(resets) - neurons):
        problems.add(place, f"{name!r} is no neuron of the graph")
    for name in sorted(neurons - set(resets)):
        problems.add(place, f"nothing is said of the neuron {name!r}")
    for name, kind in sorted(resets.items()):
        known = isinstance(kind, str) and kind in RESETS
        problems.require(known, place, f"unknown reset {kind!r} of {name!r}; known: {', '.join(RESETS)}")


def _check_delays(delays: list[Any], edges: set[tuple[str, ...]], problems: Problems) -> None:
    seen = set()
    for item in delays:
        good = isinstance(item, list) and len(item) == 3 and all(isinstance(end, str) for end in item[:2])
        good = good and type(item[2]) is int and 1 <= item[2] <= MAX_DELAY
        if not problems.require(
            good, _place("delays"), f"expected [source, target, 1 to {MAX_DELAY} steps], found {item!r}"
        ):
            continue
        edge = (item[0], item[1])
        problems.require(edge in edges, _place("delays"), f"{edge[0]!r} -> {edge[1]!r} is no edge of the graph")
        problems.require(edge not in seen, _place("delays"), f"{edge[0]!r} -> {edge[1]!r} is there twice")
        seen.add(edge)
