"""The multi-factor page: a list of people with their state, ticks, and what follows from a change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache

from watchword.admincenter.gate import needs, prove_first
from watchword.admincenter.panel import counts_of
from watchword.admincenter.people import Wish, matching, page_of
from watchword.admincenter.words import STATES
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.policy import FactorKind, MfaState
from watchword.directory.actions import LastGlobalAdministrator
from watchword.directory.models import User
from watchword.directory.permission import NotAllowed
from watchword.directory.roles import Act
from watchword.signin import actions
from watchword.signin.middleware import origin_of, person_of

MOST_AT_ONCE = 2_000
SHOWN = 100
LATELY = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Change:
    """What can be done to many people at once."""

    act: Act
    do: Callable[..., object]
    title: str | Promise
    about: str | Promise
    button: str | Promise
    state: MfaState | None = None


def _set(state: MfaState) -> Callable[..., object]:
    def do(user: User, **named: Any) -> object:
        return actions.set_mfa_state(user, state, **named)

    return do


CHANGES: dict[str, Change] = {
    "enable": Change(
        Act.CHANGE_MFA_STATE,
        _set(MfaState.ENABLED),
        gettext_lazy("Enable multi-factor authentication"),
        gettext_lazy(
            "At their next sign-in in a browser these people register a phone; from then on they are Enforced. Until then their own password goes on working in mail programs. Browsers are signed out now."
        ),
        gettext_lazy("Enable multi-factor authentication"),
        MfaState.ENABLED,
    ),
    "enforce": Change(
        Act.CHANGE_MFA_STATE,
        _set(MfaState.ENFORCED),
        gettext_lazy("Enforce multi-factor authentication"),
        gettext_lazy(
            "From now on mail programs need an app password, also those of people who have not registered yet: theirs stop at once, until they register. Browsers of people who were Disabled are signed out."
        ),
        gettext_lazy("Enforce multi-factor authentication"),
        MfaState.ENFORCED,
    ),
    "disable": Change(
        Act.CHANGE_MFA_STATE,
        _set(MfaState.DISABLED),
        gettext_lazy("Disable multi-factor authentication"),
        gettext_lazy(
            "From now on a password is enough everywhere. Phones stay registered. App passwords are suspended for good: enabling again does not revive them."
        ),
        gettext_lazy("Disable multi-factor authentication"),
        MfaState.DISABLED,
    ),
    "reset-methods": Change(
        Act.RESET_METHODS,
        actions.reset_methods,
        gettext_lazy("Require contact methods again"),
        gettext_lazy(
            "All phones of these people are removed and their browsers are signed out; at the next sign-in they register again. Mail programs go on with their app passwords."
        ),
        gettext_lazy("Require contact methods again"),
    ),
    "delete-app-passwords": Change(
        Act.DELETE_APP_PASSWORDS,
        actions.delete_app_passwords,
        gettext_lazy("Delete all app passwords"),
        gettext_lazy(
            "Every mail program of these people stops at once. They can make new app passwords. One alone is deleted in the person's panel."
        ),
        gettext_lazy("Delete all app passwords"),
    ),
    "sign-out": Change(
        Act.SIGN_OUT_EVERYWHERE,
        actions.sign_out_everywhere,
        gettext_lazy("Sign out everywhere"),
        gettext_lazy(
            "All browsers of these people are signed out and open mail connections are closed. Passwords, phones and app passwords stay."
        ),
        gettext_lazy("Sign out everywhere"),
    ),
}


@needs(Act.SEE_PEOPLE)
def listing(request: HttpRequest) -> HttpResponse:
    """List people with their state, to tick."""
    by = person_of(request)
    wish = Wish.read(request.GET.dict())
    page = page_of(by.organisation, wish)
    held = counts_of(page.people)
    context = {
        "wish": wish,
        "rows": [
            {
                "person": user,
                "is_registered": bool(held[user.pk].get(FactorKind.PHONE)),
                "ticked": str(user.pk) == wish.person,
            }
            for user in page.people
        ],
        "next": wish.address(after=page.next_after) if page.next_after else "",
        "first": wish.address(after="") if wish.after else "",
        "states": STATES.items(),
        "changes": [(name, change) for name, change in CHANGES.items() if by.may(change.act)],
        "none_ticked": "none" in request.GET,
        "here": "multi_factor",
        "tab": "users",
    }
    return render(request, "admincenter/multi_factor.html", context)


@never_cache
@needs(Act.SEE_PEOPLE)
def change(request: HttpRequest) -> HttpResponse:
    """Show who is affected by a change and how; do it when the button is pressed; show what became of each."""
    by = person_of(request)
    values = request.POST if request.method == "POST" else request.GET
    name = values.get("do", "")
    wished = CHANGES.get(name)
    if wished is None:
        raise Http404
    if not by.may(wished.act):
        raise NotAllowed(wished.act)
    if request.method == "GET" and (answer := prove_first(request)):
        return answer
    wish = Wish.read(values.dict())
    people = _chosen(by, values.getlist("person"), wish if values.get("all") else None)
    if not people:
        return listing_without_ticks(request)
    if request.method == "POST":
        if answer := prove_first(request, reverse("admincenter:multi_factor")):
            return answer
        results = [_do(wished, user, request) for user in people]
        context = {"change": wished, "results": results, "done": sum(1 for row in results if row["done"])}
        return render(request, "admincenter/multi_factor_done.html", {**context, "here": "multi_factor"})
    rows = _what_follows(wished, people, by)
    context = {
        "change": wished,
        "name": name,
        "rows": rows[:SHOWN],
        "more": max(len(rows) - SHOWN, 0),
        "people": people,
        "number": sum(1 for row in rows if not row["skipped"]),
        "is_cut": len(people) >= MOST_AT_ONCE,
        "most": MOST_AT_ONCE,
        "letter": _letter(by) if wished.state in {MfaState.ENABLED, MfaState.ENFORCED} else "",
        "set_up_link": _set_up_link(),
        "here": "multi_factor",
    }
    return render(request, "admincenter/multi_factor_change.html", context)


def listing_without_ticks(request: HttpRequest) -> HttpResponse:
    """Show the list again, and say that nobody was ticked."""
    values = request.GET.copy()
    values["none"] = "1"
    request.GET = values  # type: ignore[assignment]
    return listing(request)


def _chosen(by: User, ids: list[str], wish: Wish | None) -> list[User]:
    people = User.objects.select_related("organisation").prefetch_related("role_assignments")
    if wish is not None:
        found = matching(by.organisation, wish).values("pk")
        return list(people.filter(pk__in=found).order_by("display_name", "pk")[:MOST_AT_ONCE])
    wanted = [_uuid for text in ids[:MOST_AT_ONCE] if (_uuid := _read(text)) is not None]
    return list(
        people.filter(organisation=by.organisation, deleted_at=None, pk__in=wanted).order_by("display_name", "pk")
    )


def _read(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _what_follows(wished: Change, people: list[User], by: User) -> list[dict[str, Any]]:
    held = counts_of(people)
    by_account_password = set(
        Event.objects.filter(
            subject_id__in=[user.pk for user in people],
            kind=EventKind.SIGN_IN_ALLOWED,
            door="mail",
            at__gte=timezone.now() - LATELY,
        )
        .exclude(details__has_key="app_password")
        .values_list("subject_id", flat=True)
        .distinct()
    )
    rows = []
    for user in people:
        notes: list[str] = []
        skipped, after = "", ""
        if not by.may(wished.act, user):
            skipped = _("stands above your role")
        elif wished.state is not None:
            is_registered = bool(held[user.pk].get(FactorKind.PHONE))
            jumps = wished.state is MfaState.ENABLED and is_registered
            after = MfaState.ENFORCED if jumps else wished.state
            if user.state is after:
                skipped = _("is so already")
            else:
                notes = _notes(MfaState(after), jumps, is_registered, user.pk in by_account_password, held[user.pk])
        if user.pk == by.pk and not skipped:
            notes.append(_("This is you: you will be signed out."))
        rows.append({"person": user, "after": after, "notes": notes, "skipped": skipped})
    return rows


def _notes(
    after: MfaState, jumps: bool, is_registered: bool, uses_mail: bool, held: dict[FactorKind, int]
) -> list[str]:
    notes = []
    if jumps:
        notes.append(_("has a phone already, so becomes Enforced at once"))
    if after is MfaState.ENFORCED and not is_registered:
        notes.append(_("has no phone: must register first, and mail programs stop until then"))
    if uses_mail and after is MfaState.ENFORCED:
        notes.append(_("a mail program used the account's password lately: it stops, and needs an app password"))
    elif uses_mail and after is MfaState.ENABLED:
        notes.append(_("a mail program uses the account's password: it will need an app password after registering"))
    number = held.get(FactorKind.APP_PASSWORD, 0)
    if after is MfaState.DISABLED and number:
        notes.append(_("%(number)d app passwords are suspended for good") % {"number": number})
    return notes


def _do(wished: Change, user: User, request: HttpRequest) -> dict[str, Any]:
    by = person_of(request)
    try:
        outcome = wished.do(user, by=by, origin=origin_of(request), now=timezone.now())
    except NotAllowed:
        return {"person": user, "done": False, "said": _("not changed: stands above your role")}
    except LastGlobalAdministrator:
        return {"person": user, "done": False, "said": _("not changed: the last Global Administrator")}
    if isinstance(outcome, actions.StateSet):
        if outcome.before is outcome.after:
            return {"person": user, "done": False, "said": _("was so already")}
        said = _("is %(state)s now") % {"state": STATES[outcome.after]}
        if outcome.because_registered:
            said += ", " + _("because a phone was registered already")
        return {"person": user, "done": True, "said": said}
    return {"person": user, "done": True, "said": _("done")}


def _set_up_link() -> str:
    return str(settings.WATCHWORD_PUBLIC_URL).rstrip("/") + reverse("web:set_up")


def _letter(by: User) -> str:
    return _(
        "Hello,\n\n"
        "from now on your account at %(organisation)s is protected by more than a password.\n\n"
        "Please open this link and sign in; have your phone at hand. It takes two minutes:\n\n"
        "    %(link)s\n\n"
        "You tell us your phone number and type a six-digit code that we text you, or that you hear in a call.\n"
        "Then you see one app password, once: put it into the mail program on your phone, tablet or computer in place\n"
        "of your password. You can make more of them, one for each device, under App passwords.\n\n"
        "We will never ask you for a code by mail or on the phone.\n\n"
        "%(name)s\n"
    ) % {"organisation": by.organisation.name, "link": _set_up_link(), "name": by.display_name}
