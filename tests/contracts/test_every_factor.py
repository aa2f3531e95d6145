"""The contract that every factor fulfils, whichever factors are installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings

from watchword.core.factors import Accepted, Challenge, CredentialData, Factor, Rejected, RejectReason, SetupContext
from watchword.core.policy import FactorKind, Policy
from watchword.factors import registry, vault
from watchword.signin.tokens import RANDOM_SOURCE

NOW = datetime(2026, 5, 3, 9, 0, tzinfo=UTC)
SETUP_CONTEXT = SetupContext(Policy(), region="DE", has_second_factor=True)


@dataclass(frozen=True)
class Case:
    """A person's input for setting up one kind of factor, and the answer to its challenge."""

    options: dict[str, str]
    answer: Callable[[Challenge], str]


def _sent_code(challenge: Challenge) -> str:
    assert challenge.send is not None
    return challenge.send.code


CASES = {
    FactorKind.PASSWORD: Case({"password": "correct horse 7 battery"}, lambda _challenge: "correct horse 7 battery"),
    FactorKind.PHONE: Case({"number": "+4915112345678", "channel": "sms", "slot": "mobile"}, _sent_code),
    FactorKind.ACCESS_PASS: Case(
        {"expires": "2026-05-03T10:00:00+00:00", "once": "yes"}, lambda challenge: challenge.show["secret"]
    ),
    FactorKind.APP_PASSWORD: Case({"name": "Laptop"}, lambda challenge: challenge.show["secret"]),
}

every_factor = pytest.mark.parametrize("kind", list(FactorKind))


def set_up(kind: FactorKind) -> tuple[Factor, CredentialData, str]:
    factor, case = registry.factor_of(kind), CASES[kind]
    challenge = factor.start_setup(case.options, SETUP_CONTEXT, random_source=RANDOM_SOURCE, keyed=vault.keyed)
    assert isinstance(challenge, Challenge)
    answer = case.answer(challenge)
    data = factor.finish_setup(challenge.keep, answer, random_source=RANDOM_SOURCE, keyed=vault.keyed, now=NOW)
    assert isinstance(data, CredentialData)
    return factor, data, answer


def prove(factor: Factor, data: CredentialData, answer: str | None) -> object:
    challenge = factor.challenge(data, {}, SETUP_CONTEXT, random_source=RANDOM_SOURCE, keyed=vault.keyed)
    stored = challenge.keep if isinstance(challenge, Challenge) else {}
    if answer is None:
        assert isinstance(challenge, Challenge)
        answer = _sent_code(challenge)
    return factor.verify(data, stored, answer, keyed=vault.keyed, now=NOW)


def test_each_kind_has_one_factor_and_a_case_here() -> None:
    assert set(registry.all_factors()) == set(FactorKind) == set(CASES)


@every_factor
def test_what_was_set_up_is_accepted(kind: FactorKind) -> None:
    factor, data, answer = set_up(kind)
    assert data.kind is kind
    assert isinstance(prove(factor, data, None if kind is FactorKind.PHONE else answer), Accepted)


@every_factor
@pytest.mark.parametrize("answer", ["", " ", "wrong", "00000 ", "\0", "x" * 2000, "\ud800", "a" * 24])
def test_anything_else_is_rejected(kind: FactorKind, answer: str) -> None:
    factor, data, _answer = set_up(kind)
    assert isinstance(prove(factor, data, answer), Rejected)


@every_factor
def test_what_another_person_holds_is_rejected(kind: FactorKind) -> None:
    factor, data, answer = set_up(kind)
    _same_factor, others, _others_answer = set_up(kind)
    if kind is FactorKind.PASSWORD:
        others = CredentialData(kind, slot="account")
    assert isinstance(prove(factor, others, answer), Rejected)
    if kind is not FactorKind.PHONE:
        assert (data.secret, data.lookup) != (others.secret, others.lookup)


@every_factor
def test_no_secret_appears_when_it_is_printed(kind: FactorKind) -> None:
    factor, case = registry.factor_of(kind), CASES[kind]
    challenge = factor.start_setup(case.options, SETUP_CONTEXT, random_source=RANDOM_SOURCE, keyed=vault.keyed)
    assert isinstance(challenge, Challenge)
    _factor, data, answer = set_up(kind)
    printed = repr(challenge) + repr(challenge.send) + repr(data) + str(data)
    for secret in (answer, case.answer(challenge), "15112345678"):
        assert secret not in printed


@every_factor
def test_what_is_kept_holds_no_answer_in_clear(kind: FactorKind) -> None:
    factor, case = registry.factor_of(kind), CASES[kind]
    challenge = factor.start_setup(case.options, SETUP_CONTEXT, random_source=RANDOM_SOURCE, keyed=vault.keyed)
    assert isinstance(challenge, Challenge)
    answer = case.answer(challenge)
    assert all(answer not in value and answer.replace(" ", "") not in value for value in challenge.keep.values())


@every_factor
def test_a_bad_wish_is_rejected_with_a_reason(kind: FactorKind) -> None:
    factor = registry.factor_of(kind)
    outcome = factor.start_setup({}, SETUP_CONTEXT, random_source=RANDOM_SOURCE, keyed=vault.keyed)
    assert isinstance(outcome, Rejected)
    assert isinstance(outcome.reason, RejectReason)


@pytest.mark.parametrize("path", settings.FACTORS)
def test_a_factor_owns_no_view_and_no_url(path: str) -> None:
    package = path.rpartition(".")[0].rpartition(".")[0]
    for forbidden in ("views", "urls"):
        assert importlib.util.find_spec(f"{package}.{forbidden}") is None
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    for source in Path(spec.origin).parent.rglob("*.py"):
        assert "HttpRe" not in source.read_text(), f"{source.name} speaks HTTP"
