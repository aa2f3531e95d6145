"""Limits only get stricter; evidence, not a flag, says how sure we are."""

import dataclasses
from datetime import timedelta
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import NOW, evidence
from watchword.core.assurance import Assurance, Evidence, acr, amr, assurance, is_recent
from watchword.core.policy import FactorKind, Limits, MfaState, Policy, Way, why_no_app_password

PASSWORD = Evidence(FactorKind.PASSWORD, NOW)
TEXT = Evidence(FactorKind.PHONE, NOW, Way.TEXT)
CALL = Evidence(FactorKind.PHONE, NOW, Way.CALL)


@given(
    st.dictionaries(st.sampled_from([field.name for field in dataclasses.fields(Limits)]), st.integers() | st.text())
)
def test_no_wish_ever_loosens_a_limit(wishes: dict[str, object]) -> None:
    tightened, weakest = Limits().tightened(wishes), Limits()
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
    assert (assurance(proofs) is Assurance.TWO) == (kinds >= {FactorKind.PASSWORD, FactorKind.PHONE})
    assert ("mfa" in amr(proofs)) == (assurance(proofs) is Assurance.TWO)


def test_old_proof_is_not_recent() -> None:
    ten = timedelta(minutes=10)
    assert is_recent([PASSWORD, TEXT], Assurance.TWO, NOW + ten, ten)
    assert not is_recent([PASSWORD, TEXT], Assurance.TWO, NOW + ten + timedelta(seconds=1), ten)
    assert not is_recent([PASSWORD, TEXT], Assurance.TWO, NOW - timedelta(seconds=1), ten)


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
