"""Postfix's connections other than sign-ins: look-ups of senders, and the policy check at each message."""

from __future__ import annotations

from typing import assert_never

from watchword.doors.mail import policy_protocol, socketmap
from watchword.doors.mail.batching import AuthUnavailable
from watchword.doors.mail.connections import Connection, Cutter, MailDoor
from watchword.doors.mail.line_protocol import Hangup, Line, Reply, TooLong


class SocketmapConnection(Connection):
    """A connection that speaks the socketmap protocol. Postfix sends one request at a time and waits for the answer."""

    def cut(self) -> Cutter:
        """Return the parser that splits received octets into netstrings."""
        return socketmap.Netstrings()

    def take(self, line: Line | TooLong) -> None:
        """Handle one request."""
        step = socketmap.parse(line)
        match step:
            case socketmap.AskSenders(address):
                self.is_greeted = True
                self.asked()
                self.door.batcher.ask_senders(address, self._tell)
            case socketmap.AskAscii(address):
                self.is_greeted = True
                self.asked()
                self.door.batcher.ask_ascii_address(address, self._tell_ascii)
            case Reply(octets):
                self.is_greeted = True
                self.send(octets)
            case Hangup(why):
                self.hang_up(why)
            case _:
                assert_never(step)

    def _tell(self, found: list[str] | AuthUnavailable) -> None:
        self.send(socketmap.later() if isinstance(found, AuthUnavailable) else socketmap.senders(found))
        self.told()

    def _tell_ascii(self, found: str | AuthUnavailable | None) -> None:
        self.send(socketmap.later() if isinstance(found, AuthUnavailable) else socketmap.ascii_address(found))
        self.told()


class PolicyConnection(Connection):
    """A connection that speaks the policy protocol. Postfix sends one request at a time and waits for the answer."""

    def __init__(self, door: MailDoor) -> None:
        super().__init__(door)
        self._conversation = policy_protocol.PolicySession()

    def take(self, line: Line | TooLong) -> None:
        """Handle one line."""
        step = self._conversation.receive(line)
        match step:
            case None:
                pass
            case policy_protocol.AskGoOn(name, process, address):
                self.is_greeted = True
                self.asked()
                signed_in = self.door.submissions.find(name, process, address)
                self.door.batcher.ask_to_go_on(name, signed_in, self._tell)
            case Reply(octets):
                self.is_greeted = True
                self.send(octets)
            case Hangup(why):
                self.hang_up(why)
            case _:
                assert_never(step)

    def _tell(self, may: bool | AuthUnavailable) -> None:
        if isinstance(may, AuthUnavailable):
            self.send(policy_protocol.later())
        else:
            self.send(policy_protocol.no_opinion() if may else policy_protocol.ended())
        self.told()
