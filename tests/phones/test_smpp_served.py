"""The real queue, the real courier as a process, an SMSC as a process: each is killed in the middle of a load."""

from __future__ import annotations

import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from tests.phones.http_benches import RING
from tests.phones.site import PHONES, PhoneSite
from tests.phones.smsc import free_port, start_smsc
from tests.scenarios.mail.site import wait_until
from tests.world import ALICES_NUMBER, World, make_world
from watchword.config.phones import seal
from watchword.core.policy import Way
from watchword.delivery import courier, queue
from watchword.delivery.budget import telephone_of
from watchword.delivery.channel import Outgoing, Result
from watchword.delivery.models import Delivery, Handover, Waiting

pytestmark = pytest.mark.scenario

EACH_SECOND = 100
"""What the SMSC takes: so slow that a kill is in the middle of something."""
DONE = [Result.SENT, Result.DELIVERED]


@pytest.fixture
def world(transactional_db: None) -> World:
    """The people of the tests, committed so that other processes see them."""
    return make_world()


class Load:
    """Codes to many telephones, an SMSC that writes down what arrives, and the courier between."""

    def __init__(self, folder: Path, world: World, settings: Any) -> None:
        self.world = world
        self.log, self.port = folder / "arrived", free_port()
        self.log.touch()
        self.smsc = start_smsc(self.port, self.log, each_second=EACH_SECOND)
        self.codes: dict[str, str] = {}
        phones = f"""
[[channel]]
name = "carrier"
kind = "smpp"
host = "127.0.0.1"
port = {self.port}
system_id = "ww"
password = "{seal("secret", RING)}"
"""
        self.site = PhoneSite(folder, phones, settings)

    def put(self, count: int) -> None:
        """Put codes into the queue, each to a telephone of its own."""
        now = timezone.now()
        telephone = telephone_of(ALICES_NUMBER).row()
        made = Delivery.objects.bulk_create(
            Delivery(
                organisation=self.world.organisation,
                user=self.world.alice,
                way=Way.TEXT,
                purpose="sign_in",
                **telephone,
                created_at=now,
                changed_at=now,
            )
            for _ in range(count)
        )
        for number, delivery in enumerate(made, len(self.codes)):
            to, code = f"49151{number:08d}", f"{(number * 7919) % 1_000_000:06d}"
            self.codes[to] = code
            queue.put(
                Outgoing(
                    delivery.pk,
                    Way.TEXT,
                    f"+{to}",
                    "",
                    code,
                    "Harbour & Hill",
                    "x.example",
                    not_after=now + timedelta(minutes=5),
                )
            )

    def arrived(self) -> dict[str, Counter[str]]:
        """Return how often which code arrived at which telephone."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for line in self.log.read_text().splitlines():
            to, *words = line.split(" ")
            found[to][words[-1].removeprefix("#")] += 1
        return found

    def all_done(self) -> bool:
        return Delivery.objects.filter(result__in=DONE).count() == len(self.codes) and not Waiting.objects.exists()

    def restart_smsc(self) -> None:
        self.smsc.kill()
        self.smsc.wait()
        self.smsc = start_smsc(self.port, self.log, each_second=EACH_SECOND)

    def end(self) -> None:
        self.site.stop()
        self.smsc.kill()
        self.smsc.wait()


@pytest.fixture
def load(tmp_path: Path, world: World, settings: Any) -> Iterator[Load]:
    one = Load(tmp_path, world, settings)
    try:
        yield one
    finally:
        one.end()


def say(words: str) -> None:
    """Show what was measured, where the test is asked to (pytest -s)."""
    sys.stdout.write(f"\n{words}\n")


def check_that_all_arrived(load: Load) -> int:
    """Every code arrived at its telephone, and no other code there; returns how many came twice."""
    arrived = load.arrived()
    assert set(arrived) == set(load.codes), "some were lost"
    assert {to: set(codes) for to, codes in arrived.items()} == {to: {code} for to, code in load.codes.items()}
    return sum(sum(codes.values()) - 1 for codes in arrived.values())


def test_fld_13_500_codes_outlive_a_carrier_that_is_killed_in_the_middle(load: Load) -> None:
    load.put(500)
    load.site.start(PHONES)
    wait_until(lambda: len(load.arrived()) >= 150)
    load.restart_smsc()
    at_the_kill = len(load.arrived())
    assert at_the_kill < 400, "the kill came too late to mean anything"
    wait_until(load.all_done)
    doubled = check_that_all_arrived(load)
    say(f"killed after {at_the_kill} of 500; {doubled} came twice, each with the same code")
    # What the SMSC had taken but not answered when it was killed: no more than the window holds.
    assert doubled <= 20
    assert not Handover.objects.filter(result=Result.BAD_NUMBER).exists()


def test_fld_13_codes_outlive_a_courier_that_is_killed_at_random(load: Load) -> None:
    """Between "accepted" and "recorded" too: such a text comes twice, with the same code; none is lost."""
    chance = random.Random(20261124)
    load.put(300)
    load.site.start(PHONES)
    killed_at = []
    for _ in range(4):
        before = len(load.arrived())
        goal = before + chance.randrange(5, 50)
        wait_until(lambda goal=goal: len(load.arrived()) >= min(goal, 300))  # type: ignore[misc]
        load.site.kill(PHONES)
        killed_at.append(len(load.arrived()))
        # Half a minute later: what the dead courier had claimed is anybody's.
        Waiting.objects.update(next_try_at=timezone.now())
        load.site.start(PHONES)
    wait_until(load.all_done)
    doubled = check_that_all_arrived(load)
    say(f"killed after {killed_at} of 300; {doubled} came twice, each with the same code")
    assert killed_at[-1] < 300, "the kills came too late to mean anything"


def test_a_courier_that_is_told_to_stop_says_goodbye_and_gives_back_what_it_has(load: Load) -> None:
    load.put(200)
    load.site.start(PHONES)
    wait_until(lambda: len(load.arrived()) >= 20)
    load.site.stop()
    assert load.site.statuses == {PHONES: 0}
    left = Waiting.objects.count()
    assert left == Delivery.objects.filter(result=Result.WAITING).count()
    # Nobody has to wait for a lease: at most for what a carrier may have taken.
    at_most = timezone.now() + timedelta(seconds=courier.UNSURE_SECONDS)
    assert not Waiting.objects.filter(next_try_at__gt=at_most).exists()
    load.site.start(PHONES)
    wait_until(load.all_done)
    assert check_that_all_arrived(load) == 0
