"""Notices to phone numbers to which codes are no longer sent, or no longer exclusively."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from watchword.core.policy import FactorKind
from watchword.directory.models import User
from watchword.factors.vault import StoredCredential
from watchword.messaging.content.sms import name_in_text
from watchword.messaging.content.translations import words_of
from watchword.messaging.notices import warn


def tell_numbers(user: User, phones: Iterable[StoredCredential], *, is_removed: bool, now: datetime) -> None:
    """Send a notice to each phone that takes texts. Call this after the commit, so that the notice is true.

    The rate limits may hold a text back, so that no phone is flooded; the mail is sent in any case.
    """
    words = words_of(user.language or user.organisation.language)
    said = words.number_removed if is_removed else words.number_changed
    told = said.format(organisation=name_in_text(user.organisation.name))
    for stored in phones:
        if stored.data.kind is FactorKind.PHONE and stored.data.public.get("texts"):
            warn(user, json.loads(stored.data.secret)["number"], told, now=now)
