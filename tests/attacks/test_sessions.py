"""Sessions: fixation, replay, forgery, login CSRF, use after the end, framing, caching."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.attacks.addresses import production_client, use_production
from tests.races.parallel import in_threads
from tests.telephone import Telephone
from tests.world import ORIGIN, World, evidence_for, make_world, sign_in
from watchword.core.policy import SECOND_FACTORS, FactorKind
from watchword.directory.models import User
from watchword.signin import actions, enrolment, flow, password_change, sessions
from watchword.signin.facts import read_evidence
from watchword.signin.models import FailureCount, Session, SignInAttempt
from watchword.signin.tokens import new_token

NUMBER = {"slot": "alternate", "country": "DE", "number": "0151 23456789", "extension": "", "channel": "sms"}


def session_cookie(client: Client) -> str:
    return client.cookies["watchword-session"].value


def opens(token: str, address: str = "/security/") -> bool:
    """Return whether a browser that holds only this token is let in."""
    client = Client()
    client.cookies["watchword-session"] = token
    return client.get(address).status_code == 200


def add_phone(client: Client, telephone: Telephone) -> Any:
    started = client.post("/methods/add/phone/", NUMBER)
    assert started.status_code == 302, started.content
    return client.post("/methods/add/phone/code/", {"answer": telephone.code})


def test_ses_01_a_session_cookie_planted_before_the_sign_in_is_never_the_one_that_comes_out(world: World) -> None:
    """Session fixation: a planted session cookie is worthless after its victim has signed in."""
    planted = new_token()
    client = Client()
    client.cookies["watchword-session"] = planted
    client.post("/sign-in/", {"name": "carol@harbour.example"})
    client.post("/sign-in/password/", {"answer": world.passwords["carol"]})
    assert session_cookie(client) != planted
    assert opens(session_cookie(client))
    assert not opens(planted)


def test_ses_01_every_step_of_a_sign_in_gives_the_attempt_a_new_token(world: World, telephone: Telephone) -> None:
    """A planted or observed attempt cookie is worthless after the victim's next step."""
    mallory, victim = Client(), Client()
    mallory.post("/sign-in/", {"name": "alice@harbour.example"})
    victim.cookies["watchword-attempt"] = mallory.cookies["watchword-attempt"].value
    victim.post("/sign-in/password/", {"answer": world.passwords["alice"]})
    assert victim.cookies["watchword-attempt"].value != mallory.cookies["watchword-attempt"].value
    assert mallory.get("/sign-in/prove/")["Location"].startswith("/sign-in/?over")
    assert mallory.post("/sign-in/prove/", {"answer": telephone.code})["Location"].startswith("/sign-in/?over")
    assert victim.post("/sign-in/prove/", {"answer": telephone.code})["Location"] == "/"


def test_ses_01_proving_again_gives_the_session_a_new_token(world: World, telephone: Telephone) -> None:
    """A fresh proof gives the session a new token, and the old token opens nothing."""
    client = Client()
    before = sign_in(client, world.alice, ago=timedelta(hours=2)).token
    client.post("/sign-in/confirm/?next=/methods/add/phone/", {"answer": world.passwords["alice"]})
    assert opens(before), "nothing is raised before all is proven"
    client.post("/sign-in/prove/", {"answer": telephone.code})
    assert session_cookie(client) != before
    assert opens(session_cookie(client), "/methods/add/phone/")
    assert not opens(before)


def test_ses_01_registering_a_phone_within_a_session_gives_it_a_new_token(world: World, telephone: Telephone) -> None:
    """A token from before a second proof doesn't gain its privileges."""
    client = Client()
    before = sign_in(client, world.carol).token
    assert add_phone(client, telephone)["Location"] == "/security/"
    assert session_cookie(client) != before
    assert opens(session_cookie(client))
    assert not opens(before)
    assert Session.objects.count() == 1
    proofs = read_evidence(Session.objects.get().evidence)
    assert any(proof.kind in SECOND_FACTORS for proof in proofs)


def test_ses_01_choosing_a_new_password_gives_the_session_a_new_token(world: World) -> None:
    """A copied session token is invalid after the owner changes the password."""
    client = Client()
    before = sign_in(client, world.carol).token
    typed = {"password": "seven quiet otters sail", "current": world.passwords["carol"]}
    assert client.post("/methods/add/password/", typed).status_code == 302
    assert opens(session_cookie(client))
    assert not opens(before)


