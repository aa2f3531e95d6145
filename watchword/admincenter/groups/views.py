"""Groups of people: listed, made, changed and deleted, and who is in them."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from watchword.admincenter.drafts import sent
from watchword.admincenter.groups.forms import GroupForm, MembersFileForm, MembersForm
from watchword.admincenter.permissions import require_recent_auth, requires
from watchword.admincenter.reports.filters import printable
from watchword.directory import groups
from watchword.directory.actions import BadPerson
from watchword.directory.models import Group, User
from watchword.directory.roles import Act
from watchword.directory.search import found_by
from watchword.signin.middleware import origin_of, request_user

MOST_SHOWN = 200
"""How many members the page of a group shows; the others are found by the search."""


def find_group(by: User, group_id: UUID) -> Group:
    """Return a group of the administrator's organisation, or raise Http404."""
    return get_object_or_404(Group, pk=group_id, organisation=by.organisation)


@require_http_methods(["GET", "HEAD"])
@requires(Act.SEE_APPS)
def listing(request: HttpRequest) -> HttpResponse:
    """List the groups, with the number of their members."""
    rows = groups.groups_in(request_user(request).organisation)
    return render(request, "admincenter/groups.html", {"rows": rows, "here": "groups"})


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Act.MANAGE_GROUPS)
def create(request: HttpRequest) -> HttpResponse:
    """Make a group."""
    by = request_user(request)
    if request.method == "POST" and (answer := require_recent_auth(request)):
        return answer
    form = GroupForm(sent(request))
    if request.method == "POST" and form.is_valid():
        try:
            group = groups.create_group(
                by.organisation, **form.cleaned_data, by=by, now=timezone.now(), origin=origin_of(request)
            )
        except BadPerson as error:
            form.refuse(error)
        else:
            messages.success(request, _("%(name)s is made. Nobody is in it yet.") % {"name": group.name})
            return HttpResponseRedirect(reverse("admincenter:group_members", args=[group.pk]))
    return render(request, "admincenter/group_form.html", {"form": form, "here": "groups"})


@require_http_methods(["GET", "HEAD"])
@requires(Act.SEE_APPS)
def group(request: HttpRequest, group_id: UUID) -> HttpResponse:
    """Show a group: its members, and the apps that they may use by it."""
    found = find_group(request_user(request), group_id)
    words = printable(request.GET.get("q", ""))
    people = User.objects.filter(memberships__group=found)
    total = people.count()
    if words:
        people = found_by(people, words)
    context = {
        "group": found,
        "total": total,
        "members": list(people.order_by("display_name", "pk")[:MOST_SHOWN]),
        "most_shown": MOST_SHOWN,
        "q": words,
        "apps": found.apps.order_by("name"),
        "here": "groups",
    }
    return render(request, "admincenter/group.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Act.MANAGE_GROUPS)
def change(request: HttpRequest, group_id: UUID) -> HttpResponse:
    """Rename or describe a group."""
    by = request_user(request)
    found = find_group(by, group_id)
    if request.method == "POST" and (answer := require_recent_auth(request)):
        return answer
    before = found.name
    form = GroupForm(sent(request) or {"name": found.name, "description": found.description})
    if request.method == "POST" and form.is_valid():
        try:
            groups.change_group(found, **form.cleaned_data, by=by, now=timezone.now(), origin=origin_of(request))
        except BadPerson as error:
            form.refuse(error)
        else:
            messages.success(request, _("Saved."))
            return HttpResponseRedirect(reverse("admincenter:group", args=[found.pk]))
    context = {"form": form, "group": found, "name": before, "here": "groups"}
    return render(request, "admincenter/group_form.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Act.MANAGE_GROUPS)
def delete(request: HttpRequest, group_id: UUID) -> HttpResponse:
    """Ask whether to delete a group, and delete it."""
    by = request_user(request)
    found = find_group(by, group_id)
    if answer := require_recent_auth(request):
        return answer
    if request.method == "POST":
        name = found.name
        groups.delete_group(found, by=by, now=timezone.now(), origin=origin_of(request))
        messages.success(request, _("%(name)s is deleted.") % {"name": name})
        return HttpResponseRedirect(reverse("admincenter:groups"))
    context = {"group": found, "total": found.members.count(), "apps": found.apps.order_by("name"), "here": "groups"}
    return render(request, "admincenter/group_delete.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Act.MANAGE_GROUPS)
def add_members(request: HttpRequest, group_id: UUID) -> HttpResponse:
    """Put people into a group, from a typed list or a file."""
    by = request_user(request)
    found = find_group(by, group_id)
    # Before the form is filled in: a chosen file could not be kept during the re-authentication.
    if answer := require_recent_auth(request):
        return answer
    is_file = request.method == "POST" and "import" in request.POST
    typed = MembersForm(by.organisation, sent(request) if not is_file else None)
    file = MembersFileForm(by.organisation, *((request.POST, request.FILES) if is_file else ()))
    if request.method == "POST":
        form = file if is_file else typed
        if form.is_valid():
            users = form.cleaned_data["file" if is_file else "names"]
            number = groups.add_members(found, users, by=by, now=timezone.now(), origin=origin_of(request))
            said = ngettext("%(number)d person is added.", "%(number)d people are added.", number)
            messages.success(request, said % {"number": number})
            return HttpResponseRedirect(reverse("admincenter:group", args=[found.pk]))
    context = {"group": found, "typed": typed, "file": file, "wrong": file if is_file else typed, "here": "groups"}
    return render(request, "admincenter/group_members.html", context)


@require_http_methods(["POST"])
@requires(Act.MANAGE_GROUPS)
def remove_member(request: HttpRequest, group_id: UUID, user_id: UUID) -> HttpResponse:
    """Take one person out of a group."""
    by = request_user(request)
    found = find_group(by, group_id)
    user = get_object_or_404(User, pk=user_id, organisation=by.organisation)
    if answer := require_recent_auth(request, keep=False):
        return answer
    if groups.remove_members(found, [user], by=by, now=timezone.now(), origin=origin_of(request)):
        messages.success(request, _("%(name)s is taken out.") % {"name": user.display_name})
    return HttpResponseRedirect(reverse("admincenter:group", args=[found.pk]))
