"""The restrictions of an app password."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.core.restrictions import (
    NO_RESTRICTIONS,
    InvalidNetwork,
    Misfit,
    Program,
    Restrictions,
    read_networks,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOME = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))

restrictions = st.builds(
    Restrictions,
    st.frozensets(st.sampled_from(Program)),
    st.lists(st.sampled_from(HOME), unique=True).map(tuple),
    st.none() | st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
)


@pytest.mark.parametrize(
    ("limits", "service", "address", "misfit"),
    [
        (NO_RESTRICTIONS, "anything", "", None),
        (Restrictions(frozenset({Program.IMAP})), "imap", "", None),
        (Restrictions(frozenset({Program.IMAP})), "IMAP", "", None),
        (Restrictions(frozenset({Program.IMAP})), "smtp", "", Misfit.PROGRAM),
        (Restrictions(frozenset({Program.SUBMISSION})), "submission", "", None),
        (Restrictions(frozenset({Program.SUBMISSION})), "", "", Misfit.PROGRAM),
        (Restrictions(networks=HOME), "imap", "192.0.2.9", None),
        (Restrictions(networks=HOME), "imap", "::ffff:192.0.2.9", None),
        (Restrictions(networks=HOME), "imap", "2001:db8::1", None),
        (Restrictions(networks=HOME), "imap", "198.51.100.1", Misfit.NETWORK),
        (Restrictions(networks=HOME), "imap", "not an address", Misfit.NETWORK),
        (Restrictions(until=NOW), "imap", "", Misfit.EXPIRED),
        (Restrictions(until=NOW + timedelta(seconds=1)), "imap", "", None),
    ],
)
def test_only_what_fits_every_limit_is_let_in(
    limits: Restrictions, service: str, address: str, misfit: Misfit | None
) -> None:
    assert limits.misfit(service, address, NOW) is misfit


@given(restrictions)
def test_what_a_row_keeps_is_what_was_meant(limits: Restrictions) -> None:
    assert Restrictions.from_json(limits.as_json()) == limits
    assert (limits.as_json() is None) is not limits.limit_anything


@given(restrictions, st.sampled_from(["imap", "pop3", "smtp", "sieve"]), st.sampled_from(["192.0.2.1", "203.0.113.1"]))
def test_a_further_limit_never_lets_more_in(limits: Restrictions, service: str, address: str) -> None:
    narrower = Restrictions(limits.programs or frozenset({Program.IMAP}), limits.networks or HOME[:1], limits.until)
    if limits.misfit(service, address, NOW) is not None:
        assert narrower.misfit(service, address, NOW) is not None


def test_networks_are_read_generously_and_refused_by_line() -> None:
    assert read_networks([" 192.0.2.7/24 ", "", "192.0.2.0/24", "2001:db8::1"]) == (
        ip_network("192.0.2.0/24"),
        ip_network("2001:db8::1/128"),
    )
    with pytest.raises(InvalidNetwork) as caught:
        read_networks(["192.0.2.1", "home"])
    assert caught.value.text == "home"
