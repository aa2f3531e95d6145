"""Every refused mail address is one that no mail server accepts."""

import pytest

from watchword.core.mail_addresses import is_mail_address, needs_smtputf8


@pytest.mark.parametrize(
    "address",
    [
        "alice@harbour.example",
        "o'brien@harbour.example",
        "a&b=c~d^e#f@harbour.example",
        "jürgen@harbour.example",
        "علی@harbour.example",
        "alice@bücher.example",
        '"a(b"@harbour.example',
        f"{'ü' * 32}@harbour.example",
    ],
)
def test_what_a_mail_server_can_be_given_is_an_address(address: str) -> None:
    assert is_mail_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "alice",
        "@harbour.example",
        "a,b@harbour.example",
        "a<b@harbour.example",
        "a..b@harbour.example",
        ".a@harbour.example",
        "a b@harbour.example",
        "a\u2003b@harbour.example",
        '"a b"@harbour.example',
        "a\r\nBcc: x@harbour.example",
        '"a\r\nb"@harbour.example',
        "a@b@harbour.example",
        "alice@-harbour.example",
        f"{'ü' * 33}@harbour.example",
    ],
)
def test_what_no_mail_server_can_be_given_is_none(address: str) -> None:
    assert not is_mail_address(address)


def test_only_a_local_part_outside_ascii_needs_smtputf8() -> None:
    assert needs_smtputf8("jürgen@harbour.example")
    assert not needs_smtputf8("alice@bücher.example")
