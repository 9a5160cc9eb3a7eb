"""Names that are legal everywhere (`snndeploy.values.NAME`), for modules and nodes that are named "0" or "net/0"."""

from __future__ import annotations

import re

from snndeploy.values import NAME

LONGEST = 100  # leaves room for the suffixes that make a name unique and for `SOURCE-TARGET`


def legal(name: str, kind: str) -> str:
    """`name`, or the nearest legal name: '_' for other characters, `kind` in front of a name that starts wrongly."""
    if NAME.fullmatch(name):
        return name
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:LONGEST]
    return name if NAME.fullmatch(name) else f"{kind.lower()}_{name}"
