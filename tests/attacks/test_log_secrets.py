"""Sign-ins, messages, mail logins and traces run at level DEBUG: no log line contains a secret."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from django.utils.module_loading import import_string

from tests.doors.mail.fake_backend import ACCOUNT_PASSWORD, ALICE, APP_PASSWORD, FakeChecks
from tests.doors.mail.peer import Peer, auth, look_up
from tests.doors.mail.test_server import play
from tests.messaging.test_voice_audio import wav
from tests.phones import test_smpp as texts
from tests.phones.answered import answered
from tests.phones.bare_smsc import bare_smsc, deliver_sm
from tests.phones.calling import CODE, NUMBER, call, caller, is_idle, run
from tests.phones.pbx import HOST, pbx
from tests.world import World
from watchword.core.policy import Door
from watchword.doors.mail.batching import RequestBatcher
from watchword.messaging.gateway import DeliveryFailed, Result
from watchword.messaging.gateways.simulator.models import Arrival
from watchword.messaging.voice import tts
from watchword.signin import invitations, non_interactive
from watchword.signin.models import SignInAttempt
from watchword.signin.non_interactive import AuthRequest, Secret

SIP_PASSWORD = "opensesame-of-the-trunk"
SMPP_PASSWORD = "hunter2"
NONCE = "a1b2c3nonce"
DIGITS = NUMBER.removeprefix("+")


class Output:
    """Everything that was logged, as text and as JSON, and everything that was printed."""

    def __init__(self, streams: dict[str, io.StringIO], capfd: pytest.CaptureFixture[str]) -> None:
        self._streams = streams
        self._capfd = capfd

    def all(self) -> str:
        printed = self._capfd.readouterr()
        return "\n".join([*(stream.getvalue() for stream in self._streams.values()), printed.out, printed.err])

    def lines(self) -> list[dict[str, Any]]:
        """Return the parsed JSON lines; every line must be valid."""
        return [json.loads(line) for line in self._streams["json"].getvalue().splitlines()]

    def events(self) -> set[str]:
        return {line["event"] for line in self.lines()}

    def holds_none_of(self, *secrets: str) -> None:
        everything = self.all()
        for secret in secrets:
            assert len(secret) > 3, "too short to be looked for"
            assert secret not in everything


@pytest.fixture
def output(capfd: pytest.CaptureFixture[str]) -> Iterator[Output]:
    """Capture the root logger at DEBUG with the formatters and filters of the settings."""
    logs: Any = settings.LOGGING
    root, streams, handlers = logging.getLogger(), {}, []
    level = root.level
    for name in ("text", "json"):
        handler = logging.StreamHandler(io.StringIO())
        handler.setFormatter(import_string(logs["formatters"][name]["()"])())
        for each in logs["handlers"]["console"]["filters"]:
            handler.addFilter(import_string(logs["filters"][each]["()"])())
        streams[name] = handler.stream
        handlers.append(handler)
        root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield Output(streams, capfd)
    root.setLevel(level)
    for handler in handlers:
        root.removeHandler(handler)


@pytest.fixture
def voice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Return short sounds without a synthesiser."""
    monkeypatch.setattr(tts, "is_available", lambda: True)
    monkeypatch.setattr(tts, "speak", lambda _words, _language: wav(b"\1\0" * 800))


