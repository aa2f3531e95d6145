"""Calls through a registrar and proxy: Kamailio between the gateway and a telephone that is registered there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.phones import baresip as telephones
from tests.phones import kamailio as proxies
from tests.phones.baresip import Baresip, baresip
from tests.phones.calling import CODE, NUMBER, Reports, call, caller, is_idle, run
from tests.phones.hearing import digits_in
from tests.phones.kamailio import DOMAIN, PASSWORD, Kamailio, kamailio
from tests.phones.smsc import free_port
from watchword.messaging.gateway import DeliveryFailed, Result
from watchword.messaging.gateways.sip import gateway as module
from watchword.messaging.gateways.sip.gateway import SipGateway

WHY_NOT = telephones.why_not_here() or proxies.why_not_here()
pytestmark = [pytest.mark.scenario, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]
US = {"user": "watchword", "domain": DOMAIN, "register": True, "password": PASSWORD}


@asynccontextmanager
async def through_a_proxy(folder: Path, **config: Any) -> AsyncIterator[tuple[Kamailio, SipGateway, Reports]]:
    """Start a proxy, and a gateway that places its calls through it."""
    async with (
        kamailio(folder / "pbx") as pbx,
        caller(pbx.port, **(US | config)) as (gateway, reports),
    ):
        yield pbx, gateway, reports


@asynccontextmanager
async def registered_telephone(folder: Path, pbx: Kamailio) -> AsyncIterator[Baresip]:
    """Start a telephone that is registered at the proxy."""
    async with baresip(folder / "phone", user=NUMBER, account=pbx.account(NUMBER)) as phone:
        await pbx.knows(NUMBER)
        yield phone


def test_we_register_prove_who_we_are_and_the_code_is_heard_at_a_registered_telephone(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            through_a_proxy(tmp_path) as (pbx, gateway, reports),
            registered_telephone(tmp_path, pbx) as phone,
        ):
            await gateway.send(call())
            await phone.wait_for("CALL_ESTABLISHED")
            await phone.wait_until_heard(1)
            await phone.press("1")
            await is_idle(gateway)
            await phone.wait_for("CALL_CLOSED")
            assert digits_in(phone.heard()) == CODE * 2
            assert reports.results == [Result.DELIVERED]
            saw = pbx.saw()
            # Our registration and the telephone's, before and after the challenge; then the call, all by the proxy.
            assert saw.count("REGISTER") >= 4
            assert [method for method in saw if method in {"INVITE", "BYE"}] == ["INVITE", "INVITE", "BYE"]

    run(play)


def test_a_telephone_behind_the_proxy_that_hangs_up_ends_the_call(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            through_a_proxy(tmp_path) as (pbx, gateway, reports),
            registered_telephone(tmp_path, pbx) as phone,
        ):
            await gateway.send(call())
            await phone.wait_for("CALL_ESTABLISHED")
            phone.do("hangup")
            await is_idle(gateway)
            assert reports.results == [Result.DELIVERED, Result.HUNG_UP]

    run(play)


def test_a_number_that_is_not_assigned_there_is_a_bad_number(tmp_path: Path) -> None:
    async def play() -> None:
        async with through_a_proxy(tmp_path) as (_pbx, gateway, _reports):
            with pytest.raises(DeliveryFailed) as caught:
                await gateway.send(call())
            assert caught.value.result is Result.BAD_NUMBER

    run(play)


@pytest.mark.parametrize("register", [True, False])
def test_a_wrong_password_is_told_and_no_call_is_placed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, register: bool
) -> None:
    monkeypatch.setattr(module, "UP_SECONDS", 1.0)

    async def play() -> None:
        async with through_a_proxy(tmp_path, password="wrong", register=register) as (_pbx, gateway, _reports):
            with pytest.raises(DeliveryFailed) as caught:
                await gateway.send(call())
            assert (caught.value.result, caught.value.permanent) == (Result.FAILED, False)
            assert gateway.condition.words == "the telephone system refuses the user name or password"

    run(play)


def test_a_proxy_and_the_telephone_system_behind_it_are_both_shown_who_we_are(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            kamailio(tmp_path / "pbx", asks_twice=True) as pbx,
            caller(pbx.port, **US) as (gateway, reports),
            registered_telephone(tmp_path, pbx) as phone,
        ):
            await gateway.send(call("", words="A test."))
            await phone.wait_for("CALL_ESTABLISHED")
            await is_idle(gateway)
            assert reports.results == [Result.DELIVERED]
            assert [method for method in pbx.saw() if method in {"INVITE", "BYE"}] == ["INVITE"] * 3 + ["BYE"]

    run(play)


def test_a_proxy_that_goes_and_comes_back_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from watchword.messaging.gateways.sip import registration

    monkeypatch.setattr(registration, "ASK_EVERY_SECONDS", 0.2)
    monkeypatch.setattr(registration, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(registration, "LONGEST_PAUSE_SECONDS", 0.5)

    async def play() -> None:
        port = free_port()
        async with caller(port, **US) as (gateway, _reports):
            async with kamailio(tmp_path / "first", port=port):
                await gateway._registration.is_up.wait()
            await gateway._registration.is_down.wait()
            assert "does not answer" in gateway.condition.words
            async with kamailio(tmp_path / "second", port=port):
                await gateway._registration.is_up.wait()

    run(play)
