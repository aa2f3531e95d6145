"""Apache with Debian's mod_auth_openidc in front of a page: its own requests, its own checks, its own session."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from tests.doors.oidc.relying_party import RelyingParty, make_party
from tests.ports import free_ports
from tests.scenarios.apps.conftest import Provider
from tests.scenarios.mail.site import Program, listens_at
from tests.world import World
from watchword.signin import actions

MODULES = Path("/usr/lib/apache2/modules")

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        shutil.which("apache2") is None or not (MODULES / "mod_auth_openidc.so").exists(),
        reason="needs apache2 and libapache2-mod-auth-openidc",
    ),
]

NAMES = ("mpm_event", "authn_core", "authz_core", "authz_user", "auth_openidc")
CONFIGURATION = """
ServerName 127.0.0.1
ServerRoot {folder}
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
User nobody
Group nogroup
Listen 127.0.0.1:{port}
ErrorLog {folder}/apache.log
{modules}
DocumentRoot {folder}/site
OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID {client_id}
OIDCClientSecret {secret}
OIDCRedirectURI http://127.0.0.1:{port}/callback
OIDCCryptoPassphrase "of the test alone"
OIDCScope "openid profile email"
OIDCPKCEMethod S256
OIDCRemoteUserClaim email
OIDCSessionMaxDuration 600
<Directory {folder}/site>
    AuthType openid-connect
    Require claim email:alice@harbour.example
</Directory>
<Location /callback>
    AuthType openid-connect
    Require valid-user
</Location>
"""


class Guarded:
    """Apache in front of one page."""

    def __init__(self, folder: Path, party: RelyingParty, port: int) -> None:
        self.port = port
        (folder / "site").mkdir()
        (folder / "site" / "page.txt").write_text("the page")
        configuration = folder / "apache.conf"
        modules = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in NAMES)
        configuration.write_text(
            CONFIGURATION.format(
                folder=folder,
                port=port,
                modules=modules,
                issuer=party.issuer,
                client_id=party.client.client_id,
                secret=party.secret,
            )
        )
        words = [str(shutil.which("apache2")), "-D", "FOREGROUND", "-f", str(configuration)]
        self.program = Program(words, folder / "apache.out")


class Visitor:
    """A browser with one cookie jar for both servers, which differ by port alone, as real ones share them."""

    def __init__(self, cookie: str = "") -> None:
        self.jar = dict([cookie.split("=", 1)]) if cookie else {}

    def get(self, address: str) -> tuple[int, str, str]:
        """Return status, Location and body."""
        parts = urlsplit(address)
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        headers = {"Accept": "text/html", "Cookie": "; ".join(f"{name}={value}" for name, value in self.jar.items())}
        try:
            connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
            answer = connection.getresponse()
            for line in answer.headers.get_all("Set-Cookie") or []:
                self.jar |= {name: morsel.value for name, morsel in SimpleCookie(line).items()}
            return answer.status, answer.headers.get("Location", ""), answer.read().decode("utf-8", "replace")
        finally:
            connection.close()

    def arrive(self, address: str) -> tuple[int, str, str]:
        """Follow every redirect; return the last address, status and body."""
        for _ in range(8):
            status, location, body = self.get(address)
            if not location:
                return status, address, body
            address = location if "://" in location else f"http://{urlsplit(address).netloc}{location}"
        raise AssertionError(f"redirects without an end: {address}")


@pytest.fixture
def guarded(provider: Provider, world: World) -> Iterator[Guarded]:
    (port,) = free_ports(1)
    party = make_party(world, "Old intranet", redirect_uris=[f"http://127.0.0.1:{port}/callback"])
    # Apache's children are nobody, and pytest's own folders belong to this user alone.
    with tempfile.TemporaryDirectory(prefix="watchword-apache-") as name:
        Path(name).chmod(0o755)
        running = Guarded(Path(name), party, port)
        running.program.start(lambda: listens_at(port))
        try:
            yield running
        finally:
            running.program.stop()


def test_apache_signs_a_person_in_and_lets_no_stranger_through(
    guarded: Guarded, world: World, alices_cookie: str
) -> None:
    page = f"http://127.0.0.1:{guarded.port}/page.txt"
    status, address, _body = Visitor().arrive(page)
    assert (status, "/sign-in/" in address) == (200, True), "a stranger is asked to sign in here"
    alice = Visitor(alices_cookie)
    status, address, body = alice.arrive(page)
    assert (status, body) == (200, "the page"), address
    assert urlsplit(address).port == guarded.port
    actions.block(world.alice, by=None, now=timezone.now())
    blocked = Visitor(alices_cookie)
    status, _address, body = blocked.arrive(page)
    assert "the page" not in body
    forged = f"http://127.0.0.1:{guarded.port}/callback?code=x&state=y&iss=z"
    assert "the page" not in Visitor().arrive(forged)[2]
