"""Where no code can be sent, the administrator is warned before enabling a person, and the person reads an error."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.admincenter.reading import hidden
from tests.doors.web.test_pages import PHONE, registering
from tests.pages import text
from tests.world import World
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.policy import MfaState
from watchword.directory.models import User
from watchword.messaging.config_file import Phones

CHANGE = "/admin/multi-factor/change/"
NO_CODES = "No code can be sent: no way to phones is set up (WATCHWORD_PHONES_FILE), so nobody can register a phone."


@pytest.fixture
def no_phones(settings: Any) -> None:
    """Configure no gateway for any channel."""
    settings.WATCHWORD_PHONES = Phones()


@pytest.mark.usefixtures("no_phones")
def test_enable_is_refused_where_no_code_can_leave_unless_told_otherwise(root: Client, world: World) -> None:
    assert NO_CODES in text(root.get("/admin/multi-factor/").content)
    page = root.get(f"{CHANGE}?do=enable&person={world.carol.pk}")
    assert NO_CODES in text(page.content)
    refused = root.post(CHANGE, {"draft": hidden(page, "draft")})
    assert "Tick that you want this although no code can be sent." in text(refused.content)
    assert User.objects.get(pk=world.carol.pk).state is MfaState.DISABLED
    root.post(CHANGE, {"draft": hidden(refused, "draft"), "anyway": "1"})
    assert User.objects.get(pk=world.carol.pk).state is MfaState.ENABLED


@pytest.mark.usefixtures("no_phones")
def test_disable_asks_for_no_such_tick(root: Client, world: World) -> None:
    page = root.get(f"{CHANGE}?do=disable&person={world.bob.pk}")
    assert "although no code can be sent" not in text(page.content)
    root.post(CHANGE, {"draft": hidden(page, "draft")})
    assert User.objects.get(pk=world.bob.pk).state is MfaState.DISABLED


@pytest.mark.usefixtures("no_phones")
def test_a_person_reads_that_no_code_can_be_sent_and_whom_to_ask(client: Client, world: World) -> None:
    registering(client, world)
    page = client.post("/methods/add/phone/", PHONE)
    assert "can't send codes this way at the moment. Choose another way" in text(page.content).replace("&#x27;", "'")
    assert Event.objects.filter(kind=EventKind.CODE_NOT_SENT, reason="not_carried", subject_id=world.bob.pk).exists()


def test_where_no_mail_can_leave_the_page_says_so(root: Client, world: World, settings: Any) -> None:
    assert "No mail can be sent" not in text(root.get("/admin/multi-factor/").content)
    settings.WATCHWORD_CAN_MAIL = False
    assert "No mail can be sent (WATCHWORD_SMTP_URL)" in text(root.get("/admin/multi-factor/").content)
