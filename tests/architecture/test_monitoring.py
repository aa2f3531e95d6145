"""The alert rules: promtool takes them, each is played, and they and the dashboard ask only for series that exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
RULES = (MONITORING / "alerts.yml").read_text()
PLAYED = (MONITORING / "alerts.test.yml").read_text()
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool (Debian: prometheus)")


def promtool(*words: str, folder: Path = MONITORING) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *words], cwd=folder, capture_output=True, text=True, check=False)


@needs_promtool
def test_promtool_takes_the_rules_and_each_fires_when_it_should() -> None:
    checked = promtool("check", "rules", "alerts.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    played = promtool("test", "rules", "alerts.test.yml")
    assert played.returncode == 0, played.stdout + played.stderr


@needs_promtool
@pytest.mark.parametrize("threshold", [("> 60", "> 60000"), ("< 14 * 86400", "< 1"), ("> 2 * 86400", "> 1")])
def test_a_wrong_threshold_is_noticed(threshold: tuple[str, str], tmp_path: Path) -> None:
    assert threshold[0] in RULES
    (tmp_path / "alerts.yml").write_text(RULES.replace(*threshold))
    (tmp_path / "alerts.test.yml").write_text(PLAYED)
    assert promtool("test", "rules", "alerts.test.yml", folder=tmp_path).returncode != 0


def test_each_rule_is_played_both_ways() -> None:
    names = re.findall(r"- alert: (\w+)", RULES)
    assert len(names) == len(set(names)) > 10
    assert sorted(re.findall(r"name: (\w+) fires", PLAYED)) == sorted(names)
    assert sorted(re.findall(r"name: (\w+) is silent", PLAYED)) == sorted(names)


def test_rules_and_dashboard_ask_for_series_that_exist() -> None:
    sources = [ROOT / "watchword/audit/metrics.py", ROOT / "watchword/cli/metrics_listener.py"]
    declared = set(re.findall(r'"(watchword_[a-z_]+)"', "".join(path.read_text() for path in sources)))
    asked = set(re.findall(r"watchword_[a-z_]+", RULES))
    for panel in json.loads((MONITORING / "grafana-dashboard.json").read_text())["panels"]:
        asked |= {name for target in panel["targets"] for name in re.findall(r"watchword_[a-z_]+", target["expr"])}
    named = {re.sub(r"_(total|bucket|info)$", "", name) for name in asked}
    assert named - declared == set()
    assert declared - named == set(), "a series that neither a rule nor the dashboard shows"


def test_the_page_names_every_series_and_every_alert() -> None:
    page = (ROOT / "docs/operating/monitoring.md").read_text()
    sources = [ROOT / "watchword/audit/metrics.py", ROOT / "watchword/cli/metrics_listener.py"]
    declared = set(re.findall(r'"(watchword_[a-z_]+)"', "".join(path.read_text() for path in sources)))
    assert [name for name in sorted(declared) if f"`{name}" not in page] == []
    assert [name for name in re.findall(r"- alert: (\w+)", RULES) if f"`{name}`" not in page] == []
