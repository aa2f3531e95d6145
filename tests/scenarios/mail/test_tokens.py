"""Mail programs that sign in by OAuth: real Dovecot takes the provider's tokens by XOAUTH2 and OAUTHBEARER."""

from __future__ import annotations

import contextlib
import imaplib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.test import Client as Browser
from django.utils import timezone

from tests.doors.oidc.relying_party import RelyingParty, make_party
from tests.ports import free_ports
from tests.scenarios.mail.servers import VERSIONS, Servers
from tests.scenarios.mail.site import Program, Site, listens_at, started
from tests.world import World, sign_in
from watchword.signin import actions, sessions
from watchword.signin.models import Session

pytestmark = [pytest.mark.scenario, pytest.mark.django_db(transaction=True)]

ALICE, BOB = "alice@harbour.example", "bob@harbour.example"
PROMISE_SECONDS = 1.0


class TokenSite(Site):
    """A site whose Dovecot asks the web door about tokens, by the files that the command wrote."""

    def __init__(self, folder: Path, database_url: str, programs: Servers) -> None:
        super().__init__(folder, database_url, programs)
        [self.web_port] = free_ports(1)
        self.environment["WATCHWORD_PUBLIC_URL"] = f"http://127.0.0.1:{self.web_port}"
        self.environment["WATCHWORD_DEMO"] = "yes"
        self.environment.pop("WATCHWORD_TRUSTED_PROXIES")
        words = self._watchword("serve", "web", "--listen", f"127.0.0.1:{self.web_port}")
        self.web = Program(words, folder / "web.log", environment=self.environment)

    def take_tokens(self, server: RelyingParty) -> None:
        """Write Dovecot's files anew, those for tokens among them, and start both servers."""
        words = ["mail-config", "dovecot", "--version", self.programs.dovecot, "--folder", str(self.folder / "dovecot")]
        words += ["--oauth2", server.client.client_id, "--write"]
        told = subprocess.run(
            self._watchword(*words),
            env=self.environment,
            input=f"{server.secret}\n",
            text=True,
            check=True,
            capture_output=True,
        )
        assert server.secret not in told.stdout + told.stderr
        main = self.folder / "dovecot/dovecot.conf"
        main.write_text(main.read_text() + f"!include {self.folder}/dovecot/watchword-oauth2.conf.ext\n")
        self.dovecot.stop()
        self._started.remove(self.dovecot)
        self._start(self.dovecot, lambda: listens_at(self.imap))
        self._start(self.web, lambda: listens_at(self.web_port))


@dataclass(frozen=True)
class Mail:
    """The site, and an app whose tokens are for mail."""

    site: TokenSite
    program: RelyingParty

    def tokens(self, world: World, scope: str = "openid mail offline_access") -> dict[str, str]:
        browser = Browser()
        sign_in(browser, world.alice)
        return self.program.tokens(browser, scope=scope)


@pytest.fixture(params=VERSIONS, ids="dovecot {}".format)
def mail(request: pytest.FixtureRequest, world: World) -> Iterator[Mail]:
    """Yield a site that takes tokens, and an app that gets them."""
    with started(TokenSite, request.param) as site:
        server = make_party(world, "Dovecot", redirect_uris=[], introspects=True, introspection_scope="mail")
        webmail = make_party(world, "Webmail", scopes=["openid", "email", "mail", "offline_access"])
        site.take_tokens(server)
        yield Mail(site, webmail)


def xoauth2(name: str, token: str) -> bytes:
    """Return the initial response of XOAUTH2."""
    return f"user={name}\x01auth=Bearer {token}\x01\x01".encode()


def oauthbearer(name: str, token: str) -> bytes:
    """Return the initial response of OAUTHBEARER (RFC 7628 section 3.1)."""
    return f"n,a={name},\x01host=127.0.0.1\x01port=143\x01auth=Bearer {token}\x01\x01".encode()


MECHANISMS: dict[str, Callable[[str, str], bytes]] = {"XOAUTH2": xoauth2, "OAUTHBEARER": oauthbearer}


def opens(site: Site, mechanism: str, name: str, token: str) -> bool:
    """Sign in by IMAP with a token, and return whether the inbox opens."""
    program = imaplib.IMAP4("127.0.0.1", site.imap, timeout=30)
    # After a refusal the server sends its reasons and waits for an answer (RFC 7628 section 3.2.3).
    answers = iter([MECHANISMS[mechanism](name, token), b"\x01", b"\x01"])
    try:
        program.authenticate(mechanism, lambda _challenge: next(answers))
        return program.select()[0] == "OK"
    except imaplib.IMAP4.error:
        return False
    finally:
        with contextlib.suppress(imaplib.IMAP4.error, OSError):
            program.logout()


def test_a_token_for_mail_opens_its_persons_inbox_alone_and_until_access_ends(mail: Mail, world: World) -> None:
    # One test, because each of them starts four servers.
    _opens_its_persons_inbox_alone(mail, world)
    _ends_with_access(mail, world)


def _opens_its_persons_inbox_alone(mail: Mail, world: World) -> None:
    token = mail.tokens(world)["access_token"]
    other = mail.tokens(world, "openid email")["access_token"]
    for mechanism in MECHANISMS:
        assert opens(mail.site, mechanism, ALICE, token), mail.site.logs[-6000:]
        assert not opens(mail.site, mechanism, BOB, token), "a token opens nobody else's mail"
        assert not opens(mail.site, mechanism, ALICE, other), "a token without the scope opens no mail"
        assert not opens(mail.site, mechanism, ALICE, token[:-1] + "_"), "a forged token opens nothing"
        assert not opens(mail.site, mechanism, ALICE, world.alices_app_password), "a password is no token"
    program = imaplib.IMAP4("127.0.0.1", mail.site.imap, timeout=30)
    program.login(ALICE, world.alices_app_password)
    program.logout()
    with pytest.raises(imaplib.IMAP4.error), imaplib.IMAP4("127.0.0.1", mail.site.imap, timeout=30) as refused:
        refused.login(ALICE, token)


def _ends_with_access(mail: Mail, world: World) -> None:
    patience = PROMISE_SECONDS if os.getloadavg()[0] <= (os.cpu_count() or 1) else 10.0

    def sign_out() -> None:
        for session in Session.objects.filter(user=world.alice):
            sessions.end(world.alice, session.pk, by=world.alice, because="signed_out", now=timezone.now())

    ends: list[tuple[str, Callable[[], object]]] = [
        ("openid mail", sign_out),
        ("openid mail offline_access", lambda: actions.sign_out_everywhere(world.alice, by=None, now=timezone.now())),
        ("openid mail offline_access", lambda: actions.block(world.alice, by=None, now=timezone.now())),
    ]
    for scope, end in ends:
        tokens = mail.tokens(world, scope)
        assert opens(mail.site, "XOAUTH2", ALICE, tokens["access_token"]), mail.site.logs[-6000:]
        end()
        ended = time.monotonic()
        for mechanism in MECHANISMS:
            assert not opens(mail.site, mechanism, ALICE, tokens["access_token"])
        assert time.monotonic() - ended < patience
        assert mail.program.refresh(tokens["refresh_token"]).status_code == 400
