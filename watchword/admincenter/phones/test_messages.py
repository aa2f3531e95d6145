"""Test texts and test calls: without a code, through the ordinary outbox, within the rate limits, and recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from watchword.admincenter.phones.gateways import channel_words, fits
from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.factors import Rejected, RejectReason
from watchword.core.negative_result import NegativeResult
from watchword.core.policy import Channel
from watchword.directory.models import User
from watchword.directory.permissions import demand
from watchword.directory.roles import Act
from watchword.factors.phone.factor import Number, read_number
from watchword.factors.phone.forms import countries
from watchword.messaging.config_file import ConfiguredGateway
from watchword.messaging.content.translations import words_of
from watchword.messaging.gateway import Outgoing
from watchword.messaging.limits.counters import SendThrottled, reserve_send, telephone_of
from watchword.messaging.models import Delivery
from watchword.messaging.send import channels_carried, enqueue, new_delivery
from watchword.signin.flow import lock_person

PURPOSE = "test"
EACH_HOUR = 10
"""The maximum number of tests that one administrator sends in an hour."""
HOUR = timedelta(hours=1)
_CHANNELS = {Channel.SMS: gettext_lazy("Text"), Channel.VOICE: gettext_lazy("Call")}
_ANY = ""


class PhoneTestForm(forms.Form):
    """The number, the channel and the gateway of a test."""

    country = forms.ChoiceField(
        label=gettext_lazy("Country"), error_messages={"invalid_choice": gettext_lazy("Choose a country.")}
    )
    number = forms.CharField(
        label=gettext_lazy("Phone number"),
        max_length=60,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel-national", "inputmode": "tel"}),
        error_messages={
            "required": gettext_lazy("Enter the number of a phone that you can look at."),
            "max_length": gettext_lazy("Enter a telephone number that exists in this country."),
        },
    )
    channel = forms.ChoiceField(
        label=gettext_lazy("What should come?"),
        widget=forms.RadioSelect,
        error_messages={
            "required": gettext_lazy("Choose a text or a call."),
            "invalid_choice": gettext_lazy("Choose a text or a call."),
        },
    )
    gateway = forms.ChoiceField(
        label=gettext_lazy("Channel"),
        required=False,
        error_messages={"invalid_choice": gettext_lazy("This channel does not exist. Choose another one.")},
    )

    def __init__(self, data: Mapping[str, Any] | None, *, region: str, gateway: str = "") -> None:
        channels = [channel for channel in Channel if channel in channels_carried()]
        planned = settings.WATCHWORD_PHONES.find(gateway)
        fitting = [channel for channel in channels if planned is None or channel in planned.route.channels]
        first = fitting[0].value if fitting else ""
        super().__init__(data, initial={"country": region, "channel": first, "gateway": planned and planned.route.name})
        gateways = [(_ANY, _("Any, as for codes"))]
        gateways += [(one.route.name, _gateway_words(one)) for one in settings.WATCHWORD_PHONES.gateways]
        for name, choices in (
            ("country", countries()),
            ("channel", [(channel.value, _CHANNELS[channel]) for channel in channels]),
            ("gateway", gateways),
        ):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = choices

    def clean(self) -> dict[str, Any]:
        """Parse the number as one of the country, and check whether the gateway accepts it."""
        cleaned = super().clean() or {}
        if {"country", "number", "channel"} - set(cleaned):
            return cleaned
        number = read_number(cleaned["number"], cleaned["country"])
        channel = Channel(cleaned["channel"])
        if isinstance(number, Rejected):
            self.add_error("number", number_words(number.reason))
            return cleaned
        if channel is Channel.SMS and not number.takes_texts:
            self.add_error("number", _("This number can't get texts. Choose a call."))
        planned = settings.WATCHWORD_PHONES.find(cleaned.get("gateway") or _ANY)
        if planned is not None and channel not in planned.route.channels:
            words = (
                _("%(gateway)s carries no calls.") if channel is Channel.VOICE else _("%(gateway)s carries no texts.")
            )
            self.add_error("gateway", words % {"gateway": planned.route.name})
        elif planned is not None and not fits(planned.route, number.e164):
            words = _("%(gateway)s carries only numbers that begin with %(prefixes)s.")
            prefixes = ", ".join(planned.route.prefixes)
            self.add_error("gateway", words % {"gateway": planned.route.name, "prefixes": prefixes})
        cleaned["line"] = number
        return cleaned


@dataclass(frozen=True, slots=True)
class TooMany(NegativeResult):
    """The administrator has reached the hourly limit of tests."""

    until: datetime


def send_test(
    by: User, line: Number, channel: Channel, *, gateway: str, origin: Origin, now: datetime
) -> Outgoing | SendThrottled | TooMany:
    """Send a fixed text or call without a code and return it, or the limit that forbids it. Raise PermissionDenied."""
    with transaction.atomic():
        demand(by, Act.CHANGE_SETTINGS)
        user = lock_person(by)
        lately = Delivery.objects.filter(user=user, purpose=PURPOSE, created_at__gt=now - HOUR).order_by("-created_at")
        sent = list(lately.values_list("created_at", flat=True)[:EACH_HOUR])
        if len(sent) == EACH_HOUR:
            return TooMany(sent[-1] + HOUR)
        telephone = telephone_of(line.e164)
        verdict = reserve_send(user, telephone, channel, sends_in_attempt=0, is_new=False, now=now)
        if isinstance(verdict, SendThrottled):
            return verdict
        organisation = user.organisation
        delivery = new_delivery(user, telephone, channel, PURPOSE, now=now)
        details = {"channel": channel.value, "country": telephone.country, "ends": telephone.ends, "gateway": gateway}
        record(EventKind.PHONE_TESTED, now=now, by=user, origin=origin, details=details)
        outgoing = Outgoing(
            delivery_id=delivery.pk,
            channel=channel,
            number=line.e164,
            extension="",
            code="",
            organisation=organisation.name,
            language=organisation.language,
            words=words_of(organisation.language).test.format(organisation=organisation.name),
            purpose=PURPOSE,
            gateway=gateway,
        )
        enqueue(outgoing, now=now)
        return outgoing


def newest_tests(by: User) -> list[Delivery]:
    """Return the newest tests of an administrator."""
    rows = Delivery.objects.filter(user=by, purpose=PURPOSE).order_by("-created_at")
    return list(rows[:EACH_HOUR])


def _gateway_words(one: ConfiguredGateway) -> str:
    return f"{one.route.name} ({', '.join(channel_words(one.route.channels))})"


def number_words(reason: RejectReason) -> str:
    if reason is RejectReason.NUMBER_NOT_ALLOWED:
        return _("Nothing is ever sent to this kind of number. Enter a mobile or a fixed-line number.")
    if reason is RejectReason.AMBIGUOUS_NUMBER:
        return _("This could be two numbers. Write it with + and the code of the country in front.")
    return _("Enter a telephone number that exists in this country.")
