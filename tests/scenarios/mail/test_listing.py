"""`doveadm` of a real Dovecot lists the people, so that nightly jobs (`-A`) reach every mailbox."""

from __future__ import annotations

import subprocess

import pytest
from django.utils import timezone

from tests.scenarios.mail.programs import send
from tests.scenarios.mail.site import Site, wait_until
from tests.world import World, make_person
from watchword.signin import actions, non_interactive

pytestmark = [pytest.mark.scenario, pytest.mark.django_db(transaction=True)]

ALICE, BOB, CAROL, ROOT = (f"{name}@harbour.example" for name in ("alice", "bob", "carol", "root"))


def run_doveadm(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*site.doveadm, *words], capture_output=True, text=True, check=False)


def doveadm(site: Site, *words: str) -> list[str]:
    done = run_doveadm(site, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_every_mailbox_is_listed_and_no_deleted_persons(site: Site, world: World) -> None:
    actions.block(world.bob, by=world.root, now=timezone.now())
    assert sorted(doveadm(site, "user", "*")) == [ALICE, BOB, CAROL, ROOT]
    actions.delete(world.carol, by=world.root, now=timezone.now())
    assert sorted(doveadm(site, "user", "*")) == [ALICE, BOB, ROOT]
    assert doveadm(site, "user", "al*") == [ALICE]


def test_more_people_than_one_batch_are_listed(site: Site, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    number = non_interactive.BATCH_SIZE + 5
    from watchword.directory.models import User

    people = [
        User(organisation=world.organisation, sign_in_name=f"p{n}@harbour.example", created_at=timezone.now())
        for n in range(number)
    ]
    User.objects.bulk_create(people)
    listed = doveadm(site, "user", "*")
    User.objects.filter(pk__in=[person.pk for person in people]).delete()
    assert len(listed) == len(set(listed)) == number + 4


def test_a_job_for_all_people_reaches_every_mailbox(site: Site, world: World) -> None:
    send(site, ALICE, world.alices_app_password, to=ROOT, subject="to be counted")
    wait_until(lambda: (site.maildir("root") / "new").is_dir() and any((site.maildir("root") / "new").iterdir()))
    counted = doveadm(site, "-f", "tab", "mailbox", "status", "-A", "messages", "INBOX")
    rows = dict(line.split("\t")[::2] for line in counted[1:])
    assert set(rows) == {ALICE, BOB, CAROL, ROOT}
    assert int(rows[ROOT]) >= 1
    assert make_person(world.organisation, "dora").sign_in_name in doveadm(site, "user", "*")


def test_a_closed_door_lists_no_mailbox_and_says_so_until_it_opens_again(site: Site, world: World) -> None:
    site.close_door()
    done = run_doveadm(site, "user", "*")
    site.open_door()
    assert ALICE not in done.stdout
    assert done.returncode != 0
    # Dovecot does not reconnect within a second of a failure (2.3, client-dict).
    wait_until(lambda: run_doveadm(site, "user", "*").returncode == 0)
    assert sorted(doveadm(site, "user", "*")) == [ALICE, BOB, CAROL, ROOT]
