"""Two nodes behind HAProxy, one killed, paused and cut off from the database, with a clock that is 90 s fast."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

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


def play(*words: str) -> dict[str, Any]:
    """Return the report of a short campaign."""
    command = [sys.executable, "-m", "tests.scenarios.nodes.campaign", *words]
    root = Path(__file__).parents[3]
    played = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=240, check=False)
    assert "{" in played.stdout, played.stderr[-3000:]
    report = dict(json.loads(played.stdout[played.stdout.index("{\n") :]))
    assert (report["problems"], report["bugs"], report["verify"]) == ([], [], [])
    return report


@pytest.mark.any_database
def test_flt_06_no_acknowledged_act_is_lost_when_nodes_are_killed_paused_and_cut_off() -> None:
    """Two nodes with clocks 90 s apart under a nemesis: no wrong answer, no lost act, nothing revoked that opens."""
    report = play(
        "--seconds", "22", "--kill-every", "3", "--people", "120", "--skew", "90", "--deeds", "pause,cut,kill"
    )
    assert {deed.split()[0] for deed in report["deeds"]} == {"kill", "pause", "cut"}
    assert report["told"]["ok"] > 50, report


@pytest.mark.any_database
def test_a_key_ring_is_rotated_on_two_nodes_under_load_without_a_wrong_answer() -> None:
    """Both steps of docs/operating/keys.md, one node after the other, while people sign in and mail programs log in."""
    report = play("--seconds", "8", "--kill-every", "2", "--people", "120", "--deeds", "rotate")
    assert report["deeds"]
    assert report["told"]["ok"] > 50, report
