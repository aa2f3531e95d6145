"""Requests that arrive together are checked in one batch, and no error is ever answered as a wrong password."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.doors.mail.fake_backend import ACCOUNT_PASSWORD, ALICE, APP_PASSWORD, CREDENTIAL, FakeChecks
from watchword.core.policy import Door
from watchword.doors.mail import batching as batching_module
from watchword.doors.mail.batching import (
    ACCOUNT_THREADS,
    MOST_ACCOUNT_WAITING,
    Allowed,
    AuthDenied,
    AuthUnavailable,
    RequestBatcher,
    Verdict,
)
from watchword.signin.non_interactive import AuthRequest, Secret


def about(secret: str, name: str = ALICE) -> AuthRequest:
    return AuthRequest(Door.MAIL, name, Secret(secret), "imap", "192.0.2.1")


def ask(batcher: RequestBatcher, question: AuthRequest) -> asyncio.Future[Verdict]:
    answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
    batcher.ask(question, answer.set_result)
    return answer


def play(scene: Callable[[RequestBatcher, FakeChecks], Awaitable[None]]) -> FakeChecks:
    """Run one scene with a batcher of its own, which must be able to finish afterwards."""
    checks = FakeChecks()

    async def stage() -> None:
        batcher = RequestBatcher(checks)
        try:
            await scene(batcher, checks)
        finally:
            checks.gate.set()
            async with asyncio.timeout(20):
                await batcher.finish()

    asyncio.run(stage())
    return checks


def test_right_and_wrong_are_told_apart() -> None:
    async def scene(batcher: RequestBatcher, checks: FakeChecks) -> None:
        assert await ask(batcher, about(APP_PASSWORD)) == Allowed(ALICE, CREDENTIAL)
        assert await ask(batcher, about(ACCOUNT_PASSWORD)) == Allowed(ALICE, CREDENTIAL)
        assert isinstance(await ask(batcher, about("zzzz" * 6)), AuthDenied)
        assert isinstance(await ask(batcher, about("wrong")), AuthDenied)
        assert isinstance(await ask(batcher, about(APP_PASSWORD, "mallory@x")), AuthDenied)

    play(scene)


def test_what_comes_during_one_turn_goes_together_into_the_next() -> None:
    async def scene(batcher: RequestBatcher, checks: FakeChecks) -> None:
        checks.gate.clear()
        first = ask(batcher, about(APP_PASSWORD))
        await checks.reached(turns=1)
        others = [ask(batcher, about(APP_PASSWORD)) for _ in range(300)]
        checks.gate.set()
        assert await asyncio.gather(first, *others) == [Allowed(ALICE, CREDENTIAL)] * 301

    assert play(scene).turns == [1, 256, 44]


def test_an_account_password_never_waits_in_the_queue_of_app_passwords_nor_holds_it_up() -> None:
    async def scene(batcher: RequestBatcher, checks: FakeChecks) -> None:
        checks.gate.clear()
        slow = [ask(batcher, about("wrong")) for _ in range(MOST_ACCOUNT_WAITING)]
        await checks.reached(account_checks=ACCOUNT_THREADS)
        app_passwords = ask(batcher, about(APP_PASSWORD))
        await checks.reached(turns=1)
        checks.gate.set()
        assert await app_passwords == Allowed(ALICE, CREDENTIAL)
        await asyncio.gather(*slow)

    assert play(scene).turns == [1]


def test_a_full_queue_of_account_passwords_means_later() -> None:
    async def scene(batcher: RequestBatcher, checks: FakeChecks) -> None:
        checks.gate.clear()
        waiting = [ask(batcher, about("wrong")) for _ in range(MOST_ACCOUNT_WAITING)]
        assert isinstance(await ask(batcher, about("wrong")), AuthUnavailable)
        checks.gate.set()
        assert all(isinstance(verdict, AuthDenied) for verdict in await asyncio.gather(*waiting))
        assert isinstance(await ask(batcher, about("wrong")), AuthDenied)

    play(scene)


def test_a_full_queue_of_app_passwords_means_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching_module, "MOST_WAITING", 2)

    async def scene(batcher: RequestBatcher, checks: FakeChecks) -> None:
        checks.gate.clear()
        first = ask(batcher, about(APP_PASSWORD))
        await checks.reached(turns=1)
        waiting = [ask(batcher, about(APP_PASSWORD)) for _ in range(2)]
        assert isinstance(await ask(batcher, about(APP_PASSWORD)), AuthUnavailable)
        checks.gate.set()
        assert await asyncio.gather(first, *waiting) == [Allowed(ALICE, CREDENTIAL)] * 3

    play(scene)


@pytest.mark.parametrize("secret", [APP_PASSWORD, ACCOUNT_PASSWORD])
def test_a_locked_database_means_later(secret: str) -> None:
    async def scene(batcher: RequestBatcher, checks: FakeChecks) -> None:
        checks.is_locked = True
        assert isinstance(await ask(batcher, about(secret)), AuthUnavailable)
        checks.is_locked = False
        assert await ask(batcher, about(secret)) == Allowed(ALICE, CREDENTIAL)

    play(scene)


@pytest.mark.parametrize("secret", [APP_PASSWORD, "wrong"])
def test_a_bug_means_later_and_its_words_are_not_logged(secret: str, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(batcher: RequestBatcher, checks: FakeChecks) -> None:
        checks.breaks_at = "breaker@x"
        assert isinstance(await ask(batcher, about(secret, "breaker@x")), AuthUnavailable)

    play(scene)
    assert "RuntimeError" in caplog.text
    assert "canary" not in caplog.text


def test_one_request_that_fails_keeps_no_other_request_out() -> None:
    async def scene(batcher: RequestBatcher, checks: FakeChecks) -> None:
        checks.breaks_at = "breaker@x"
        names = [ALICE, "breaker@x", "mallory@x"]
        first, broken, wrong = await asyncio.gather(*(ask(batcher, about(APP_PASSWORD, name)) for name in names))
        assert first == Allowed(ALICE, CREDENTIAL)
        assert isinstance(broken, AuthUnavailable)
        assert isinstance(wrong, AuthDenied)

    play(scene)


def test_mailboxes_are_found_beside_everything_else() -> None:
    async def scene(batcher: RequestBatcher, checks: FakeChecks) -> None:
        async def find(name: str) -> Verdict:
            answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
            batcher.ask_mailbox(name, "lmtp", answer.set_result)
            return await answer

        assert await find("A.Lias@harbour.example") == Allowed(ALICE)
        assert isinstance(await find("mallory@x"), AuthDenied)
        checks.is_locked = True
        assert isinstance(await find(ALICE), AuthUnavailable)
        assert not batcher.was_let_in_since(ALICE, datetime.now(UTC) - timedelta(minutes=1))

    play(scene)


def test_a_mailbox_that_was_let_in_a_moment_ago_is_known() -> None:
    async def scene(batcher: RequestBatcher, checks: FakeChecks) -> None:
        before = datetime.now(UTC)
        await ask(batcher, about("zzzz" * 6))
        assert not batcher.was_let_in_since(ALICE, before)
        await ask(batcher, about(APP_PASSWORD))
        assert batcher.was_let_in_since(ALICE, before)
        assert not batcher.was_let_in_since(ALICE, datetime.now(UTC) + timedelta(seconds=1))

    play(scene)


def test_a_request_is_answered_before_the_batcher_closes() -> None:
    answers: list[Verdict] = []

    async def scene(batcher: RequestBatcher, checks: FakeChecks) -> None:
        checks.gate.clear()
        for secret in (APP_PASSWORD, ACCOUNT_PASSWORD):
            batcher.ask(about(secret), answers.append)

    play(scene)
    assert answers == [Allowed(ALICE, CREDENTIAL)] * 2
