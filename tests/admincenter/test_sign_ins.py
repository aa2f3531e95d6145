"""The sign-in log: filters, pages, words for every reason, and a CSV table that runs no formulas."""

from __future__ import annotations

import csv
import html
import io
import re
from datetime import UTC, datetime

import pytest
from django.test import Client

from tests.admincenter.reading import rows
from tests.pages import text
from tests.world import World, make_organisation, make_person
from watchword.admincenter.labels import REASONS
from watchword.admincenter.reports import sign_in_log
from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.decision import DenyReason
from watchword.core.factors import RejectReason
from watchword.directory.models import User

LOG = "/admin/sign-ins/"
NEVER_A_REFUSAL = {DenyReason.WHO_ARE_YOU, DenyReason.MFA_REQUIRED, DenyReason.NOTHING_REGISTERED}


def remember(
    user: User | None,
    day: int,
    *,
    door: str = "web",
    service: str = "",
    address: str = "198.51.100.7",
    reason: str = "",
) -> None:
    record(
        EventKind.SIGN_IN_DENIED if reason else EventKind.SIGN_IN_ALLOWED,
        now=datetime(2026, 5, day, 12, tzinfo=UTC),
        subject=user,
        name="" if user else "mallory@harbour.example",
        organisation_id=User.objects.get(sign_in_name="root@harbour.example").organisation_id,
        origin=Origin(address, "Firefox", door, service),
        reason=reason,
    )


@pytest.fixture
def remembered(world: World) -> None:
    """Record some sign-ins of May."""
    remember(world.alice, 1)
    remember(world.alice, 2, door="mail", service="imap", address="2001:db8::7")
    remember(world.bob, 3, door="mail", service="smtp", reason="app_password_needed")
    remember(None, 4, reason="unknown")


@pytest.mark.usefixtures("remembered")
@pytest.mark.parametrize(
    ("options", "days"),
    [
        ("", [4, 3, 2, 1]),
        ("person=alice@harbour.example", [2, 1]),
        ("person=ALICE@HARBOUR.example.", [2, 1]),
        ("person=ali", [2, 1]),
        ("person=mallory@harbour.example", [4]),
        ("outcome=allowed", [2, 1]),
        ("outcome=denied", [4, 3]),
        ("door=mail", [3, 2]),
        ("service=imap", [2]),
        ("service=IMAP&door=mail", [2]),
        ("address=2001:db8::7", [2]),
        ("since=2026-05-03", [4, 3]),
        ("until=2026-05-02", [2, 1]),
        ("since=2026-05-02&until=2026-05-03&outcome=denied", [3]),
        ("person=nobody.at.all", []),
        ("outcome=nonsense&door=nonsense", [4, 3, 2, 1]),
    ],
)
def test_the_log_is_filtered(root: Client, world: World, options: str, days: list[int]) -> None:
    page = root.get(f"{LOG}?until=2026-05-31&{options}" if "until" not in options else f"{LOG}?{options}")
    shown = [int(found) for found in re.findall(r'datetime="2026-05-0(\d)', page.content.decode())]
    assert shown == days
    assert ("No sign-in matches" in text(page.content)) == (days == [])


@pytest.mark.parametrize(
    "options",
    ["since=nonsense", "until=2026-02-30", "until=9999-12-31", "since=0001-01-01", "since=10000-01-01"],
)
def test_a_day_that_is_none_is_explained_and_stays(root: Client, world: World, options: str) -> None:
    page = root.get(f"{LOG}?{options}")
    assert "Write the day like 2026-05-03. It was left out." in text(page.content)
    assert f'value="{options.split("=")[1]}"' in page.content.decode()
    assert root.get(f"/admin/sign-ins.csv?{options}").status_code == 200


@pytest.mark.parametrize(
    "options", ["before=" + "9" * 5000, "before=-1", "before=x", "person=%00", "address=%00", "service=%00"]
)
def test_senseless_addresses_are_answered(root: Client, world: World, options: str) -> None:
    assert root.get(f"{LOG}?{options}").status_code == 200


def test_pages_show_each_sign_in_once(root: Client, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in_log, "PAGE", 2)
    for day in range(1, 8):
        remember(world.alice, day)
    address, seen = f"{LOG}?person=alice@harbour.example", []
    while address:
        page = root.get(address).content.decode()
        seen += re.findall(r'datetime="(2026-05-0\d)', page)
        older = re.search(r'href="(\?[^"]+)">Older', page)
        address = LOG + html.unescape(older[1]) if older else ""
    assert seen == [f"2026-05-0{day}" for day in range(7, 0, -1)]


def test_every_reason_to_refuse_has_words() -> None:
    wanted = {
        *(set(DenyReason) - NEVER_A_REFUSAL),
        RejectReason.WRONG,
        RejectReason.EXPIRED,
        RejectReason.USED,
        RejectReason.TOO_MANY_TRIES,
    }
    assert {str(reason) for reason in wanted} <= set(REASONS)


def test_other_organisations_are_not_told(root: Client, world: World) -> None:
    stranger = make_person(make_organisation("Other", "other.example"), "stranger")
    record(EventKind.SIGN_IN_ALLOWED, now=world.now, subject=stranger, by=stranger)
    for options in ("", "?person=stranger@other.example", "?person=stranger"):
        assert "stranger@" not in re.sub(r'value="[^"]*"', "", root.get(LOG + options).content.decode())


def test_the_table_holds_the_filtered_and_opens_in_a_spreadsheet(root: Client, world: World) -> None:
    remember(world.alice, 1)
    remember(world.bob, 3, door="mail", service="smtp", reason="app_password_needed")
    answer = root.get("/admin/sign-ins.csv?outcome=denied")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    lines = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert lines[1:] == [
        [
            "2026-05-03 12:00:00",
            "bob@harbour.example",
            "refused",
            "The account's own password; an app password is needed",
            "mail",
            "smtp",
            "",
            "198.51.100.7",
            "Firefox",
            "0",
        ]
    ]


def test_a_row_tells_who_came_in_where(root: Client, world: World) -> None:
    remember(world.alice, 2, door="mail", service="imap", address="2001:db8::7")
    assert rows(root.get(f"{LOG}?person=alice"))[0].endswith(
        "alice@harbour.example came in mail program IMAP 2001:db8::7"
    )
