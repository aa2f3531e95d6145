"""The output and files of `watchword mail-config`, and the errors of `watchword serve mail` where it can't start."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from tests.environment import KEYS
from tests.scenarios.mail.site import database_url
from watchword.doors.mail.encryption import sealing_key
from watchword.doors.mail.server_config import DovecotVersion, for_dovecot, for_exim, for_postfix


def said(*words: str, **options: object) -> str:
    heard = io.StringIO()
    call_command("mail_config", *words, stdout=heard, **options)
    return heard.getvalue()


@pytest.mark.parametrize("version", DovecotVersion)
def test_what_is_written_is_what_is_printed(tmp_path: Path, version: DovecotVersion) -> None:
    words = ("dovecot", "--version", version, "--folder", str(tmp_path))
    printed = said(*words)
    said(*words, "--write")
    files = sorted(tmp_path.iterdir())
    assert len(files) == 2
    for file in files:
        assert f"# ==== {file} ====\n{file.read_text()}" in printed


def test_the_file_that_holds_a_key_is_its_owners_alone_and_no_other_holds_it(tmp_path: Path) -> None:
    key = sealing_key(settings.WATCHWORD_KEY_RING)[1].hex()
    said("dovecot", "--folder", str(tmp_path), "--write")
    modes = {file.name: (stat.S_IMODE(file.stat().st_mode), key in file.read_text()) for file in tmp_path.iterdir()}
    assert modes == {"watchword.conf.ext": (0o644, False), "watchword-dict.conf.ext": (0o600, True)}


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "watchword.conf.ext").write_text("mine")
    with pytest.raises(CommandError, match="nothing is overwritten"):
        said("dovecot", "--folder", str(tmp_path), "--write")
    assert (tmp_path / "watchword.conf.ext").read_text() == "mine"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"can't be written: No such file"):
        said("dovecot", "--folder", str(tmp_path / "nowhere"), "--write")


@pytest.mark.parametrize("words", [("sendmail",), ("dovecot", "--version", "2.2"), ()])
def test_other_servers_and_versions_are_refused_with_the_choice(words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match=r"choose from|required"):
        said(*words)


def test_no_template_is_left_half_filled() -> None:
    ring, folder = settings.WATCHWORD_KEY_RING, Path("/etc/dovecot")
    files = [
        file for version in DovecotVersion for file in for_dovecot(version, sockets=folder, folder=folder, ring=ring)
    ]
    for file in [*files, *for_postfix(sockets=folder, folder=folder), *for_exim(sockets=folder, folder=folder)]:
        assert not [word for word in file.text.split("@") if word.isupper() and word.isalpha()]


def test_postfix_is_told_of_the_loopback_address_where_there_is_one() -> None:
    folder = Path("/run/watchword")
    assert "smtpd_sasl_path = /run/watchword/auth\n" in for_postfix(sockets=folder, folder=folder)[0].text
    for loopback, place in ((("127.0.0.1", 1900), "inet:127.0.0.1:1900"), (("::1", 1900), "inet:[::1]:1900")):
        [file] = for_postfix(sockets=folder, folder=folder, loopback=loopback)
        assert f"smtpd_sasl_path = {place}\n" in file.text
        assert f"smtpd_sender_login_maps = socketmap:{place[:-1]}1:sender_logins\n" in file.text
        assert f"virtual_alias_maps = socketmap:{place[:-1]}1:ascii_addresses\n" in file.text
        assert f"smtpd_data_restrictions = check_policy_service {place[:-1]}2\n" in file.text


def test_dovecot_2_4_is_said_to_be_untried() -> None:
    assert "NOT TRIED" in said("dovecot", "--version", "2.4")


def serve_mail(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run the daemon in a process of its own, which is expected to refuse to start."""
    return subprocess.run(
        [sys.executable, "-m", "watchword.cli.main", "serve", "mail"],
        env={"PATH": os.environ["PATH"], "WATCHWORD_DEMO": "yes", "WATCHWORD_KEYS": KEYS, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_daemon_does_not_start_on_a_database_that_is_not_up_to_date(tmp_path: Path) -> None:
    refused = serve_mail(WATCHWORD_HOME=str(tmp_path))
    assert refused.returncode != 0
    assert f"there is no database at {tmp_path / 'watchword.sqlite3'}" in refused.stderr
    assert list(tmp_path.iterdir()) == [], "and none was made"


@pytest.mark.django_db(transaction=True)
def test_a_daemon_that_cannot_listen_says_why(tmp_path: Path) -> None:
    refused = serve_mail(
        WATCHWORD_HOME=str(tmp_path),
        WATCHWORD_DATABASE_URL=database_url(),
        WATCHWORD_MAIL_SOCKET_DIRECTORY=str(tmp_path / ("x" * 120)),
    )
    assert refused.returncode != 0
    assert "the mail door can't be opened" in refused.stderr
    assert "too long for a socket" in refused.stderr


def test_a_daemon_does_not_start_with_an_address_that_others_can_reach(tmp_path: Path) -> None:
    refused = serve_mail(WATCHWORD_HOME=str(tmp_path), WATCHWORD_MAIL_LISTEN="0.0.0.0:1900")
    assert refused.returncode != 0
    assert "WATCHWORD_MAIL_LISTEN names 0.0.0.0, which others than this machine can reach" in refused.stderr
