"""Two nodes behind HAProxy, one killed, paused and cut off from the database, with a clock that is 90 s fast."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import postgres


def missing() -> str:
    """Return what this needs and is not here, empty if all is."""
    if shutil.which("haproxy") is None:
        return "HAProxy is not installed (Debian's package: haproxy)"
    if shutil.which("gcc") is None:
        return "gcc is not installed, by which a clock is made wrong (Debian's package: gcc)"
    try:
        postgres.binaries()
    except postgres.NoPostgres as reason:
        return str(reason)
    return ""


pytestmark = [pytest.mark.scenario, pytest.mark.skipif(bool(missing()), reason=missing())]


@pytest.mark.any_database
def test_flt_06_no_acknowledged_act_is_lost_when_nodes_are_killed_paused_and_cut_off() -> None:
    """Two nodes with clocks 90 s apart under a nemesis: no wrong answer, no lost act, nothing revoked that opens."""
    words = [sys.executable, "-m", "tests.scenarios.nodes.campaign", "--seconds", "22", "--kill-every", "3"]
    words += ["--people", "120", "--skew", "90", "--deeds", "pause,cut,kill"]
    root = Path(__file__).parents[3]
    played = subprocess.run(words, cwd=root, capture_output=True, text=True, timeout=240, check=False)
    assert "{" in played.stdout, played.stderr[-3000:]
    report = json.loads(played.stdout[played.stdout.index("{\n") :])
    assert (report["problems"], report["bugs"], report["verify"]) == ([], [], [])
    assert {deed.split()[0] for deed in report["deeds"]} == {"kill", "pause", "cut"}
    assert report["told"]["ok"] > 50, report
