"""The real outbox, the dispatcher and an SMSC as processes: each is killed in the middle of a load."""

from __future__ import annotations

import random
import subprocess
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
from watchword.config.phones_file import seal
from watchword.core.policy import Channel
from watchword.messaging.gateway import Outgoing, Result
from watchword.messaging.limits.counters import telephone_of
from watchword.messaging.models import Delivery, DeliveryAttempt, OutboxMessage
from watchword.messaging.send import enqueue
from watchword.messaging.worker import dispatcher

pytestmark = pytest.mark.scenario

EACH_SECOND = 100
"""The rate of the SMSC: slow enough that a kill falls into the middle of the load."""
DONE = [Result.SENT, Result.DELIVERED]


@pytest.fixture
def world(transactional_db: None) -> World:
    """Return the people of the tests, committed so that other processes see them."""
    return make_world()


class Load:
    """Codes for many telephones, SMSCs that log the texts received, and the dispatcher between them."""

    def __init__(self, folder: Path, world: World, settings: Any, *, each_second: int, **gateways: str) -> None:
        """Start the SMSCs; ``gateways`` maps each name to further lines of its table in the phones file."""
        self.world = world
        self.each_second = each_second
        self.logs = {name: folder / f"arrived-{name}" for name in gateways}
        self.ports = {name: free_port() for name in gateways}
        for log in self.logs.values():
            log.touch()
        self.smscs = {name: self._started(name) for name in gateways}
        self.codes: dict[str, str] = {}
        phones = "".join(
            f"""
[[gateway]]
name = "{name}"
kind = "smpp"
host = "127.0.0.1"
port = {self.ports[name]}
system_id = "ww"
password = "{seal("secret", RING)}"
{more}
"""
            for name, more in gateways.items()
        )
        self.site = PhoneSite(folder, phones, settings)

    def _started(self, name: str) -> subprocess.Popen[bytes]:
        return start_smsc(self.ports[name], self.logs[name], each_second=self.each_second)

    def put(self, count: int, beginning: str = "49151") -> None:
        """Put codes into the outbox, each for a telephone of its own."""
        now = timezone.now()
        telephone = telephone_of(ALICES_NUMBER).row()
        made = Delivery.objects.bulk_create(
            Delivery(
                organisation=self.world.organisation,
                user=self.world.alice,
                channel=Channel.SMS,
                purpose="sign_in",
                **telephone,
                created_at=now,
                changed_at=now,
            )
            for _ in range(count)
        )
        for number, delivery in enumerate(made, len(self.codes)):
            to, code = f"{beginning}{number:08d}", f"{(number * 7919) % 1_000_000:06d}"
            self.codes[to] = code
            words = ("", code, "Harbour & Hill", "x.example")
            not_after = now + timedelta(minutes=5)
            enqueue(Outgoing(delivery.pk, Channel.SMS, f"+{to}", *words, not_after=not_after), now=now)

    def wait_for(self, count: int) -> None:
        """Wait until this many telephones have received a code."""
        wait_until(lambda: len(self.arrived()) >= count)

    def arrived(self, *names: str) -> dict[str, Counter[str]]:
        """Return how often each code arrived at each telephone, through all SMSCs or the named ones."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for name in names or self.logs:
            for line in self.logs[name].read_text().splitlines():
                to, *words = line.split(" ")
                found[to][words[-1].removeprefix("#")] += 1
        return found

    def all_done(self) -> bool:
        return (
            Delivery.objects.filter(result__in=DONE).count() == len(self.codes) and not OutboxMessage.objects.exists()
        )

    def restart(self, name: str) -> None:
        """Kill an SMSC, and start it again."""
        self.smscs[name].kill()
        self.smscs[name].wait()
        self.smscs[name] = self._started(name)

    def end(self) -> None:
        self.site.stop()
        for smsc in self.smscs.values():
            smsc.kill()
            smsc.wait()


@pytest.fixture
def load(tmp_path: Path, world: World, settings: Any) -> Iterator[Load]:
    one = Load(tmp_path, world, settings, each_second=EACH_SECOND, gateway="")
    try:
        yield one
    finally:
        one.end()


def say(words: str) -> None:
    """Print a measurement, shown if pytest runs with -s."""
    sys.stdout.write(f"\n{words}\n")


def check_that_all_arrived(load: Load) -> int:
    """Assert that every code arrived at its telephone, and no other code there; return how many duplicates came."""
    arrived = load.arrived()
    assert set(arrived) == set(load.codes), "some were lost"
    assert {to: set(codes) for to, codes in arrived.items()} == {to: {code} for to, code in load.codes.items()}
    return sum(sum(codes.values()) - 1 for codes in arrived.values())


def test_fld_13_500_codes_outlive_a_gateway_that_is_killed_in_the_middle(load: Load) -> None:
    """If the SMSC is killed in the middle of 500 codes, each arrives; duplicates have the same code and are few."""
    load.put(500)
    load.site.start(PHONES)
    wait_until(lambda: len(load.arrived()) >= 150)
    load.restart("gateway")
    at_the_kill = len(load.arrived())
    assert at_the_kill < 400, "the kill came too late to mean anything"
    wait_until(load.all_done)
    doubled = check_that_all_arrived(load)
    say(f"killed after {at_the_kill} of 500; {doubled} came twice, each with the same code")
    # Texts that the SMSC had accepted but not answered when it was killed: no more than the window holds.
    assert doubled <= 20
    assert not DeliveryAttempt.objects.filter(result=Result.BAD_NUMBER).exists()


def test_fld_13_codes_outlive_a_dispatcher_that_is_killed_at_random(load: Load) -> None:
    """A dispatcher killed between "accepted" and "recorded" sends that text twice with the same code; none is lost."""
    random_source = random.Random(20261124)
    load.put(300)
    load.site.start(PHONES)
    killed_at = []
    for _ in range(4):
        before = len(load.arrived())
        goal = before + random_source.randrange(5, 50)
        load.wait_for(min(goal, 300))
        load.site.kill(PHONES)
        killed_at.append(len(load.arrived()))
        # As half a minute later: any dispatcher may claim the messages of the dead one.
        OutboxMessage.objects.update(next_try_at=timezone.now())
        load.site.start(PHONES)
    wait_until(load.all_done)
    doubled = check_that_all_arrived(load)
    say(f"killed after {killed_at} of 300; {doubled} came twice, each with the same code")
    assert killed_at[-1] < 300, "the kills came too late to mean anything"


def test_a_dispatcher_that_is_told_to_stop_says_goodbye_and_gives_back_what_it_has(load: Load) -> None:
    load.put(200)
    load.site.start(PHONES)
    wait_until(lambda: len(load.arrived()) >= 20)
    load.site.stop()
    assert load.site.statuses == {PHONES: 0}
    left = OutboxMessage.objects.count()
    assert left == Delivery.objects.filter(result=Result.WAITING).count()
    # No message waits for a lease to end: at most for a gateway that may have accepted it.
    at_most = timezone.now() + timedelta(seconds=dispatcher.UNSURE_SECONDS)
    assert not OutboxMessage.objects.filter(next_try_at__gt=at_most).exists()
    load.site.start(PHONES)
    wait_until(load.all_done)
    assert check_that_all_arrived(load) == 0


def test_each_text_goes_by_the_gateway_for_its_number_and_the_others_share_by_weight(
    tmp_path: Path, world: World, settings: Any
) -> None:
    load = Load(
        tmp_path,
        world,
        settings,
        each_second=0,
        heavy="weight = 3",
        light="weight = 1",
        austria='prefixes = ["+43", "+423"]',
    )
    try:
        load.put(100)
        load.put(30, "43664")
        load.site.start(PHONES)
        wait_until(load.all_done)
        assert check_that_all_arrived(load) == 0
        assert set(load.arrived("austria")) == {to for to in load.codes if to.startswith("43")}
        shares = {name: len(load.arrived(name)) for name in ("heavy", "light")}
        say(f"of 100 texts: {shares}")
        assert shares["heavy"] > shares["light"] > 0
        # The preferred gateway of the country is down: the others take over.
        load.smscs["austria"].kill()
        load.smscs["austria"].wait()
        load.put(10, "43664")
        wait_until(load.all_done)
        assert check_that_all_arrived(load) == 0
    finally:
        load.end()
