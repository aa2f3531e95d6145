"""Texts as SMPP submits them, and receipts of any shape."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.delivery.channel import Result
from watchword.delivery.smpp.messages import comparable, receipt_of, segments_of, validity
from watchword.delivery.smpp.wishes import Alphabet, Ids, SmppWishes

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def test_a_short_text_is_one_segment_in_the_gsm_alphabet() -> None:
    (segment,) = segments_of("493 027 für Sie @x #493027", Alphabet.GSM, reference=1)
    assert segment.data_coding == 0
    assert segment.octets.decode("gsm03.38") == "493 027 für Sie @x #493027"
    assert segment.octets[-10] == 0  # the at sign of that alphabet


def test_what_the_gsm_alphabet_lacks_goes_as_ucs2() -> None:
    (segment,) = segments_of("Ваш код 123456", Alphabet.GSM, reference=1)
    assert (segment.data_coding, segment.octets.decode("utf-16-be")) == (8, "Ваш код 123456")


@given(st.text(max_size=700), st.integers(0, 255))
def test_a_long_text_arrives_whole_whatever_is_in_it(text: str, reference: int) -> None:
    parts = segments_of(text, Alphabet.GSM, reference=reference)
    headless = [part.octets[6:] if part.esm_class else part.octets for part in parts]
    assert all(len(part.octets) <= (160 if part.data_coding == 0 else 140) for part in parts)
    codec = "utf-16-be" if parts[0].data_coding else "gsm03.38"
    # Each part can be read alone: nothing is cut within a letter.
    assert "".join(part.decode(codec) for part in headless) == text.encode("utf-16-be", "replace").decode("utf-16-be")


def test_the_carrier_is_told_when_the_code_dies() -> None:
    assert validity(NOW + timedelta(minutes=4, seconds=59), NOW) == "000000000459000R"
    assert validity(NOW - timedelta(minutes=1), NOW) == "000000000001000R"
    assert validity(None, NOW) == ""


@pytest.mark.parametrize(
    ("stat", "result"),
    [
        ("DELIVRD", Result.DELIVERED),
        ("UNDELIV", Result.UNREACHABLE),
        ("EXPIRED", Result.UNREACHABLE),
        ("REJECTD", Result.BLOCKED),
        ("DELETED", Result.FAILED),
    ],
)
def test_a_receipt_says_what_became_of_a_text(stat: str, result: Result) -> None:
    text = f"id:abc-17 sub:001 dlvrd:001 submit date:2611241200 done date:2611241201 stat:{stat} err:000 text:x"
    assert receipt_of(0x04, text.encode(), {}, Ids.AS_IS) == ("abc-17", result)
    assert receipt_of(0x04, text.lower().replace("id:", "ID:").encode(), {}, Ids.AS_IS) == ("abc-17", result)


def test_optional_parameters_count_more_than_the_words() -> None:
    tags = {0x001E: b"real\0", 0x0427: b"\x02"}
    assert receipt_of(0x04, b"id:other stat:UNDELIV", tags, Ids.AS_IS) == ("real", Result.DELIVERED)


@pytest.mark.parametrize("stat", ["ENROUTE", "ACCEPTD", "UNKNOWN"])
def test_a_receipt_that_says_nothing_yet_changes_nothing(stat: str) -> None:
    assert receipt_of(0x04, f"id:1 stat:{stat}".encode(), {}, Ids.AS_IS) is None


def test_a_text_from_somebody_is_no_receipt() -> None:
    assert receipt_of(0x00, b"id:1 stat:DELIVRD", {}, Ids.AS_IS) is None


@given(st.integers(0, 255), st.binary(max_size=255), st.dictionaries(st.integers(0, 65535), st.binary(max_size=70)))
def test_no_octets_make_the_reader_fall(esm_class: int, octets: bytes, tags: dict[int, bytes]) -> None:
    for ids in Ids:
        receipt = receipt_of(esm_class, octets, tags, ids)
        assert receipt is None or isinstance(receipt[1], Result)


def test_ids_in_hexadecimal_and_decimal_are_the_same() -> None:
    assert comparable("1A", Ids.HEX_TO_DECIMAL, is_receipt=False) == comparable(
        "26", Ids.HEX_TO_DECIMAL, is_receipt=True
    )


@pytest.mark.parametrize(
    ("sender", "source"),
    [
        ("Harbour", (5, 0, "Harbour")),
        ("+4915112345678", (1, 1, "4915112345678")),
        ("26096", (3, 0, "26096")),
        ("", (0, 0, "")),
    ],
)
def test_the_sender_says_what_kind_of_address_it_is(sender: str, source: tuple[int, int, str]) -> None:
    assert SmppWishes(host="h", system_id="s", password="p", sender=sender).source == source


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"sender": "Harbour and Hill"}, "sender is neither"),
        ({"sender": "+" + "1" * 21}, "sender is neither"),
        ({"sender": "٢٦٠٩٦"}, "sender is neither"),
        ({"sender": "+Harbour"}, "sender is neither"),
        ({"sender": "+"}, "sender is neither"),
        ({"sender": "Har\0bour"}, "sender is neither"),
        ({"port": 0}, "port is not"),
        ({"window_size": 0}, "window_size is not"),
        ({"system_id": "x" * 16}, "system_id has more than 15"),
        ({"password": "x" * 9}, "password has more than 8"),
        ({"system_type": "x" * 13}, "system_type has more than 12"),
        # They are counted in octets.
        ({"system_id": "é" * 8}, "system_id"),
        ({"password": "é" * 8}, "password"),
        ({"password": "a\0b"}, "password"),
    ],
)
def test_what_no_smsc_takes_is_refused(wrong: dict[str, object], words: str) -> None:
    """The library ends a bind with such a word in a stack dump, and then waits in vain for its answer."""
    with pytest.raises(ValueError, match=words):
        SmppWishes(**{"host": "h", "system_id": "s", "password": "p", **wrong})  # type: ignore[arg-type]
