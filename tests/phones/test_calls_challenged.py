"""Challenges of SIP systems: every supported one is answered, and a refusal says why."""

from __future__ import annotations

import asyncio

import pytest
from aiosipua import SipRequest
from aiosipua.headers import parse_auth

from tests.phones.calling import call, caller, run, sign_off
from tests.phones.pbx import pbx, peer, sound_at
from tests.phones.test_smpp_links import until
from watchword.messaging.gateway import DeliveryFailed, Result

pytestmark = pytest.mark.usefixtures("quick_voice")


def challenge(nonce: str, *, realm: str = "pbx.example", algorithm: str = "MD5", more: str = ', qop="auth"') -> str:
    return f'Digest realm="{realm}", nonce="{nonce}", algorithm={algorithm}{more}'


def stale(nonce: str) -> str:
    return challenge(nonce, more=', qop="auth", stale=true')


def proof(request: SipRequest, header: str = "authorization") -> dict[str, str]:
    return parse_auth(request.get_header(header) or "", credentials=True).params


def test_a_stale_nonce_in_a_registration_is_no_wrong_password() -> None:
    async def play() -> None:
        async with pbx() as system, caller(system.port, password="opensesame", register=True) as (gateway, _):
            system.say(await system.takes("REGISTER"), 401, WWW_Authenticate=challenge("n1"))
            second = await system.takes("REGISTER")
            system.say(second, 401, WWW_Authenticate=stale("n2"))
            third = await system.takes("REGISTER")
            assert [proof(one)["nonce"] for one in (second, third)] == ["n1", "n2"]
            assert "refuses" not in gateway.condition.words
            system.say(third, 200, Expires="300")
            await until(lambda: gateway.condition.is_up)
            await sign_off(gateway, system)

    run(play)


def test_a_stale_nonce_in_a_call_is_no_wrong_password() -> None:
    async def play() -> None:
        async with pbx() as system, caller(system.port, password="opensesame") as (gateway, _):
            sending = asyncio.ensure_future(gateway.send(call()))
            system.say(await system.takes("INVITE"), 407, Proxy_Authenticate=challenge("n1"))
            await system.takes("ACK")
            system.say(await system.takes("INVITE"), 407, Proxy_Authenticate=stale("n2"))
            await system.takes("ACK")
            third = await system.takes("INVITE")
            assert proof(third, "proxy-authorization")["nonce"] == "n2"
            system.say(third, 486)
            with pytest.raises(DeliveryFailed) as caught:
                await sending
            assert caught.value.result is Result.BUSY
            assert gateway.condition.is_up

    run(play)


def test_a_proxy_and_the_telephone_system_behind_it_may_both_ask() -> None:
    async def play() -> None:
        async with pbx() as system, caller(system.port, password="opensesame") as (gateway, _):
            sending = asyncio.ensure_future(gateway.send(call()))
            system.say(await system.takes("INVITE"), 407, Proxy_Authenticate=challenge("n1", realm="proxy.example"))
            await system.takes("ACK")
            system.say(await system.takes("INVITE"), 401, WWW_Authenticate=challenge("n2"))
            await system.takes("ACK")
            third = await system.takes("INVITE")
            assert (proof(third)["nonce"], proof(third, "proxy-authorization")["nonce"]) == ("n2", "n1")
            system.say(third, 486)
            with pytest.raises(DeliveryFailed):
                await sending

    run(play)


def test_the_first_challenge_that_we_know_is_answered() -> None:
    """RFC 8760 section 2.3: answer the topmost challenge that the client supports."""

    async def play() -> None:
        async with pbx() as system, caller(system.port, password="opensesame") as (gateway, _):
            sending = asyncio.ensure_future(gateway.send(call()))
            asked = [challenge("n0", algorithm="BLAKE9"), challenge("n1", algorithm="SHA-512-256"), challenge("n2")]
            system.say(await system.takes("INVITE"), 401, WWW_Authenticate=asked)
            await system.takes("ACK")
            second = await system.takes("INVITE")
            assert (proof(second)["nonce"], proof(second)["algorithm"]) == ("n1", "SHA-512-256")
            system.say(second, 486)
            with pytest.raises(DeliveryFailed):
                await sending

    run(play)


@pytest.mark.parametrize(
    ("asked", "password", "words"),
    [
        pytest.param([challenge("n1"), challenge("n2")], "wrong", "refuses the user name or password", id="wrong"),
        pytest.param([stale("n1"), stale("n1")], "wrong", "refuses the user name or password", id="the same nonce"),
        pytest.param([challenge("n1", algorithm="BLAKE9")], "x", "a proof of a kind that we don't know", id="unknown"),
        pytest.param([challenge("n1")], "", "wants a password, and this channel has none", id="none"),
    ],
)
def test_a_refusal_says_what_it_is_until_a_call_goes_well(asked: list[str], password: str, words: str) -> None:
    async def play() -> None:
        async with pbx() as system, caller(system.port, password=password) as (gateway, _):
            sending = asyncio.ensure_future(gateway.send(call()))
            for one in asked:
                system.say(await system.takes("INVITE"), 401, WWW_Authenticate=one)
                await system.takes("ACK")
            with pytest.raises(DeliveryFailed) as caught:
                await sending
            assert caught.value.is_useless_again
            assert words in gateway.condition.words
            # The SIP system answers OPTIONS, but that does not make the gateway available.
            await until(gateway._registration.is_up.is_set)
            assert not gateway.condition.is_up
            assert words in gateway.condition.words

            telephone = await peer()
            sending = asyncio.ensure_future(gateway.send(call("", words="A test.")))
            system.say(await system.takes("INVITE"), 200, sound=sound_at(telephone.port))
            await sending
            await until(lambda: gateway.condition.is_up)
            telephone.transport.close()

    run(play)


def test_who_proves_to_be_us_may_have_another_name_than_our_address() -> None:
    async def play() -> None:
        config = {"user": "200", "auth_user": "auth-7", "password": "opensesame", "register": True}
        async with pbx() as system, caller(system.port, **config):
            first = await system.takes("REGISTER")
            system.say(first, 401, WWW_Authenticate=challenge("n1"))
            second = await system.takes("REGISTER")
            assert "sip:200@" in (second.get_header("from") or "")
            assert proof(second)["username"] == "auth-7"
            system.say(second, 403)

    run(play)


@pytest.mark.parametrize(("algorithm", "times"), [("MD5", 1), ("SHA-256", 0)])
def test_that_a_telephone_system_wants_md5_is_told_once(
    caplog: pytest.LogCaptureFixture, algorithm: str, times: int
) -> None:
    async def play() -> None:
        async with pbx() as system, caller(system.port, password="opensesame") as (gateway, _):
            for nonce in ("n1", "n2"):
                sending = asyncio.ensure_future(gateway.send(call()))
                asked = challenge(nonce, algorithm=algorithm)
                system.say(await system.takes("INVITE"), 407, Proxy_Authenticate=asked)
                await system.takes("ACK")
                system.say(await system.takes("INVITE"), 486)
                with pytest.raises(DeliveryFailed):
                    await sending
                await system.takes("ACK")

    run(play)
    told = [record.getMessage() for record in caplog.records if "MD5" in record.getMessage()]
    assert told == times * ["127.0.0.1 asks for digest authentication by MD5: keep SIP within your own network"]
