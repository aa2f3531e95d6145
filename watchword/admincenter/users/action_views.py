"""Views for one act on one person: explanation, confirmation button, result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache

from watchword.admincenter.drafts import sent
from watchword.admincenter.permissions import require_recent_auth, requires
from watchword.admincenter.users.detail import find_person, panel_address
from watchword.admincenter.users.identity_check import identity_form
from watchword.core.codes import shown_link_code
from watchword.directory.permissions import demand
from watchword.directory.roles import Act
from watchword.signin import access_passes, actions, emergency_access, queries
from watchword.signin.actions import InitialPassword, MethodsReset
from watchword.signin.middleware import origin_of, request_user
from watchword.ui.addresses import link_address


@dataclass(frozen=True, slots=True)
class PersonAct:
    """The description of an act for its page."""

    act: Act
    do: Callable[..., object]
    title: str | Promise
    follows: str | Promise
    button: str | Promise
    done: str | Promise
    is_dangerous: bool = True
    asks_identity: bool = False
    """Whether the form asks how the administrator verified the person's identity."""


ACTS: dict[str, PersonAct] = {
    "block": PersonAct(
        Act.BLOCK_PERSON,
        actions.block,
        gettext_lazy("Block this person?"),
        gettext_lazy(
            "They are signed out at once and can't come in anywhere, in no browser and in no mail program, until you unblock them. Nothing is deleted."
        ),
        gettext_lazy("Block"),
        gettext_lazy("Blocked."),
    ),
    "unblock": PersonAct(
        Act.BLOCK_PERSON,
        actions.unblock,
        gettext_lazy("Unblock this person?"),
        gettext_lazy("They can sign in again as before, and their app passwords work again."),
        gettext_lazy("Unblock"),
        gettext_lazy("Unblocked."),
        is_dangerous=False,
    ),
    "delete": PersonAct(
        Act.DELETE_PERSON,
        actions.delete,
        gettext_lazy("Delete this person?"),
        gettext_lazy(
            "They are signed out at once and their app passwords are deleted for good. You can restore the person later, with their state and phones."
        ),
        gettext_lazy("Delete"),
        gettext_lazy("Deleted. You can restore the person."),
    ),
    "restore": PersonAct(
        Act.DELETE_PERSON,
        actions.restore,
        gettext_lazy("Restore this person?"),
        gettext_lazy("They can sign in again with their password and phones. They need new app passwords."),
        gettext_lazy("Restore"),
        gettext_lazy("Restored."),
        is_dangerous=False,
    ),
    "reset-password": PersonAct(
        Act.RESET_PASSWORD,
        actions.reset_password,
        gettext_lazy("Reset the password?"),
        gettext_lazy(
            "The old password stops working, all browsers are signed out, and all app passwords are deleted. You see an initial password once; at the next sign-in the person must choose their own."
        ),
        gettext_lazy("Reset the password"),
        gettext_lazy("Reset."),
    ),
    "reset-methods": PersonAct(
        Act.RESET_METHODS,
        actions.reset_methods,
        gettext_lazy("Require contact methods again?"),
        gettext_lazy(
            "All phones are removed and all browsers are signed out. You get a personal link, good once and for a day: with it and their password the person registers a phone, and without it nobody does. Mail programs go on with their app passwords. Make sure first that you are talking to the right person."
        ),
        gettext_lazy("Require contact methods again"),
        gettext_lazy("Phones are removed. The person registers again with the personal link."),
        asks_identity=True,
    ),
    "delete-pass": PersonAct(
        Act.MAKE_ACCESS_PASS,
        access_passes.delete,
        gettext_lazy("Delete the Temporary Access Pass or personal link?"),
        gettext_lazy("It stops working at once. Phones and app passwords stay."),
        gettext_lazy("Delete"),
        gettext_lazy("Deleted."),
    ),
    "delete-app-passwords": PersonAct(
        Act.DELETE_APP_PASSWORDS,
        actions.delete_app_passwords,
        gettext_lazy("Delete all app passwords?"),
        gettext_lazy("Every mail program of this person stops at once. The person can make new app passwords."),
        gettext_lazy("Delete all app passwords"),
        gettext_lazy("All app passwords are deleted."),
    ),
    "sign-out": PersonAct(
        Act.SIGN_OUT_EVERYWHERE,
        actions.sign_out_everywhere,
        gettext_lazy("Sign out everywhere?"),
        gettext_lazy(
            "All browsers are signed out and open mail connections are closed. Passwords, phones and app passwords stay."
        ),
        gettext_lazy("Sign out everywhere"),
        gettext_lazy("Signed out everywhere."),
    ),
    "begin-emergency-access": PersonAct(
        Act.GIVE_ROLES,
        emergency_access.begin,
        gettext_lazy("Make this an emergency access account?"),
        gettext_lazy(
            "It is for the time when no other administrator can sign in, and belongs to nobody. A Temporary Access Pass beside the password opens it, and no phone has to be registered. Every sign-in alerts all administrators."
        ),
        gettext_lazy("Make it an emergency access account"),
        gettext_lazy("It is an emergency access account."),
    ),
    "end-emergency-access": PersonAct(
        Act.GIVE_ROLES,
        emergency_access.end,
        gettext_lazy("End emergency access of this account?"),
        gettext_lazy(
            "It is signed out, and is an ordinary account from then on: it keeps its role, needs a phone like any other, and its sign-ins alert nobody. Delete it if it belongs to nobody."
        ),
        gettext_lazy("End emergency access"),
        gettext_lazy("It is an ordinary account now."),
    ),
    "unlock": PersonAct(
        Act.UNLOCK,
        actions.unlock_second_factor,
        gettext_lazy("Unlock this person's sign-in?"),
        gettext_lazy(
            "Their wrong codes and passwords are forgotten and they can try again. If it was not the person who typed wrong codes, somebody knows the password: reset it as well."
        ),
        gettext_lazy("Unlock"),
        gettext_lazy("Unlocked."),
        is_dangerous=False,
    ),
}


