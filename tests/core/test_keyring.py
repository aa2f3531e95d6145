"""The key ring: sealed data stays confidential and intact, and rotation loses nothing."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.keys import rotated
from watchword.core.keyring import Key, KeyRing, KeyRingError

PINNED_MAC = "8ada303664d8de5ea6eb5de656f5c05c758842cba387fa706e1dd80cfada0a68"
PINNED_SEALED = "01026b3100000000000000000000000117116fa9f935301b76f791ce0d69b3f78d6ba5111c2b70b1f0"


def counting() -> Callable[[int], bytes]:
    numbers = itertools.count(1)
    return lambda length: next(numbers).to_bytes(length, "big")


def ring(*secrets: int) -> KeyRing:
    keys = tuple(Key(id=f"k{number}", secret=bytes([number]) * 32) for number in secrets)
    return KeyRing(keys, random_source=counting())


@given(st.binary(max_size=300), st.text(max_size=20))
def test_what_was_sealed_opens_for_its_purpose_and_no_other(plaintext: bytes, purpose: str) -> None:
    keys = ring(1)
    sealed = keys.seal(purpose, plaintext)
    assert keys.open(purpose, sealed) == plaintext
    with pytest.raises(KeyRingError, match="altered or is for another purpose"):
        keys.open(purpose + "x", sealed)


@given(st.data())
def test_a_sealed_value_with_any_bit_changed_is_refused(data: st.DataObject) -> None:
    keys = ring(1, 2)
    sealed = bytearray(keys.seal("phone", b"+15550100"))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(KeyRingError):
        keys.open("phone", bytes(sealed))


@given(st.binary(max_size=80))
def test_bytes_that_were_never_sealed_are_refused_by_one_exception(junk: bytes) -> None:
    with pytest.raises(KeyRingError):
        ring(1).open("phone", junk)


def test_two_seals_of_one_value_differ() -> None:
    keys = ring(1)
    assert keys.seal("phone", b"same") != keys.seal("phone", b"same")


def test_after_a_rotation_old_values_open_and_ask_to_be_sealed_anew() -> None:
    old = ring(1)
    sealed = old.seal("phone", b"+15550100")
    assert not old.needs_reseal(sealed)
    new = rotated(old)
    assert new.open("phone", sealed) == b"+15550100"
    assert new.needs_reseal(sealed)
    assert not new.needs_reseal(new.seal("phone", b"+15550100"))


def test_a_value_whose_key_has_left_the_ring_names_the_key() -> None:
    with pytest.raises(KeyRingError, match="key k1, which is not on the ring"):
        ring(2).open("phone", ring(1).seal("phone", b"x"))


def test_look_ups_by_any_key_survive_a_rotation() -> None:
    old = ring(1)
    stored = old.mac("app password", b"secret")
    new = rotated(old)
    assert new.mac("app password", b"secret") != stored
    assert new.macs("app password", b"secret") == (new.mac("app password", b"secret"), stored)


def test_one_purpose_tells_nothing_about_another() -> None:
    assert ring(1).mac("a", b"secret") != ring(1).mac("b", b"secret")
    assert len(ring(1).mac("a", b"secret")) == 32


def test_the_derivation_never_changes() -> None:
    # A change of these values would make every stored app password and sealed phone number unreadable.
    assert ring(1).mac("app password", b"secret").hex() == PINNED_MAC
    assert ring(1).open("phone", bytes.fromhex(PINNED_SEALED)) == b"+15550100"


def test_the_text_form_comes_back_as_it_was() -> None:
    keys = ring(3, 1, 2)
    text = f"# newest first\n\n{keys.serialise()}"
    assert KeyRing.parse(text, random_source=counting()).keys == keys.keys


def test_nothing_shows_a_secret() -> None:
    keys = ring(1, 2)
    assert repr(keys) == "KeyRing(k1, k2)"
    assert repr(keys.keys[0]) == "Key(k1)"
    assert str(keys) == "KeyRing(k1, k2)"


def test_a_new_ring_takes_its_key_from_chance() -> None:
    keys = KeyRing.create(random_source=counting())
    assert keys.keys == (Key(id="00000001", secret=(2).to_bytes(32, "big")),)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "at least one key"),
        ("# only a comment", "at least one key"),
        ("v2:k1:hunter2", "line 1 is not of the form"),
        ("\nv1:hunter2", "line 2 is not of the form"),
        ("v1:k1:hunter2!", "line 1: the key is not base64"),
        ("v1:k1:aHVudGVyMg==", "line 1: key k1 has 7 bytes instead of 32"),
        ("v1:Hunter2:aHVudGVyMg==", "line 1: a key's id is"),
        (ring(1).serialise() * 2, "the same id"),
    ],
)
def test_malformed_text_is_refused_by_line_and_without_its_secret(text: str, wrong: str) -> None:
    with pytest.raises(KeyRingError, match=wrong) as caught:
        KeyRing.parse(text, random_source=counting())
    assert "hunter2" not in str(caught.value).lower()
    assert "aHVudGVyMg" not in str(caught.value)
