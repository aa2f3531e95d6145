"""Active users: the list, the side panel, creating and editing a person."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import prefetch_related_objects
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from watchword.admincenter.drafts import sent
from watchword.admincenter.labels import PERSON, STATES
from watchword.admincenter.permissions import require_recent_auth, requires
from watchword.admincenter.users.detail import find_person, panel_address, panel_of
from watchword.admincenter.users.queries import PeopleFilter, page_of
from watchword.directory import actions
from watchword.directory.actions import BadPerson
from watchword.directory.administrators import LastGlobalAdministrator
from watchword.directory.models import User
from watchword.directory.permissions import demand
from watchword.directory.roles import ROLE_NAMES, Act, Role, may
from watchword.signin.actions import give_role, reset_password
from watchword.signin.middleware import origin_of, request_user


class PersonForm(forms.Form):
    """The editable data of a person."""

    sign_in_name = forms.CharField(
        label=gettext_lazy("Sign-in name"), required=False, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    display_name = forms.CharField(label=gettext_lazy("Display name"), required=False)
    contact_mail = forms.CharField(
        label=gettext_lazy("Contact mail"),
        required=False,
        help_text=gettext_lazy("Where warnings go; best a mailbox that Watchword does not protect."),
    )
    directory_phone = forms.CharField(
        label=gettext_lazy("Phone in the directory"),
        required=False,
        help_text=gettext_lazy("Fills in the number when the person registers. It is never trusted by itself."),
    )
    roles = forms.MultipleChoiceField(
        label=gettext_lazy("Administrative roles"), required=False, widget=forms.CheckboxSelectMultiple
    )
    aliases = forms.CharField(
        label=gettext_lazy("Other sign-in names"),
        required=False,
        help_text=gettext_lazy("One on each line."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(self, data: Any, *, by: User, initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, initial=initial)
        if by.may(Act.GIVE_ROLES):
            field = self.fields["roles"]
            assert isinstance(field, forms.MultipleChoiceField)
            field.choices = [(role.value, ROLE_NAMES[role]) for role in Role if may(by.roles, Act.GIVE_ROLES, {role})]
        else:
            del self.fields["roles"]

    def refuse(self, reasons: dict[str, str]) -> None:
        """Show at each field why it was rejected."""
        for field, reason in reasons.items():
            self.add_error("aliases" if field == "alias" else field, ValidationError(str(PERSON[reason])))

    def values(self) -> dict[str, str]:
        """Return the values of the plain fields."""
        return {name: self.cleaned_data[name] for name in actions.EDITABLE}

    def chosen_roles(self) -> set[Role]:
        """Return the selected roles."""
        return {Role(value) for value in self.cleaned_data.get("roles", [])}

    def chosen_aliases(self) -> list[str]:
        """Return the additional sign-in names without duplicates."""
        return list(dict.fromkeys(line.strip() for line in self.cleaned_data["aliases"].splitlines() if line.strip()))


@requires(Act.SEE_PEOPLE)
def active_users(request: HttpRequest) -> HttpResponse:
    """List people, with the selected one in the side panel."""
    by = request_user(request)
    options = PeopleFilter.read(request.GET.dict())
    page = page_of(by.organisation, options)
    person = find_person(by, options.person) if options.person else None
    prefetch_related_objects([*page.people, *([person] if person is not None else [])], "role_assignments")
    context: dict[str, Any] = {
        "options": options,
        "people": page.people,
        "next": options.address(after=page.next_after) if page.next_after else "",
        "first": options.address(after="") if options.after else "",
        "list_address": options.address(person=""),
        "columns": [
            (_("Display name"), "name", options.sorted_by("name")),
            (_("Sign-in name"), "sign-in", options.sorted_by("sign-in")),
            (_("Multi-factor"), "state", options.sorted_by("state")),
        ],
        "states": STATES.items(),
        "may_create": by.may(Act.CREATE_PERSON),
        "may_import": by.may(Act.IMPORT_PEOPLE),
        "here": "users",
    }
    if person is not None:
        context |= panel_of(person, by)
    return render(request, "admincenter/users.html", context)


@requires(Act.CREATE_PERSON)
def create(request: HttpRequest) -> HttpResponse:
    """Create a person, and show the initial password only in this response."""
    by = request_user(request)
    if answer := require_recent_auth(request):
        return answer
    form = PersonForm(sent(request), by=by)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                user = actions.create_person(
                    by.organisation,
                    **form.values(),
                    roles=form.chosen_roles(),
                    by=by,
                    origin=origin_of(request),
                    now=timezone.now(),
                )
                for alias in form.chosen_aliases():
                    actions.add_alias(user, alias, by=by, origin=origin_of(request), now=timezone.now())
                initial = reset_password(user, by=by, origin=origin_of(request), now=timezone.now())
        except BadPerson as error:
            form.refuse(error.reasons)
        else:
            return render(
                request, "admincenter/password_once.html", {"person": user, "secret": initial.secret, "is_new": True}
            )
    return render(request, "admincenter/person_form.html", {"form": form, "here": "users"})


@requires(Act.EDIT_PERSON)
def edit(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """Edit a person; save all changes or none."""
    by = request_user(request)
    user = find_person(by, user_id)
    demand(by, Act.EDIT_PERSON, user)
    if answer := require_recent_auth(request):
        return answer
    aliases = [name.name for name in user.names.filter(is_alias=True)]
    initial = {name: getattr(user, name) for name in actions.EDITABLE}
    form = PersonForm(
        sent(request),
        by=by,
        initial={**initial, "roles": [role.value for role in user.roles], "aliases": "\n".join(aliases)},
    )
    if request.method == "POST" and form.is_valid():
        try:
            _take_over(request, user, form, aliases)
        except BadPerson as error:
            form.refuse(error.reasons)
        except LastGlobalAdministrator:
            form.add_error(
                "roles",
                _(
                    "Without this person nobody could administer your organisation. Give somebody else the role of Global Administrator first."
                ),
            )
        else:
            messages.success(request, _("Saved."))
            return HttpResponseRedirect(panel_address(user))
    return render(request, "admincenter/person_form.html", {"form": form, "person": user, "here": "users"})


@transaction.atomic
def _take_over(request: HttpRequest, user: User, form: PersonForm, aliases: list[str]) -> None:
    by, now, origin = request_user(request), timezone.now(), origin_of(request)
    actions.edit_person(user, form.values(), by=by, now=now, origin=origin)
    requested = form.chosen_aliases()
    for alias in set(aliases) - set(requested):
        actions.remove_alias(user, alias, by=by, now=now, origin=origin)
    for alias in requested:
        # After a rename, the former name is an alias already.
        if alias not in aliases and not user.names.filter(name=alias, is_alias=True).exists():
            actions.add_alias(user, alias, by=by, now=now, origin=origin)
    if "roles" in form.fields:
        before, after = user.roles, form.chosen_roles()
        for role in after - before:
            give_role(user, role, by=by, now=now, origin=origin)
        for role in before - after:
            actions.take_role(user, role, by=by, now=now, origin=origin)
