"""Apps: introspection, forward-auth, code exchange and refresh through a real web process, beside npm oidc-provider.

Each figure is CPU of the server for one request, measured while one client asks over one connection; the peer, where node
and its package are there, answers the same questions from memory in the same run.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from benchmarks import people

SECONDS = 3.0
MANY = 100_000
FEW = 10
TICKS = os.sysconf("SC_CLK_TCK")
PEER = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "watchword-tests/oidc-provider"
PEER_PROGRAM = """
import { Provider } from 'oidc-provider';
const port = +process.env.PORT;
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: 'c', client_secret: 's', redirect_uris: ['https://rp.example/cb'], response_types: ['code'],
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'] }],
  features: { devInteractions: { enabled: false }, introspection: { enabled: true }, clientCredentials: { enabled: true } },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: id }) }),
  issueRefreshToken: () => true, rotateRefreshToken: true, pkce: { required: () => false },
  cookies: { keys: ['k'] },
});
console.error = () => {};
const { AuthorizationCode, Grant, Session } = provider;
import { createServer } from 'node:http';
const answer = provider.callback();
createServer(async (request, response) => {
  if (request.url !== '/a-code') return answer(request, response);
  const grant = new Grant({ accountId: 'alice', clientId: 'c' });
  grant.addOIDCScope('openid email offline_access');
  const grantId = await grant.save();
  const client = await provider.Client.find('c');
  const code = new AuthorizationCode({ accountId: 'alice', client, grantId, scope: 'openid email offline_access',
    redirectUri: 'https://rp.example/cb', expiresWithSession: false });
  response.end(await code.save());
}).listen(port, '127.0.0.1');
"""


def cpu_of(pid: int) -> float:
    """Return the CPU seconds that a process and its children have used."""
    spent, waiting = 0.0, [pid]
    while waiting:
        one = waiting.pop()
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
            spent += int(fields[11]) + int(fields[12])
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
    return spent / TICKS


class Asked:
    """One kept connection to a server."""

    def __init__(self, port: int, pid: int) -> None:
        self.pid = pid
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None) -> Any:
        """Return status and body of one request."""
        self._connection.request(method, path, body, headers or {})
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def measure(self, one: Callable[[], None]) -> dict[str, float]:
        """Return requests a second and milliseconds of the server's CPU for one, over some seconds."""
        for _ in range(20):
            one()
        number, spent, began = 0, cpu_of(self.pid), time.perf_counter()
        while time.perf_counter() - began < SECONDS:
            one()
            number += 1
        seconds = time.perf_counter() - began
        return {"rate": number / seconds, "cpu_ms": (cpu_of(self.pid) - spent) * 1000 / number}


