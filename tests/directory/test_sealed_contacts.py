"""Contact mails and directory phones are sealed: a copy of the database doesn't reveal them."""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta

import pytest
from django.apps import apps
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client

from tests.admincenter.reading import LONG_AGO
from tests.left_out import ON_THE_OTHER_DATABASE
from tests.world import World, sign_in
from watchword.admincenter import drafts
from watchword.admincenter.models import Draft
from watchword.core.keyring import KeyRing, KeyRingError
from watchword.directory.actions import create_person, edit_person
from watchword.directory.models import User
from watchword.directory.sealed_field import Sealed

NUMBER, MAIL = "+49 1512 3456789", "dora@at-home.example"
DIGITS = "15123456789"


@pytest.fixture
def dora(world: World) -> User:
    return create_person(
        world.organisation,
        sign_in_name="dora@harbour.example",
        display_name="Dora",
        contact_mail=MAIL,
        directory_phone=NUMBER,
        by=world.root,
        now=world.now,
    )


def octets_of(user: User) -> bytes:
    """Return the stored octets of the contact mail's column."""
    value: object = User.objects.filter(pk=user.pk).values_list("contact_mail", flat=True).get()
    assert isinstance(value, Sealed)
    return bytes(value)


def in_clear() -> list[str]:
    """Return the tables that hold the number or the address in plain text."""
    found = []
    with connection.cursor() as cursor:
        for model in apps.get_models():
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(model._meta.db_table)}")
            for row in cursor.fetchall():
                octets = b" ".join(
                    bytes(cell) if not isinstance(cell, str) else cell.encode()
                    for cell in row
                    if isinstance(cell, str | bytes | memoryview)
                )
                if MAIL.encode() in octets or DIGITS.encode() in octets.replace(b" ", b""):
                    found.append(model._meta.db_table)
    return found


def test_a_copy_of_the_database_tells_no_contact(world: World, dora: User) -> None:
    edit_person(dora, {"contact_mail": "somebody@else.example"}, by=world.root, now=world.now)
    edit_person(dora, {"contact_mail": MAIL}, by=world.root, now=world.now)
    assert in_clear() == []


def test_contacts_are_read_as_they_were_written(dora: User) -> None:
    again = User.objects.get(pk=dora.pk)
    assert (again.contact_mail, again.directory_phone) == (MAIL, NUMBER)
    again.refresh_from_db()
    assert (again.contact_mail, again.directory_phone) == (MAIL, NUMBER)
    deferred = User.objects.defer("contact_mail").get(pk=dora.pk)
    assert deferred.contact_mail == MAIL


def test_no_contact_is_no_octets(world: World) -> None:
    User.objects.filter(pk=world.alice.pk).update(contact_mail="")
    assert (octets_of(world.alice), User.objects.get(pk=world.alice.pk).contact_mail) == (b"", "")


def test_a_contact_that_was_not_read_is_written_back_as_it_was(dora: User) -> None:
    before = octets_of(dora)
    User.objects.get(pk=dora.pk).save()
    assert octets_of(dora) == before
    assert MAIL not in repr(User.objects.filter(pk=dora.pk).values("contact_mail").get())


def test_one_value_is_worth_nothing_in_another_column(dora: User) -> None:
    octets = User.objects.filter(pk=dora.pk).values_list("directory_phone", flat=True).get()
    User.objects.filter(pk=dora.pk).update(contact_mail=octets)
    with pytest.raises(KeyRingError):
        User.objects.get(pk=dora.pk).contact_mail  # noqa: B018  (reading it is the test)


def test_a_person_whose_contacts_can_t_be_opened_is_found_and_listed_all_the_same(
    dora: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "WATCHWORD_KEY_RING", KeyRing.create(random_source=lambda number: b"\1" * number))
    found = User.objects.get(pk=dora.pk)
    assert found.display_name == "Dora"
    assert isinstance(found.__dict__["contact_mail"], Sealed)
    with pytest.raises(KeyRingError):
        found.contact_mail  # noqa: B018  (reading it is the test)


def test_sqlite_overwrites_what_was_replaced(db: None) -> None:
    """Without it the file would still contain the plain text of replaced rows."""
    if connection.vendor != "sqlite":
        pytest.skip(f"{ON_THE_OTHER_DATABASE}secure_delete is SQLite's own")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA secure_delete")
        assert cursor.fetchone() == (2,)


def test_a_file_of_people_is_sealed_while_it_waits_and_goes_after_an_hour(client: Client, world: World) -> None:
    sign_in(client, world.root, ago=LONG_AGO)
    content = f"Sign-in name,Display name,Contact mail,Phone\ndora@harbour.example,Dora,{MAIL},{NUMBER}\n"
    client.post("/admin/users/import/", {"file": SimpleUploadedFile("people.csv", content.encode())})
    draft = Draft.objects.get()
    assert draft.values["file"] == [b64encode(content.encode()).decode()]
    assert in_clear() == []
    assert drafts.forget_old(now=draft.made_at + timedelta(minutes=59)) == 0
    assert drafts.forget_old(now=draft.made_at + timedelta(minutes=61)) == 1
    assert not Draft.objects.exists()
