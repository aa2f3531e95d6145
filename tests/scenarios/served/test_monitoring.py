"""All processes with the metrics listener, a real Prometheus that scrapes it, and fail2ban on their real log lines."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.ports import free_ports
from tests.scenarios.mail.site import Program, listens_at, wait_until
from tests.scenarios.served.processes import MAIL, PHONES, WEB, WORKER, Served
from tests.scenarios.served.visitor import Visitor
from tests.world import World
from watchword.demo.auth_client import Login, ask

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        shutil.which("prometheus") is None or shutil.which("fail2ban-regex") is None,
        reason="needs prometheus and fail2ban",
    ),
]

MONITORING = Path(__file__).parents[3] / "deploy" / "monitoring"
CONFIGURATION = """
global: {{scrape_interval: 500ms, evaluation_interval: 500ms}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: watchword
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
MALLORY = "203.0.113.66"
NOT_HERE = {
    "watchword_clock_offset_seconds",
    "watchword_certificate_expires_seconds",
    "watchword_database_trouble_total",
    "watchword_database_lock_wait_seconds",
}
"""Series that this scenario has none of: SQLite has no clock, plain http no certificate, and no trouble is made."""


class Monitored:
    """The processes, and the port of their metrics."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.served = Served(folder)
        self.metrics, self.prometheus = free_ports(2)
        self.served.environment |= {
            "WATCHWORD_METRICS_LISTEN": f"127.0.0.1:{self.metrics}",
            "WATCHWORD_LISTEN": f"127.0.0.1:{self.served.ports[WEB[0]]}",
            "WATCHWORD_LOG_LEVEL": "INFO",
            "WATCHWORD_TRUSTED_PROXIES": "127.0.0.1",
        }

    def scrape(self) -> str:
        """Return what the listener tells."""
        return get(self.metrics, "/metrics")[1]

    def value(self, series: str) -> float:
        """Return the sum of the samples whose line begins with this text."""
        return sum(float(line.rsplit(" ", 1)[1]) for line in self.scrape().splitlines() if line.startswith(series))

    def query(self, expression: str) -> list[Any]:
        """Return the result of a query of Prometheus."""
        status, text = get(self.prometheus, f"/api/v1/query?{urlencode({'query': expression})}")
        assert status == 200, text
        found = json.loads(text)["data"]["result"]
        assert isinstance(found, list)
        return found

    def health(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `watchword health` as an operator does."""
        return subprocess.run(
            [sys.executable, "-m", "watchword.cli.main", "health", *words],
            env=self.served.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


def get(port: int, path: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


@pytest.fixture
def monitored(tmp_path: Path, world: World) -> Iterator[Monitored]:
    """Yield the processes with metrics."""
    running = Monitored(tmp_path)
    try:
        running.served.start_all()
        wait_until(lambda: listens_at(running.metrics))
        yield running
    finally:
        running.served.stop_all()


def sign_ins(monitored: Monitored, world: World) -> None:
    """Play right and wrong sign-ins at two web processes and at the mail door."""
    for name in WEB:
        visitor = Visitor(monitored.served.ports[name])
        visitor.get("/sign-in/")
        visitor.post("/sign-in/", name="alice@harbour.example")
        visitor.get("/sign-in/password/")
        visitor.post("/sign-in/password/", answer="wrong password of Mallory")
    login = Login("carol@harbour.example", world.passwords["carol"], "imap", "192.0.2.7")
    assert ask(monitored.served.door, login) is not None
    ask(monitored.served.door, Login("carol@harbour.example", "wrong password", "imap", MALLORY))


def expressions() -> Iterator[str]:
    """Yield every query of the dashboard."""
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "1m")


def test_prometheus_answers_every_query_of_the_dashboard_and_takes_the_rules(
    monitored: Monitored, world: World
) -> None:
    configuration = monitored.folder / "prometheus.yml"
    configuration.write_text(CONFIGURATION.format(port=monitored.metrics, rules=MONITORING / "alerts.yml"))
    prometheus = Program(
        [
            "prometheus",
            f"--config.file={configuration}",
            f"--storage.tsdb.path={monitored.folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{monitored.prometheus}",
        ],
        monitored.folder / "prometheus.out",
    )
    prometheus.start(lambda: listens_at(monitored.prometheus))
    try:
        sign_ins(monitored, world)
        wait_until(lambda: bool(monitored.query('rate(watchword_sign_ins_total{door="mail",result="denied"}[1m])')))
        empty = [one for one in expressions() if not monitored.query(one) and not any(name in one for name in NOT_HERE)]
        deliveries = [one for one in empty if "watchword_delivery_attempts" in one or "watchword_gateway" in one]
        assert [one for one in empty if one not in deliveries and "maintenance" not in one] == []
        rules = json.loads(get(monitored.prometheus, "/api/v1/rules")[1])["data"]["groups"][0]["rules"]
        wait_until(lambda: all(one["health"] == "ok" for one in _rules(monitored)))
        assert len(rules) == len(re.findall(r"- alert:", (MONITORING / "alerts.yml").read_text()))
    finally:
        prometheus.stop()


def _rules(monitored: Monitored) -> list[dict[str, Any]]:
    groups = json.loads(get(monitored.prometheus, "/api/v1/rules")[1])["data"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_the_counts_of_all_processes_are_added_and_outlive_one_that_is_killed(
    monitored: Monitored, world: World
) -> None:
    sign_ins(monitored, world)
    assert monitored.value('watchword_sign_ins_total{door="web",result="denied"}') == 2
    assert monitored.value('watchword_sign_ins_total{door="mail",result="allowed"}') == 1
    assert monitored.value('watchword_sign_ins_total{door="mail",result="denied"}') == 1
    assert monitored.value("watchword_mail_batch_seconds_count") == 0, "no app password was shown"
    monitored.served.kill(WEB[1])
    assert monitored.value('watchword_sign_ins_total{door="web",result="denied"}') == 2
    monitored.served.start(WEB[1])
    monitored.served.wait(WEB[1])
    assert monitored.value('watchword_sign_ins_total{door="web",result="denied"}') == 2


def test_no_label_names_a_person_an_address_or_a_number(monitored: Monitored, world: World) -> None:
    sign_ins(monitored, world)
    told = monitored.scrape() + get(monitored.metrics, "/health")[1]
    assert "watchword_sign_ins_total" in told
    for secret in ("alice", "carol", "harbour.example", MALLORY, "192.0.2.7", "+49"):
        assert secret not in told
    labels = set(re.findall(r'[{,]([a-z_]+)="', told))
    allowed = {"door", "result", "status", "le", "process", "host", "queue", "gateway", "channel", "task", "version"}
    assert labels <= allowed | {"trouble"}


def test_metrics_are_nowhere_on_the_public_address(monitored: Monitored) -> None:
    port = monitored.served.ports[WEB[0]]
    assert {get(port, path)[0] for path in ("/metrics", "/health", "/health/")} <= {400, 404}
    assert get(port, "/health/ready") == (200, '{"status": "ready"}')


def test_health_tells_which_process_is_killed_and_nothing_of_the_others(monitored: Monitored) -> None:
    for process in ("web", MAIL, WORKER, PHONES):
        wait_until(partial(_is_healthy, monitored, process))
    asked = monitored.health("all", "--json")
    assert json.loads(asked.stdout)["healthy"] is True, asked.stdout
    monitored.served.kill(MAIL)
    asked = monitored.health("all")
    assert asked.returncode == 1
    assert "mail: NOT OK, nothing answers at" in asked.stdout
    assert asked.stdout.count("NOT OK") == 1
    # A node without its mail door still lets people in.
    assert get(monitored.served.ports[WEB[0]], "/health/ready")[0] == 200


def _is_healthy(monitored: Monitored, process: str) -> bool:
    return monitored.health(process).returncode == 0


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_fail2ban_reads_the_address_of_refused_sign_ins_from_the_log(
    tmp_path: Path, world: World, log_format: str
) -> None:
    served = Served(tmp_path)
    served.environment |= {"WATCHWORD_LOG_LEVEL": "INFO", "WATCHWORD_LOG_FORMAT": log_format}
    served.environment["WATCHWORD_TRUSTED_PROXIES"] = "127.0.0.1"
    try:
        served.start(WEB[0])
        served.start(MAIL)
        served.wait(WEB[0])
        served.wait(MAIL)
        connection = HTTPConnection("127.0.0.1", served.ports[WEB[0]], timeout=20)
        visitor = Visitor(served.ports[WEB[0]])
        visitor.get("/sign-in/")
        visitor.post("/sign-in/", name="alice@harbour.example")
        visitor.get("/sign-in/password/")
        body = urlencode({"csrfmiddlewaretoken": visitor.token, "answer": "wrong"})
        headers = {
            "Host": "127.0.0.1",
            "Origin": "http://127.0.0.1:8000",
            "Cookie": "; ".join(f"{name}={value}" for name, value in visitor.cookies.items()),
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Forwarded-For": MALLORY,
        }
        connection.request("POST", "/sign-in/password/", body, headers)
        assert connection.getresponse().status == 200
        connection.close()
        ask(served.door, Login("carol@harbour.example", "wrong", "imap", "2001:db8::66"))
        ask(served.door, Login("carol@harbour.example", world.passwords["carol"], "imap", "192.0.2.7"))
    finally:
        served.stop_all()
    log = tmp_path / "all.log"
    log.write_text((tmp_path / f"{WEB[0]}.log").read_text() + (tmp_path / f"{MAIL}.log").read_text())
    found = subprocess.run(
        ["fail2ban-regex", "--out", "ip", str(log), str(MONITORING / "fail2ban/filter.d/watchword.conf")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(found.stdout.split()) == ["2001:db8::66", MALLORY], log.read_text()
