"""Directed graphs as names and edges: an order in which every edge goes forward, or a loop that stands in its way."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection

Edge = tuple[str, str]


def in_order(names: Collection[str], edges: Collection[Edge]) -> tuple[list[str], set[str]]:
    """`names` so that every edge between them goes forward, and those that are in a loop or behind one."""
    inside = [edge for edge in sorted(edges) if edge[0] in names and edge[1] in names]
    missing = Counter(target for _, target in inside)
    targets: dict[str, list[str]] = {name: [] for name in names}
    for source, target in inside:
        targets[source].append(target)
    ready = deque(sorted(name for name in names if not missing[name]))
    order = []
    while ready:
        name = ready.popleft()
        order.append(name)
        for target in targets[name]:
            missing[target] -= 1
            if not missing[target]:
                ready.append(target)
    return order, set(names) - set(order)


def cycle(names: Collection[str], edges: Collection[Edge]) -> list[str]:
    """One loop among `names`, each name once, from the first in the alphabet on; empty where there is none."""
    _, behind = in_order(names, edges)
    before = {target: source for source, target in sorted(edges, reverse=True) if source in behind and target in behind}
    if not before:
        return []
    path, at = list[str](), min(behind)
    seen: dict[str, int] = {}
    while at not in seen:  # every name that is left has one before it
        seen[at] = len(path)
        path.append(at)
        at = before[at]
    loop = path[seen[at] :][::-1]
    first = loop.index(min(loop))
    return loop[first:] + loop[:first]


def shown(loop: list[str], limit: int = 8) -> str:
    """A loop as text: a -> b -> a, the middle of a long one counted."""
    names = loop if len(loop) <= limit else [*loop[:limit], f"... {len(loop) - limit} more"]
    return " -> ".join([*names, loop[0]])
