"""The service settings of the organisation, and the table of roles."""

from __future__ import annotations

import ipaddress
from typing import Any

from django import forms
from django.conf import settings as django_settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from watchword.admincenter import role_table
from watchword.admincenter.drafts import sent
from watchword.admincenter.permissions import require_recent_auth, requires
from watchword.admincenter.phones.forms import country_codes
from watchword.admincenter.settings_impact import told_before_saving
from watchword.alerts import recipients
from watchword.core.countries import alphabetical
from watchword.core.mail_addresses import is_mail_address
from watchword.core.policy import LONGEST_APP_PASSWORD_WAIT_HOURS, STRICTEST, Limits, cover_too_much
from watchword.directory.models import Organisation
from watchword.directory.roles import Act
from watchword.signin.middleware import origin_of, request_user
from watchword.signin.service_settings import change_settings
from watchword.ui.country_select import CountrySelect

MOST_NETWORKS = 50
MOST_WORDS = 1_000
SHORTEST_WORD = 4
LONGEST_WORD = 40
LIMITS: dict[str, Any] = {
    "code_seconds": gettext_lazy("How long a code is good, in seconds"),
    "code_tries": gettext_lazy("Tries for one code"),
    "day_failures": gettext_lazy("Wrong codes in a day until sign-in is locked"),
    "sends_each_day": gettext_lazy("Codes for one person in a day"),
    "session_seconds": gettext_lazy("How long somebody stays signed in, in seconds"),
    "session_idle_seconds": gettext_lazy("How long somebody stays signed in without doing anything, in seconds"),
    "app_passwords": gettext_lazy("App passwords for one person"),
}


