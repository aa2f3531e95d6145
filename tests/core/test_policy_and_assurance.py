"""Limits can only become stricter; evidence, not a flag, determines the assurance."""

import dataclasses
from datetime import timedelta
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import NOW, evidence
from watchword.core.assurance import TOLERATED_SKEW, Assurance, Evidence, acr, amr, assurance, is_recent
from watchword.core.policy import (
    SECOND_FACTORS,
    STRICTEST,
    Channel,
    FactorKind,
    Limits,
    MfaState,
    Policy,
    cover_too_much,
    why_no_app_password,
)

PASSWORD = Evidence(FactorKind.PASSWORD, NOW)
TEXT = Evidence(FactorKind.PHONE, NOW, Channel.SMS)
CALL = Evidence(FactorKind.PHONE, NOW, Channel.VOICE)


@given(
    st.dictionaries(st.sampled_from([field.name for field in dataclasses.fields(Limits)]), st.integers() | st.text())
)
def test_no_wish_ever_loosens_a_limit(config: dict[str, object]) -> None:
    tightened, weakest = Limits().tightened(config), Limits()
    longer = {
        "cooling_off_seconds",
        "resend_seconds",
        "burst_seconds",
        "first_wait_seconds",
        "longest_wait_seconds",
        "source_seconds",
        "source_longest_wait_seconds",
    }
    for field in dataclasses.fields(Limits):
        ours, theirs = getattr(tightened, field.name), getattr(weakest, field.name)
        assert ours >= theirs if field.name in longer else 1 <= ours <= theirs


@given(
    st.dictionaries(st.sampled_from([field.name for field in dataclasses.fields(Limits)]), st.integers() | st.text())
)
def test_no_setting_makes_a_limit_so_strict_that_no_person_comes_in(config: dict[str, object]) -> None:
    tightened, weakest = Limits().tightened(config), Limits()
    for field in dataclasses.fields(Limits):
        bounds = sorted([getattr(weakest, field.name), getattr(STRICTEST, field.name)])
        assert bounds[0] <= getattr(tightened, field.name) <= bounds[1]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("code_seconds", 1, 60),
        ("day_failures", 1, 5),
        ("session_seconds", 1, 900),
        ("session_idle_seconds", 1, 300),
        ("code_tries", 1, 2),
        ("longest_wait_seconds", 10**9, 86_400),
        ("cooling_off_seconds", 10**9, 30 * 86_400),
    ],
)
def test_a_limit_stricter_than_people_can_bear_is_as_strict_as_may_be(name: str, value: int, expected: int) -> None:
    assert getattr(Limits().tightened({name: value}), name) == expected
    assert Limits().senseless({name: value}) == [name]
    assert Limits().senseless({name: expected}) == []


@pytest.mark.parametrize(
    ("networks", "versions"),
    [
        (["0.0.0.0/1", "128.0.0.0/1"], {4}),
        (["8.0.0.0/8"], set()),
        (["8.0.0.0/8", "9.0.0.0/32"], {4}),
        (["8.0.0.0/9", "8.128.0.0/9"], set()),
        (["2000::/16"], set()),
        (["2000::/16", "2001::/128"], {6}),
        (["8.0.0.0/7", "2000::/3"], {4, 6}),
        (["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fd00::/8"], set()),
        (["10.0.0.0/7"], {4}),
        ([], set()),
    ],
)
def test_networks_that_together_are_a_great_part_of_the_internet_are_known(
    networks: list[str], versions: set[int]
) -> None:
    assert cover_too_much(ip_network(text) for text in networks) == versions


def test_a_stricter_wish_is_taken_over() -> None:
    assert Limits().tightened({"code_seconds": 120}).code_seconds == 120


@pytest.mark.parametrize(
    ("address", "is_trusted"),
    [
        ("203.0.113.7", True),
        ("203.0.114.7", False),
        ("::ffff:203.0.113.7", True),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("", False),
        ("not an address", False),
        ("203.0.113.7:443", False),
    ],
)
def test_a_network_is_trusted_by_address_alone(address: str, is_trusted: bool) -> None:
    policy = Policy(trusted_networks=(ip_network("203.0.113.0/24"), ip_network("2001:db8::/32")))
    assert policy.trusts(address) is is_trusted


def test_a_password_and_a_telephone_are_two() -> None:
    assert assurance([PASSWORD, TEXT]) is Assurance.TWO
    assert amr([PASSWORD, TEXT]) == ["mfa", "pwd", "sms"]
    assert amr([PASSWORD, CALL]) == ["mfa", "pwd", "tel"]
    assert acr([PASSWORD, TEXT]) == "urn:watchword:acr:two"


@given(evidence)
def test_nothing_but_password_and_second_proof_together_is_two(proofs: tuple[Evidence, ...]) -> None:
    kinds = {proof.kind for proof in proofs}
    assert (assurance(proofs) is Assurance.TWO) == (FactorKind.PASSWORD in kinds and bool(kinds & SECOND_FACTORS))
    assert ("mfa" in amr(proofs)) == (assurance(proofs) is Assurance.TWO)


def test_old_proof_is_not_recent() -> None:
    ten = timedelta(minutes=10)
    assert is_recent([PASSWORD, TEXT], Assurance.TWO, NOW + ten, ten)
    assert not is_recent([PASSWORD, TEXT], Assurance.TWO, NOW + ten + timedelta(seconds=1), ten)
    second = timedelta(seconds=1)
    assert is_recent([PASSWORD, TEXT], Assurance.TWO, NOW - TOLERATED_SKEW, ten), "given on a node that is ahead"
    assert not is_recent([PASSWORD, TEXT], Assurance.TWO, NOW - TOLERATED_SKEW - second, ten)


@pytest.mark.parametrize(
    ("state", "allowed", "alive", "expected"),
    [
        (MfaState.ENFORCED, True, 39, None),
        (MfaState.ENFORCED, True, 40, "limit"),
        (MfaState.ENFORCED, False, 0, "not_allowed"),
        (MfaState.ENABLED, True, 0, "not_enforced"),
        (MfaState.DISABLED, True, 0, "not_enforced"),
    ],
)
def test_app_passwords_are_for_the_enforced_and_at_most_forty(
    state: MfaState, allowed: bool, alive: int, expected: str | None
) -> None:
    assert why_no_app_password(state, Policy(app_passwords_allowed=allowed), alive) == expected
