"""Settings from the credentials of a service manager, and the numbers of processes."""

from pathlib import Path

import pytest

from tests.config.test_environment import GOOD, only_problem
from tests.environment import KEYS
from watchword.config.environment import Environment, Problem, read_environment


def with_credentials(folder: Path, **changes: str) -> Environment | list[Problem]:
    found = {name: value for name, value in GOOD.items() if name != "WATCHWORD_KEYS"}
    return read_environment({**found, "CREDENTIALS_DIRECTORY": str(folder), **changes})


def test_a_setting_is_read_from_a_credential_of_its_name(tmp_path: Path) -> None:
    # systemd gives the files to the user by an access list, so that their mode has bits of a group.
    for name, text in {"keys": KEYS, "smtp_url": "smtps://w:hunter2@mail.example.org"}.items():
        (tmp_path / f"watchword_{name}").write_text(f"{text}\n")
        (tmp_path / f"watchword_{name}").chmod(0o440)
    environment = with_credentials(tmp_path, WATCHWORD_SENDER="w@example.org")
    assert isinstance(environment, Environment), environment
    assert repr(environment.key_ring) == "KeyRing(testkey1)"
    assert environment.key_file == tmp_path / "watchword_keys"
    assert environment.smtp.password == "hunter2"


def test_a_credential_beside_a_variable_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "watchword_keys").write_text(KEYS)
    found = with_credentials(tmp_path, WATCHWORD_KEYS=KEYS)
    assert isinstance(found, list)
    assert str(found[0]).startswith(
        "WATCHWORD_KEYS is set, and so is the credential watchword_keys; expected: only one"
    )


def test_a_credential_that_is_no_text_or_empty_is_named_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "watchword_keys").write_bytes(b"\xff\xfe")
    found = with_credentials(tmp_path)
    assert isinstance(found, list)
    assert "is the credential watchword_keys, which is not UTF-8 text" in str(found[0])
    (tmp_path / "watchword_keys").write_text("")
    found = with_credentials(tmp_path)
    assert isinstance(found, list)
    assert "watchword_keys, which is empty" in str(found[0])


@pytest.mark.parametrize("text", ["0", "65", "two", "-1", "1.5", "1000000000000"])
def test_a_number_of_processes_that_cannot_be_is_a_mistake(text: str) -> None:
    assert only_problem(WATCHWORD_WEB_WORKERS=text) == (
        f"WATCHWORD_WEB_WORKERS is {text!r}; expected: a number from 1 to 64"
    )
    assert "a number from 1 to 64" in only_problem(WATCHWORD_MAIL_WORKERS=text)
