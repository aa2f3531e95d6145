"""Telephones that several people share: an administrator lists the number, with limits of its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from watchword.admincenter.phones.test_messages import number_words
from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.factors import Rejected
from watchword.directory.models import Organisation, User
from watchword.directory.permissions import demand
from watchword.directory.roles import Act
from watchword.factors.phone.factor import Number, read_number
from watchword.factors.phone.forms import countries
from watchword.messaging.models import SharedNumber

MOST = 50
"""The maximum per organisation: a send that reaches the limit of a number unseals each of them."""
MOST_PEOPLE, MOST_CODES = 100, 300


class SharedNumberForm(forms.Form):
    """A number, its name, and its daily limits."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=60,
        help_text=gettext_lazy("Such as “Telephone of the shop”. Only administrators read it."),
        error_messages={"required": gettext_lazy("Enter a name.")},
    )
    country = forms.ChoiceField(label=gettext_lazy("Country"))
    number = forms.CharField(
        label=gettext_lazy("Telephone number"),
        max_length=40,
        widget=forms.TextInput(attrs={"inputmode": "tel", "autocomplete": "off"}),
        help_text=gettext_lazy("It is kept sealed. Afterwards only its last two digits are shown."),
        error_messages={"required": gettext_lazy("Enter a telephone number.")},
    )
    people = forms.IntegerField(label=gettext_lazy("People in a day"), min_value=1, max_value=MOST_PEOPLE, initial=20)
    codes = forms.IntegerField(label=gettext_lazy("Codes in a day"), min_value=1, max_value=MOST_CODES, initial=60)

    def __init__(self, data: Mapping[str, Any] | None, *, organisation: Organisation) -> None:
        self.organisation = organisation
        super().__init__(data, initial={"country": organisation.region})
        field = self.fields["country"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = countries()

    def clean(self) -> dict[str, Any]:
        """Parse the number as one of the country."""
        cleaned = super().clean() or {}
        if {"country", "number"} - set(cleaned):
            return cleaned
        number = read_number(cleaned["number"], cleaned["country"])
        if isinstance(number, Rejected):
            self.add_error("number", number_words(number.reason))
        elif any(row.number == number.e164 for row in shared_numbers_of(self.organisation)):
            self.add_error("number", _("This number is listed already. Remove it first."))
        elif SharedNumber.objects.filter(organisation=self.organisation).count() >= MOST:
            self.add_error(None, _("There are %(most)d shared telephones already, the most.") % {"most": MOST})
        cleaned["line"] = number
        return cleaned


def shared_numbers_of(organisation: Organisation) -> list[SharedNumber]:
    """Return the shared telephones of an organisation, ordered by name."""
    rows = SharedNumber.objects.filter(organisation=organisation).select_related("made_by")
    return list(rows.order_by("name", "pk"))


def share(values: Mapping[str, Any], *, by: User, origin: Origin, now: datetime) -> SharedNumber:
    """Give a telephone limits of its own, by the values of a valid form. Raise PermissionDenied."""
    line: Number = values["line"]
    with transaction.atomic():
        demand(by, Act.CHANGE_SETTINGS)
        row = SharedNumber.objects.create(
            organisation=by.organisation,
            name=values["name"],
            number=line.e164,
            ends=line.e164[-2:],
            country=line.country,
            people_each_day=values["people"],
            codes_each_day=values["codes"],
            made_at=now,
            made_by=by,
        )
        record(EventKind.NUMBER_SHARED, now=now, by=by, origin=origin, details=_details(row))
    return row


def stop_sharing(by: User, pk: int, *, origin: Origin, now: datetime) -> bool:
    """Apply the ordinary limits to a telephone again; return False if it is not listed. Raise PermissionDenied."""
    with transaction.atomic():
        demand(by, Act.CHANGE_SETTINGS)
        row = SharedNumber.objects.filter(pk=pk, organisation=by.organisation).first()
        if row is None:
            return False
        details = _details(row)
        row.delete()
        record(EventKind.NUMBER_NOT_SHARED, now=now, by=by, origin=origin, details=details)
    return True


def _details(row: SharedNumber) -> dict[str, object]:
    return {
        "name": row.name,
        "country": row.country,
        "ends": row.ends,
        "people": row.people_each_day,
        "codes": row.codes_each_day,
    }
