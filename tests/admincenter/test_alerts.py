"""The page of alerts for administrators."""

from __future__ import annotations

from django.test import Client

from tests.alerts.playing import pass_password, type_wrong_codes, work
from tests.pages import text
from tests.world import World, make_organisation, make_person, sign_in
from watchword.alerts.models import Alert
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.directory.roles import Role


def raise_one(world: World) -> Alert:
    type_wrong_codes(pass_password(world, world.alice), world.now)
    work(world.now)
    return Alert.objects.get()


def test_an_alert_says_who_when_whence_and_what_next(root: Client, world: World) -> None:
    raise_one(world)
    page = text(root.get("/admin/alerts/").content)
    for word in ("Right password, no code: Alice", "203.0.113.66", "alice@harbour.example", "reset the password"):
        assert word in page


def test_an_alert_is_closed_once_with_a_note(root: Client, world: World) -> None:
    alert = raise_one(world)
    root.post(f"/admin/alerts/{alert.pk}/close/", {"note": "Spoke with Alice"})
    root.post(f"/admin/alerts/{alert.pk}/close/", {"note": "again"})
    alert.refresh_from_db()
    assert (alert.note, alert.closed_by_name) == ("Spoke with Alice", "root@harbour.example")
    assert Event.objects.filter(kind=EventKind.ALERT_CLOSED).count() == 1
    assert "No open alert" in text(root.get("/admin/alerts/").content)
    assert "Spoke with Alice" in text(root.get("/admin/alerts/?show=all").content)


def test_alerts_of_another_organisation_can_be_neither_seen_nor_closed(client: Client, world: World) -> None:
    alert = raise_one(world)
    other = make_person(make_organisation("Other", "other.example"), "boss", roles=(Role.GLOBAL_ADMINISTRATOR,))
    sign_in(client, other)
    assert "Alice" not in text(client.get("/admin/alerts/?show=all").content)
    assert client.post(f"/admin/alerts/{alert.pk}/close/").status_code == 404
    assert client.post(f"/admin/alerts/{10**30}/close/").status_code == 404


def test_a_reader_sees_alerts_and_closes_none(client: Client, world: World) -> None:
    alert = raise_one(world)
    sign_in(client, make_person(world.organisation, "rita", roles=(Role.GLOBAL_READER,)))
    assert "Right password, no code" in text(client.get("/admin/alerts/").content)
    assert client.post(f"/admin/alerts/{alert.pk}/close/").status_code == 403


def test_pages_hold_fifty_and_lead_to_older_ones(root: Client, world: World) -> None:
    for number in range(60):
        Alert.objects.create(
            organisation=world.organisation,
            rule="code_missing",
            subject=world.alice,
            event_id=number,
            merge_key=str(number),
            raised_at=world.now,
            last_at=world.now,
        )
    first = root.get("/admin/alerts/")
    assert first.content.decode().count("Next step") == 50
    last = Alert.objects.order_by("-id")[49].pk
    assert root.get(f"/admin/alerts/?before={last}").content.decode().count("Next step") == 10
    assert root.get("/admin/alerts/?before=" + "9" * 40).status_code == 200
