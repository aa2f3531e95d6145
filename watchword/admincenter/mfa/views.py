"""The multi-factor page: a list of people with states and tick boxes, and the preview of a change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from watchword.admincenter import drafts
from watchword.admincenter.labels import STATES
from watchword.admincenter.mfa.bulk_actions import CHANGES, Change
from watchword.admincenter.mfa.impact import consequences, summary
from watchword.admincenter.permissions import require_recent_auth, requires
from watchword.admincenter.users.action_views import link_of
from watchword.admincenter.users.detail import counts_of
from watchword.admincenter.users.identity_check import identity_form
from watchword.admincenter.users.queries import PeopleFilter, matching, number_of, page_of
from watchword.core.policy import Channel, FactorKind, MfaState
from watchword.directory.administrators import LastGlobalAdministrator
from watchword.directory.models import User
from watchword.directory.permissions import ForbiddenForYourself, PermissionDenied, StaysEnabled
from watchword.directory.roles import Act
from watchword.messaging import send
from watchword.signin import actions, queries
from watchword.signin.middleware import origin_of, request_user
from watchword.ui.addresses import public_address

MAX_PEOPLE = 1_000
SHOWN = 100


@dataclass(frozen=True, slots=True)
class BulkOutcome:
    """The result of a change for one person."""

    person: User
    is_done: bool
    said: str
    link: str = field(default="", repr=False)
    """The personal link for registering again, shown only once."""


@requires(Act.SEE_PEOPLE)
def listing(request: HttpRequest, *, is_without_ticks: bool = False) -> HttpResponse:
    """List people with their states and tick boxes."""
    by = request_user(request)
    people_filter = PeopleFilter.read(request.GET.dict()).among_the_living()
    page = page_of(by.organisation, people_filter)
    holdings = counts_of(page.people)
    goes_on = bool(page.next_after or people_filter.after)
    context = {
        "options": people_filter,
        "rows": [
            {
                "person": user,
                "is_registered": bool(holdings[user.pk].get(FactorKind.PHONE)),
                "ticked": str(user.pk) == people_filter.person,
            }
            for user in page.people
        ],
        "next": people_filter.address(after=page.next_after) if page.next_after else "",
        "first": people_filter.address(after="") if people_filter.after else "",
        "number": number_of(by.organisation, people_filter, at_most=MAX_PEOPLE) if goes_on else None,
        "most": MAX_PEOPLE,
        "states": STATES.items(),
        "cannot_send": cannot_send(),
        "changes": [(name, change) for name, change in CHANGES.items() if by.may(change.act)],
        "may_change_states": by.may(Act.CHANGE_MFA_STATE),
        "none_ticked": is_without_ticks or "none" in request.GET,
        "here": "multi_factor",
        "tab": "users",
    }
    return render(request, "admincenter/multi_factor.html", context)


@never_cache
@requires(Act.SEE_PEOPLE)
def change(request: HttpRequest) -> HttpResponse:
    """Show which people a change affects and how; make it when the button is pressed; show the result for each."""
    by = request_user(request)
    draft = drafts.find(request)
    if draft is None and (request.method == "POST" or "draft" in request.GET):
        messages.warning(request, _("This was done already, or is more than an hour old. Nothing was changed now."))
        return HttpResponseRedirect(reverse("admincenter:multi_factor"))
    values = request.GET if draft is None else drafts.values_of(draft)
    name = values.get("do", "")
    requested = CHANGES.get(name)
    if requested is None:
        raise Http404
    if not by.may(requested.act):
        raise PermissionDenied(requested.act)
    if answer := require_recent_auth(request):
        return answer
    people, is_cut = _chosen(by, values, requested)
    if not people:
        return listing(request, is_without_ticks=True)
    is_confirmed = draft is not None and request.method == "POST"
    must_be_sure = requested.state in {MfaState.ENABLED, MfaState.ENFORCED} and not send.channels_carried()
    is_unsure = must_be_sure and is_confirmed and not request.POST.get("anyway")
    form = identity_form(request.POST if is_confirmed else None, is_needed=requested.asks_identity)
    if draft is not None and is_confirmed and not is_unsure and (form is None or form.is_valid()):
        if not drafts.spend(draft):
            return HttpResponseRedirect(reverse("admincenter:multi_factor"))
        more: dict[str, object] = dict(form.cleaned_data) if form is not None else {}
        if requested.may_tell:
            more["tells"] = "tells" in request.POST
        return _show_results(request, requested, [_do(requested, user, request, more) for user in people], values)
    rows = consequences(requested, people, by, now=timezone.now())
    # Store the people shown: exactly these are changed, even if other people match the filters by then.
    shown = {
        "do": [name],
        "person": [str(user.pk) for user in people],
        "again": [_again(values) if is_cut else values.get("again", "")],
    }
    context = {
        "change": requested,
        "name": name,
        "form": form,
        "draft": drafts.keep(request, shown),
        "rows": rows[:SHOWN],
        "more": max(len(rows) - SHOWN, 0),
        "summary": summary(rows),
        "number": sum(1 for row in rows if not row.skipped),
        "is_cut": is_cut,
        "most": MAX_PEOPLE,
        "can_mail": settings.WATCHWORD_CAN_MAIL,
        "letter": _letter(by) if requested.may_tell else "",
        "cannot_send": cannot_send() if requested.state is not MfaState.DISABLED else [],
        "must_be_sure": must_be_sure,
        "is_unsure": is_unsure,
        "set_up_link": _set_up_link(),
        "here": "multi_factor",
    }
    return render(request, "admincenter/multi_factor_change.html", context)


def _show_results(
    request: HttpRequest, requested: Change, results: Sequence[BulkOutcome], values: QueryDict
) -> HttpResponse:
    context = {
        "change": requested,
        "results": results,
        "done": sum(1 for row in results if row.is_done),
        "has_links": any(row.link for row in results),
        "again": values.get("again", ""),
        "here": "multi_factor",
    }
    return render(request, "admincenter/multi_factor_done.html", context)


def _chosen(by: User, values: QueryDict, requested: Change) -> tuple[list[User], bool]:
    people = User.objects.filter(organisation=by.organisation, deleted_at=None)
    if values.get("all"):
        people_filter = PeopleFilter.read_form(values).among_the_living()
        people = _without_those_done(matching(by.organisation, people_filter), requested, by)
    else:
        people = people.filter(pk__in=[pk for text in values.getlist("person") if (pk := _read(text)) is not None])
    found = people.select_related("organisation").prefetch_related("role_assignments").order_by("display_name", "pk")
    several = list(found[: MAX_PEOPLE + 1])
    return several[:MAX_PEOPLE], len(several) > MAX_PEOPLE


def _without_those_done(people: QuerySet[User], requested: Change, by: User) -> QuerySet[User]:
    # Otherwise people who are in the state already would fill the first batch, and the others would never follow.
    match requested.state:
        case None:
            return people
        case MfaState.ENABLED:
            registered = queries.registered_users(by.organisation_id)
            return (
                people.exclude(Q(mfa_state=MfaState.ENABLED) & ~Q(pk__in=registered))
                .exclude(mfa_state=MfaState.ENFORCED, pk__in=registered)
                .exclude(mfa_state=MfaState.ENABLED, app_password_waits_until__gt=timezone.now())
            )
        case state:
            return people.exclude(mfa_state=state)


def _again(values: QueryDict) -> str:
    again = values.copy()
    for name in ("person", "draft"):
        again.pop(name, None)
    return again.urlencode()


def _read(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _do(requested: Change, user: User, request: HttpRequest, more: Mapping[str, object]) -> BulkOutcome:
    by = request_user(request)
    try:
        outcome = requested.do(user, by=by, origin=origin_of(request), now=timezone.now(), **more)
    except ForbiddenForYourself:
        return BulkOutcome(user, is_done=False, said=_("not changed: another administrator must do this for you"))
    except StaysEnabled:
        return BulkOutcome(user, is_done=False, said=_("not changed: administrators are at least Enabled"))
    except PermissionDenied:
        return BulkOutcome(user, is_done=False, said=_("not changed: your role doesn't reach this person"))
    except LastGlobalAdministrator:
        return BulkOutcome(user, is_done=False, said=_("not changed: the last Global Administrator"))
    if isinstance(outcome, actions.MethodsReset):
        return BulkOutcome(user, is_done=True, said=_("done; their personal link:"), link=link_of(outcome))
    if not isinstance(outcome, actions.StateSet):
        return BulkOutcome(user, is_done=True, said=_("done"))
    if outcome.before is outcome.after:
        return BulkOutcome(user, is_done=False, said=_("was %(state)s already") % {"state": STATES[outcome.after]})
    said = _("is %(state)s now") % {"state": STATES[outcome.after]}
    if outcome.because_registered:
        said += ", " + _("because a phone was registered already")
    return BulkOutcome(user, is_done=True, said=said)


def cannot_send() -> list[str]:
    """Return what this server can't send, in words: without codes no registration, without mail no warnings."""
    lines = []
    carried = send.channels_carried()
    if not carried:
        lines.append(
            _(
                "No code can be sent: no way to phones is set up (WATCHWORD_PHONES_FILE), so nobody can register a phone."
            )
        )
    elif Channel.SMS not in carried:
        lines.append(_("No text messages can be sent: the phones file names no channel for them. Calls can be made."))
    if not settings.WATCHWORD_CAN_MAIL:
        lines.append(_("No mail can be sent (WATCHWORD_SMTP_URL), so nobody is warned of what happens to an account."))
    return lines


def _set_up_link() -> str:
    return public_address("web:set_up")


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
