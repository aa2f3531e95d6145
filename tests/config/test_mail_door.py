"""What an operator can say about the mail door, and what is said back about mistakes."""

import pytest

from watchword.config.mail_door import MailDoorSettings, read_mail_config

NOTHING_SAID = MailDoorSettings("", "", 0o600, None, ("doveadm", "kick", "--", "{user}"))


def read(**variables: str) -> tuple[MailDoorSettings, list[tuple[str, str]]]:
    mistakes: list[tuple[str, str]] = []
    config = read_mail_config(lambda name: variables.get(name, ""), lambda name, wrong: mistakes.append((name, wrong)))
    return config, mistakes


def test_without_wishes_the_sockets_are_for_this_user_alone() -> None:
    assert read() == (NOTHING_SAID, [])


def test_a_group_opens_the_sockets_for_that_group() -> None:
    config, mistakes = read(MAIL_SOCKET_OWNER="watchword:postfix")
    assert (config.socket_owner, config.socket_group, config.socket_mode, mistakes) == (
        "watchword",
        "postfix",
        0o660,
        [],
    )
    assert read(MAIL_SOCKET_OWNER=":postfix", MAIL_SOCKET_MODE="0600")[0].socket_mode == 0o600


@pytest.mark.parametrize("mode", ["0666", "777", "rw-", "8"])
def test_a_mode_that_lets_everybody_ask_is_a_mistake(mode: str) -> None:
    assert read(MAIL_SOCKET_MODE=mode)[1] == [("MAIL_SOCKET_MODE", f"is {mode!r}")]


@pytest.mark.parametrize(("text", "expected"), [("127.0.0.1:1900", ("127.0.0.1", 1900)), ("[::1]:1900", ("::1", 1900))])
def test_an_address_of_this_machine_is_taken(text: str, expected: tuple[str, int]) -> None:
    assert read(MAIL_LISTEN=text)[0].listen == expected


@pytest.mark.parametrize("text", ["0.0.0.0:1900", "192.0.2.1:1900", "[::]:1900"])
def test_an_address_that_others_can_reach_is_a_mistake(text: str) -> None:
    [(name, wrong)] = read(MAIL_LISTEN=text)[1]
    assert name == "MAIL_LISTEN"
    assert "which others than this machine can reach" in wrong


@pytest.mark.parametrize(
    "text", ["1900", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "localhost:1900", "127.0.0.1:²"]
)
def test_what_is_no_address_and_port_is_a_mistake(text: str) -> None:
    assert read(MAIL_LISTEN=text)[1] == [("MAIL_LISTEN", f"is {text!r}")]


def test_the_command_that_closes_connections_can_be_chosen_or_left_out() -> None:
    assert read(MAIL_KICK="sudo -n doveadm kick -- {user}")[0].kick == ("sudo", "-n", "doveadm", "kick", "--", "{user}")
    assert read(MAIL_KICK="none") == (MailDoorSettings("", "", 0o600, None, ()), [])


@pytest.mark.parametrize("text", ["doveadm kick", "{user}", "doveadm 'kick {user}"])
def test_a_command_without_a_place_for_the_name_is_a_mistake(text: str) -> None:
    config, mistakes = read(MAIL_KICK=text)
    assert config.kick == ()
    assert [name for name, _ in mistakes] == ["MAIL_KICK"]