@contextlib.contextmanager
def served(words: list[str], port: int, **variables: str) -> Iterator[Asked]:
    """Run a server until the measurement is over."""
    process = subprocess.Popen(  # noqa: S603  (our own program and words)
        words, env={**os.environ, **variables}, cwd=variables.get("FOLDER"), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield Asked(port, process.pid)
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def basic(name: str, secret: str) -> dict[str, str]:
    """Return the headers of a form with HTTP Basic."""
    pair = base64.b64encode(f"{name}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {pair}", "Content-Type": "application/x-www-form-urlencoded"}


def measure(home: Path) -> dict[str, Any]:
    """Return the figures at few and at many live sign-ins in apps, and those of the peer."""
    results: dict[str, Any] = {}
    for number in (FEW, MANY):
        data = _fill(number)
        port = free_port()
        words = [sys.executable, "-m", "watchword.cli.main", "serve", "web", "--listen", f"127.0.0.1:{port}"]
        # The demo's origin is where its forms come from; nothing else of it matters here.
        with served(words, port, WATCHWORD_HOME=str(home), WATCHWORD_DEMO="yes", WATCHWORD_LOG_LEVEL="ERROR") as asked:
            results[f"at {number}"] = _watchword(asked, data)
    results["oidc-provider"] = _peer()
    return results


def _fill(number: int) -> dict[str, str]:
    """Make one app and this many live sign-ins in it, each with an access token; return what the client knows."""
    from django.utils import timezone

    from watchword.applications import clients, protected_hosts
    from watchword.applications.clients import ClientSettings
    from watchword.applications.issuer import tenant_of
    from watchword.applications.models import Client, HostCookie, Token, TokenKind
    from watchword.audit.record import Origin
    from watchword.core.assurance import Evidence
    from watchword.core.policy import Channel, FactorKind
    from watchword.directory import applications
    from watchword.directory.applications import AppSettings
    from watchword.directory.models import App, Organisation, User
    from watchword.signin import sessions
    from watchword.signin.facts import write_evidence
    from watchword.signin.models import AppSignIn
    from watchword.signin.tokens import new_token, token_hash

    now = timezone.now()
    people.make(10, 1, now)
    App.objects.all().delete()
    organisation = Organisation.objects.get()
    alice = User.objects.order_by("pk")[0]
    app = applications.add_app(organisation, AppSettings("Bench"), by=None, now=now)
    settings = ClientSettings(
        redirect_uris=["https://rp.example/cb"], scopes=["openid", "email", "offline_access"], introspects=True,
        pkce_exempt=True,
    )  # fmt: skip
    client = clients.add_client(app, settings, by=None)
    secret = clients.add_secret(client, by=None, now=now)
    host = protected_hosts.protect(app, "wiki.example", rules="public /static/", by=None, now=now)
    proof = (Evidence(FactorKind.PASSWORD, now), Evidence(FactorKind.PHONE, now, Channel.SMS))
    session = sessions.open_session(alice, proof, origin=Origin(), now=now).session
    sign_ins = [
        AppSignIn(
            user=alice, app=app, session=session, is_offline=True, evidence=write_evidence(proof), created_at=now,
            last_used_at=now, expires_at=now + timedelta(days=1),
        )
        for _ in range(number)
    ]  # fmt: skip
    AppSignIn.objects.bulk_create(sign_ins, batch_size=2_000)
    shared: dict[str, Any] = {"client": client, "scope": "openid email offline_access", "created_at": now}
    shared["expires_at"] = now + timedelta(hours=1)
    tokens = [new_token() for _ in sign_ins]
    Token.objects.bulk_create(
        [
            Token(token_hash=token_hash(token), kind=TokenKind.ACCESS, sign_in=row, **shared)
            for token, row in zip(tokens, sign_ins, strict=True)
        ],
        batch_size=2_000,
    )
    cookie = new_token()
    HostCookie.objects.create(
        token_hash=token_hash(cookie), host=host, sign_in=sign_ins[0], expires_at=now + timedelta(hours=1)
    )
    assert Client.objects.count() == 1
    return {
        "path": f"/{tenant_of(organisation)}/v2.0",
        "client": client.client_id,
        "secret": secret,
        "token": tokens[number // 2],
        "cookie": cookie,
    }


def _watchword(asked: Asked, data: dict[str, str]) -> dict[str, Any]:
    head = basic(data["client"], data["secret"]) | {"Host": "127.0.0.1:8000"}
    head |= {"X-Forwarded-For": "192.0.2.1"}
    path = data["path"]

    def introspect(token: str, expected: bytes) -> Callable[[], None]:
        def one() -> None:
            status, body = asked.ask("POST", f"{path}/introspect", urlencode({"token": token}), head)
            assert status == 200, (status, body)
            assert expected in body, body

        return one

    def check(cookie: str, target: str, expected: int) -> Callable[[], None]:
        own = {"X-Original-URL": f"https://wiki.example{target}", "X-Original-Method": "GET", "Host": "127.0.0.1:8000"}
        if cookie:
            own["Cookie"] = f"watchword-app={cookie}"

        def one() -> None:
            status, _body = asked.ask("GET", "/forward-auth/nginx/check", None, own)
            assert status == expected, status

        return one

    def exchange() -> None:
        form = {"grant_type": "authorization_code", "code": _code(data), "redirect_uri": "https://rp.example/cb"}
        status, body = asked.ask("POST", f"{path}/token", urlencode(form), head)
        assert status == 200, body
        form = {"grant_type": "refresh_token", "refresh_token": json.loads(body)["refresh_token"]}
        status, body = asked.ask("POST", f"{path}/token", urlencode(form), head)
        assert status == 200, body

    results = {
        "introspection of a valid token": asked.measure(introspect(data["token"], b'"active": true')),
        "introspection of an unknown token": asked.measure(introspect("x" * 43, b'"active": false')),
        "forward-auth, signed in": asked.measure(check(data["cookie"], "/page", 200)),
        "forward-auth, not signed in": asked.measure(check("", "/page", 401)),
        "forward-auth, public path": asked.measure(check("", "/static/a.css", 200)),
        "code exchange and refresh": asked.measure(exchange),
    }
    for name, row in results.items():
        print(f"{name:<36} {row['rate']:>7.0f} a second {row['cpu_ms']:>6.2f} ms of CPU")
    return results


def _code(data: dict[str, str]) -> str:
    """Make a code as the authorization endpoint would, in this process."""
    from django.utils import timezone

    from watchword.applications.models import AuthorizationCode, Client
    from watchword.signin.models import AppSignIn
    from watchword.signin.tokens import new_token, token_hash

    now, code = timezone.now(), new_token()
    AuthorizationCode.objects.create(
        code_hash=token_hash(code),
        sign_in=AppSignIn.objects.order_by("pk")[0],
        client=Client.objects.get(pk=UUID(data["client"])),
        redirect_uri="https://rp.example/cb",
        scope="openid email offline_access",
        created_at=now,
        expires_at=now + timedelta(minutes=1),
    )
    return code


def _peer() -> dict[str, Any] | None:
    if shutil.which("npm") is None:
        print("oidc-provider was left out: there is no npm")
        return None
    if not (PEER / "node_modules/oidc-provider").is_dir():
        PEER.mkdir(parents=True, exist_ok=True)
        npm = str(shutil.which("npm"))
        subprocess.run([npm, "install", "--silent", "oidc-provider@9"], cwd=PEER, check=True, timeout=300)  # noqa: S603  (our own words)
    (PEER / "serve.mjs").write_text(PEER_PROGRAM)
    port = free_port()
    with served(["node", "serve.mjs"], port, PORT=str(port), FOLDER=str(PEER), NODE_ENV="production") as asked:
        head = basic("c", "s")
        form = {"grant_type": "authorization_code", "redirect_uri": "https://rp.example/cb"}

        def tokens() -> Any:
            _status, code = asked.ask("GET", "/a-code")
            status, body = asked.ask("POST", "/token", urlencode({**form, "code": code.decode()}), head)
            assert status == 200, body
            return json.loads(body)

        def exchange() -> None:
            refresh = {"grant_type": "refresh_token", "refresh_token": tokens()["refresh_token"]}
            status, body = asked.ask("POST", "/token", urlencode(refresh), head)
            assert status == 200, body

        token = tokens()["access_token"]

        def introspect() -> None:
            status, body = asked.ask("POST", "/token/introspection", urlencode({"token": token}), head)
            assert status == 200, body
            assert b'"active":true' in body, body

        results = {
            "introspection of a valid token": asked.measure(introspect),
            "code exchange and refresh": asked.measure(exchange),
        }
    for name, row in results.items():
        print(f"oidc-provider, {name:<36} {row['rate']:>7.0f} a second {row['cpu_ms']:>6.2f} ms of CPU")
    return results


def main(home: Path, *, write: bool) -> None:
    """Measure, and write docs/performance/apps.md unless ``write`` is False."""
    results = measure(home)
    if write:
        Path(__file__).parents[1].joinpath("docs/performance/apps.md").write_text(page(results))


def page(results: dict[str, Any]) -> str:
    """Return the page with the figures."""
    few, many, peer = results[f"at {FEW}"], results[f"at {MANY}"], results["oidc-provider"]
    lines = [
        "# Apps: tokens and forward-auth",
        "",
        "Written by `make bench`: milliseconds of CPU of the web process for one request, over one kept connection, on a",
        f"SQLite file. The second column has {MANY:,} live sign-ins in apps. The last is npm `oidc-provider` 9, which keeps",
        "everything in memory, measured in the same run on the same machine.",
        "",
        f"| question | at {FEW} | at {MANY:,} | oidc-provider |",
        "|---|---:|---:|---:|",
    ]
    for name, row in few.items():
        other = f"{peer[name]['cpu_ms']:.2f}" if peer and name in peer else ""
        lines.append(f"| {name} | {row['cpu_ms']:.2f} | {many[name]['cpu_ms']:.2f} | {other} |")
    return "\n".join([*lines, ""])
