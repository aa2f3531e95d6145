"""Tells a telephone number that it no longer is, or no longer alone is, the one that codes go to."""

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
    """Text each telephone that takes texts. Call this after the commit: what is told must have happened.

    The guard may hold a text back, so that nobody is flooded by it; the mail is sent whatever becomes of the text.
    """
    words = words_of(user.language or user.organisation.language)
    said = words.number_removed if is_removed else words.number_changed
    told = said.format(organisation=name_in_text(user.organisation.name))
    for stored in phones:
        if stored.held.kind is FactorKind.PHONE and stored.held.public.get("texts"):
            warn(user, json.loads(stored.held.secret)["number"], told, now=now)
