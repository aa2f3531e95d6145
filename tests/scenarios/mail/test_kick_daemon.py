"""Dovecot's own `doveadm kick`, as root with CAP_KILL alone, run by the daemon for a mail door that may not run it."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Iterator

import pytest
from django.utils import timezone

from tests.scenarios.mail.programs import REFUSED, imap, imap_session
from tests.scenarios.mail.site import Site, wait_until
from tests.scenarios.served.listeners import start_at
from tests.world import World
from watchword.signin import actions

pytestmark = [pytest.mark.scenario, pytest.mark.django_db(transaction=True)]

ALICE, CAROL = "alice@harbour.example", "carol@harbour.example"
CONFINED = ["setpriv", "--no-new-privs", "--bounding-set=-all,+kill", "--inh-caps=-all,+kill", "--ambient-caps=-all"]


@pytest.fixture
def kicking(site: Site) -> Iterator[Site]:
    """Yield the site, whose mail door asks a confined daemon that runs as root."""
    path = site.folder / "kick.sock"
    before = dict(site.environment)
    with socket.socket(socket.AF_UNIX) as listener, (site.folder / "kick.log").open("wb") as log:
        listener.bind(str(path))
        listener.listen()
        doveadm = site.folder / "confined-doveadm"
        command = site.command(*CONFINED, "/usr/bin/doveadm")
        doveadm.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        doveadm.chmod(0o700)
        words = ["serve", "kick", "--allow", "0", "--doveadm", str(doveadm)]
        words += ["--config", f"{site.folder}/dovecot/dovecot.conf"]
        daemon = start_at([("kick", listener)], words, {"PATH": site.environment["PATH"]}, log)
        site.close_door()
        site.environment |= {"WATCHWORD_MAIL_KICK": "none", "WATCHWORD_MAIL_KICK_SOCKET": str(path)}
        try:
            site.open_door()
            yield site
        finally:
            site.close_door()
            site.environment.clear()
            site.environment |= before
            daemon.terminate()
            assert daemon.wait(30) == 0
            path.unlink()


def test_a_confined_daemon_closes_the_connections_of_one_person_alone(kicking: Site, world: World) -> None:
    with (
        imap_session(kicking, ALICE, world.alices_app_password) as alice,
        imap_session(kicking, CAROL, world.passwords["carol"]) as carol,
    ):
        actions.block(world.alice, by=world.root, now=timezone.now())
        alice.socket().settimeout(30)
        while alice.readline():
            pass
        assert carol.noop()[0] == "OK"
        assert imap(kicking, ALICE, world.alices_app_password) == REFUSED
    log = kicking.folder / "kick.log"
    wait_until(lambda: f"mailbox={ALICE}" in log.read_text())
    assert "kick.command.failed" not in log.read_text()
