"""Postfix's requests beside sign-ins, on real sockets: who owns a sender, and whether a session may go on."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.doors.mail.fake_backend import ALICE, APP_PASSWORD, CREDENTIAL, FakeChecks
from tests.doors.mail.peer import INTRODUCTION, Peer, auth, free_port, look_up
from tests.doors.mail.test_server import play
from watchword.doors.mail.sockets import POLICY_SOCKET, SOCKETMAP_SOCKET

SALES = "sales@harbour.example"


def netstring(text: str) -> bytes:
    return b"%d:%s," % (len(text.encode()), text.encode())


async def answer(peer: Peer, request: bytes) -> str:
    """Send a request and return the content of the netstring that answers it."""
    peer.write(request)
    return await hear(peer)


async def hear(peer: Peer) -> str:
    """Return the content of the next netstring."""
    async with asyncio.timeout(20):
        length = int((await peer.reader.readuntil(b":"))[:-1])
        octets = await peer.reader.readexactly(length + 1)
    assert octets.endswith(b",")
    return octets[:-1].decode()


def message(name: str = ALICE, process: int = 4711) -> bytes:
    return (
        "request=smtpd_access_policy\nprotocol_state=DATA\nclient_address=192.0.2.1\nsasl_method=PLAIN\n"
        f"sasl_username={name}\ninstance={process:x}.6a5b4c3d.a1b2c.7\n\n"
    ).encode()


async def action(peer: Peer, request: bytes) -> str:
    said = await peer.ask(request)
    assert await peer.read() == ""
    return said


async def connect(folder: Path, name: str) -> Peer:
    return Peer(*await asyncio.open_unix_connection(folder / name))


def test_postfix_is_told_who_may_write_as_an_address(tmp_path: Path) -> None:
    async def scene(folder: Path, checks: FakeChecks) -> None:
        peer = await connect(folder, SOCKETMAP_SOCKET)
        assert await answer(peer, netstring(f"sender_logins {SALES}")) == f"OK {ALICE},bob@harbour.example"
        assert await answer(peer, netstring("sender_logins nobody@harbour.example")) == "NOTFOUND "
        assert (await answer(peer, netstring(f"aliases {SALES}")))[:5] == "PERM "
        checks.is_locked = True
        assert (await answer(peer, netstring(f"sender_logins {SALES}")))[:5] == "TEMP "

    play(scene, tmp_path / "mail")


def test_postfix_is_told_the_ascii_form_of_an_address(tmp_path: Path) -> None:
    async def scene(folder: Path, checks: FakeChecks) -> None:
        peer = await connect(folder, SOCKETMAP_SOCKET)
        asked = netstring("ascii_addresses \u00e9lodie@harbour.example")
        assert await answer(peer, asked) == "OK xn--lodie-9ra@harbour.example"
        assert await answer(peer, netstring(f"ascii_addresses {ALICE}")) == "NOTFOUND "
        checks.is_locked = True
        assert (await answer(peer, asked))[:5] == "TEMP "

    play(scene, tmp_path / "mail")


def test_a_message_goes_on_with_the_sign_in_of_its_process(tmp_path: Path) -> None:
    async def scene(folder: Path, checks: FakeChecks) -> None:
        smtpd = await Peer.of_auth(folder, b"VERSION\t1\t0\nCPID\t4711\n")
        policy = await connect(folder, POLICY_SOCKET)
        assert (await action(policy, message()))[:10] == "action=421"
        assert await smtpd.ask(auth(APP_PASSWORD)) == f"OK\t1\tuser={ALICE}"
        assert await action(policy, message()) == "action=DUNNO"
        assert await action(policy, message(process=9)) == "action=DUNNO", "by name and address"
        assert (await action(policy, message("bob@harbour.example")))[:10] == "action=421"
        assert await action(policy, message("")) == "action=DUNNO", "nobody has signed in"
        checks.is_locked = True
        assert (await action(policy, message()))[:10] == "action=451"

    checks = play(scene, tmp_path / "mail")
    rested_on = [signed_in and signed_in.credential_id for signed_in in checks.sign_ins]
    assert rested_on == [None, CREDENTIAL, CREDENTIAL, None]


def test_a_postfix_that_asks_dovecot_for_sign_ins_is_known_by_name_and_address(tmp_path: Path) -> None:
    async def scene(folder: Path, checks: FakeChecks) -> None:
        dovecot, policy = await Peer.of_dict(folder), await connect(folder, POLICY_SOCKET)
        assert (await dovecot.ask(look_up(APP_PASSWORD)))[:1] == "O"
        assert (await action(policy, message()))[:10] == "action=421", "reading is no sending"
        assert (await dovecot.ask(look_up(APP_PASSWORD).replace(b'"imap"', b'"submission"')))[:1] == "O"
        assert await action(policy, message()) == "action=DUNNO"

    play(scene, tmp_path / "mail")


def test_a_sign_in_that_was_refused_is_not_remembered(tmp_path: Path) -> None:
    async def scene(folder: Path, checks: FakeChecks) -> None:
        smtpd = await Peer.of_auth(folder, b"VERSION\t1\t0\nCPID\t4711\n")
        policy = await connect(folder, POLICY_SOCKET)
        assert await smtpd.ask(auth("wrong")) == f"FAIL\t1\tuser={ALICE}"
        assert (await action(policy, message()))[:10] == "action=421"

    assert play(scene, tmp_path / "mail").sign_ins == [None]


def test_who_half_closes_after_asking_is_answered_and_then_hung_up_on(tmp_path: Path) -> None:
    """Exim's readsocket half-closes its connection after the request."""

    async def scene(folder: Path, checks: FakeChecks) -> None:
        peer = await connect(folder, SOCKETMAP_SOCKET)
        checks.gate.clear()
        peer.write(netstring(f"sender_logins {SALES}"))
        peer.writer.write_eof()
        checks.gate.set()
        assert await hear(peer) == f"OK {ALICE},bob@harbour.example"
        assert await peer.is_hung_up()

    play(scene, tmp_path / "mail")


def test_another_protocol_is_hung_up_on(tmp_path: Path) -> None:
    async def scene(folder: Path, checks: FakeChecks) -> None:
        for name in (SOCKETMAP_SOCKET, POLICY_SOCKET):
            peer = await connect(folder, name)
            peer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await peer.is_hung_up()

    play(scene, tmp_path / "mail")


def test_senders_and_policy_are_answered_at_the_two_next_ports(tmp_path: Path) -> None:
    port = free_port()

    async def scene(folder: Path, checks: FakeChecks) -> None:
        smtpd, senders, policy = [Peer(*await asyncio.open_connection("127.0.0.1", port + n)) for n in range(3)]
        smtpd.write(INTRODUCTION)
        while await smtpd.read() != "DONE":
            pass
        assert await smtpd.ask(auth(APP_PASSWORD)) == f"OK\t1\tuser={ALICE}"
        assert (await answer(senders, netstring(f"sender_logins {SALES}")))[:3] == "OK "
        assert await action(policy, message()) == "action=DUNNO"

    play(scene, tmp_path / "mail", loopback=("127.0.0.1", port))
