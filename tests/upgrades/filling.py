"""Fills every table of a new database, by acts of the product wherever it has one for the row."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from django.apps import apps
from django.conf import settings
from django.test import Client
from django.utils import timezone

from tests.telephone import Telephone, carry
from tests.world import ORIGIN, World, give_app_password, make_world
from watchword.admincenter.models import Draft
from watchword.admincenter.phones import shared_numbers
from watchword.alerts.models import WarningChoice
from watchword.applications import clients, consents, protected_hosts, signing_keys
from watchword.applications.clients import ClientSettings
from watchword.applications.models import AuthorizationCode, HostCookie, HostTicket, Token, TokenKind
from watchword.audit import hash_chain, installation
from watchword.audit.heartbeats import ProcessHeart
from watchword.audit.maintenance import Task, note_run
from watchword.cli import readiness
from watchword.cli.background_worker import work_once
from watchword.core.policy import Channel, Door, FactorKind, MfaState
from watchword.directory import send_as
from watchword.directory.models import App, Group, GroupMember
from watchword.directory.roles import Role
from watchword.doors.oidc import authorization_requests, device_codes
from watchword.doors.oidc.client_authentication import note_jti
from watchword.factors import vault
from watchword.factors.phone.factor import Number
from watchword.messaging.gateway import Condition, Outgoing, Report, Result
from watchword.messaging.gateways.simulator import gateway as simulator_gateway
from watchword.messaging.limits import counters
from watchword.messaging.models import CountryBlock
from watchword.messaging.worker import delivery_receipts, outbox, persistence
from watchword.signin import actions, app_access, invitations, non_interactive
from watchword.signin.facts import read_evidence
from watchword.signin.models import Session
from watchword.signin.non_interactive import AuthRequest, Secret
from watchword.signin.tokens import token_hash

GONE_APP_PASSWORD = "Old tablet"


def fill() -> dict[str, str]:
    """Fill every table; return what a test needs to come in: passwords, and app passwords that open or do not."""
    settings.WATCHWORD_ARGON2 = {"time_cost": 1, "memory_kibibytes": 8, "parallelism": 1}
    settings.ALLOWED_HOSTS = ["*"]
    readiness.note_migrated()
    world = make_world()
    telephone = Telephone()
    outbox.wake = partial(carry, telephone.take, telephone.name)
    gone = give_app_password(world.alice, GONE_APP_PASSWORD)
    _sign_in(world, telephone)
    _administer(world)
    _use_an_app(world)
    _log_in_mail(world, gone)
    _deliver(world, telephone)
    work_once()
    for _ in range(3):
        work_once()
    _wait(world)
    ProcessHeart("web").beat(now=timezone.now())
    note_run(Task.BACKUP, now=timezone.now())
    installation.register_key(settings.WATCHWORD_KEY_RING, now=timezone.now())
    hash_chain.seal(now=timezone.now())
    return {
        "password": world.passwords["carol"],
        "app_password": world.alices_app_password,
        "gone_app_password": gone,
    }


def empty_tables() -> list[str]:
    """Return the models that have no row."""
    return sorted(model._meta.label for model in apps.get_models() if not model._default_manager.exists())


def _sign_in(world: World, telephone: Telephone) -> None:
    """Alice signs in to the end, Bob after a wrong password not to the end, and each step leaves its rows."""
    alice, bob = Client(), Client()
    alice.post("/sign-in/", {"name": "alice@harbour.example"})
    alice.post("/sign-in/password/", {"answer": world.passwords["alice"]})
    alice.get("/sign-in/prove/")
    alice.post("/sign-in/prove/", {"answer": telephone.code})
    assert alice.get("/activity/").status_code == 200
    bob.post("/sign-in/", {"name": "bob@harbour.example"})
    bob.post("/sign-in/password/", {"answer": "a wrong password"})
    bob.post("/sign-in/password/", {"answer": world.passwords["bob"]})


def _administer(world: World) -> None:
    now = timezone.now()
    invitations.make(world.carol, now=now)
    send_as.give_send_as(world.bob, "carol@harbour.example", until=None, by=world.root, now=now)
    number = Number("+4930123456", "DE", takes_texts=False)
    shared = {"line": number, "name": "The shop", "people": 20, "codes": 40}
    shared_numbers.share(shared, by=world.root, origin=ORIGIN, now=now)
    WarningChoice.objects.create(user=world.alice, by_text=True)
    Draft.objects.create(user=world.root, made_at=now, page="/admin/users/", sealed_values='{"name": ["Dora"]}')


def _use_an_app(world: World) -> None:
    """Alice signs in to an app that is for a group of hers."""
    now = timezone.now()
    group = Group.objects.create(organisation=world.organisation, name="Accounting", created_at=now)
    GroupMember.objects.create(group=group, user=world.alice, added_at=now)
    app = App.objects.create(organisation=world.organisation, name="Wiki", for_everyone=False, created_at=now)
    app.groups.add(group)
    session = Session.objects.get(user=world.alice)
    proof = read_evidence(session.evidence)
    sign_in = app_access.begin(session, app, evidence=proof, is_offline=True, origin=ORIGIN, now=now)
    wiki = clients.add_client(app, ClientSettings(redirect_uris=["https://wiki.example/cb"]), by=None)
    clients.add_secret(wiki, by=None, now=now)
    signing_keys.jwks(world.organisation, now=now)
    consents.give(world.alice, wiki, ["openid", "email"], origin=ORIGIN, now=now)
    authorization_requests.store(wiki, {"client_id": wiki.client_id}, is_pushed=True, now=now)
    device_codes.begin(wiki, "openid", address="198.51.100.7", now=now)
    note_jti("a client", "a jti", expires_at=now + timedelta(hours=1))
    later = {"created_at": now, "expires_at": now + timedelta(hours=1)}
    shared = {"sign_in": sign_in, "client": wiki, "scope": "openid", **later}
    AuthorizationCode.objects.create(code_hash=token_hash("code"), redirect_uri="https://wiki.example/cb", **shared)
    Token.objects.create(token_hash=token_hash("token"), kind=TokenKind.REFRESH, **shared)
    host = protected_hosts.protect(app, "wiki.example", by=None, now=now)
    at_host = {"host": host, "sign_in": sign_in, "expires_at": now + timedelta(hours=1)}
    HostTicket.objects.create(ticket_hash=token_hash("ticket"), state_hash=token_hash("state"), target="/", **at_host)
    HostCookie.objects.create(token_hash=token_hash("cookie"), **at_host)


def _log_in_mail(world: World, gone: str) -> None:
    tried = [
        (world.alices_app_password, "198.51.100.9"),
        (world.alices_app_password, "192.0.2.9"),
        (gone, "198.51.100.9"),
        ("x" * 24, "203.0.113.9"),
    ]
    for letters, address in [*tried, *[tried[-1]] * 3]:
        asked = AuthRequest(Door.MAIL, "alice@harbour.example", Secret(letters), "imap", address)
        non_interactive.check_many([asked], now=timezone.now())
    now = timezone.now()
    actions.set_mfa_state(world.carol, MfaState.ENABLED, by=None, now=now)
    data = vault.holdings(world.alice, kinds=[FactorKind.APP_PASSWORD])
    old = next(stored for stored in data if stored.data.label == GONE_APP_PASSWORD)
    actions.delete_app_passwords(world.alice, [old.id], by=None, now=now)
    actions.reset_methods(world.bob, by=world.root, now=now)
    actions.give_role(world.carol, Role.HELPDESK_ADMINISTRATOR, by=world.root, now=now)
    actions.block(world.bob, by=None, now=now)
    actions.unblock(world.bob, by=None, now=now)


def _deliver(world: World, telephone: Telephone) -> None:
    now = timezone.now()
    outgoing: Outgoing = telephone.received[0]
    simulator_gateway.take(outgoing)
    delivery_receipts.note_reports([Report(telephone.name, "ref-1", Result.DELIVERED)], now=now)
    persistence.note_states({"telephone": (Condition(is_up=True, words="ready"), True)}, now)
    CountryBlock.objects.create(
        organisation=world.organisation, country="LV", at=now, until=now + timedelta(days=1), sent=60, entered=1
    )
    refused = counters.SendThrottled(None, counters.LimitRule.COUNTRY, {"country": "LV"})
    counters.note_refusal(
        world.bob, counters.telephone_of("+37120000000", ""), Channel.SMS, refused, is_new=True, now=now
    )


def _wait(world: World) -> None:
    """Leave a code on its way, and an event for which no notice was made yet."""
    outbox.wake = lambda: None
    client = Client()
    client.post("/sign-in/", {"name": "alice@harbour.example"})
    client.post("/sign-in/password/", {"answer": world.passwords["alice"]})
    client.get("/sign-in/prove/")
    give_app_password(world.alice, "Telephone")
    actions.reset_password(world.carol, by=None, now=timezone.now())
