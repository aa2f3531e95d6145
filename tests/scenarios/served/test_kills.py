"""`kill -9` of web, mail daemon and worker under load: what was acknowledged is stored, no code counts twice."""

from __future__ import annotations

import os
import random
import re
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPException

import pytest
from django.db import connections
from django.utils import timezone

from tests.scenarios.served.processes import MAIL, WEB, WORKER, Served
from tests.scenarios.served.visitor import Visitor
from tests.world import World, give_phone, make_person
from watchword.audit.events import EventKind
from watchword.audit.models import Event, OutboxEvent
from watchword.cli.verify import verify
from watchword.core.policy import MfaState
from watchword.demo.auth_client import CannotAsk, Login, ask
from watchword.directory.models import Organisation
from watchword.messaging.gateways.simulator.models import Arrival
from watchword.messaging.models import Delivery
from watchword.signin.models import CodeChallenge, Session

pytestmark = [pytest.mark.scenario, pytest.mark.django_db(transaction=True)]

KILLS = int(os.environ.get("TEST_KILLS", "20"))
PEOPLE = 4
PASSWORD = "eleven grey seals dive"
BOUND_SECONDS = 60


@dataclass
class Acknowledged:
    """The acts that one client's responses acknowledged."""

    sessions: int = 0
    made: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    logins: int = 0
    codes: list[str] = field(default_factory=list)
    unknown: int = 0


class Client(threading.Thread):
    """A client that repeatedly signs in, makes app passwords, uses and deletes them."""

    def __init__(self, served: Served, number: int, stop: threading.Event) -> None:
        super().__init__()
        self.served, self.number, self.stop = served, number, stop
        self.name_ = f"person{number}@harbour.example"
        self.told = Acknowledged()
        self.trouble: list[str] = []

    def run(self) -> None:
        """Repeat rounds until stopped; the kill of a process makes the result of an act unknown, and nothing else."""
        which = 0
        while not self.stop.is_set():
            which += 1
            try:
                self._round(Visitor(self.served.ports[WEB[which % 2]]), which)
            except (OSError, HTTPException, CannotAsk):
                self.told.unknown += 1
            except AssertionError as error:
                self.trouble.append(str(error))
        connections.close_all()

    def _round(self, visitor: Visitor, which: int) -> None:
        page = visitor.begin(self.name_, PASSWORD)
        assert page.status in {200, 302, 503}, page.text[:300]
        if page.location != "/sign-in/prove/":
            return
        visitor.get("/sign-in/prove/")
        arrival = self._arrival()
        if arrival is None:
            return
        page = visitor.post("/sign-in/prove/", answer=arrival.code)
        assert page.status in {200, 302, 503}, page.text[:300]
        if "watchword-session" not in page.new_cookies:
            return
        self.told.sessions += 1
        self.told.codes.append(str(arrival.delivery_id))
        visitor.get("/methods/add/app_password/")
        name = f"Device {which}"
        page = visitor.post("/methods/add/app_password/", name=name)
        if secret := page.app_password:
            self.told.made[name] = secret
            if ask(self.served.door, Login(self.name_, secret, "imap", "198.51.100.7")):
                self.told.logins += 1
            listing = visitor.get("/app-passwords/")
            link = re.search(r'href="(/methods/remove/[^"]+)"[^>]*>[^<]*<span[^>]*> ' + name, listing.text)
            if link is not None and which % 2:
                visitor.get(link[1])
                if visitor.post(link[1]).status == 302:
                    self.told.deleted.add(name)

    def _arrival(self) -> Arrival | None:
        """Return the newest code of this person once it has arrived; None if it was lost in a kill."""
        newest = Delivery.objects.filter(user__sign_in_name=self.name_).latest("created_at").pk
        deadline = time.monotonic() + BOUND_SECONDS
        while not self.stop.is_set() and time.monotonic() < deadline:
            if (arrival := Arrival.objects.filter(delivery_id=newest).first()) is not None:
                return arrival
            self.stop.wait(0.05)
        return None


def number_of(person: int) -> str:
    return f"+4915100000{person:03d}"


def test_flt_11_what_was_acknowledged_survives_kill_9_of_every_process(served: Served, world: World) -> None:
    """Web, mail daemon and worker killed at random under load: nothing acknowledged is lost, no code counts twice."""
    Organisation.objects.update(limits={})
    for number in range(PEOPLE):
        user = make_person(world.organisation, f"person{number}", state=MfaState.ENFORCED)
        set_password(user)
        give_phone(user, number_of(number))
    stop = threading.Event()
    clients = [Client(served, number, stop) for number in range(PEOPLE)]
    for client in clients:
        client.start()
    random_source = random.Random(11)
    deadline = time.monotonic() + BOUND_SECONDS + 3 * KILLS
    killed = 0
    try:
        while killed < KILLS and time.monotonic() < deadline:
            # Pacing, not polling: the load needs a moment between two kills.
            stop.wait(random_source.uniform(0.2, 0.8))
            name = random_source.choice([*WEB, MAIL, WORKER])
            served.kill(name)
            served.start(name)
            served.wait(name)
            killed += 1
    finally:
        stop.set()
        for client in clients:
            client.join(BOUND_SECONDS)
    assert killed == KILLS
    assert [client.trouble for client in clients if client.trouble] == []
    assert sum(client.told.sessions for client in clients) > 0, "the load did nothing"
    assert sum(client.told.logins for client in clients) > 0, "the load used no app password"
    for client in clients:
        look_at(served, client)
    drain(served)
    assert verify(now=timezone.now()).problems == ()


def set_password(user: object) -> None:
    from tests.world import give_password
    from watchword.directory.models import User

    assert isinstance(user, User)
    give_password(user, PASSWORD)


def look_at(served: Served, client: Client) -> None:
    """Compare the acknowledged acts of one client with the database and the mail door."""
    told = client.told
    assert Session.objects.filter(user__sign_in_name=client.name_).count() >= told.sessions
    assert len(set(told.codes)) == len(told.codes), "one code opened two sessions"
    spent = CodeChallenge.objects.filter(delivery_id__in=told.codes, spent_at=None)
    assert not spent.exists(), "a code that opened a session is not spent"
    for name, secret in told.made.items():
        opens = ask(served.door, Login(client.name_, secret, "imap", "198.51.100.7")) is not None
        if name in told.deleted:
            assert not opens, f"{name} was deleted and opens"
        elif not client.told.unknown:
            assert opens, f"{name} was made and does not open"
    logins = Event.objects.filter(kind=EventKind.SIGN_IN_ALLOWED, door="mail", subject_name=client.name_)
    assert logins.count() >= told.logins


def drain(served: Served) -> None:
    """Wait until the worker has consumed every event of the outbox."""
    deadline = time.monotonic() + BOUND_SECONDS
    pause = threading.Event()
    while OutboxEvent.objects.exists() and time.monotonic() < deadline:
        pause.wait(0.1)
    assert not OutboxEvent.objects.exists(), served.log_of(WORKER)
