"""A seeded model of people who sign in, use mail and lose access, and write down what they were told."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPException
from pathlib import Path

from django.db import connections
from django.utils import timezone

from tests.scenarios.nodes.history import REVOKED_SECONDS, Act, Kind, Told
from tests.scenarios.served.visitor import Visitor
from watchword.audit.retries import UNAVAILABLE
from watchword.demo.auth_client import CannotAsk, Login, ask
from watchword.directory.models import User
from watchword.messaging.gateways.simulator.models import Arrival
from watchword.messaging.models import Delivery
from watchword.signin import actions

CODE_SECONDS = 40.0
"""Longest wait for a code: a dispatcher that is killed holds its messages for a lease of 30 seconds."""
SESSION = "watchword-session"
GATEWAY_STATUS = frozenset({502, 503, 504})
"""Nobody answered: 503 is ours or HAProxy's, 502 and 504 are HAProxy's when the node dies under the request."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a password and a telephone."""

    name: str
    password: str = field(repr=False)
    address: str


class Lost(Exception):
    """An act had no answer, so the rest of the round is not played."""


@dataclass
class Pace:
    """The pause between two acts, drawn from an exponential distribution; 0 for as fast as possible."""

    mean_seconds: float = 0.0


class Client(threading.Thread):
    """One client that plays rounds, each with another of its people, until it is stopped or has played all."""

    def __init__(
        self, number: int, people: Sequence[Person], *, front: int, doors: Sequence[Path], pace: Pace,
        stop: threading.Event,
    ) -> None:  # fmt: skip
        super().__init__(name=f"client {number}")
        self._random = random.Random(number)
        self._people, self._front, self._doors, self._pace, self._stop_it = list(people), front, doors, pace, stop
        self.history: list[Act] = []
        self.bugs: list[str] = []
        self.left: dict[str, dict[str, str]] = {}
        """For each person the app passwords that were made and not deleted, by name."""
        self.alive: dict[str, Visitor] = {}

    def run(self) -> None:
        while self._people and not self._stop_it.is_set():
            person = self._people.pop()
            try:
                self._round(person)
            except Lost:
                continue
            except Exception as error:  # noqa: BLE001  (a client's own mistake must be reported, not end the load)
                self.bugs.append(f"{person.name}: {type(error).__name__}: {error}")
        connections.close_all()

    # One round ------------------------------------------------------------------------------------------------------

    def _round(self, person: Person) -> None:
        visitor = self.sign_in(person)
        session = f"{person.name} 1"
        secrets: dict[str, str] = self.left.setdefault(person.name, {})
        for number in range(2):
            if (made := self._make(person, visitor, f"Device {number}")) is not None:
                secrets[f"{person.name} Device {number}"] = made
        for _ in range(8):
            if secrets:
                self.log_in(person, *self._random.choice(list(secrets.items())))
        self.visit(person, visitor, session)
        if secrets:
            name, secret = next(iter(secrets.items()))
            self._revoke(person, visitor, name)
            del secrets[name]
            self._after_the_end(lambda: self.log_in(person, name, secret, near=False))
        fate = self._random.random()
        if fate < 0.3:
            self._block_and_unblock(person, secrets)
        elif fate < 0.6:
            self._act(person, Kind.SIGN_OUT, "", lambda: self._by_operator(person, actions.sign_out_everywhere))
            self._after_the_end(lambda: self.visit(person, visitor, session))
        else:
            self.alive[person.name] = visitor

    def _block_and_unblock(self, person: Person, secrets: dict[str, str]) -> None:
        self._act(person, Kind.BLOCK, "", lambda: self._by_operator(person, actions.block))
        some = list(secrets.items())[:1]
        for name, secret in some:
            self._after_the_end(partial(self.log_in, person, name, secret, near=False))
        # The person must be free again before the round ends, however often that has to be tried.
        while self._act(person, Kind.UNBLOCK, "", lambda: self._by_operator(person, actions.unblock)) is not Told.OK:
            if self._stop_it.wait(0.5):
                return
        for name, secret in some:
            self.log_in(person, name, secret)

    def _after_the_end(self, look: Callable[[], object]) -> None:
        """Look at once, which may still succeed, and again once it may not."""
        look()
        self._stop_it.wait(REVOKED_SECONDS)
        look()

    # Acts -----------------------------------------------------------------------------------------------------------

    def sign_in(self, person: Person) -> Visitor:
        """Sign in with a password and a code, after a wrong code and before the same code again."""
        visitor = Visitor(self._front, address=person.address)
        begin = time.monotonic()
        try:
            page = visitor.begin(person.name, person.password)
            if page.location == "/sign-in/prove/":
                visitor.get("/sign-in/prove/")
        except (OSError, HTTPException):
            self._note(person, Kind.SIGN_IN, "", begin, Told.UNAVAILABLE)
            raise Lost from None
        if page.location != "/sign-in/prove/":
            # Where an earlier page had no answer, the later ones lead back to the first.
            told = Told.REFUSED if page.status == 200 else Told.UNAVAILABLE
            self._note(person, Kind.SIGN_IN, "", begin, told, f"{page.status} {page.location} {page.words[:200]}")
            raise Lost
        delivery, code = self._code_of(person)
        wrong = f"{(int(code) + 1) % 1_000_000:06d}"
        if self._random.random() < 0.3:
            tab = visitor.copy(self._front)
            self._act(person, Kind.WRONG_CODE, "", lambda: self._enters(tab, wrong))
        tab = visitor.copy(self._front)
        told = self._act(person, Kind.SIGN_IN, f"{person.name} 1", lambda: self._enters(visitor, code), delivery)
        # The other tab knows nothing of the session that the code opened.
        self._act(person, Kind.REPLAY if told is Told.OK else Kind.VISIT, "?", lambda: self._enters(tab, code))
        if told is not Told.OK:
            raise Lost
        return visitor

    def _enters(self, visitor: Visitor, code: str) -> Told:
        page = visitor.post("/sign-in/prove/", answer=code)
        if page.status in GATEWAY_STATUS:
            return Told.UNAVAILABLE
        return Told.OK if page.new_cookies.get(SESSION) else Told.REFUSED

    def visit(self, person: Person, visitor: Visitor, session: str) -> None:
        """Open a page that only a session opens."""

        def opens() -> Told:
            page = visitor.copy(self._front).get("/security/")
            if page.status in GATEWAY_STATUS:
                return Told.UNAVAILABLE
            return Told.OK if page.status == 200 else Told.REFUSED

        self._act(person, Kind.VISIT, session, opens)

    def _make(self, person: Person, visitor: Visitor, name: str) -> str | None:
        made: list[str] = []

        def make() -> Told:
            if visitor.get("/methods/add/app_password/").status != 200:
                return Told.UNAVAILABLE
            if secret := visitor.post("/methods/add/app_password/", name=name).app_password:
                made.append(secret)
            return Told.OK if made else Told.UNAVAILABLE

        self._act(person, Kind.MAKE, f"{person.name} {name}", make)
        return made[0] if made else None

    def _revoke(self, person: Person, visitor: Visitor, name: str) -> None:
        label = name.removeprefix(f"{person.name} ")

        def revoke() -> Told:
            listing = visitor.get("/app-passwords/")
            link = re.search(r'href="(/methods/remove/[^"]+)"[^>]*>[^<]*<span[^>]*> ' + label, listing.text)
            if link is None or visitor.get(link[1]).status != 200:
                return Told.UNAVAILABLE
            # Another place means that the page asks for a new proof first.
            return Told.OK if visitor.post(link[1]).location == "/app-passwords/" else Told.UNAVAILABLE

        self._act(person, Kind.REVOKE, name, revoke)

    def log_in(self, person: Person, name: str, secret: str, *, near: bool = True) -> None:
        """Log in to mail at a door; a person's own address, or another one for what will be refused."""
        address = person.address if near else "198.51.100." + str(self._random.randrange(1, 255))
        door = self._random.choice(list(self._doors))

        def log_in() -> Told:
            return Told.OK if ask(door, Login(person.name, secret, "imap", address)) else Told.REFUSED

        self._act(person, Kind.LOGIN, name, log_in)

    def _by_operator(self, person: Person, act: Callable[..., object]) -> Told:
        try:
            act(User.objects.get(sign_in_name=person.name), by=None, now=timezone.now())
        finally:
            connections.close_all()
        return Told.OK

    def _code_of(self, person: Person) -> tuple[str, str]:
        """Return the newest code of a person once it has arrived."""
        deadline = time.monotonic() + CODE_SECONDS
        while not self._stop_it.is_set() and time.monotonic() < deadline:
            try:
                newest = Delivery.objects.filter(user__sign_in_name=person.name).latest("created_at").pk
                if (arrival := Arrival.objects.filter(delivery_id=newest).first()) is not None:
                    return str(newest), str(arrival.code)
            except UNAVAILABLE:
                connections.close_all()
            self._stop_it.wait(0.1)
        raise Lost

    def _act(self, person: Person, kind: Kind, subject: str, act: Callable[[], Told], detail: str = "") -> Told:
        if self._pace.mean_seconds:
            self._stop_it.wait(self._random.expovariate(1 / self._pace.mean_seconds))
        begin = time.monotonic()
        try:
            told = act()
        except (OSError, HTTPException, CannotAsk, *UNAVAILABLE):
            told = Told.UNAVAILABLE
        self._note(person, kind, subject, begin, told, detail)
        return told

    def _note(self, person: Person, kind: Kind, subject: str, begin: float, told: Told, detail: str = "") -> None:
        self.history.append(Act(person.name, kind, subject, begin, time.monotonic(), told, detail))

    def look_at_the_end(self) -> None:
        """Use once more whatever was acknowledged and not ended."""
        self._pace, self._stop_it = Pace(), threading.Event()
        for name in self.left:
            person = Person(name, "", "203.0.113.9")
            for label, secret in self.left[name].items():
                self.log_in(person, label, secret)
            if name in self.alive:
                self.visit(person, self.alive[name], f"{name} 1")