@pytest.mark.usefixtures("simulator")
def test_log_01_no_line_of_a_sign_in_holds_its_secrets(
    world: World, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No log line has a password, code, number, cookie or link, not even when the database or a gateway fails."""
    client = Client(raise_request_exception=False)
    client.post("/sign-in/", {"name": "alice@harbour.example"})
    client.post("/sign-in/password/", {"answer": "a wrong passphrase of hers"})
    client.post("/sign-in/password/", {"answer": world.passwords["alice"]})
    code = Arrival.objects.get().code
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    token = client.cookies["watchword-attempt"].value
    client.post("/sign-in/prove/", {"answer": wrong})
    client.get(f"/nothing/{code}-{token}/")
    for failure, status in ((OperationalError, 503), (RuntimeError, 500)):

        def fail(*_arguments: object, failure: type[Exception] = failure, **_named: object) -> None:
            raise failure(f"could not send {code} to {NUMBER}")

        with monkeypatch.context() as patch:
            patch.setattr("watchword.doors.web.views.stages.view_of", fail)
            assert client.post("/sign-in/prove/", {"answer": code}).status_code == status
    client.post("/sign-in/prove/", {"answer": code})
    session = client.cookies["watchword-session"].value
    assert client.get("/security/").status_code == 200
    secret = invitations.make(world.bob, now=timezone.now()).token
    client.post("/invitation/", {"code": secret, "password": "short"})
    client.get(f"/invitation/{secret}/")
    client.get(f"/invitation/{secret}/nothing/")
    output.holds_none_of(
        "a wrong passphrase of hers", world.passwords["alice"], code, wrong, token, session, DIGITS, secret
    )
    attempt = str(SignInAttempt.objects.get(user=world.alice).pk)
    failed = {line["event"]: line for line in output.lines() if line["event"].startswith("web.request.")}
    for event in ("web.request.unavailable", "web.request.failed"):
        assert failed[event]["attempt"] == attempt
    assert failed["web.request.failed"]["traceback"].endswith("RuntimeError"), "the text of an error is left out"
    assert "web.request.refused" in failed


def test_log_01_no_line_of_a_mail_login_holds_a_password(
    world: World, output: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right, wrong, deferred and malformed mail logins leave no password in a log line."""
    wrong = "wrong horse battery"

    async def scene(folder: Path, checks: FakeChecks) -> None:
        dict_peer, auth_peer = await Peer.of_dict(folder), await Peer.of_auth(folder)
        number = 0
        for trouble in ("", "locked", "broken"):
            checks.is_locked, checks.breaks_at = trouble == "locked", ALICE if trouble == "broken" else ""
            for secret in (APP_PASSWORD, ACCOUNT_PASSWORD, wrong):
                number += 1
                await dict_peer.ask(look_up(secret))
                await auth_peer.ask(auth(secret, request=number))
        stranger = await Peer.of_auth(folder)
        assert await stranger.ask(f"LOGIN {ACCOUNT_PASSWORD}\n".encode()) == ""

    play(scene, tmp_path / "mail")
    for secret in (world.alices_app_password, world.passwords["carol"], wrong):
        question = AuthRequest(Door.MAIL, "carol@harbour.example", Secret(secret), "imap", "192.0.2.1")
        if non_interactive.is_shaped_like_app_password(question):
            non_interactive.check_many([question], now=world.now)
        else:
            non_interactive.check_account_password(question, now=world.now)
    secrets = [APP_PASSWORD, ACCOUNT_PASSWORD, wrong, world.alices_app_password, world.passwords["carol"]]
    output.holds_none_of(*secrets, *(secret.replace(" ", "") for secret in secrets))
    assert {"mail.listening", "mail.auth.deferred", "mail.auth.failed", "mail.connection.protocol_error"} <= (
        output.events()
    )


@pytest.mark.usefixtures("voice")
def test_log_01_no_line_of_a_traced_call_holds_a_number_or_a_credential(output: Output) -> None:
    """No traced registration, challenge, call, INFO key or refusal that quotes the number logs it or a credential."""
    challenge = f'Digest realm="pbx.example", nonce="{NONCE}", qop="auth", algorithm=MD5'

    async def registers_and_is_refused() -> None:
        config: dict[str, Any] = {"password": SIP_PASSWORD, "register": True, "user": "20055501", "trace": True}
        async with pbx() as system, caller(system.port, **config) as (gateway, _reports):
            system.say(await system.takes("REGISTER"), 401, WWW_Authenticate=challenge)
            system.say(await system.takes("REGISTER"), 200)
            sending = asyncio.ensure_future(gateway.send(call(match="47")))
            system.say(await system.takes("INVITE"), 407, Proxy_Authenticate=challenge)
            await system.takes("ACK")
            invite = await system.takes("INVITE")
            proof = invite.get_header("proxy-authorization") or ""
            secrets.append(proof.partition('response="')[2].partition('"')[0])
            system.say(
                invite,
                404,
                Warning=f'399 pbx "no route to {DIGITS}"',
                Reason=f'Q.850;cause=1;text="{DIGITS} unallocated"',
                P_Asserted_Identity=f'"{DIGITS}" <tel:{NUMBER}>',
                X_Dialed=DIGITS,
                Server=f"PBX for {DIGITS}",
                Contact=f'"{DIGITS}" <sip:{DIGITS};isub=77@{HOST}>;x="{DIGITS}"',
            )
            await system.takes("ACK")
            with pytest.raises(DeliveryFailed):
                await sending

    async def is_answered() -> None:
        async with answered(trace=True) as (system, invite, telephone, gateway, reports):
            await telephone.wait_for(3)
            for key in "47":
                body = f"Signal={key}\r\nDuration=160\r\n"
                system.ask(invite, "INFO", sound=body, Content_Type="application/dtmf-relay")
                await system.hears()
            await reports.wait_for(Result.APPROVED, 10)
            system.ask(invite, "BYE")
            await is_idle(gateway)

    secrets: list[str] = []
    run(registers_and_is_refused)
    run(is_answered)
    traced = [line["message"] for line in output.lines() if line["event"] == "messaging.sip.trace"]
    for wanted in ("INVITE sip:…@", "SIP/2.0 407", "SIP/2.0 404", "REGISTER sip:", "ACK sip:", "INFO sip:", "BYE sip:"):
        assert any(wanted in line for line in traced), wanted
    assert any("Reason: Q.850;cause=1 " in f"{line} " for line in traced)
    assert secrets[0]
    output.holds_none_of(*secrets, SIP_PASSWORD, NONCE, DIGITS, DIGITS[2:], CODE, "20055501", "Signal=", "m=audio")


def test_log_01_no_line_of_a_traced_text_holds_a_number_a_code_or_the_password(output: Output) -> None:
    """Traced binds, submissions, receipts and incoming texts are logged without a number, a code or the password."""

    async def play() -> None:
        receipt = deliver_sm(DIGITS, b"id:abc1 sub:001 dlvrd:001 stat:DELIVRD err:000 text:493027")
        async with bare_smsc(
            after_submission=lambda: receipt + deliver_sm(DIGITS, b"493027 stop", esm_class=0)
        ) as smsc:
            async with texts.bound(smsc, password=SMPP_PASSWORD, trace=True) as (gateway, reports):
                delivered.append(texts.outgoing(CODE, number=NUMBER))
                await gateway.send(delivered[0])
                await reports.wait_for(1)
                smsc.submit_status = 0x45
                with pytest.raises(DeliveryFailed):
                    await gateway.send(texts.outgoing(CODE, number=NUMBER))
            assert SMPP_PASSWORD.encode() in smsc.binds[0]

    delivered: list[Any] = []
    texts.run(play)
    traced = [line for line in output.lines() if line["event"] == "messaging.smpp.trace"]
    said = [line["message"] for line in traced]
    assert said[:2] == [
        "sent bind_transceiver sequence_number 1 command_status 0x00000000",
        "received bind_transceiver_resp sequence_number 1 command_status 0x00000000",
    ]
    assert "received submit_sm_resp sequence_number 3 command_status 0x00000045" in said
    assert "sent deliver_sm_resp sequence_number 78 command_status 0x00000000" in said
    assert {line["gateway"] for line in traced} == {"one"}
    assert str(delivered[0].delivery_id) in {line.get("delivery") for line in traced}
    output.holds_none_of(SMPP_PASSWORD, DIGITS, DIGITS[2:], CODE)


@pytest.mark.usefixtures("voice")
def test_a_gateway_that_is_not_traced_leaves_no_trace(output: Output) -> None:
    async def play() -> None:
        async with answered() as (system, invite, telephone, gateway, _reports):
            await telephone.wait_for(1)
            system.ask(invite, "BYE")
            await is_idle(gateway)
        async with bare_smsc() as smsc, texts.bound(smsc) as (texting, _):
            await texting.send(texts.outgoing())

    run(play)
    assert not {"messaging.sip.trace", "messaging.smpp.trace"} & output.events()
    assert {"messaging.sip.listening", "messaging.smpp.bound"} <= output.events()


def test_log_01_a_mistake_in_a_check_leaves_no_password_in_a_line(output: Output) -> None:
    """An exception whose message contains the password is logged by its type and location only."""

    class Broken(FakeChecks):
        def check_account_password(self, question: AuthRequest, *, now: Any) -> Any:
            raise ValueError(question.secret.reveal())

    async def ask() -> None:
        batcher = RequestBatcher(Broken())
        answers: asyncio.Queue[object] = asyncio.Queue()
        batcher.ask(AuthRequest(Door.MAIL, ALICE, Secret(ACCOUNT_PASSWORD)), answers.put_nowait)
        await answers.get()
        await batcher.finish()

    asyncio.run(ask())
    [line] = [line for line in output.lines() if line["event"] == "mail.auth.failed"]
    assert line["trouble"].startswith("ValueError (test_log_secrets.py:")
    output.holds_none_of(ACCOUNT_PASSWORD)
