"""Real proxies in front of an app that shows what reaches it, each with its sample of deploy/forward-auth."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPMessage, HTTPSConnection
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from tests.ports import free_ports
from tests.scenarios.mail.site import Program, listens_at
from tests.scenarios.served.processes import Served
from tests.scenarios.served.proxies import HOST, NGINX_AROUND, adapted, make_certificates
from tests.world import ORIGIN, World, evidence_for
from watchword.applications import protected_hosts
from watchword.core.policy import FactorKind
from watchword.directory import applications
from watchword.directory.applications import AppSettings
from watchword.doors.forward_auth.answers import IDENTITY_HEADERS
from watchword.signin import actions, sessions

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl"),
]

WIKI = "wiki.example.org"
SAMPLES = Path(__file__).parents[3] / "deploy/forward-auth"
PROXIES = {"nginx.conf": "nginx", "Caddyfile": "caddy"}
FORGED = dict.fromkeys(IDENTITY_HEADERS, "root@harbour.example")


class EchoingApp(ThreadingHTTPServer):
    """An app that answers each request with its path and the headers that reached it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Echo)
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Echo(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"path": self.path, "headers": dict(self.headers.items())}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Write nothing."""


class ProtectedSite(Served):
    """One web process at https://watchword.example.org, and a proxy in front of the app at https://wiki.example.org."""

    def __init__(self, folder: Path, sample: str) -> None:
        super().__init__(folder)
        (self.https,) = free_ports(1)
        self.environment |= {
            "WATCHWORD_DEMO": "no",
            "WATCHWORD_PUBLIC_URL": f"https://{HOST}",
            "WATCHWORD_TRUSTED_PROXIES": "127.0.0.1",
        }
        make_certificates(folder)
        self.app = EchoingApp()
        changes = {
            "127.0.0.1:8000": f"127.0.0.1:{self.ports['web1']}",
            "127.0.0.1:3000": f"127.0.0.1:{self.app.server_address[1]}",
        }
        text = (SAMPLES / sample).read_text()
        path = folder / sample
        if PROXIES[sample] == "nginx":
            changes |= {"listen 443": f"listen 127.0.0.1:{self.https}", "/etc/ssl/wiki/": f"{folder}/"}
            path.write_text(NGINX_AROUND.format(folder=folder, sample=adapted(text, changes)))
            words = ["-c", str(path)]
        else:
            changes |= {
                f"\n{WIKI} {{": f"\n{{\n\tadmin off\n\tauto_https disable_redirects\n\tdefault_bind 127.0.0.1\n}}\n\n"
                f"{WIKI}:{self.https} {{",
                "# tls /etc/ssl/wiki/fullchain.pem /etc/ssl/wiki/privkey.pem": (
                    f"tls {folder}/fullchain.pem {folder}/privkey.pem"
                ),
            }
            path.write_text(adapted(text, changes))
            words = ["run", "--adapter", "caddyfile", "--config", str(path)]
        program = shutil.which(PROXIES[sample])
        assert program is not None
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder)}
        self.proxy = Program([program, *words], folder / "proxy.out", environment=environment)

    def start_all(self) -> None:
        self.start("web1")
        self.wait_for_port("web1")
        self.proxy.start(lambda: listens_at(self.https))

    def stop_all(self) -> None:
        if self.proxy.is_running:
            self.proxy.stop()
        super().stop_all()
        self.app.stop()


class Visitor:
    """A browser with a cookie jar for each of the two hosts."""

    def __init__(self, site: ProtectedSite) -> None:
        self._site = site
        self.cookies: dict[str, dict[str, str]] = {HOST: {}, WIKI: {}}

    def get(self, address: str, headers: Mapping[str, str] | None = None) -> tuple[int, str, str]:
        """Return status, Location and body of one request; paths are those of the app's host."""
        parts = urlsplit(address if "://" in address else f"https://{WIKI}{address}")
        host = parts.hostname or ""
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection: HTTPConnection
        if host == WIKI:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = HTTPSConnection(WIKI, self._site.https, timeout=30, context=context)
            connection._create_connection = lambda *_rest: socket.create_connection(("127.0.0.1", self._site.https))  # type: ignore[attr-defined]  # the name leads nowhere
            own = {"Host": WIKI}
        else:
            connection = HTTPConnection("127.0.0.1", self._site.ports["web1"], timeout=30)
            own = {"Host": HOST, "X-Forwarded-Proto": "https"}
        jar = "; ".join(f"{name}={value}" for name, value in self.cookies[host].items())
        try:
            connection.request("GET", target, headers={**own, **({"Cookie": jar} if jar else {}), **(headers or {})})
            answer = connection.getresponse()
            self._keep(host, answer.headers)
            return answer.status, answer.headers.get("Location", ""), answer.read().decode("utf-8", "replace")
        finally:
            connection.close()

    def arrive(self, path: str) -> tuple[int, str]:
        """Follow every redirect from a page of the app; return the last status and body."""
        address = path
        for _ in range(8):
            status, location, body = self.get(address)
            if not location:
                return status, body
            address = location
        raise AssertionError(f"redirects without an end: {address}")

    def _keep(self, host: str, headers: HTTPMessage) -> None:
        for line in headers.get_all("Set-Cookie") or []:
            for name, morsel in SimpleCookie(line).items():
                self.cookies[host][name] = morsel.value


