"""The page on the mail door, typed on a stock Debian 12 and 13 up to `SELECT INBOX`; and what `--check` says."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.mail.site import Site
from tests.scenarios.mail.stock import HERE, REPOSITORY, WEBMAIL, Stock, why_no_stock
from tests.world import World
from watchword.audit.models import Event

pytestmark = [pytest.mark.scenario, pytest.mark.django_db(transaction=True)]

ALICE, CAROL = "alice@harbour.example", "carol@harbour.example"
DELAY_SECONDS = 3
HEADING = "## Dovecot on a stock Debian 12 or 13\n"
ONLY_13 = "# Debian 13 only"
CHECK = "watchword mail-config dovecot --check"

READ_MAIL = f"""\
python3 - <<'END'
import imaplib, ssl, sys
program = imaplib.IMAP4_SSL("127.0.0.1", 993, ssl_context=ssl._create_unverified_context(), timeout=60)
program.login("{ALICE}", "%s")
print(program.select("INBOX"))
program.logout()
END
"""


@pytest.fixture
def stock(site: Site) -> Iterator[Stock]:
    """Yield a stock Debian with the site's version of Dovecot, whose Watchword is the site's."""
    if reason := why_no_stock(site.programs):
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="watchword-stock-"))
    folder.chmod(0o755)
    try:
        yield Stock(site.programs, folder, site.environment, [site.folder])
    finally:
        shutil.rmtree(folder)


def commands(version: str) -> list[str]:
    """Return the page's commands for a version; packages are looked for, and Dovecot starts without systemd."""
    page = (REPOSITORY / "docs/doors/mail.md").read_text()
    assert HEADING in page
    section = page.partition(HEADING)[2].partition("\n#")[0]
    lines = [line.strip() for line in section.splitlines() if line.startswith("    ")]
    assert CHECK in lines
    typed = []
    for line in lines:
        command = line.partition("  #")[0]
        if ONLY_13 in line and version != "2.4":
            continue
        words = command.split()
        if words[:2] == ["apt", "install"]:
            typed += [f"dpkg -s {package} >/dev/null" for package in words[2:]]
        else:
            typed.append("dovecot" if words == ["systemctl", "restart", "dovecot"] else command.strip())
    return typed


def test_the_page_leads_from_a_stock_debian_to_an_inbox(site: Site, world: World, stock: Stock) -> None:
    typed = "\n".join(commands(site.programs.dovecot))
    done = stock.run(f"{typed}\n{READ_MAIL % world.alices_app_password}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a wrong password was refused" in done.stdout
    assert done.stdout.endswith("('OK', [b'0'])\n")


ASK_AS_WEBMAIL = f"""\
python3 - <<'END'
import socket, ssl, time
context = ssl._create_unverified_context()

def sign_in(name, secret, person):
    began = time.monotonic()
    with socket.create_connection(("{HERE}", 993), timeout=60, source_address=("{WEBMAIL}", 0)) as plain:
        with context.wrap_socket(plain) as connection, connection.makefile("rwb") as lines:
            lines.readline()
            lines.write(f'a ID ("x-originating-ip" "{{person}}")\\r\\nb LOGIN {{name}} "{{secret}}"\\r\\n'.encode())
            lines.flush()
            while not (line := lines.readline()).startswith(b"b "):
                assert line, "closed"
    return line.split()[1].decode(), time.monotonic() - began

for number in range(2):
    assert sign_in("{ALICE}", f"wrong {{number}}", "203.0.113.5")[0] == "NO"
print(*sign_in("{CAROL}", "%s", "203.0.113.6"))
END
"""


def carol_by_webmail(site: Site, world: World, stock: Stock, *options: str) -> tuple[str, float, str]:
    """Let Carol sign in by a webmail server after Alice's errors there; return result, seconds and logged address."""
    typed = "\n".join(line for line in commands(site.programs.dovecot) if line != CHECK)
    typed = typed.replace("--write", " ".join(("--write", *options)))
    done = stock.run(f"{typed}\n{ASK_AS_WEBMAIL % world.passwords['carol']}")
    assert done.returncode == 0, done.stdout + done.stderr
    result, seconds = done.stdout.splitlines()[-1].split()
    return result, float(seconds), Event.objects.filter(kind="sign_in.allowed").latest("id").address


def test_errors_of_one_person_at_a_webmail_server_that_is_named_delay_no_other(
    site: Site, world: World, stock: Stock
) -> None:
    result, seconds, address = carol_by_webmail(site, world, stock, "--webmail", WEBMAIL)
    assert (result, address) == ("OK", "203.0.113.6")
    assert seconds < DELAY_SECONDS


# Each delay costs seconds, so one version of Dovecot is enough to show what the line is for.
@pytest.mark.parametrize("running_site", ["2.3"], indirect=True)
def test_a_webmail_server_that_is_not_named_names_no_address_and_all_its_people_wait(
    site: Site, world: World, stock: Stock
) -> None:
    result, seconds, address = carol_by_webmail(site, world, stock)
    assert (result, address) == ("OK", WEBMAIL)
    assert seconds > DELAY_SECONDS


def test_the_check_says_in_words_what_is_wrong_and_what_to_do(site: Site, world: World, stock: Stock) -> None:
    version = site.programs.dovecot
    other = "2.3" if version == "2.4" else "2.4"

    def heard(script: str, *, typed: str = "") -> str:
        done = stock.run(script, typed=typed)
        assert done.returncode != 0
        return done.stderr

    assert "/etc/dovecot/watchword.conf.ext is missing: write it by" in heard(CHECK)
    stock.run(f"watchword mail-config dovecot --version {other} --write")
    assert f"is not for the Dovecot {version} that is installed" in heard(CHECK)
    steps = [line for line in commands(version) if line not in (CHECK, "dovecot")]
    written = heard(f"watchword mail-config dovecot --write >/dev/null; {CHECK}")
    assert "add  !include watchword.conf.ext" in written
    assert "Dovecot asks pam for passwords too" in written
    assert "mail_uid is not set" in written
    assert stock.run("\n".join(steps)).returncode == 0
    assert "Dovecot is not running: systemctl start dovecot" in heard(CHECK)

    # Dovecot answers a refused sign-in after seconds, and each check plays one. 2.3 takes 5 s all the same.
    assert stock.run("echo 'auth_failure_delay = 0' >> /etc/dovecot/dovecot.conf").returncode == 0
    asked = f"dovecot; {CHECK} --as {ALICE}"
    allowed = stock.run(asked, typed=f"{world.alices_app_password}\n")
    assert allowed.stdout.endswith(f"{ALICE} is let in.\n"), allowed.stderr
    assert "this is the account password" in heard(asked, typed=f"{world.passwords['alice']}\n")

    confined = "printf 'service auth-worker {\\n  user = nobody\\n}\\n' >> /etc/dovecot/dovecot.conf"
    assert f"run as nobody, who may not use {site.sockets}" in heard(
        f"cd /etc/dovecot; cp dovecot.conf kept; {confined}; {CHECK} || {{ mv kept dovecot.conf; false; }}"
    )
    site.close_door()
    assert f"the mail door is not running (nobody listens at {site.sockets}" in heard(f"dovecot; {CHECK}")
    if version == "2.4":
        assert "dovecot.conf has to begin with the line" in heard(
            f"sed -i.kept '/^dovecot_config_version/d' /etc/dovecot/dovecot.conf; {CHECK}"
        )
        assert "apt install lua-socket" in heard(f"rm /usr/share/lua/5.*/mime.lua; {CHECK}")
