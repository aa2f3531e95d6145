"""The demo with real carriers: no code may ever go to a number that somebody made up."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from watchword.directory.models import Organisation
from watchword.messaging.config_file import Phones
from watchword.signin import sample_credentials

FILE = "real-phones"


def forget_made_up(home: Path, phones: Phones, *, now: datetime) -> int:
    """Remove every telephone of this demo when it is started with real carriers after one without; how many.

    Whoever tried the demo made numbers up, and so did the sample. They belong to somebody.
    """
    sign = home / FILE
    if phones.is_simulated:
        sign.unlink(missing_ok=True)
        return 0
    if sign.exists():
        return 0
    number = sum(sample_credentials.forget_phones(organisation, now=now) for organisation in Organisation.objects.all())
    sign.touch(mode=0o600)
    return number


def names_of(phones: Phones) -> str:
    """Return the carriers by way, for the card."""
    return "; ".join(
        f"{channel}s by {', '.join(one.route.name for one in phones.gateways if channel in one.route.channels)}"
        for channel in sorted(phones.channels)
    )
