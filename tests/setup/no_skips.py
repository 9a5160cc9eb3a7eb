"""A pytest plugin for CI (`-p tests.setup.no_skips`): a skip fails there, so that nothing is left out unseen."""

from collections.abc import Generator
from typing import TypeVar

import pytest

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _failed_if_skipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _failed_if_skipped((yield))


def _failed_if_skipped(report: Report) -> Report:
    """The report itself; one of a skip as a failure that gives the skip's reason. An expected failure is none."""
    if report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        assert isinstance(report.longrepr, tuple)  # of a skip: file, line, reason
        path, line, reason = report.longrepr
        report.outcome, report.longrepr = "failed", f"{path}:{line}: not allowed in CI: {reason}"
    return report
