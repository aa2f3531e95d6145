"""Radicale behind nginx with the sample of deploy/forward-auth: a calendar opened by an app password."""

from __future__ import annotations

import base64
import shutil
import socket
import ssl
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path

import pytest
from django.utils import timezone

from tests.ports import free_ports
from tests.scenarios.mail.site import Program, listens_at
from tests.scenarios.served.processes import Served
from tests.scenarios.served.proxies import HOST, NGINX_AROUND, adapted, make_certificates
from tests.world import World
from watchword.applications import clients
from watchword.applications.clients import ClientSettings
from watchword.core.policy import FactorKind
from watchword.directory import applications
from watchword.directory.applications import AppSettings
from watchword.factors import vault
from watchword.signin import actions

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(shutil.which("radicale") is None, reason="needs radicale"),
    pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl"),
]

SAMPLE = Path(__file__).parents[3] / "deploy/forward-auth/nginx-caldav.conf"
RADICALE = """
[server]
hosts = 127.0.0.1:{port}
[auth]
type = http_x_remote_user
[storage]
filesystem_folder = {folder}/collections
"""
EVENT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//tests//EN
BEGIN:VEVENT
UID:lunch@harbour.example
DTSTAMP:20261128T120000Z
DTSTART:20261128T120000Z
SUMMARY:Lunch
END:VEVENT
END:VCALENDAR
""".replace("\n", "\r\n")


class CalendarSite(Served):
    """One web process, Radicale, and nginx in front of Radicale."""

    def __init__(self, folder: Path, secret: str) -> None:
        super().__init__(folder)
        self.https, radicale = free_ports(2)
        self.environment |= {
            "WATCHWORD_DEMO": "no",
            "WATCHWORD_PUBLIC_URL": f"https://{HOST}",
            "WATCHWORD_TRUSTED_PROXIES": "127.0.0.1",
        }
        make_certificates(folder)
        changes = {
            "listen 443": f"listen 127.0.0.1:{self.https}",
            "/etc/ssl/dav/": f"{folder}/",
            "127.0.0.1:8000": f"127.0.0.1:{self.ports['web1']}",
            "127.0.0.1:5232": f"127.0.0.1:{radicale}",
            "Secret SECRET": f"Secret {secret}",
        }
        (folder / "nginx.conf").write_text(
            NGINX_AROUND.format(folder=folder, sample=adapted(SAMPLE.read_text(), changes))
        )
        (folder / "radicale.conf").write_text(RADICALE.format(port=radicale, folder=folder))
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder)}
        words = [str(shutil.which("radicale")), "--config", str(folder / "radicale.conf")]
        self._radicale = Program(words, folder / "radicale.out", environment=environment)
        self._radicale_port = radicale
        words = [str(shutil.which("nginx")), "-c", str(folder / "nginx.conf")]
        self._nginx = Program(words, folder / "nginx.out", environment=environment)

    def start_all(self) -> None:
        self.start("web1")
        self._radicale.start(lambda: listens_at(self._radicale_port))
        self.wait_for_port("web1")
        self._nginx.start(lambda: listens_at(self.https))

    def stop_all(self) -> None:
        for program in (self._nginx, self._radicale):
            if program.is_running:
                program.stop()
        super().stop_all()

    def ask(self, method: str, path: str, password: str = "", body: str = "", **headers: str) -> tuple[int, str, str]:
        """Return status, challenge and body of one request of Alice's calendar program."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = HTTPSConnection("dav.example.org", self.https, timeout=30, context=context)
        connection._create_connection = lambda *_rest: socket.create_connection(("127.0.0.1", self.https))  # type: ignore[attr-defined]  # the name leads nowhere
        if password:
            pair = f"alice@harbour.example:{password}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        try:
            connection.request(method, path, body.encode(), headers)
            answer = connection.getresponse()
            return answer.status, answer.headers.get("WWW-Authenticate", ""), answer.read().decode("utf-8", "replace")
        finally:
            connection.close()


@pytest.fixture
def site(tmp_path: Path, world: World) -> Iterator[CalendarSite]:
    app = applications.add_app(world.organisation, AppSettings("Calendar"), by=None, now=world.now)
    client = clients.add_client(app, ClientSettings(introspects=True), by=None)
    site = CalendarSite(tmp_path, clients.add_secret(client, by=None, now=world.now))
    try:
        site.start_all()
        yield site
    finally:
        site.stop_all()


def test_an_app_password_opens_the_own_calendar_until_it_is_deleted(site: CalendarSite, world: World) -> None:
    password, calendar = world.alices_app_password, "/alice@harbour.example/office/"
    assert site.ask("PROPFIND", calendar)[:2] == (401, 'Basic realm="Calendar", charset="UTF-8"')
    assert site.ask("PROPFIND", calendar, world.passwords["alice"])[0] == 401
    forged = {"X-Remote-User": "bob@harbour.example"}
    assert site.ask("MKCALENDAR", "/bob@harbour.example/office/", password, **forged)[0] == 403
    assert site.ask("MKCALENDAR", calendar, password)[0] == 201
    assert site.ask("PUT", f"{calendar}lunch.ics", password, EVENT, **{"Content-Type": "text/calendar"})[0] == 201
    assert "SUMMARY:Lunch" in site.ask("GET", f"{calendar}lunch.ics", password)[2]
    stored = vault.holdings(world.alice, kinds=[FactorKind.APP_PASSWORD])[0]
    actions.delete_app_passwords(world.alice, [stored.id], by=None, now=timezone.now())
    assert site.ask("GET", f"{calendar}lunch.ics", password)[0] == 401