class SettingsForm(forms.Form):
    """The service settings of an organisation."""

    region = forms.ChoiceField(
        label=gettext_lazy("Country of the organisation"),
        widget=CountrySelect(attrs={"class": "short-input"}),
        help_text=gettext_lazy("Numbers without a country code are numbers of this country, and codes are sent there."),
    )
    app_passwords_allowed = forms.BooleanField(
        label=gettext_lazy("People may use app passwords"),
        required=False,
        help_text=gettext_lazy("Switching this off stops existing ones at once. People can still see and delete them."),
    )
    account_password_in_mail_while_enabled = forms.BooleanField(
        label=gettext_lazy("Until they register, people who are Enabled may use their own password in mail programs"),
        required=False,
    )
    app_password_wait_hours = forms.IntegerField(
        label=gettext_lazy("How long a registration that nothing vouched for waits for its app password, in hours"),
        min_value=0,
        max_value=LONGEST_APP_PASSWORD_WAIT_HOURS,
        widget=forms.NumberInput(attrs={"class": "short-input"}),
        help_text=gettext_lazy(
            "From 0 to 72; 0 lets nobody wait. It concerns people who register with their password alone: neither a pass "
            "or personal link of yours nor the phone in the directory vouches for them. Until then they stay Enabled, "
            "are asked for codes in browsers, and use their own password in mail programs."
        ),
        error_messages={
            "required": gettext_lazy("Enter a number of hours, 0 for none."),
            "invalid": gettext_lazy("Enter a whole number of hours, from 0 to 72."),
            "min_value": gettext_lazy("Enter a whole number of hours, from 0 to 72."),
            "max_value": gettext_lazy("72 hours are the most. Longer is better done with passes or personal links."),
        },
    )
    text_allowed = forms.BooleanField(label=gettext_lazy("Codes by text message"), required=False)
    call_allowed = forms.BooleanField(label=gettext_lazy("Codes by phone call"), required=False)
    trusted_networks = forms.CharField(
        label=gettext_lazy("Trusted networks"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text=gettext_lazy(
            "One on each line, such as 203.0.113.0/24 or 2001:db8::/32, at most 50. From there registered people need "
            "no code in a browser; administrators always do."
        ),
    )

    alert_recipients = forms.CharField(
        label=gettext_lazy("Mail alerts to"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=gettext_lazy(
            "Mail addresses, one on each line, at most 20. If there are none, alerts go to the Global Administrators."
        ),
    )
    banned_words = forms.CharField(
        label=gettext_lazy("Words that protect nothing"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text=gettext_lazy(
            "One on each line: products, places, nicknames of the organisation; at least 4 letters, at most 1,000 words. "
            "A new password that is little more than such words is refused, even with numbers or signs for letters. The names of "
            "the person and of the organisation count already."
        ),
    )
    shared_networks = forms.CharField(
        label=gettext_lazy("Shared addresses"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text=gettext_lazy(
            "Addresses of your own offices, where many people come from one address; one network on each line. Ten times "
            "as many wrong passwords are allowed there before people have to wait. Codes are asked there as everywhere."
        ),
    )

    def __init__(self, data: Any, organisation: Organisation) -> None:
        initial = {name: getattr(organisation, name) for name in self.base_fields}
        initial |= {name: "\n".join(initial[name]) for name in ("trusted_networks", "shared_networks", "banned_words")}
        weakest, today = Limits(), organisation.policy.limits
        super().__init__(data, initial={**initial, **{name: getattr(today, name) for name in LIMITS}})
        country = self.fields["region"]
        assert isinstance(country, forms.ChoiceField)
        country.choices = [(code, country_codes()[code]) for code in sorted(country_codes(), key=_by_name)]
        for name, label in LIMITS.items():
            most, least = getattr(weakest, name), getattr(STRICTEST, name)
            self.fields[name] = forms.IntegerField(
                label=label,
                min_value=least,
                max_value=most,
                help_text=_hint(name, getattr(today, name), least, most),
                widget=forms.NumberInput(attrs={"class": "short-input"}),
                error_messages={
                    "max_value": _("This would be weaker than Watchword allows: at most %(limit_value)d."),
                    "min_value": _("Less would shut everybody out, you included: at least %(limit_value)d."),
                    "required": _("Enter a number, at most %(most)d.") % {"most": most},
                    "invalid": _("Enter a whole number, at most %(most)d.") % {"most": most},
                },
            )

    def clean_trusted_networks(self) -> list[str]:
        """Return the networks in their shortest form; report an error for each invalid one."""
        return _networks(self.cleaned_data["trusted_networks"])

    def clean_shared_networks(self) -> list[str]:
        """Return the networks in their shortest form; report an error for each invalid one."""
        return _networks(self.cleaned_data["shared_networks"])

    def clean_banned_words(self) -> list[str]:
        """Return the words in lower case without duplicates."""
        words = list(
            dict.fromkeys(" ".join(line.split()).casefold() for line in self.cleaned_data["banned_words"].splitlines())
        )
        words = [word for word in words if word]
        if len(words) > MOST_WORDS:
            raise ValidationError(_("These are %(number)d words, and 1,000 is the most.") % {"number": len(words)})
        for word in words:
            if not SHORTEST_WORD <= len(word) <= LONGEST_WORD:
                problem = _("“%(word)s” is too short or too long: a word has 4 to 40 letters.")
                raise ValidationError(problem % {"word": word[:LONGEST_WORD]})
        return words

    def clean_alert_recipients(self) -> str:
        """Return the addresses without duplicates, one on each line."""
        addresses = list(dict.fromkeys(str(self.cleaned_data["alert_recipients"]).split()))
        wrong = [address for address in addresses if not is_mail_address(address)]
        if wrong:
            raise ValidationError([_("“%(address)s” is no mail address.") % {"address": one[:100]} for one in wrong])
        if len(addresses) > recipients.MOST:
            raise ValidationError(_("These are %(number)d addresses, and 20 is the most.") % {"number": len(addresses)})
        return "\n".join(addresses)

    def clean(self) -> dict[str, Any]:
        """Reject settings that allow no sign-in method at all."""
        cleaned = super().clean() or {}
        if not (cleaned.get("text_allowed") or cleaned.get("call_allowed")):
            self.add_error("call_allowed", _("Allow text messages or calls: without both nobody could register."))
        return cleaned


@requires(Act.CHANGE_SETTINGS)
def service_settings(request: HttpRequest) -> HttpResponse:
    """Show and change the service settings; test whether an address would be trusted."""
    by = request_user(request)
    organisation = by.organisation
    if request.method == "POST" and (answer := require_recent_auth(request)):
        return answer
    form = SettingsForm(sent(request), organisation)
    if request.method == "POST" and form.is_valid():
        values = {name: form.cleaned_data[name] for name in SettingsForm.base_fields}
        values["limits"] = _limits(form)
        concerns = told_before_saving(organisation, values)
        # The confirmation must match the current warnings: if their numbers have changed meanwhile, show them again.
        if concerns and request.POST.get("confirmed") != " ".join(concerns):
            return _show(request, form, concerns)
        changed = change_settings(organisation, values, by=by, origin=origin_of(request), now=timezone.now())
        messages.success(request, _("Saved. It holds from now on.") if changed else _("Nothing was different."))
        return HttpResponseRedirect(reverse("admincenter:service_settings"))
    return _show(request, form, [])


def _show(request: HttpRequest, form: SettingsForm, concerns: list[str]) -> HttpResponse:
    organisation = request_user(request).organisation
    asked = request.GET.get("address", "").strip()[:60]
    context = {
        "form": form,
        "concerns": concerns,
        "confirmed": " ".join(concerns),
        "limits": [form[name] for name in LIMITS],
        "asked": asked,
        "verdict": _verdict(asked, organisation) if asked else "",
        "here": "service_settings",
        "tab": "settings",
        "can_mail": django_settings.WATCHWORD_CAN_MAIL,
    }
    return render(request, "admincenter/service_settings.html", context)


@requires(Act.SEE_PEOPLE)
def roles(request: HttpRequest) -> HttpResponse:
    """Show which role may do what, from the permission table that the code uses."""
    context = {
        # The names are long and the columns narrow: one word on each line.
        "roles": [name.split() for name in role_table.names()],
        "rows": role_table.rows(),
        "whom_rows": role_table.whom_rows(),
        "here": "roles",
    }
    return render(request, "admincenter/roles.html", context)


def _limits(form: SettingsForm) -> dict[str, int]:
    weakest = Limits()
    return {name: form.cleaned_data[name] for name in LIMITS if form.cleaned_data[name] != getattr(weakest, name)}


def _hint(name: str, today: int, least: int, most: int) -> str:
    if not name.endswith("_seconds"):
        return _("Today %(today)d. From %(least)d to %(most)d.") % {"today": today, "least": least, "most": most}
    return _("Today %(today)s. From %(least)d to %(most)d, which is %(words)s.") % {
        "today": _in_words(today),
        "least": least,
        "most": most,
        "words": _in_words(most),
    }


def _in_words(seconds: int) -> str:
    for length, one, several in (
        (86_400, "%(number)d day", "%(number)d days"),
        (3_600, "%(number)d hour", "%(number)d hours"),
        (60, "%(number)d minute", "%(number)d minutes"),
    ):
        if seconds % length == 0:
            return ngettext(one, several, seconds // length) % {"number": seconds // length}
    return ngettext("%(number)d second", "%(number)d seconds", seconds) % {"number": seconds}


def _networks(typed: str) -> list[str]:
    networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
    problems: list[str] = []
    lines = typed.split()
    if len(lines) > MOST_NETWORKS:
        words = _("These are %(number)d networks, and 50 is the most. Join some of them.")
        raise ValidationError(words % {"number": len(lines)})
    for line in lines:
        network = _network(line, problems)
        if network is None:
            continue
        other = next((one for one in networks if one.version == network.version and one.overlaps(network)), None)
        if other is not None:
            problems.append(_("%(one)s and %(other)s overlap. Keep the larger one.") % {"one": network, "other": other})
            continue
        networks.append(network)
    says = _("Together these are a great part of the internet: more than a %(most)s is nobody's own network.")
    problems += [says % {"most": {4: "/8", 6: "/16"}[version]} for version in sorted(cover_too_much(networks))]
    if problems:
        raise ValidationError(problems)
    return [str(network) for network in networks]


def _network(line: str, problems: list[str]) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        interface = ipaddress.ip_interface(line)
    except ValueError:
        problems.append(_("“%(line)s” is no network. Write it like 203.0.113.0/24.") % {"line": line[:50]})
        return None
    network = interface.network
    if network.prefixlen == 0:
        problems.append(_("%(line)s is the whole internet.") % {"line": line})
        return None
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped is not None:
        problems.append(_("Write %(line)s as a network of IPv4.") % {"line": line})
        return None
    if interface.ip != network.network_address:
        problems.append(
            _("%(line)s is an address within a network. Do you mean %(network)s?") % {"line": line, "network": network}
        )
        return None
    return network


def _verdict(asked: str, organisation: Organisation) -> str:
    try:
        ipaddress.ip_address(asked)
    except ValueError:
        return _("That is no address. Write it like 203.0.113.7.")
    if organisation.policy.trusts(asked):
        return _("%(address)s is in a trusted network.") % {"address": asked}
    return _("%(address)s is in no trusted network.") % {"address": asked}


def _by_name(code: str) -> str:
    return alphabetical(country_codes()[code])
