"""The output and files of `watchword mail-config`, and the errors of `watchword serve mail` where it can't start."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from tests.doors.oidc.relying_party import make_party
from tests.environment import KEYS
from tests.scenarios.mail.site import database_url
from tests.world import World
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
    files = {file.name for file in tmp_path.iterdir()}
    asking = "watchword-dict.conf.ext" if version is DovecotVersion.V2_3 else "watchword.lua"
    apart = {f"watchword-{part}.conf.ext" for part in ("mailboxes", "submission", "sieve")}
    assert files == {"watchword.conf.ext", asking, *apart}
    for file in tmp_path.iterdir():
        assert f"# ==== {file} ====\n{file.read_text()}" in printed


def test_the_file_that_holds_a_key_is_its_owners_alone_and_no_other_holds_it(tmp_path: Path) -> None:
    key = sealing_key(settings.WATCHWORD_KEY_RING)[1].hex()
    said("dovecot", "--version", "2.3", "--folder", str(tmp_path), "--write")
    modes = {file.name: (stat.S_IMODE(file.stat().st_mode), key in file.read_text()) for file in tmp_path.iterdir()}
    assert modes.pop("watchword-dict.conf.ext") == (0o600, True)
    assert set(modes.values()) == {(0o644, False)}


def test_a_changed_file_is_kept_and_named_and_an_unchanged_one_is_left_alone(tmp_path: Path) -> None:
    words = ("dovecot", "--version", "2.3", "--folder", str(tmp_path), "--write")
    said(*words)
    assert said(*words).count("unchanged: ") == 5
    secret, main = tmp_path / "watchword-dict.conf.ext", tmp_path / "watchword.conf.ext"
    printed, heard = main.read_text(), ""
    for mine in ("mine", "mine again"):
        main.write_text(mine)
        secret.write_text(mine)
        heard = said(*words)
        assert heard.count("unchanged: ") == 3
    assert f"wrote {main} (what was there is kept as {main}.before-2)" in heard
    assert main.read_text() == printed
    for number, mine in ((1, "mine"), (2, "mine again")):
        assert (tmp_path / f"{main.name}.before-{number}").read_text() == mine
        kept = tmp_path / f"{secret.name}.before-{number}"
        assert (kept.read_text(), stat.S_IMODE(kept.stat().st_mode)) == (mine, 0o600)
    assert not list(tmp_path.glob(".*"))


def test_a_webmail_server_and_a_certificate_are_written_where_they_are_named(tmp_path: Path) -> None:
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    for file in (chain, key):
        file.touch()
    words = ("--webmail", "192.0.2.9", "--webmail", "2001:DB8::9", "--tls", str(chain), str(key))
    old, new = (said("dovecot", "--version", version, *words) for version in DovecotVersion)
    for printed in (old, new):
        assert "\nlogin_trusted_networks = 192.0.2.9 2001:db8::9\n" in printed
    assert f"\nssl_cert = <{chain}\nssl_key = <{key}\n" in old
    assert f"\nssl_server_cert_file = {chain}\nssl_server_key_file = {key}\n" in new
    assert "\nlogin_trusted_networks" not in said("dovecot", "--version", "2.4"), "nobody is trusted unless named"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["dovecot", "--webmail", "192.0.2.0/24"], "never a network or a name"),
        (["dovecot", "--webmail", "webmail.example.org"], "never a network or a name"),
        (["dovecot", "--tls", "/nowhere/a.pem", "/nowhere/b.pem"], "there is no such file"),
        (["dovecot", "--as", "alice"], "needs --check"),
        (["postfix", "--check"], "for Dovecot alone"),
        (["postfix", "--oauth2", str(uuid4())], "for Dovecot alone"),
        (["dovecot", "--check", "--oauth2", str(uuid4())], "leave --oauth2 out"),
        (["exim", "--webmail", "192.0.2.9"], "for Dovecot alone"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(words: list[str], sentence: str) -> None:
    more = [] if words[0] != "dovecot" else ["--version", "2.4"]
    with pytest.raises(CommandError, match=sentence):
        said(*words, *more)


@pytest.fixture
def dovecot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that puts a program `dovecot` with this version at the head of the PATH."""

    def install(version: str) -> None:
        program = tmp_path / "bin/dovecot"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\necho '{version}'\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    return install


def test_the_version_that_is_installed_is_printed_for(dovecot: Callable[[str], None]) -> None:
    dovecot("2.3.19.1 (9b53102964)")
    assert "watchword-dict.conf.ext" in said("dovecot")
    dovecot("2.4.1-4 (7d8c0e5759)")
    assert "watchword.lua" in said("dovecot")
    dovecot("2.2.36 (1f10bfa63)")
    with pytest.raises(CommandError, match=r"Dovecot 2\.2\.36 is installed, and Watchword knows 2\.3 and 2\.4 alone"):
        said("dovecot")


@pytest.mark.parametrize("version", DovecotVersion)
def test_the_secret_for_tokens_is_in_one_file_of_its_owner_and_never_printed(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: DovecotVersion
) -> None:
    server = make_party(world, "Dovecot", redirect_uris=[], introspects=True, introspection_scope="mail")
    words = ("dovecot", "--version", version, "--folder", str(tmp_path), "--oauth2", server.client.client_id)
    assert f"{server.client.client_id}:SECRET@" in said(*words)
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{server.secret}\n"))
    assert server.secret not in said(*words, "--write")
    holding = [file for file in tmp_path.iterdir() if server.secret in file.read_text()]
    assert [(file.name, stat.S_IMODE(file.stat().st_mode)) for file in holding] == [
        ("watchword-oauth2-tokens.conf.ext", 0o600)
    ]


def test_tokens_are_asked_about_only_by_an_app_that_may_and_whose_secret_is_right(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["dovecot", "--version", "2.3", "--folder", str(tmp_path), "--write", "--oauth2"]
    for unknown in (str(uuid4()), "Dovecot"):
        with pytest.raises(CommandError, match="there is no such app"):
            said(*words, unknown)
    with pytest.raises(CommandError, match="must be an app that takes tokens of others, with the scope mail"):
        said(*words, make_party(world, "Wiki").client.client_id)
    server = make_party(world, "Dovecot", redirect_uris=[], introspects=True, introspection_scope="mail")
    monkeypatch.setattr(sys, "stdin", io.StringIO("wrong\n"))
    with pytest.raises(CommandError, match="this is no valid secret of Dovecot"):
        said(*words, server.client.client_id)
    assert list(tmp_path.iterdir()) == []


def test_where_no_dovecot_is_installed_its_version_has_to_be_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("watchword.doors.mail.dovecot_check._FOLDERS", str(tmp_path))
    with pytest.raises(CommandError, match=r"name its version by --version 2\.3 or --version 2\.4"):
        said("dovecot")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"can't be written: No such file"):
        said("dovecot", "--version", "2.3", "--folder", str(tmp_path / "nowhere"), "--write")


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
