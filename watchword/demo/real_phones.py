"""The demo with real gateways: no code may ever go to an invented number."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from watchword.directory.models import Organisation
from watchword.messaging.config_file import Phones
from watchword.signin import sample_credentials

FILE = "real-phones"


def forget_made_up(home: Path, phones: Phones, *, now: datetime) -> int:
    """Remove every telephone of this demo when real gateways replace the simulator; return how many.

    The user of the demo and the sample have invented numbers. In reality these numbers belong to other people.
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
    """Return the gateways of each channel, for the card."""
    return "; ".join(
        f"{channel.messages} by {', '.join(one.route.name for one in phones.gateways if channel in one.route.channels)}"
        for channel in sorted(phones.channels)
    )
