"""A new denial is an event, a repetition only increases a count, and a flood of denials is a few rows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from tests.world import World, sign_in
from watchword.audit import repeats
from watchword.audit.models import Event, Repeat
from watchword.audit.repeats import MOST_NAMES, MOST_SOURCES, STORED, RepeatedDenial
from watchword.core.policy import Door
from watchword.signin import non_interactive
from watchword.signin.non_interactive import AuthRequest, Secret

SPRAYER = "203.0.113.50"
HOUR = timedelta(hours=1)


def try_mail(
    world: World,
    name: str = "alice@harbour.example",
    *,
    address: str = SPRAYER,
    times: int = 1,
    later: timedelta = timedelta(0),
) -> None:
    question = AuthRequest(Door.MAIL, name, Secret("b" * 24), "imap", address)
    for _ in range(times):
        assert not non_interactive.check_many([question], now=world.now + later)[0].allowed


@pytest.fixture(autouse=True)
def full_hour(world: World) -> None:
    world.now = world.now.replace(minute=5)


def test_log_02_wrong_app_passwords_of_one_name_are_one_event_and_a_number(world: World) -> None:
    """A flood of wrong app passwords for one name from one address is one event an hour, with a count of repetitions"""
    try_mail(world, times=500)
    event = Event.objects.get()
    assert (event.subject_name, event.address, event.reason) == ("alice@harbour.example", SPRAYER, "wrong_proof")
    assert repeats.more_times([event]) == {event.pk: 499}
    try_mail(world, later=HOUR)
    assert Event.objects.count() == 2


def test_another_address_another_name_and_another_reason_are_news(world: World) -> None:
    try_mail(world, times=2)
    try_mail(world, address="203.0.113.51", times=2)
    try_mail(world, "Alice@Harbour.example", times=2)
    try_mail(world, "carol@harbour.example", times=2)
    assert Event.objects.count() == 3


def test_all_in_one_batch_are_counted_as_one_after_the_other(world: World) -> None:
    wrong = AuthRequest(Door.MAIL, "alice@harbour.example", Secret("b" * 24), "imap", SPRAYER)
    non_interactive.check_many([wrong] * 64, now=world.now)
    assert repeats.more_times([Event.objects.get()]) == {Event.objects.get().pk: 63}


def test_wrong_account_passwords_of_a_mail_program_are_merged_as_well(world: World) -> None:
    for number in range(5):
        question = AuthRequest(Door.MAIL, "nobody@harbour.example", Secret(f"wrong {number}"), "imap", SPRAYER)
        non_interactive.check_account_password(question, now=world.now)
    assert Event.objects.count() == 1
    assert repeats.more_times(Event.objects.all()) == {Event.objects.get().pk: 4}


def test_log_02_ever_new_names_of_one_source_are_bounded(world: World) -> None:
    """After a hundred names in an hour one event stands for all further names of that source, with their count."""
    for number in range(MOST_NAMES + 50):
        try_mail(world, f"name{number}@harbour.example")
    assert Event.objects.count() == MOST_NAMES + 1
    last = Event.objects.order_by("-id").first()
    assert last is not None
    assert repeats.is_about_many(last)
    assert repeats.more_times([last]) == {last.pk: 49}
    # Pairs of source and name that are known still count under their own event.
    try_mail(world, "name0@harbour.example")
    first = Event.objects.order_by("id").first()
    assert first is not None
    assert repeats.more_times([first]) == {first.pk: 1}


def test_log_02_ever_new_sources_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some hundred sources in an hour one event stands for all further sources."""
    monkeypatch.setattr(repeats, "MOST_SOURCES", 5)
    for number in range(25):
        try_mail(world, address=f"198.51.100.{number}")
    assert Event.objects.count() == 6
    assert repeats.more_times(Event.objects.all()) == {Event.objects.order_by("-id")[0].pk: 19}
    assert MOST_SOURCES * MOST_NAMES <= 20_000


def test_what_was_refused_is_news_again_only_once_for_each_name(world: World) -> None:
    refusals = [
        RepeatedDenial("a", SPRAYER, "x"),
        RepeatedDenial("b", SPRAYER, "x"),
        RepeatedDenial("a", SPRAYER, "x"),
    ]
    first, second, third = repeats.note(refusals, now=world.now)
    assert first is not None
    assert second is not None
    assert first != second
    assert third is None
    assert repeats.note(refusals, now=world.now) == [None, None, None]
    assert repeats.note([], now=world.now) == []


def test_the_page_of_sign_ins_and_the_person_read_how_often(world: World, client: Client) -> None:
    try_mail(world, times=3)
    sign_in(client, world.root)
    assert "2 more times within the hour" in client.get("/admin/sign-ins/").content.decode()
    assert ",2\r\n" in client.get("/admin/sign-ins.csv").content.decode()
    sign_in(client, world.alice)
    assert "2 more times within the hour" in client.get("/activity/").content.decode()


def test_counts_have_a_lifetime(world: World) -> None:
    try_mail(world)
    repeats.forget_old(now=world.now + STORED - HOUR)
    assert Repeat.objects.exists()
    assert repeats.forget_old(now=world.now + STORED + HOUR) > 0
    assert not Repeat.objects.exists()
