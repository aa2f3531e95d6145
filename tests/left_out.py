"""List the skipped tests at the end of a run, and fail them where every test is demanded.

A skipped test is listed, unless the same test runs on the other database: then its reason begins with
ON_THE_OTHER_DATABASE. ``TEST_DEMAND_ALL=1``, as in continuous integration, turns each skip into a failure, except for
what no package of a distribution can install: a whole Debian from the network, or git's own list of files.
``TEST_LEFT_OUT`` names a file for the list, so that several runs can be summed up.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

DEMAND = "TEST_DEMAND_ALL"
LIST = "TEST_LEFT_OUT"
ON_THE_OTHER_DATABASE = "runs on the other database: "
NO_PACKAGE_BRINGS_IT = "can't be installed here: "
"""The beginning of the reason of a skip that no installation can avoid; it is listed, but is no failure."""


def left_out_because(report: pytest.TestReport | pytest.CollectReport) -> str | None:
    """Return why a report's test was skipped, or None if it ran or runs on the other database."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return None
    said = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = said.removeprefix("Skipped: ")
    return None if reason.startswith(ON_THE_OTHER_DATABASE) else reason


def demand[R: (pytest.TestReport, pytest.CollectReport)](report: R) -> R:
    """Return the report, changed to a failure if its test was skipped where every test is demanded."""
    reason = left_out_because(report)
    if reason is not None and os.environ.get(DEMAND) and not reason.startswith(NO_PACKAGE_BRINGS_IT):
        report.outcome = "failed"
        report.longrepr = f"LEFT OUT, but {DEMAND} demands everything: {reason}"
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a skipped test where every test is demanded."""
    return demand((yield))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a file skipped as a whole where every test is demanded."""
    return demand((yield))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List the skipped tests; parallel workers leave this to the process that started them."""
    reasons = Counter(filter(None, map(left_out_because, terminalreporter.stats.get("skipped", ()))))
    if not reasons or hasattr(config, "workerinput"):
        return
    lines = [f"{reason} ({times} skipped)" for reason, times in sorted(reasons.items())]
    terminalreporter.section("LEFT OUT", sep="#", red=True, bold=True)
    for line in lines:
        terminalreporter.line(line)
    if name := os.environ.get(LIST):
        with Path(name).open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
