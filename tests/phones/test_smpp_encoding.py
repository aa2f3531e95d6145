"""Texts as submitted by SMPP, and receipts in any format."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.messaging.gateway import Result
from watchword.messaging.gateways.smpp import pdu
from watchword.messaging.gateways.smpp.config import Alphabet, Ids, SmppConfig, Validity
from watchword.messaging.gateways.smpp.encoding import SmppReceipt, e164_of, receipt_of, segments_of, validity
from watchword.messaging.gateways.smpp.pdu import Delivered


def received(
    octets: bytes, tags: dict[int, bytes] | None = None, *, esm_class: int = 0x04, data_coding: int = 0
) -> Delivered:
    return Delivered("4915112345678", esm_class, data_coding, octets, tags or {})


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
    # Each part can be decoded alone: no character is cut.
    assert "".join(part.decode(codec) for part in headless) == text.encode("utf-16-be", "replace").decode("utf-16-be")


def test_the_gateway_is_told_when_the_code_dies() -> None:
    assert validity(NOW + timedelta(minutes=4, seconds=59), NOW) == "000000000459000R"
    assert validity(NOW - timedelta(minutes=1), NOW) == "000000000001000R"
    assert validity(None, NOW) == ""
    assert validity(NOW + timedelta(minutes=5), NOW, Validity.ABSOLUTE) == "261124120500000+"
    assert validity(NOW + timedelta(minutes=5), NOW, Validity.NONE) == ""


@pytest.mark.parametrize(
    ("stat", "result"),
    [
        ("DELIVRD", Result.DELIVERED),
        ("UNDELIV", Result.UNREACHABLE),
        ("EXPIRED", Result.UNREACHABLE),
        ("REJECTD", Result.BLOCKED),
        ("DELETED", Result.FAILED),
        ("DELIVERED", Result.DELIVERED),
        ("UNDELIVERABLE", Result.UNREACHABLE),
        ("REJECTED", Result.BLOCKED),
        ("FAILED", Result.FAILED),
        ("2", Result.DELIVERED),
        ("5", Result.UNREACHABLE),
        ("008", Result.BLOCKED),
    ],
)
def test_a_receipt_says_what_became_of_a_text(stat: str, result: Result) -> None:
    text = f"id:abc-17 sub:001 dlvrd:001 submit date:2611241200 done date:2611241201 stat:{stat} err:000 text:x"
    assert receipt_of(received(text.encode())) == SmppReceipt(("abc-17",), result)
    assert receipt_of(received(text.lower().replace("id:", "ID:").encode())) == SmppReceipt(("abc-17",), result)
    assert receipt_of(received(text.encode("utf-16-be"), data_coding=8)) == SmppReceipt(("abc-17",), result)


def test_both_names_of_a_receipt_are_looked_for_the_optional_parameter_first() -> None:
    tags = {0x001E: b"39f99dd5\0", 0x0427: b"\x02"}
    assert receipt_of(received(b"id:0972660181 stat:UNDELIV", tags)) == SmppReceipt(
        ("39f99dd5", "0972660181"), Result.DELIVERED
    )


@pytest.mark.parametrize("name", ["AB/12+34==", "12@smsc1", "12ab34cd-0000-4000-8000-1234567890ab", "{7}", "~"])
def test_a_name_may_hold_any_sign_that_is_printed(name: str) -> None:
    assert receipt_of(received(f"id:{name} sub:001 stat:DELIVRD".encode())) == SmppReceipt((name,), Result.DELIVERED)


def test_a_receipt_without_a_name_is_not_one_about_its_next_field() -> None:
    assert receipt_of(received(b"id: sub:001 dlvrd:001 stat:DELIVRD")) is None


@pytest.mark.parametrize("stat", ["ENROUTE", "ACCEPTD", "UNKNOWN", "1", "6", "7"])
def test_a_receipt_that_says_nothing_yet_changes_nothing(stat: str) -> None:
    assert receipt_of(received(f"id:1 stat:{stat}".encode())) is None


@pytest.mark.parametrize("esm_class", [0x00, 0x08, 0x40])
def test_what_is_not_marked_as_a_receipt_is_one_only_where_its_name_is_ours(esm_class: int) -> None:
    receipt = receipt_of(received(b"id:1 stat:DELIVRD", esm_class=esm_class))
    assert receipt == SmppReceipt(("1",), Result.DELIVERED, is_marked=False)
    assert receipt_of(received(b"See you at nine.", esm_class=esm_class)) is None


@given(
    st.integers(0, 255),
    st.integers(0, 255),
    st.binary(max_size=255),
    st.dictionaries(st.integers(0, 65535), st.binary(max_size=70)),
)
def test_no_octets_make_the_reader_fall(esm_class: int, coding: int, octets: bytes, tags: dict[int, bytes]) -> None:
    receipt = receipt_of(received(octets, tags, esm_class=esm_class, data_coding=coding))
    assert receipt is None or isinstance(receipt.result, Result)


@given(st.binary(max_size=300))
def test_no_body_makes_the_reader_of_pdus_fall_otherwise_than_as_announced(body: bytes) -> None:
    for read in (pdu.read_deliver_sm, pdu.read_data_sm):
        try:
            assert isinstance(read(body), Delivered)
        except ValueError:
            continue


@pytest.mark.parametrize("address", ["4915112345678", "+4915112345678", "004915112345678"])
def test_the_number_of_a_receipt_is_read_in_every_dress(address: str) -> None:
    assert e164_of(address) == "+4915112345678"
    assert e164_of("Harbour") == e164_of("") == ""


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
    assert SmppConfig(host="h", system_id="s", password="p", sender=sender).source == source


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
        ({"password": "x" * 65}, "password has more than 64"),
        ({"system_type": "x" * 13}, "system_type has more than 12"),
        # Their length is counted in octets.
        ({"system_id": "é" * 8}, "system_id"),
        ({"password": "é" * 8}, "password"),
        ({"password": "a\0b"}, "password"),
    ],
)
def test_what_no_smsc_takes_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SmppConfig(**{"host": "h", "system_id": "s", "password": "p", **wrong})


def test_a_password_longer_than_the_standard_allows_is_taken_with_a_note() -> None:
    config = SmppConfig(host="h", system_id="s", password="ninechars")
    assert [note.partition(" has ")[0] for note in config.notes] == ["password"]
    assert SmppConfig(host="h", system_id="s", password="eightchr").notes == []


def test_the_switch_for_ids_is_taken_with_a_note_that_it_does_nothing() -> None:
    (note,) = SmppConfig(host="h", system_id="s", password="p", ids=Ids.HEX_TO_DECIMAL).notes
    assert note.startswith("ids has no effect")
