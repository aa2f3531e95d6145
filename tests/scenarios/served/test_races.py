"""Two web processes and the mail daemon at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db.models import Max

from tests.scenarios.mail.site import wait_until
from tests.scenarios.served.processes import WEB, Served
from tests.scenarios.served.visitor import Page, Visitor
from tests.world import World
from watchword.audit import repeats
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.demo.auth_client import CannotAsk, Login, ask
from watchword.messaging.gateways.simulator.models import Arrival
from watchword.messaging.models import Delivery
from watchword.signin.models import CodeChallenge, FailureCount, Session

pytestmark = [pytest.mark.scenario, pytest.mark.django_db(transaction=True)]

SESSION = "watchword-session"


def at_once[T](number: int, act: Callable[[int], T]) -> list[T]:
    barrier = threading.Barrier(number)

    def run(which: int) -> T:
        barrier.wait(60)
        return act(which)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(run, range(number)))


def at_the_code(served: Served, world: World) -> Visitor:
    visitor = Visitor(served.ports[WEB[0]])
    assert visitor.begin("alice@harbour.example", world.passwords["alice"]).location == "/sign-in/prove/"
    visitor.get("/sign-in/prove/")
    newest = Delivery.objects.latest("created_at").pk
    wait_until(lambda: Arrival.objects.filter(delivery_id=newest).exists())
    return visitor


def test_otp_02_fifty_posts_of_one_right_code_over_two_processes_make_one_session(served: Served, world: World) -> None:
    """Fifty parallel posts of one right code to two web processes make exactly one session."""
    visitor = at_the_code(served, world)
    code = Arrival.objects.latest("at").code
    tabs = [visitor.copy(served.ports[WEB[which % 2]]) for which in range(50)]

    def post(which: int) -> Page:
        return tabs[which].post("/sign-in/prove/", answer=code)

    pages = at_once(50, post)
    assert sum(bool(page.new_cookies.get(SESSION)) for page in pages) == 1
    assert {page.status for page in pages} <= {200, 302}
    assert Session.objects.count() == 1
    assert Event.objects.filter(kind=EventKind.CODE_ACCEPTED).count() == 1


def test_bru_02_two_hundred_wrong_codes_over_two_processes_are_ten_guesses(served: Served, world: World) -> None:
    """Of two hundred parallel wrong codes from three sign-ins at most ten are checked, at most five for one code."""
    visitors = [at_the_code(served, world) for _ in range(3)]
    code = Arrival.objects.latest("at").code
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"

    def post(which: int) -> Page:
        return visitors[which % 3].copy(served.ports[WEB[which % 2]]).post("/sign-in/prove/", answer=wrong)

    pages = at_once(200, post)
    assert {page.status for page in pages} <= {200, 302}
    assert Event.objects.filter(kind=EventKind.CODE_REJECTED).count() <= 10
    assert len(FailureCount.objects.get(pk=f"code:{world.alice.pk}").failures) == 10
    assert CodeChallenge.objects.aggregate(most=Max("tries"))["most"] <= 5
    assert not Session.objects.exists()


def counted(**which: str) -> int:
    """Return the number of denied sign-ins: events, and repetitions counted under them."""
    events = Event.objects.filter(kind=EventKind.SIGN_IN_DENIED, **which)
    return events.count() + sum(repeats.more_times(events).values())


def test_bru_07_wrong_passwords_over_the_web_and_the_mail_door_share_one_count(served: Served, world: World) -> None:
    """Two hundred parallel wrong passwords over two web processes and the mail daemon are ten guesses together."""
    visitors = []
    for which in range(100):
        visitor = Visitor(served.ports[WEB[which % 2]])
        visitor.get("/sign-in/")
        visitor.post("/sign-in/", name="carol@harbour.example")
        visitor.get("/sign-in/password/")
        visitors.append(visitor)

    def guess(which: int) -> bool | None:
        if which < 100:
            page = visitors[which].post("/sign-in/password/", answer=f"guess {which}")
            return bool(page.new_cookies.get(SESSION))
        login = Login("carol@harbour.example", f"guess {which}", "imap", "127.0.0.1")
        try:
            return ask(served.door, login) is not None
        except CannotAsk:
            # The queue of the slow hash is short: a request that finds it full must retry later, unchecked.
            return None

    outcomes = at_once(200, guess)
    assert not any(outcomes)
    assert counted(reason="wrong_proof") == 10
    # In the browser a whole wait is one event; at the mail door repetitions increase the count of one event.
    assert 10 < counted() <= 200 - outcomes.count(None)
    assert ask(served.door, Login("alice@harbour.example", world.alices_app_password, "imap", "127.0.0.1"))
