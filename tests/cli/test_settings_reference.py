"""`watchword settings`, called as from a shell: every value with its source, and no secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from tests.cli.test_main import watchword
from tests.config.test_environment import GOOD
from tests.environment import KEYS
from watchword.cli.settings_reference import settings
from watchword.config.environment import inspect_environment
from watchword.config.setting_definitions import SETTINGS

PASSWORD = "hunter2"


def lines(capsys: pytest.CaptureFixture[str], **changes: str) -> tuple[int, dict[str, tuple[str, ...]], str]:
    """Return the exit status, the source and value of each setting, and the whole output."""
    status = settings([], {**GOOD, **changes})
    said = capsys.readouterr()
    rows = [[part.strip() for part in line.split("  ") if part.strip()] for line in said.out.splitlines()]
    found = {row[0].removeprefix("WATCHWORD_"): tuple(row[1:]) for row in rows if row and row[0].startswith("WATCH")}
    return status, found, said.out + said.err


def test_every_setting_is_printed_with_its_source(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "zone"
    file.write_text("Europe/Paris\n")
    file.chmod(0o400)
    status, found, _said = lines(capsys, WATCHWORD_TIME_ZONE_FILE=str(file), WATCHWORD_LISTEN="127.0.0.1:9")
    assert status == 0
    assert list(found) == [setting.name for setting in SETTINGS]
    assert found["TIME_ZONE"] == (f"file {file}", "Europe/Paris")
    assert found["LISTEN"] == ("environment", "127.0.0.1:9")
    assert found["LOG_LEVEL"] == ("default", "INFO")
    assert found["PHONES_FILE"] == ("not set", "-")
    assert found["DATABASE_URL"] == ("default", "sqlite:///srv/watchword/watchword.sqlite3")
    assert found["MAIL_SOCKET_DIRECTORY"] == ("default", "/srv/watchword/mail")
    assert found["KEYS"] == ("environment", "testkey1 (ids of the keys)")


def test_a_default_that_follows_another_setting_is_printed_as_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(capsys)[1]["MAIL_SOCKET_MODE"] == ("default", "0600")
    assert lines(capsys, WATCHWORD_MAIL_SOCKET_OWNER=":postfix")[1]["MAIL_SOCKET_MODE"] == ("default", "0660")
    demo = lines(capsys, WATCHWORD_DEMO="yes", WATCHWORD_PUBLIC_URL="")[1]
    assert demo["PUBLIC_URL"] == ("default", "http://127.0.0.1:8000")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            f"postgresql://watch:{PASSWORD}@db.example/people?sslmode=require",
            "postgresql://watch:***@db.example/people?",
        ),
        (f"postgresql://watch:{PASSWORD}@[::1]:5433/people", "postgresql://watch:***@[::1]:5433/people?"),
        (f"postgresql://db.example/people?sslpassword={PASSWORD}", "postgresql://db.example/people?"),
        (f"postgresql://db.example/people?password={PASSWORD}", "postgresql://:***@db.example/people?"),
        (f"postgresql://watch:12/{PASSWORD}@db.example/people", "postgresql://***"),
        (f"postgresql://watch:{PASSWORD}/@db.example/people", "(hidden)"),
        (f"postgresql://watch:{PASSWORD}@db.example/", "(hidden)"),
        (f"mysql://watch:{PASSWORD}@db.example/people", "(hidden)"),
        (PASSWORD, "(hidden)"),
    ],
)
def test_the_password_of_the_database_is_hidden(capsys: pytest.CaptureFixture[str], url: str, shown: str) -> None:
    _status, found, said = lines(capsys, WATCHWORD_DATABASE_URL=url)
    assert found["DATABASE_URL"][1].startswith(shown)
    assert PASSWORD not in said


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"smtp://post%40example:{PASSWORD}@mail.example", "smtp://post%40example:***@mail.example:587"),
        (f"smtps://post:{PASSWORD}@[::1]:2465", "smtps://post:***@[::1]:2465"),
        ("smtp://127.0.0.1:25", "smtp://127.0.0.1:25"),
        (f"smtp://post:{PASSWORD}#@mail.example", "(hidden)"),
        (f"smtp://post:12/{PASSWORD}@mail.example", "(hidden)"),
        (f"imap://post:{PASSWORD}@mail.example", "(hidden)"),
    ],
)
def test_the_password_of_the_mail_server_is_hidden(capsys: pytest.CaptureFixture[str], url: str, shown: str) -> None:
    _status, found, said = lines(capsys, WATCHWORD_SMTP_URL=url, WATCHWORD_SENDER="w@example.org")
    assert found["SMTP_URL"][1] == shown
    assert PASSWORD not in said


SIGNS = st.text(alphabet="/?#@:[]%&=+.,;\\ 109azé", max_size=6)


@given(before=SIGNS, after=SIGNS)
@settings_of_hypothesis(max_examples=300)
def test_a_password_is_hidden_whatever_signs_are_in_it(before: str, after: str) -> None:
    for name, template in (
        ("DATABASE_URL", "postgresql://watch:{}@db.example/people?sslmode=require"),
        ("DATABASE_URL", "postgresql://db.example/people?password={}"),
        ("DATABASE_URL", "sqlite://watch:{}@/people"),
        ("SMTP_URL", "smtp://post:{}@mail.example"),
        ("SMTP_URL", "smtps://post:{}@mail.example:465/"),
    ):
        variables = {f"WATCHWORD_{name}": template.format(f"{before}{PASSWORD}{after}")}
        values, problems = inspect_environment({**GOOD, **variables, "WATCHWORD_SENDER": "w@example.org"})
        assert PASSWORD not in f"{[(value.shown, value.source) for value in values]}{problems}", variables


def test_a_key_ring_and_a_password_in_a_wrong_place_are_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    for keys in (KEYS, f"{KEYS}!", PASSWORD):
        assert KEYS.split(":")[2] not in (said := lines(capsys, WATCHWORD_KEYS=keys)[2])
        assert PASSWORD not in said
    wrong = {"WATCHWORD_PUBLIC_URL": f"https://root:{PASSWORD}@sign-in.example", "WATCHWORD_SMPT_URL": PASSWORD}
    status, found, said = lines(capsys, **wrong)
    assert (status, found["PUBLIC_URL"]) == (1, ("environment, wrong", "(hidden)"))
    assert "WATCHWORD_SMPT_URL is not a variable that Watchword knows; expected: WATCHWORD_SMTP_URL" in said
    assert PASSWORD not in said


def test_the_content_of_a_secret_file_is_hidden_and_its_path_is_not(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "smtp"
    file.write_text(f"smtps://post:{PASSWORD}@mail.example\n")
    file.chmod(0o400)
    variables = {"WATCHWORD_SMTP_URL_FILE": str(file), "WATCHWORD_SENDER": "w@example.org"}
    status, found, said = lines(capsys, **variables)
    assert (status, found["SMTP_URL"]) == (0, (f"file {file}", "smtps://post:***@mail.example:465"))
    file.chmod(0o644)
    status, found, unreadable = lines(capsys, **variables)
    assert (status, found["SMTP_URL"]) == (1, ("unreadable", "-"))
    assert "mode 0644" in unreadable
    assert PASSWORD not in said + unreadable


def test_every_mistake_is_listed_below_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    status, found, said = lines(capsys, WATCHWORD_LISTEN="8000", WATCHWORD_DEBUG="perhaps", WATCHWORD_HOME="state")
    assert status == 1
    assert found["LISTEN"] == ("environment, wrong", "8000")
    mistakes = said.partition("Mistakes:\n")[2].splitlines()
    assert [line.split()[1] for line in mistakes] == ["WATCHWORD_HOME", "WATCHWORD_LISTEN", "WATCHWORD_DEBUG"]


def test_a_value_writes_no_control_characters_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    _status, found, said = lines(capsys, WATCHWORD_MAIL_KICK="doveadm kick {user}\x1b]0;x\x07")
    assert "\x1b" not in said
    assert found["MAIL_KICK"][1].startswith("doveadm kick {user}�")
    status, _found, said = lines(capsys, WATCHWORD_SMTP_URL_FILE="/no/\x1b\udcff")
    assert (status, "\x1b" in said, "\udcff" in said, "names /no/��, which doesn't exist" in said) == (
        1,
        False,
        False,
        True,
    )


def test_the_command_works_without_database_keys_and_public_address(tmp_path: Path) -> None:
    done = watchword("settings", home=tmp_path / "nothing", WATCHWORD_DATABASE_URL="postgresql://127.0.0.1:9/none")
    assert done.returncode == 1
    assert "WATCHWORD_PUBLIC_URL is not set; expected: the address people type" in done.stdout
    assert done.stdout.count("WATCHWORD_") > len(SETTINGS)
    assert (done.stderr, list(tmp_path.iterdir())) == ("", [])


def test_the_reference_is_printed_for_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert settings(["--markdown"], {}) == 0
    page = capsys.readouterr().out
    assert [f"### {setting.variable}\n" for setting in SETTINGS if f"### {setting.variable}\n" not in page] == []
