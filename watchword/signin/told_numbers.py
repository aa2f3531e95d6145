"""Tells a telephone number that it no longer is, or no longer alone is, the one that codes go to."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from watchword.core.policy import FactorKind, Way
from watchword.delivery.budget import budget_of, telephone_of
from watchword.delivery.channel import Outgoing
from watchword.delivery.models import Delivery
from watchword.delivery.routing import hand_over
from watchword.delivery.words import words_of
from watchword.directory.models import User
from watchword.factors.vault import Kept


def tell_numbers(user: User, phones: Iterable[Kept], *, is_removed: bool, now: datetime) -> None:
    """Text each telephone that takes texts. Call this after the commit: what is told must have happened."""
    words = words_of(user.language or user.organisation.language)
    said = words.number_removed if is_removed else words.number_changed
    countries = budget_of(user.organisation).countries
    for kept in phones:
        if kept.held.kind is not FactorKind.PHONE or not kept.held.public.get("texts"):
            continue
        number: str = json.loads(kept.held.secret)["number"]
        telephone = telephone_of(number)
        if not telephone.kind.may_be_sent_to or telephone.country not in countries:
            continue
        delivery = Delivery.objects.create(
            organisation_id=user.organisation_id,
            user=user,
            way=Way.TEXT,
            purpose="warning",
            **telephone.row(),
            created_at=now,
            changed_at=now,
        )
        outgoing = Outgoing(
            delivery_id=delivery.id,
            way=Way.TEXT,
            number=number,
            extension="",
            code="",
            organisation=user.organisation.name,
            words=said.format(organisation=user.organisation.name),
        )
        hand_over(outgoing, now=now)