@never_cache
@requires(Act.SEE_PEOPLE)
def act(request: HttpRequest, user_id: UUID, name: str) -> HttpResponse:
    """Explain an act on a person, and perform it when the button is pressed."""
    requested = ACTS.get(name)
    if requested is None:
        raise Http404
    by = request_user(request)
    user = find_person(by, user_id)
    demand(by, requested.act, user)
    if answer := require_recent_auth(request):
        return answer
    form = identity_form(sent(request), is_needed=requested.asks_identity)
    if request.method == "POST" and (form is None or form.is_valid()):
        more = form.cleaned_data if form is not None else {}
        outcome = requested.do(user, by=by, origin=origin_of(request), now=timezone.now(), **more)
        if isinstance(outcome, InitialPassword):
            return render(request, "admincenter/password_once.html", {"person": user, "secret": outcome.secret})
        if isinstance(outcome, MethodsReset):
            return render(
                request, "admincenter/link_once.html", {"person": user, "link": link_of(outcome), "here": "users"}
            )
        messages.success(request, f"{user.display_name}: {requested.done}")
        return HttpResponseRedirect(panel_address(user))
    context = {"act": requested, "person": user, "form": form, "back": panel_address(user), "here": "users"}
    return render(request, "admincenter/act.html", context)


@never_cache
@requires(Act.DELETE_APP_PASSWORDS)
def delete_app_password(request: HttpRequest, user_id: UUID, credential_id: UUID) -> HttpResponse:
    """Delete one app password of a person, by name."""
    by = request_user(request)
    user = find_person(by, user_id)
    demand(by, Act.DELETE_APP_PASSWORDS, user)
    row = next((row for row in queries.app_passwords_of(user) if row.id == credential_id), None)
    if row is None:
        raise Http404
    if answer := require_recent_auth(request):
        return answer
    requested = PersonAct(
        Act.DELETE_APP_PASSWORDS,
        actions.delete_app_passwords,
        _("Delete the app password “%(name)s”?") % {"name": row.name},
        _("The mail programs that use it stop at once; the person's other app passwords go on working."),
        _("Delete"),
        _("Deleted."),
    )
    if request.method == "POST":
        actions.delete_app_passwords(user, [row.id], by=by, origin=origin_of(request), now=timezone.now())
        messages.success(request, f"{user.display_name}: {requested.done}")
        return HttpResponseRedirect(panel_address(user))
    return render(
        request,
        "admincenter/act.html",
        {"act": requested, "person": user, "back": panel_address(user), "here": "users"},
    )


def link_of(outcome: MethodsReset) -> str:
    """Return the full URL of the personal link of a reset."""
    return link_address("web:register_link", shown_link_code(outcome.token))
