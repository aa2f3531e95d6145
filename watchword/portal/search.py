"""The search of all settings; it also understands the terms of older products."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from watchword.signin.middleware import request_user

LONGEST = 100


@dataclass(frozen=True, slots=True)
class FoundSetting:
    """One page that the search finds, and the words that people use for it."""

    name: str | Promise
    about: str | Promise
    url: str
    words: str
    for_administrators: bool = False


SETTINGS = (
    FoundSetting(
        _("App passwords"),
        _("Make, see and delete passwords for mail programs"),
        "portal:app_passwords",
        "app passwords create and manage delete mail program outlook thunderbird iphone imap smtp app settings "
        "update phone numbers security privacy additional security verification",
    ),
    FoundSetting(
        _("Sign-in methods"),
        _("Your phones: add, replace, remove"),
        "portal:security",
        "sign-in methods phone number mobile text call code update phone numbers used for account security additional "
        "security verification security privacy mfa setup mfasetup aka.ms multi-factor authentication two step 2fa "
        "security info mysecurityinfo default verification",
    ),
    FoundSetting(
        _("Password"),
        _("Change the password of your account"),
        "web:change_password",
        "password change my password reset account",
    ),
    FoundSetting(
        _("Where you're signed in"),
        _("See browsers, and sign them out"),
        "portal:security",
        "sign out everywhere sessions devices browsers remember lost phone laptop stolen "
        "restore multi-factor authentication on previously trusted devices",
    ),
    FoundSetting(
        _("Apps"),
        _("Apps you are signed in to, and what you allowed them"),
        "portal:apps",
        "apps connected applications signed in sign out consent permissions allowed withdraw third-party access tokens",
    ),
    FoundSetting(
        _("Language of texts and calls"),
        _("In which language codes come"),
        "portal:language",
        "language texts calls voice spoken deutsch english francais espanol",
    ),
    FoundSetting(
        _("Warnings"),
        _("How you hear of something unusual"),
        "portal:warnings",
        "warnings alerts notices mail text suspicious this wasn't me somebody else",
    ),
    FoundSetting(
        _("Recent activity"),
        _("What happened to your account"),
        "portal:activity",
        "activity recent sign-ins log history suspicious hacked somebody else",
    ),
    FoundSetting(
        _("Health"),
        _("For administrators: what runs, what waits, backups, keys, clocks"),
        "admincenter:health",
        "health service health status monitoring backup certificate queue processes running",
        for_administrators=True,
    ),
    FoundSetting(
        _("Active users"),
        _("For administrators: people and their state"),
        "admincenter:users",
        "admin active users people create block delete reset",
        for_administrators=True,
    ),
    FoundSetting(
        _("Multi-factor authentication"),
        _("For administrators: enable, disable, enforce"),
        "admincenter:multi_factor",
        "admin multi-factor authentication mfa per-user enable enforce disable manage user settings bulk update "
        "require contact methods again re-register revoke mfa sessions delete all app passwords sign out everywhere",
        for_administrators=True,
    ),
    FoundSetting(
        _("Apps"),
        _("For administrators: add apps, and say who may use them"),
        "admincenter:apps",
        "admin apps enterprise applications app registrations single sign-on sso openid connect oauth client secret "
        "redirect address roundcube sogo nextcloud grafana gitea gitlab proxmox mattermost matrix",
        for_administrators=True,
    ),
    FoundSetting(
        _("Groups"),
        _("For administrators: groups of people, and who is in them"),
        "admincenter:groups",
        "admin groups teams members security groups distribution",
        for_administrators=True,
    ),
    FoundSetting(
        _("Service settings"),
        _("For administrators: what the organisation allows"),
        "admincenter:service_settings",
        "admin service settings trusted ips networks verification options app passwords allowed limits "
        "fraud alert notification mail alerts lockout session lifetime",
        for_administrators=True,
    ),
    FoundSetting(
        _("Sign-ins"),
        _("For administrators: who came in and who was refused"),
        "admincenter:sign_ins",
        "admin sign-in logs sign-ins log audit logs report csv export reports monitoring failed refused history",
        for_administrators=True,
    ),
    FoundSetting(
        _("Alerts"),
        _("For administrators: what somebody should look at"),
        "admincenter:alerts",
        "admin alerts fraud reports risk risky sign-ins risk detections this wasn't me locked suspicious",
        for_administrators=True,
    ),
    FoundSetting(
        _("Roles"),
        _("For administrators: who may do what to whom"),
        "admincenter:roles",
        "admin roles permissions global administrator authentication user helpdesk reader who may privileged rights",
        for_administrators=True,
    ),
    FoundSetting(
        _("Domains"),
        _("For administrators: mail domains of the organisation"),
        "admincenter:domains",
        "admin domains mail domain add custom domain names",
        for_administrators=True,
    ),
    FoundSetting(
        _("Import users"),
        _("For administrators: people or states from a file"),
        "admincenter:import",
        "admin import users bulk create update csv file upload states",
        for_administrators=True,
    ),
    FoundSetting(
        _("Phone delivery"),
        _("For administrators: texts and calls, what they cost, what was blocked"),
        "admincenter:phone_delivery",
        "admin phone delivery texts sms calls carriers channels cost budget countries blocked fraud test number match",
        for_administrators=True,
    ),
    FoundSetting(
        _("Documentation"),
        _("For administrators: install, connect, operate, mend"),
        "admincenter:documentation",
        "admin documentation docs help manual guide troubleshooting install backup restore upgrade monitoring "
        "dovecot postfix",
        for_administrators=True,
    ),
)


def find(query: str, *, is_administrator: bool) -> list[FoundSetting]:
    """Return the settings that match most of the query's words, the best match first."""
    asked = _words(query)
    if not asked:
        return []
    scored = []
    for setting in SETTINGS:
        if setting.for_administrators and not is_administrator:
            continue
        known = _words(f"{setting.name} {setting.about} {setting.words}")
        hits = sum(1 for word in asked if any(each.startswith(word) for each in known))
        named = sum(1 for word in asked if any(each.startswith(word) for each in _words(str(setting.name))))
        if hits * 2 >= len(asked):
            scored.append((hits, named, setting))
    best = max((hits for hits, _named, _setting in scored), default=0)
    stored = [row for row in scored if row[0] == best or row[1]]
    return [setting for _hits, _named, setting in sorted(stored, key=lambda row: (-row[0], -row[1]))]


def search(request: HttpRequest) -> HttpResponse:
    """Show the results of a search."""
    query = request.GET.get("q", "")[:LONGEST].strip()
    found = find(query, is_administrator=request_user(request).is_administrator)
    results = [{"setting": setting, "address": reverse(setting.url)} for setting in found]
    every = [
        {"setting": setting, "address": reverse(setting.url)} for setting in SETTINGS if not setting.for_administrators
    ]
    return render(request, "portal/search.html", {"query": query, "results": results, "every": every})


def _words(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKD", text).casefold()
    return "".join(
        letter if letter.isalnum() else " " for letter in folded if not unicodedata.combining(letter)
    ).split()
