"""Warnings rendered for delivery: a mail, or a short text."""

from __future__ import annotations

from email.utils import format_datetime
from typing import TypedDict
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from watchword.alerts import known_networks
from watchword.alerts.models import Notice
from watchword.alerts.rules import AlertRule
from watchword.alerts.texts import service_of, words_of
from watchword.audit import geoip
from watchword.audit.models import Event
from watchword.messaging.content.sms import name_in_text
from watchword.ui.browsers import browser_in_words

LONGEST_TEXT = 300


class Envelope(TypedDict):
    """The fields that all mails of Watchword share."""

    from_email: str
    headers: dict[str, str]


def facts_of(event: Event) -> list[tuple[str, str]]:
    """Return time, origin and program of an event, as pairs of a label and a value."""
    at = timezone.localtime(event.at)
    facts = [(_("When"), date_format(at, "j F Y, H:i") + f" ({at.tzname()})")]
    if event.address:
        facts.append((_("From"), _address_in_words(event)))
    if event.door == "console":
        facts.append((_("Done by"), _("%(who)s on the server's console") % {"who": event.agent}))
    elif event.agent:
        facts.append((_("By"), browser_in_words(event.agent)))
    elif event.service:
        facts.append((_("By"), _("a mail program (%(service)s)") % {"service": service_of(event)}))
    if event.actor_id is not None and event.actor_id != event.subject_id:
        facts.append((_("Done by"), event.actor_name))
    return facts


def _address_in_words(event: Event) -> str:
    """Return an address with its country; without a known country, add the network if it is new for the account."""
    if country := geoip.country_of(event.address):
        return f"{event.address} ({country})"
    if known_networks.is_new_for_event(event):
        network = known_networks.network_of(event.address)
        return _("%(address)s (a new network, %(network)s)") % {"address": event.address, "network": network}
    return event.address


def mail_of(notice: Notice, event: Event, to: str, link: str) -> EmailMessage:
    """Return the mail of a notice. The same notice always has the same Message-ID."""
    assert notice.user is not None, "only an alert is told to a bare address"
    words = words_of(AlertRule(notice.rule), event)
    organisation = notice.user.organisation.name
    lines = [
        _("Hello %(name)s,") % {"name": notice.user.display_name},
        "",
        words.what,
        "",
        *(f"  {label}: {one_line(value)}" for label, value in facts_of(event)),
        "",
        words.advice,
    ]
    if link:
        lines += [
            "",
            _("This wasn't me:"),
            link,
            "",
            _("The link works once, within seven days, after a press on a button. If its page asks for a code, type:"),
            link.partition("#")[2],
        ]
    lines += ["", _("Account: %(name)s") % {"name": notice.user.sign_in_name}, organisation]
    return EmailMessage(
        subject=one_line(f"{words.subject} ({organisation})"),
        body="\n".join(lines) + "\n",
        to=[to],
        **envelope_of(notice),
    )


def envelope_of(notice: Notice) -> Envelope:
    """Return sender and headers of a mail, the same at each try."""
    host = urlsplit(settings.WATCHWORD_PUBLIC_URL).hostname or "localhost"
    return {
        "from_email": settings.WATCHWORD_MAIL_FROM,
        "headers": {
            "Message-ID": f"<{notice.pk}@{host}>",
            "Date": format_datetime(notice.created_at),
            # RFC 3834 section 5: no out-of-office reply may answer this.
            "Auto-Submitted": "auto-generated",
        },
    }


def text_of(notice: Notice, event: Event) -> str:
    """Return the short form for a telephone; without a link, because links in texts teach people to follow them."""
    assert notice.user is not None, "a text goes to somebody"
    said = _("%(organisation)s: %(subject)s. Not you? See your mail, or tell your administrator.") % {
        "organisation": name_in_text(notice.user.organisation.name),
        "subject": words_of(AlertRule(notice.rule), event).subject,
    }
    return one_line(said)[:LONGEST_TEXT]


def one_line(text: str) -> str:
    """Return a text without characters that could begin a new line or header."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
