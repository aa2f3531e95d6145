"""The trace of a SIP system retains the fields that link messages to each other, and no number or credential."""

from __future__ import annotations

import pytest
from aiosipua import SipRequest, SipResponse
from aiosipua.message import SipMessage
from hypothesis import given
from hypothesis import strategies as st

from watchword.messaging.gateways.sip.trace import _WRITTEN, redacted
from watchword.messaging.gateways.smpp.trace import name_of

NUMBER = "4915112345678"
INVITE = (
    f"INVITE sip:+{NUMBER}@pbx.example:5062;user=phone SIP/2.0\r\n"
    "v: SIP/2.0/UDP 192.0.2.9:5080;branch=z9hG4bKba32d4a076bf8cd0;rport\r\n"
    f'f: "{NUMBER}" <sip:20055501@pbx.example>;tag=9cff356908135a96\r\n'
    f't: "Alice" <sips:+{NUMBER};isub=77@pbx.example>\r\n'
    "i: 03712c2e-858d-40fa-8782-046c168f8da4@192.0.2.9\r\n"
    "CSeq: 2 INVITE\r\n"
    f'Proxy-Authorization: Digest username="20055501", realm="pbx.example", nonce="n0nce", '
    f'uri="sip:{NUMBER}@pbx.example", response="0123456789abcdef", algorithm=MD5\r\n'
    f"P-Preferred-Identity: <tel:+{NUMBER}>\r\n"
    "\r\nv=0"
)


def test_what_joins_messages_stays_and_the_rest_is_left_out() -> None:
    assert redacted(SipMessage.parse(INVITE)) == (
        "INVITE sip:…@pbx.example:5062 SIP/2.0"
        " | Via: SIP/2.0/UDP 192.0.2.9:5080;branch=z9hG4bKba32d4a076bf8cd0;rport"
        " | From: <sip:…@pbx.example>;tag=9cff356908135a96"
        " | To: <sips:…@pbx.example>"
        " | Call-ID: 03712c2e-858d-40fa-8782-046c168f8da4@192.0.2.9"
        " | CSeq: 2 INVITE"
        ' | Proxy-Authorization: Digest realm="pbx.example", algorithm=MD5'
        " | P-Preferred-Identity: …"
        " | body of 3 octets"
    )


@pytest.mark.parametrize(
    "uri",
    [
        f"sip:{NUMBER}",
        f"sip:{NUMBER}@{NUMBER}.trunk.example",
        f"tel:+{NUMBER};phone-context=+49",
        f"sip:a:{NUMBER}@b@pbx.example?to={NUMBER}",
        NUMBER,
    ],
)
def test_a_number_in_any_part_of_an_address_is_left_out(uri: str) -> None:
    request = SipRequest(method="INVITE", uri=uri)
    for name in ("Contact", "Route", "To"):
        request.headers.append(name, f"<{uri}>;x={NUMBER}")
        request.headers.append(name, uri)
    assert NUMBER not in redacted(request)


SHAPES = ("{}", "<sip:{}@pbx.example>", "Digest realm={}", "SIP/2.0/UDP a;branch={}", "SIP;cause={}", "a;tag={}")
TEXTS = st.text(st.characters(exclude_characters="\r\n\0"), max_size=30)


@given(st.sampled_from([*_WRITTEN, "Warning", f"X-{NUMBER}", NUMBER]), TEXTS, TEXTS)
def test_no_value_of_any_header_brings_a_number_into_the_line(name: str, before: str, after: str) -> None:
    """A number is redacted whatever surrounds it, and in whichever header a careless SIP system puts it."""
    response = SipResponse(status_code=404, reason_phrase=f"no {NUMBER}")
    for shape in (
        "{}",
        "<sip:{}@pbx.example>",
        "Digest realm={}",
        "SIP/2.0/UDP a;branch={}",
        "SIP;cause={}",
        "a;tag={}",
    ):
        response.headers.append(name, shape.format(f"{before}{NUMBER}{after}"))
    assert NUMBER not in redacted(response)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (0x04, "submit_sm"),
        (0x8000_0004, "submit_sm_resp"),
        (0x8000_0000, "generic_nack"),
        (0x8000_0015, "enquire_link_resp"),
        (0x7777, "command_id 0x00007777"),
    ],
)
def test_pdus_have_the_names_of_the_standard(command: int, name: str) -> None:
    assert name_of(command) == name
