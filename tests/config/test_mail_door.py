"""Settings of the mail door, and the errors for mistakes in them."""

import pytest

from tests.config.test_environment import good, problems
from watchword.config.environment import MailDoorSettings

DEFAULTS = MailDoorSettings(
    socket_owner="",
    socket_group="",
    socket_mode=0o600,
    listen=None,
    workers=1,
    kick=("doveadm", "kick", "--", "{user}"),
    kick_socket="",
)


def read(**variables: str) -> MailDoorSettings:
    return good(**{f"WATCHWORD_{name}": value for name, value in variables.items()}).mail


def mistakes(**variables: str) -> list[tuple[str, str]]:
    found = problems(**{f"WATCHWORD_{name}": value for name, value in variables.items()})
    return [(problem.variable.removeprefix("WATCHWORD_"), problem.wrong) for problem in found]


def test_without_wishes_the_sockets_are_for_this_user_alone() -> None:
    assert read() == DEFAULTS


def test_a_group_opens_the_sockets_for_that_group() -> None:
    config = read(MAIL_SOCKET_OWNER="watchword:postfix")
    assert (config.socket_owner, config.socket_group, config.socket_mode) == ("watchword", "postfix", 0o660)
    assert read(MAIL_SOCKET_OWNER=":postfix", MAIL_SOCKET_MODE="0600").socket_mode == 0o600


@pytest.mark.parametrize("mode", ["0666", "777", "rw-", "8"])
def test_a_mode_that_lets_everybody_ask_is_a_mistake(mode: str) -> None:
    assert mistakes(MAIL_SOCKET_MODE=mode) == [("MAIL_SOCKET_MODE", f"is {mode!r}")]


@pytest.mark.parametrize(("text", "expected"), [("127.0.0.1:1900", ("127.0.0.1", 1900)), ("[::1]:1900", ("::1", 1900))])
def test_an_address_of_this_machine_is_taken(text: str, expected: tuple[str, int]) -> None:
    assert read(MAIL_LISTEN=text).listen == expected


@pytest.mark.parametrize("text", ["0.0.0.0:1900", "192.0.2.1:1900", "[::]:1900"])
def test_an_address_that_others_can_reach_is_a_mistake(text: str) -> None:
    [(name, wrong)] = mistakes(MAIL_LISTEN=text)
    assert name == "MAIL_LISTEN"
    assert "which others than this machine can reach" in wrong


@pytest.mark.parametrize(
    "text", ["1900", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "localhost:1900", "127.0.0.1:²"]
)
def test_what_is_no_address_and_port_is_a_mistake(text: str) -> None:
    assert mistakes(MAIL_LISTEN=text) == [("MAIL_LISTEN", f"is {text!r}")]


def test_the_command_that_closes_connections_can_be_chosen_or_left_out() -> None:
    assert read(MAIL_KICK="sudo -n doveadm kick -- {user}").kick == ("sudo", "-n", "doveadm", "kick", "--", "{user}")
    assert read(MAIL_KICK="none").kick == ()


@pytest.mark.parametrize("text", ["doveadm kick", "{user}", "doveadm 'kick {user}"])
def test_a_command_without_a_place_for_the_name_is_a_mistake(text: str) -> None:
    assert [name for name, _ in mistakes(MAIL_KICK=text)] == ["MAIL_KICK"]
