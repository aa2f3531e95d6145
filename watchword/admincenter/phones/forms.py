"""The form for an organisation's rules of phone delivery: countries, budgets, calls and languages."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any

import phonenumbers
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from watchword.admincenter.phones.labels import country_words, money
from watchword.core.policy import Limits
from watchword.directory.models import Organisation
from watchword.messaging.content.translations import LANGUAGES
from watchword.messaging.limits.counters import price_at_home
from watchword.messaging.limits.rules import Budget, LimitRule

MOST = 1_000_000
LONGEST_LIST = 10_000
BUDGETS: dict[str, Any] = {
    "organisation_sends_each_day": gettext_lazy("Codes of the whole organisation in a day"),
    "new_sends_each_day": gettext_lazy("Codes to new numbers in a day"),
    "new_sends_each_country_and_day": gettext_lazy("Codes to new numbers of one country in a day"),
    "sends_each_range_and_hour": gettext_lazy("Codes an hour to new numbers that differ in their last four digits"),
    "new_numbers_each_day": gettext_lazy("New numbers that one person may try in a day"),
}
_FOR_SIZE = {"organisation_sends_each_day", "new_sends_each_day", "new_sends_each_country_and_day"}
"""The budgets whose default grows with the organisation."""


@cache
def country_codes() -> dict[str, str]:
    """Return the code and the name of every country that has telephone numbers."""
    return {code: country_words(code) for code in sorted(phonenumbers.SUPPORTED_REGIONS)}


def limit_of(rule: str, details: Mapping[str, object], limits: Limits, budget: Budget) -> str:
    """Return the limit that a message reached: as it was recorded, else the present one; empty if it is no number."""
    hit = details.get("limit")
    if hit is not None:
        return f"{hit} {settings.WATCHWORD_PHONES.currency}".strip() if rule == LimitRule.COST_DAY else str(hit)
    if rule == LimitRule.COST_DAY:
        cost = budget.cost_micros_each_day
        return money(cost, settings.WATCHWORD_PHONES.currency) if cost is not None else ""
    value = getattr(limits, rule, None) or getattr(budget, rule, None)
    return str(value) if isinstance(value, int) else ""


class RulesForm(forms.Form):
    """The countries, budgets and call settings of an organisation. An empty budget means Watchword's default."""

    phone_countries = forms.CharField(
        label=gettext_lazy("Countries to which codes may go"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
    )
    cost_each_day = forms.DecimalField(
        label=gettext_lazy("Cost of a day"),
        required=False,
        max_digits=9,
        decimal_places=2,
        min_value=Decimal("0.01"),
        widget=forms.NumberInput(attrs={"class": "short-input", "step": "0.01"}),
        error_messages={
            "invalid": gettext_lazy("Enter an amount, such as 20 or 12.50."),
            "min_value": gettext_lazy("Enter an amount above zero, or nothing."),
            "max_digits": gettext_lazy("This amount is too large."),
            "max_whole_digits": gettext_lazy("This amount is too large."),
            "max_decimal_places": gettext_lazy("Enter at most two decimals."),
        },
    )
    number_match = forms.BooleanField(
        label=gettext_lazy("In calls, people press two digits that their screen shows"),
        required=False,
        help_text=gettext_lazy(
            "Instead of hearing a code that they could pass on to somebody. A new phone still hears a code."
        ),
    )
    fraud_locks = forms.BooleanField(
        label=gettext_lazy("Reporting fraud locks the sign-in"),
        required=False,
        help_text=gettext_lazy("Who presses 0 and # in a call is locked until an administrator unlocks them."),
    )
    voip_allowed = forms.BooleanField(
        label=gettext_lazy("New phones may have an Internet telephone number (VoIP)"),
        required=False,
        help_text=gettext_lazy(
            "Behind such a number stands an account, often with a password alone, instead of a SIM card or a line. "
            "Phones that are registered already go on."
        ),
    )
    language = forms.ChoiceField(
        label=gettext_lazy("Language of texts and calls"),
        choices=list(LANGUAGES.items()),
        error_messages={
            "required": gettext_lazy("Choose a language."),
            "invalid_choice": gettext_lazy("Choose one of these languages."),
        },
        widget=forms.Select(attrs={"class": "short-input"}),
        help_text=gettext_lazy("For people who have chosen none themselves."),
    )

    def __init__(self, data: Any, organisation: Organisation, *, people: int) -> None:
        self.organisation = organisation
        countries = list(organisation.phone_countries) or [organisation.region]
        known = country_codes()
        initial = {
            "phone_countries": "\n".join(f"{known.get(code, code)} ({code})" for code in countries),
            "number_match": organisation.number_match,
            "fraud_locks": organisation.fraud_locks,
            "voip_allowed": organisation.voip_allowed,
            "language": organisation.language,
        }
        config = {name: organisation.phone_budget.get(name) for name in (*BUDGETS, "cost_each_day")}
        super().__init__(data, initial={**initial, **config})
        own = country_words(organisation.region)
        self.fields["phone_countries"].help_text = _(
            "One on each line, by name or code. Phones elsewhere get no codes. Empty: %(own)s alone, your own country."
        ) % {"own": own}
        neighbours = _neighbours(organisation.region)
        if neighbours:
            also = _("Numbers with the code +%(code)s are also in %(places)s: codes go there only if they stand here.")
            code = phonenumbers.country_code_for_region(organisation.region)
            words = also % {"code": code, "places": ", ".join(country_words(place) for place in neighbours)}
            self.fields["phone_countries"].help_text += " " + words
        price = price_at_home(organisation)
        default = Budget.of(
            region=organisation.region, people=people, countries=countries, config={}, price_micros=price
        )
        for name, label in BUDGETS.items():
            self.fields[name] = _budget_field(label, _hint(name, getattr(default, name), people))
        currency = settings.WATCHWORD_PHONES.currency
        hint = _("Empty: no ceiling.")
        if default.cost_micros_each_day is not None:
            words = _(
                "In the phones file's currency. Empty: %(default)s, three messages for each person and fifty more."
            )
            hint = words % {"default": money(default.cost_micros_each_day, currency)}
        elif currency:
            hint = _("In %(currency)s, by the prices of the phones file. Empty: no ceiling.") % {"currency": currency}
        self.fields["cost_each_day"].help_text = hint

    def clean_phone_countries(self) -> list[str]:
        """Return the codes; report an error for each line that names no country."""
        typed = str(self.cleaned_data["phone_countries"])
        if len(typed) > LONGEST_LIST:
            raise ValidationError(_("This list is too long."))
        codes: set[str] = set()
        problems: list[str] = []
        for line in typed.splitlines():
            codes |= set(_codes_in(line.strip(), problems))
        if problems:
            raise ValidationError(problems[:10])
        return sorted(codes, key=lambda code: country_codes()[code])

    def values(self) -> dict[str, object]:
        """Return the settings to save."""
        cleaned = self.cleaned_data
        budget: dict[str, object] = {name: cleaned[name] for name in BUDGETS if cleaned[name] is not None}
        if cleaned["cost_each_day"] is not None:
            budget["cost_each_day"] = float(cleaned["cost_each_day"])
        plain = ("phone_countries", "number_match", "fraud_locks", "voip_allowed", "language")
        return {**{name: cleaned[name] for name in plain}, "phone_budget": budget}

    def refuse_to_shut_out(self, country: str) -> None:
        """Report that the administrator's own phone would no longer get codes."""
        words = _("Your own phone is in %(country)s: you would shut yourself out. Add that country.")
        self.add_error("phone_countries", words % {"country": country_words(country)})


def _neighbours(region: str) -> list[str]:
    """Return the regions with the same calling code as a region: Jersey for the United Kingdom, Réunion for Mayotte."""
    code = phonenumbers.country_code_for_region(region)
    return [place for place in phonenumbers.region_codes_for_country_code(code) if place != region]


def _codes_in(line: str, problems: list[str]) -> list[str]:
    if not line:
        return []
    code = _code(line)
    if code:
        return [code]
    parts = [part for part in re.split(r"[,;]", line) if part.strip()]
    if len(parts) > 1:
        return [code for part in parts for code in _codes_in(part.strip(), problems)]
    names = {name.casefold(): name for name in country_codes().values()}
    near = difflib.get_close_matches(line[:60].casefold(), names, n=1, cutoff=0.7)
    if near:
        said = _("“%(line)s” is no country that we know. Do you mean %(name)s?")
        problems.append(said % {"line": line[:50], "name": names[near[0]]})
    else:
        problems.append(_("“%(line)s” is no country that we know.") % {"line": line[:50]})
    return []


def _code(text: str) -> str:
    bracketed = re.fullmatch(r".*\(([A-Za-z]{2})\)", text)
    code = (bracketed[1] if bracketed else text).upper()
    if code in country_codes():
        return code
    return next((one for one, name in country_codes().items() if name.casefold() == text.casefold()), "")


def _budget_field(label: Any, hint: str) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=1,
        max_value=MOST,
        help_text=hint,
        widget=forms.NumberInput(attrs={"class": "short-input"}),
        error_messages={
            "invalid": _("Enter a whole number, or nothing."),
            "min_value": _("At least 1. To stop codes, take countries off the list."),
            "max_value": _("At most %(limit_value)d."),
        },
    )


def _hint(name: str, default: int, people: int) -> str:
    if name in _FOR_SIZE:
        words = ngettext(
            "Empty: %(default)d, enough for your one person.",
            "Empty: %(default)d, enough for your %(people)d people.",
            people,
        )
        if name != "organisation_sends_each_day":
            words = f"{words} {_('Never more than half of what the organisation sends.')}"
        return words % {"default": default, "people": people}
    return _("Empty: %(default)d.") % {"default": default}
