"""What the documentation names is there: tests, files, and sections of other pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\[([^\]]+)\]\(([^)#\s]*)(?:#([^)\s]+))?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for text, target, section in LINK.findall(page.read_text()):
        if re.match(r"\w+:", target):
            continue
        file = (page.parent / target) if target else page
        assert file.exists(), f"{page.name}: no {target}"
        if section:
            titles = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
            assert section in anchors, f"{page.name}: no section {section} in {file.name}"
        if test := re.fullmatch(r"`(test_\w+)`", text):
            assert f"def {test[1]}(" in file.read_text(), f"{page.name}: no {test[1]} in {target}"


def test_every_test_that_a_page_names_is_linked() -> None:
    for page in PAGES:
        named = re.findall(r"`(?:tests/[\w/.]+::)?(test_\w+)`", page.read_text())
        linked = re.findall(r"\[`(test_\w+)`\]\(", page.read_text())
        assert sorted(named) == sorted(linked), page.name


def test_the_semantics_are_held_by_tests() -> None:
    """Every row of its tables names one, but for the ranges of parameters, which are those of the code."""
    from snndeploy.neurons import lif

    page = (ROOT / "docs" / "semantics.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.endswith("held by |")]
    ranges = [row for row in rows if re.match(r"\| (parameter|du|dv|vth|bias_mant)", row)]
    assert all("[`test_" in row for row in rows if row not in ranges)
    said = {name: f"{low}..{high}" for name, (low, high) in lif.PARAMETERS.items()}
    assert [row.split(" | ")[1] for row in ranges[1:]] == [
        *(said[name] for name in ("du", "dv", "vth")),
        f"{said['bias_mant']}, {said['bias_exp']}",
    ]
