"""Creates and removes sample credentials, for the demo and for load tests; refuses to anywhere else."""

from __future__ import annotations

import json
from datetime import datetime
from uuid import UUID

from django.conf import settings

from watchword.core.codes import new_app_password, shown_app_password
from watchword.core.factors import CredentialData
from watchword.core.policy import Channel, FactorKind
from watchword.directory.models import Organisation, User
from watchword.factors import vault
from watchword.messaging.models import Delivery
from watchword.signin.facts import LATELY
from watchword.signin.tokens import RANDOM_SOURCE


class OnlyInTheDemo(Exception):
    """Only the demo and tests may create credentials without a proof."""


def add_phone(user: User, number: str, channel: Channel, *, now: datetime) -> UUID:
    """Register a phone without a code, and return its id."""
    _demand_demo()
    public = {"channel": channel.value, "ends": number[-2:], "country": "DE", "extension": "", "texts": "yes"}
    secret = json.dumps({"number": number, "extension": ""}).encode()
    return vault.store(user, CredentialData(FactorKind.PHONE, slot="mobile", public=public, secret=secret), now=now).id


def forget_phones(organisation: Organisation, *, now: datetime) -> int:
    """Remove every phone in an organisation without a notice; return how many people had one.

    Codes typed lately are sample data too and are reset, so that an administrator can sign in with a code from the
    console.
    """
    _demand_demo()
    Delivery.objects.filter(organisation_id=organisation.pk, entered_at__gt=now - LATELY).update(entered_at=None)
    holders = User.objects.filter(pk__in=vault.holders(organisation.pk, FactorKind.PHONE))
    return sum(vault.revoke_all(user, [FactorKind.PHONE], because="made_up", now=now) for user in holders)


def add_app_password(user: User, name: str, *, now: datetime) -> str:
    """Make an app password and return it in the form in which pages show it."""
    _demand_demo()
    letters = new_app_password(RANDOM_SOURCE)
    lookup = vault.lookups(letters)[0]
    vault.store(user, CredentialData(FactorKind.APP_PASSWORD, label=name, lookup=lookup), now=now)
    return shown_app_password(letters)


def _demand_demo() -> None:
    if not settings.WATCHWORD_DEMO:
        raise OnlyInTheDemo
