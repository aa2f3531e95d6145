"""Test texts and test calls: no code, through the ordinary queue, within the guard's rules, and remembered."""

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

from watchword.admincenter.phones.gateways import fits, way_words
from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.factors import Reason, Rejected
from watchword.core.policy import Way
from watchword.directory.models import User
from watchword.directory.permissions import demand
from watchword.directory.roles import Act
from watchword.factors.phone.factor import Number, read_number
from watchword.factors.phone.forms import countries
from watchword.messaging.config_file import Planned
from watchword.messaging.content.translations import words_of
from watchword.messaging.gateway import Outgoing
from watchword.messaging.limits.counters import NotBefore, may_send, telephone_of
from watchword.messaging.models import Delivery
from watchword.messaging.send import hand_over, ways_carried
from watchword.signin.flow import lock_person

PURPOSE = "test"
EACH_HOUR = 10
"""How many tests one administrator sends in an hour."""
HOUR = timedelta(hours=1)
_WAYS = {Way.TEXT: gettext_lazy("Text"), Way.CALL: gettext_lazy("Call")}
_ANY = ""


class PhoneTestForm(forms.Form):
    """Where a test goes, how, and by which channel."""

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
    way = forms.ChoiceField(
        label=gettext_lazy("What should come?"),
        widget=forms.RadioSelect,
        error_messages={
            "required": gettext_lazy("Choose a text or a call."),
            "invalid_choice": gettext_lazy("Choose a text or a call."),
        },
    )
    channel = forms.ChoiceField(
        label=gettext_lazy("Channel"),
        required=False,
        error_messages={"invalid_choice": gettext_lazy("This channel does not exist. Choose another one.")},
    )

    def __init__(self, data: Mapping[str, Any] | None, *, region: str, channel: str = "") -> None:
        ways = [way for way in Way if way in ways_carried()]
        planned = settings.WATCHWORD_PHONES.find(channel)
        fitting = [way for way in ways if planned is None or way in planned.route.ways]
        first = fitting[0].value if fitting else ""
        super().__init__(data, initial={"country": region, "way": first, "channel": planned and planned.route.name})
        channels = [(_ANY, _("Any, as for codes"))]
        channels += [(one.route.name, _channel_words(one)) for one in settings.WATCHWORD_PHONES.carriers]
        for name, choices in (
            ("country", countries()),
            ("way", [(way.value, _WAYS[way]) for way in ways]),
            ("channel", channels),
        ):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = choices

    def clean(self) -> dict[str, Any]:
        """Read the number in the country, and ask whether the channel can carry it."""
        cleaned = super().clean() or {}
        if {"country", "number", "way"} - set(cleaned):
            return cleaned
        number = read_number(cleaned["number"], cleaned["country"])
        way = Way(cleaned["way"])
        if isinstance(number, Rejected):
            self.add_error("number", number_words(number.reason))
            return cleaned
        if way is Way.TEXT and not number.takes_texts:
            self.add_error("number", _("This number can't get texts. Choose a call."))
        planned = settings.WATCHWORD_PHONES.find(cleaned.get("channel") or _ANY)
        if planned is not None and way not in planned.route.ways:
            words = _("%(channel)s carries no calls.") if way is Way.CALL else _("%(channel)s carries no texts.")
            self.add_error("channel", words % {"channel": planned.route.name})
        elif planned is not None and not fits(planned.route, number.e164):
            words = _("%(channel)s carries only numbers that begin with %(prefixes)s.")
            prefixes = ", ".join(planned.route.prefixes)
            self.add_error("channel", words % {"channel": planned.route.name, "prefixes": prefixes})
        cleaned["line"] = number
        return cleaned


@dataclass(frozen=True, slots=True)
class TooMany:
    """This administrator has sent enough tests for now."""

    until: datetime


def send_test(
    by: User, line: Number, way: Way, *, channel: str, origin: Origin, now: datetime
) -> Outgoing | NotBefore | TooMany:
    """Send a fixed text or call without a code, and return it; or what forbids it. Raises NotAllowed."""
    with transaction.atomic():
        demand(by, Act.CHANGE_SETTINGS)
        user = lock_person(by)
        lately = Delivery.objects.filter(user=user, purpose=PURPOSE, created_at__gt=now - HOUR).order_by("-created_at")
        sent = list(lately.values_list("created_at", flat=True)[:EACH_HOUR])
        if len(sent) == EACH_HOUR:
            return TooMany(sent[-1] + HOUR)
        telephone = telephone_of(line.e164)
        verdict = may_send(user, telephone, way, sends_in_attempt=0, is_new=False, now=now)
        if isinstance(verdict, NotBefore):
            return verdict
        organisation = user.organisation
        delivery = Delivery.objects.create(
            organisation=organisation,
            user=user,
            way=way,
            purpose=PURPOSE,
            **telephone.row(),
            created_at=now,
            changed_at=now,
        )
        details = {"way": way.value, "country": telephone.country, "ends": telephone.ends, "channel": channel}
        record(EventKind.PHONE_TESTED, now=now, by=user, origin=origin, details=details)
    outgoing = Outgoing(
        delivery_id=delivery.pk,
        way=way,
        number=line.e164,
        extension="",
        code="",
        organisation=organisation.name,
        language=organisation.language,
        words=words_of(organisation.language).test.format(organisation=organisation.name),
        purpose=PURPOSE,
        channel=channel,
    )
    hand_over(outgoing, now=now)
    return outgoing


def newest_tests(by: User) -> list[Delivery]:
    """Return the newest tests of an administrator."""
    rows = Delivery.objects.filter(user=by, purpose=PURPOSE).order_by("-created_at")
    return list(rows[:EACH_HOUR])


def _channel_words(one: Planned) -> str:
    return f"{one.route.name} ({', '.join(way_words(one.route.ways))})"


def number_words(reason: Reason) -> str:
    if reason is Reason.NUMBER_NOT_ALLOWED:
        return _("Nothing is ever sent to this kind of number. Enter a mobile or a fixed-line number.")
    if reason is Reason.AMBIGUOUS_NUMBER:
        return _("This could be two numbers. Write it with + and the code of the country in front.")
    return _("Enter a telephone number that exists in this country.")
