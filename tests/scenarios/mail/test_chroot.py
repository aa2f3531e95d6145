"""Postfix in a chroot, as Debian starts it: the sockets lie in it, at the paths that the printed files name."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone

from tests.scenarios.mail.servers import VERSIONS, Servers
from tests.scenarios.mail.site import Site, started
from tests.world import World
from watchword.signin import actions

pytestmark = [pytest.mark.scenario, pytest.mark.django_db(transaction=True)]

ALICE, BOB = "alice@harbour.example", "bob@harbour.example"


class ChrootedSite(Site):
    """A site whose Postfix sees nothing outside its queue directory."""

    def __init__(self, folder: Path, database_url: str, programs: Servers) -> None:
        super().__init__(folder, database_url, programs)
        self.sockets = folder / "postfix/spool/watchword"
        self.environment["WATCHWORD_MAIL_SOCKET_DIRECTORY"] = str(self.sockets)

    def write_configuration(self) -> None:
        super().write_configuration()
        main, services = self.folder / "postfix/etc/main.cf", self.folder / "postfix/etc/master.cf"
        # The change that a comment in the printed file prescribes.
        text = main.read_text()
        for printed, within in (
            (f"smtpd_sasl_path = {self.sockets}/auth", "smtpd_sasl_path = watchword/auth"),
            (f"unix:{self.sockets}/socketmap", "unix:/watchword/socketmap"),
            (f"unix:{self.sockets}/policy", "unix:watchword/policy"),
        ):
            assert printed in text
            text = text.replace(printed, within)
        main.write_text(text)
        said = services.read_text()
        for unchanged in ("inet n - n - - smtpd", "cleanup unix n - n", "rewrite unix - - n"):
            assert unchanged in said
            said = said.replace(unchanged, unchanged.replace(" - n", " - y"))
        services.write_text(said)


@pytest.fixture(params=VERSIONS, ids="dovecot {}".format)
def chrooted(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[ChrootedSite]:
    """Yield a site that is started for this file alone."""
    with started(ChrootedSite, request.param) as site:
        yield site


def test_everything_is_asked_from_within_a_chroot(chrooted: ChrootedSite, world: World) -> None:
    with smtplib.SMTP("127.0.0.1", chrooted.smtp, timeout=60) as program:
        program.login(ALICE, world.alices_app_password)
        program.sendmail(ALICE, [BOB], "Subject: from within\r\n\r\nHello\r\n")
        with pytest.raises(smtplib.SMTPRecipientsRefused, match="not owned by user"):
            program.sendmail("root@harbour.example", [BOB], "Subject: pay this\r\n\r\nnow\r\n")
        actions.sign_out_everywhere(world.alice, by=world.root, now=timezone.now())
        with pytest.raises(smtplib.SMTPDataError, match="sign in again"):
            program.sendmail(ALICE, [BOB], "Subject: no more\r\n\r\nHello\r\n")