@pytest.fixture(params=list(PROXIES))
def site(request: pytest.FixtureRequest, tmp_path: Path, world: World) -> Iterator[ProtectedSite]:
    if shutil.which(PROXIES[request.param]) is None:
        pytest.skip(f"needs {PROXIES[request.param]}")
    app = applications.add_app(world.organisation, AppSettings("Wiki"), by=None, now=world.now)
    protected_hosts.protect(app, WIKI, rules="public /static/", by=None, now=world.now)
    site = ProtectedSite(tmp_path, request.param)
    try:
        site.start_all()
        yield site
    finally:
        site.stop_all()


def signed_in(site: ProtectedSite, world: World) -> Visitor:
    visitor = Visitor(site)
    evidence = evidence_for(FactorKind.PASSWORD, FactorKind.PHONE)
    opened = sessions.open_session(world.alice, evidence, origin=ORIGIN, now=timezone.now())
    visitor.cookies[HOST]["__Host-watchword-session"] = opened.token
    return visitor


def reached(body: str) -> dict[str, str]:
    """Return the identity headers that reached the app."""
    headers = {name.lower(): value for name, value in json.loads(body)["headers"].items()}
    return {name: headers.get(name.lower(), "") for name in IDENTITY_HEADERS}


def test_ngx_02_the_app_sees_who_asks_and_nothing_that_a_browser_forges(site: ProtectedSite, world: World) -> None:
    """Behind nginx and Caddy the app gets the identity headers of Watchword, whatever a browser sends."""
    stranger = Visitor(site)
    status, location, body = stranger.get("/page", FORGED)
    assert (status, location, "headers" in body) == (302, "/_watchword/start?to=%2Fpage", False)
    status, _location, body = stranger.get("/static/a.css", FORGED)
    assert (status, reached(body)) == (200, dict.fromkeys(IDENTITY_HEADERS, ""))
    alice = signed_in(site, world)
    status, body = alice.arrive("/page?x=1")
    assert status == 200, body
    assert json.loads(body)["path"] == "/page?x=1"
    status, _location, body = alice.get("/page", FORGED)
    assert reached(body)["X-Watchword-User"] == "alice@harbour.example"
    assert "root@harbour.example" not in reached(body).values()


def test_ngx_01_a_path_that_reads_as_public_opens_nothing_else(site: ProtectedSite) -> None:
    """Encoded, doubled and dotted paths behind a real proxy reach no page of the app."""
    for path in ("/static/..%2fpage", "/static/%2e%2e/page", "/static//page", "/static/;x/page"):
        status, _location, body = Visitor(site).get(path)
        assert status in {302, 400, 401, 403}, (path, body)
    forged = {"X-Original-URL": f"https://{WIKI}/static/a", "X-Forwarded-Uri": "/static/a", "X-Original-Method": "GET"}
    status, _location, body = Visitor(site).get("/page", forged)
    assert status in {302, 401, 403}, body


def test_ngx_04_what_ends_access_closes_the_app_at_the_next_request(site: ProtectedSite, world: World) -> None:
    """Nothing is cached between the proxy and Watchword: the next request after a sign-out everywhere is refused."""
    alice = signed_in(site, world)
    assert alice.arrive("/page")[0] == 200
    actions.sign_out_everywhere(world.alice, by=None, now=timezone.now())
    assert alice.get("/page")[0] == 302


def test_ngx_03_without_watchword_the_proxy_lets_nobody_in(site: ProtectedSite, world: World) -> None:
    """When Watchword does not answer, the proxy answers with an error, also to somebody who was in."""
    alice = signed_in(site, world)
    assert alice.arrive("/page")[0] == 200
    site.kill("web1")
    status, _location, body = alice.get("/page")
    assert status >= 500
    assert "X-Watchword" not in body


def test_every_sample_is_started_here_or_says_that_it_was_not_tried() -> None:
    untried = {path.name for path in SAMPLES.iterdir() if "Not tried" in path.read_text()}
    elsewhere = {"nginx-caldav.conf", "nginx-mail.conf"}
    assert {path.name for path in SAMPLES.iterdir()} == set(PROXIES) | untried | elsewhere
