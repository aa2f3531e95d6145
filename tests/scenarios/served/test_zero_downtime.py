"""Behind nginx, a reload and an upgrade of the web door under load: no request is refused, and none fails."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.mail.site import listens_at, wait_until
from tests.scenarios.served.listeners import Load, listening_port, start_at, workers_of
from tests.scenarios.served.proxies import HOST, ProxiedSite
from tests.world import World

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl"),
    pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx"),
]

REQUESTS = int(os.environ.get("TEST_REQUESTS", "1000"))
"""At each of the two; `make faults` sends 10,000."""
PAGE = "/sign-in/"
WORKERS = 2


class KeptSite(ProxiedSite):
    """nginx and web processes that follow each other at one listening socket, as under a socket unit of systemd."""

    def __init__(self, folder: Path) -> None:
        self.listener = listening_port()
        super().__init__(folder, "nginx.conf", web_port=self.listener.getsockname()[1])
        self.web: list[subprocess.Popen[bytes]] = []
        self._loads: list[Load] = []

    def start_web(self) -> subprocess.Popen[bytes]:
        """Start a web process at the socket and return it; its first connections wait in the backlog."""
        words = ["serve", "web", "--web-workers", str(WORKERS)]
        with (self.folder / "web1.log").open("ab") as log:
            self.web.append(start_at([("web", self.listener)], words, self.environment, log))
        return self.web[-1]

    def start_all(self) -> None:
        self.start_web()
        self.proxy.start(lambda: listens_at(self.https))

    def stop_all(self) -> None:
        for load in self._loads:
            load.finish()
        for process in self.web:
            if process.poll() is None:
                process.terminate()
                process.wait(60)
        self.listener.close()
        super().stop_all()

    def load(self) -> Load:
        """Return requests by TLS through nginx, each on a connection of its own, that go on until they may end."""
        trusted = ssl.create_default_context(cafile=self.folder / "ca.pem")
        self._loads.append(Load(self.https, PAGE, requests=REQUESTS, host=HOST, tls=trusted, until_finished=True))
        return self._loads[-1]

    def failed(self) -> list[str]:
        """Return the lines of nginx's log about requests that were not answered by the page."""
        return [line for line in (self.folder / "watchword.log").read_text().splitlines() if '" 200 ' not in line]


@pytest.fixture
def site(tmp_path: Path, world: World) -> Iterator[KeptSite]:
    site = KeptSite(tmp_path)
    try:
        site.start_all()
        yield site
    finally:
        site.stop_all()


def test_nobody_behind_nginx_notices_a_reload_and_an_upgrade(site: KeptSite) -> None:
    before = site.web[-1]
    wait_until(lambda: len(workers_of(before.pid)) == WORKERS)
    old_workers = workers_of(before.pid)
    load = site.load()
    load.wait_for_half()
    before.send_signal(signal.SIGHUP)
    wait_until(lambda: len(workers_of(before.pid)) == WORKERS and not workers_of(before.pid) & old_workers)
    reloaded = load.finish()
    assert set(reloaded) == {"200"}, (reloaded, site.log_of("web1"))
    assert reloaded.total() >= REQUESTS

    load = site.load()
    load.wait_for_half()
    before.terminate()
    assert before.wait(60) == 0, site.log_of("web1")
    after = site.start_web()
    wait_until(lambda: len(workers_of(after.pid)) == WORKERS)
    restarted = load.finish()
    assert set(restarted) == {"200"}, (restarted, site.log_of("web1"))
    assert restarted.total() >= REQUESTS
    assert site.failed() == []
