"""Names that are legal everywhere (`snndeploy.values.NAME`), for modules and nodes that are named "0" or "net/0"."""

from __future__ import annotations

import hashlib
import re

LONGEST = 56  # two of them, "-" and a delay with "." in front are a projection's name, of at most 128 characters


def legal(name: str, kind: str) -> str:
    """`name`, or the nearest legal name: '_' for other characters, `kind` in front of a name that starts wrongly.

    One of more than 56 characters is cut, and ends with a hash of all of it.
    """
    found = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    found = found if re.match("[A-Za-z_]", found) else f"{kind.lower()}_{found}"
    return found if len(found) <= LONGEST else shortened_name(found[: LONGEST - 9], name)


def shortened_name(start: str, full: str) -> str:
    """`start` and 8 digits of the SHA-256 of `full`."""
    return f"{start[:119]}_{hashlib.sha256(full.encode()).hexdigest()[:8]}"