def test_ses_02_in_production_only_cookies_bound_to_this_very_host_are_set_and_read(
    world: World, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every cookie is __Host-, Secure, HttpOnly and SameSite; a cookie planted by a sibling host is ignored."""
    client = use_production(settings, monkeypatch)
    page = client.post("/sign-in/", {"name": "carol@harbour.example"})
    arrived = client.post("/sign-in/password/", {"answer": world.passwords["carol"]})
    client.get("/security/")
    changed = client.post("/sessions/end-others/")
    seen = {**page.cookies, **arrived.cookies, **changed.cookies, **client.cookies}
    assert set(seen) == {
        "__Host-watchword-attempt",
        "__Host-watchword-session",
        "__Host-watchword-browser",
        "__Host-messages",
        "__Host-csrf",
    }
    for name, cookie in seen.items():
        if cookie.value:
            assert cookie["secure"], name
            assert cookie["httponly"], name
            assert cookie["samesite"] in {"Lax", "Strict"}, name
            assert cookie["path"] == "/", name
            assert not cookie["domain"], name
            assert len(cookie.OutputString()) <= 4096, name
    planted = production_client()
    planted.cookies["watchword-session"] = client.cookies["__Host-watchword-session"].value
    assert planted.get("/security/").status_code == 302


def test_ses_04_a_token_from_before_the_end_opens_nothing(world: World) -> None:
    """Signing out, an administrator's act or a changed password ends a session at the very next request."""
    first, second = Client(), Client()
    token = sign_in(first, world.alice).token
    sign_in(second, world.alice)
    endings: dict[str, Callable[[User], object]] = {
        "the owner signs out": lambda _user: first.post("/sign-out/"),
        "the owner signs others out": lambda _user: second.post("/sessions/end-others/"),
        "the owner changes the password": lambda _user: second.post(
            "/methods/add/password/",
            {"password": "seven quiet otters sail", "current": world.passwords["alice"]},
        ),
    }
    for act in (
        actions.sign_out_everywhere,
        actions.reset_password,
        actions.reset_methods,
        actions.block,
        actions.delete,
    ):
        endings[act.__name__] = partial(act, by=world.root, origin=ORIGIN, now=timezone.now())
    for what, end in endings.items():
        User.objects.filter(pk=world.alice.pk).update(blocked_at=None, deleted_at=None)
        alice = User.objects.select_related("organisation").get(pk=world.alice.pk)
        token = sign_in(first, alice).token
        sign_in(second, alice)
        assert opens(token), what
        end(alice)
        User.objects.filter(pk=world.alice.pk).update(blocked_at=None, deleted_at=None)
        assert not opens(token), what


def test_ses_04_a_confirmation_begun_before_the_end_brings_nothing_back(world: World, telephone: Telephone) -> None:
    """An attempt to prove again ends with its session and can't revive it."""
    client = Client()
    opened = sign_in(client, world.alice, ago=timedelta(hours=2))
    client.post("/sign-in/confirm/?next=/security/", {"answer": world.passwords["alice"]})
    sessions.end(world.alice, opened.session.pk, by=world.alice, because="signed_out", now=timezone.now())
    client.post("/sign-in/prove/", {"answer": telephone.code})
    assert client.get("/security/").status_code == 302
    assert not Session.objects.filter(ended_at=None).exists()


def test_ses_05_what_is_in_flight_when_its_session_ends_neither_revives_it_nor_does_its_deed(
    world: World, telephone: Telephone
) -> None:
    """A request that was authorised before its session ended notices, under the lock, that the session is over."""
    opened = sign_in(Client(), world.alice)
    in_flight = sessions.find(opened.token, now=timezone.now())
    assert in_flight is not None
    now = timezone.now()
    enrolment.start(
        in_flight,
        FactorKind.PHONE,
        {"slot": "alternate", "number": "+4915123456789", "channel": "sms"},
        origin=ORIGIN,
        now=now,
    )
    sessions.end(world.alice, opened.session.pk, by=world.alice, because="signed_out", now=now)
    with pytest.raises(enrolment.ReauthenticationRequired):
        enrolment.finish(in_flight, FactorKind.PHONE, telephone.code, origin=ORIGIN, now=now)
    with pytest.raises(enrolment.ReauthenticationRequired):
        password_change.choose_password(in_flight, "seven quiet otters sail", origin=ORIGIN, now=now)
    with pytest.raises(enrolment.ReauthenticationRequired):
        enrolment.create_app_password(in_flight, "Another", origin=ORIGIN, now=now)
    assert sessions.rotate(in_flight, evidence_for(FactorKind.PASSWORD), now=now) is None
    assert not Session.objects.filter(ended_at=None).exists()


@pytest.mark.django_db(transaction=True)
def test_ses_05_twenty_requests_around_a_sign_out_leave_no_session(transactional_db: None) -> None:
    """In whatever order twenty requests and a sign-out run, no session is left and no response sets a session token."""
    world = make_world()
    client = Client()
    token = sign_in(client, world.alice).token
    Session.objects.update(last_seen_at=timezone.now() - timedelta(minutes=2))

    def ask(which: int) -> str:
        mine = Client()
        mine.cookies["watchword-session"] = token
        answer = mine.post("/sign-out/") if which == 7 else mine.get(("/security/", "/", "/activity/")[which % 3])
        handed = answer.cookies.get("watchword-session")
        return handed.value if handed is not None else ""

    assert not any(in_threads(20, ask))
    assert not Session.objects.filter(ended_at=None).exists()
    assert not opens(token)


def test_ses_06_a_forged_token_opens_nothing(world: World, settings: Any) -> None:
    """A token is 256 random bits: ids, hashes, fragments, keyed values and tokens of other cookies are refused."""
    client = Client()
    opened = sign_in(client, world.alice)
    session = Session.objects.get(pk=opened.session.pk)
    attempt = flow.begin("alice@harbour.example", origin=ORIGIN, next_url="/", now=world.now)
    ring = settings.WATCHWORD_KEY_RING
    forged = [
        "",
        "0",
        "null",
        str(session.pk),
        session.pk.hex,
        bytes(session.token_hash).hex(),
        opened.token[:-1],
        opened.token + "A",
        opened.token.lower(),
        f" {opened.token}a",
        f"{opened.token}\0",
        new_token(),
        attempt,
        ring.mac("django-secret-key", b"").hex(),
        ring.mac("session", session.pk.bytes).hex(),
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.",
        "' OR 1=1 --",
        "é" * 40,
        "x" * 3_000,
    ]
    assert opens(opened.token)
    for token in forged:
        assert not opens(token), token
    assert not Session.objects.exclude(pk=session.pk).exists()


def test_ses_11_a_session_ends_with_its_time_however_busy_it_is(world: World) -> None:
    """A session is valid to the last second of its idle and absolute lifetime; use never extends the absolute one."""
    opened = sign_in(Client(), world.alice)
    limits = world.organisation.policy.limits
    begin, moment = timedelta(0), timedelta(seconds=1)
    idle, whole = timedelta(seconds=limits.session_idle_seconds), timedelta(seconds=limits.session_seconds)
    created = opened.session.created_at
    assert sessions.find(opened.token, now=created + begin) is not None
    assert sessions.find(opened.token, now=created + idle) is None
    now = created
    while now + idle - moment < created + whole:
        now += idle - moment
        assert sessions.find(opened.token, now=now) is not None
    assert sessions.find(opened.token, now=created + whole - moment) is not None
    assert sessions.find(opened.token, now=created + whole) is None


def test_ses_19_of_a_doubled_parameter_the_last_one_counts_and_the_address_is_never_asked(world: World) -> None:
    """Of a repeated form field only the last value counts, as one try; answers in the query string are ignored."""
    client = Client()
    client.post("/sign-in/?name=root@harbour.example", {"name": ["alice@harbour.example", "carol@harbour.example"]})
    assert SignInAttempt.objects.get().typed_name == "carol@harbour.example"
    right = world.passwords["carol"]
    client.post("/sign-in/password/", {"answer": [right, "a wrong one"]})
    assert not Session.objects.exists()
    count = FailureCount.objects.get(key__startswith="password:")
    assert len(count.failures) == 1
    assert client.post(f"/sign-in/password/?answer={right}", {}).status_code == 200
    assert not Session.objects.exists()
    client.post("/sign-in/password/?answer=a+wrong+one", {"answer": ["a wrong one", right]})
    assert Session.objects.get().user_id == world.carol.pk


def test_ses_19_of_two_session_cookies_one_is_read_and_both_are_checked_alike(world: World) -> None:
    """A second session cookie of the same name bypasses nothing: the one that is read must be valid."""
    opened = sign_in(Client(), world.alice)
    client = Client(headers={"cookie": f"watchword-session={new_token()}; watchword-session={new_token()}"})
    assert client.get(reverse("portal:security")).status_code == 302
    client = Client(headers={"cookie": f"watchword-session={opened.token}; watchword-session={opened.token}"})
    assert client.get(reverse("portal:security")).status_code == 200
