"""Apps: the list, the gallery, the settings, secrets and sign-ins of each."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from watchword.admincenter.applications.forms import ChangeAppForm, NewAppForm, values_of
from watchword.admincenter.drafts import sent
from watchword.admincenter.labels import REASONS
from watchword.admincenter.permissions import require_recent_auth, requires
from watchword.applications import clients
from watchword.applications.app_presets import PRESETS
from watchword.applications.clients import InvalidClient, TooManySecrets
from watchword.applications.issuer import issuer_of
from watchword.applications.models import Client, ClientKind
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.directory import applications
from watchword.directory.actions import BadPerson
from watchword.directory.models import App, User
from watchword.directory.roles import Act
from watchword.signin.middleware import origin_of, request_user

SIGN_INS_SHOWN = 20
EVENTS_SEARCHED = 50_000
"""How many of the newest events are searched for the sign-ins of an app: no index leads from an app to its events."""


def find_app(by: User, app_id: UUID) -> App:
    """Return an app of the administrator's organisation, or raise Http404."""
    return get_object_or_404(App, pk=app_id, organisation=by.organisation)


@require_http_methods(["GET", "HEAD"])
@requires(Act.SEE_APPS)
def listing(request: HttpRequest) -> HttpResponse:
    """List the apps of the organisation."""
    rows = App.objects.filter(organisation=request_user(request).organisation)
    rows = rows.select_related("oidc_client").prefetch_related("groups").order_by("name")
    return render(request, "admincenter/apps.html", {"rows": rows, "here": "apps"})


@require_http_methods(["GET", "HEAD"])
@requires(Act.MANAGE_APPS)
def gallery(request: HttpRequest) -> HttpResponse:
    """Show the presets from which an app is added."""
    return render(request, "admincenter/app_gallery.html", {"presets": PRESETS.items(), "here": "apps"})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@requires(Act.MANAGE_APPS)
def add(request: HttpRequest, preset: str) -> HttpResponse:
    """Add an app from a preset, and show once what is to be pasted on its side."""
    chosen = PRESETS.get(preset)
    if chosen is None:
        raise Http404
    by = request_user(request)
    if answer := require_recent_auth(request):
        return answer
    form = NewAppForm(by.organisation, chosen, sent(request))
    if request.method == "POST" and form.is_valid():
        named: dict[str, Any] = {"by": by, "now": timezone.now(), "origin": origin_of(request)}
        try:
            with transaction.atomic():
                app = applications.add_app(
                    by.organisation, form.app_settings(), groups=form.chosen_groups(), preset=preset, **named
                )
                client = clients.add_client(app, form.client_settings(), by=by)
                secret = clients.add_secret(client, **named) if client.kind == ClientKind.CONFIDENTIAL else ""
        except (BadPerson, InvalidClient) as error:
            form.refuse(error.reasons)
        else:
            return _shown_once(request, app, secret, is_new=True)
    return render(request, "admincenter/app_new.html", {"form": form, "preset": chosen, "here": "apps"})


@require_http_methods(["GET", "HEAD"])
@requires(Act.SEE_APPS)
def app(request: HttpRequest, app_id: UUID) -> HttpResponse:
    """Show an app: its settings, secrets and last sign-ins."""
    found = find_app(request_user(request), app_id)
    client = Client.objects.filter(app=found).first()
    context = {
        "app": found,
        "client": client,
        "issuer": issuer_of(found.organisation),
        "groups": found.groups.order_by("name"),
        "secrets": client.secrets.filter(ended_at=None).order_by("created_at") if client is not None else (),
        "most_secrets": clients.MOST_SECRETS,
        "takes_secrets": client is not None and client.kind == ClientKind.CONFIDENTIAL,
        "lines": _lines(found, client, _("the secret, which is not shown again")),
        "sign_ins": _sign_ins(found),
        "here": "apps",
    }
    return render(request, "admincenter/app.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Act.MANAGE_APPS)
def change(request: HttpRequest, app_id: UUID) -> HttpResponse:
    """Change the settings of an app."""
    by = request_user(request)
    found = find_app(by, app_id)
    client = get_object_or_404(Client, app=found)
    if request.method == "POST" and (answer := require_recent_auth(request)):
        return answer
    name = found.name
    form = ChangeAppForm(by.organisation, sent(request) or values_of(found, client))
    if request.method == "POST" and form.is_valid():
        named: dict[str, Any] = {"by": by, "now": timezone.now(), "origin": origin_of(request)}
        try:
            with transaction.atomic():
                applications.change_app(found, form.app_settings(), groups=form.chosen_groups(), **named)
                clients.change_client(client, form.client_settings(client), **named)
        except (BadPerson, InvalidClient) as error:
            form.refuse(error.reasons)
        else:
            messages.success(request, _("Saved."))
            return HttpResponseRedirect(reverse("admincenter:app", args=[found.pk]))
    context = {"form": form, "app": found, "name": name, "here": "apps"}
    return render(request, "admincenter/app_change.html", context)


@never_cache
@require_http_methods(["POST"])
@requires(Act.MANAGE_APPS)
def add_secret(request: HttpRequest, app_id: UUID) -> HttpResponse:
    """Give an app a second secret, and show it once."""
    by = request_user(request)
    found = find_app(by, app_id)
    client = get_object_or_404(Client, app=found, kind=ClientKind.CONFIDENTIAL)
    if answer := require_recent_auth(request, keep=False):
        return answer
    try:
        secret = clients.add_secret(client, by=by, now=timezone.now(), origin=origin_of(request))
    except TooManySecrets:
        messages.warning(request, _("Two secrets are valid already. End the one that the app no longer uses."))
        return HttpResponseRedirect(reverse("admincenter:app", args=[found.pk]))
    return _shown_once(request, found, secret, is_new=False)


@require_http_methods(["POST"])
@requires(Act.MANAGE_APPS)
def end_secret(request: HttpRequest, app_id: UUID, secret_id: int) -> HttpResponse:
    """End one secret of an app."""
    by = request_user(request)
    found = find_app(by, app_id)
    client = get_object_or_404(Client, app=found)
    if answer := require_recent_auth(request, keep=False):
        return answer
    if clients.end_secret(client, secret_id, by=by, now=timezone.now(), origin=origin_of(request)):
        messages.success(request, _("That secret is ended."))
    return HttpResponseRedirect(reverse("admincenter:app", args=[found.pk]))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Act.MANAGE_APPS)
def act(request: HttpRequest, app_id: UUID, what: str) -> HttpResponse:
    """Ask whether to disable, enable or remove an app, and do it."""
    if what not in {"disable", "enable", "remove"}:
        raise Http404
    by = request_user(request)
    found = find_app(by, app_id)
    if answer := require_recent_auth(request):
        return answer
    if request.method != "POST":
        return render(request, "admincenter/app_act.html", {"app": found, "what": what, "here": "apps"})
    named: dict[str, Any] = {"by": by, "now": timezone.now(), "origin": origin_of(request)}
    name = {"name": found.name}
    match what:
        case "remove":
            applications.remove_app(found, **named)
            messages.success(request, _("%(name)s is removed.") % name)
            return HttpResponseRedirect(reverse("admincenter:apps"))
        case "disable":
            applications.set_app_enabled(found, is_enabled=False, **named)
            messages.success(request, _("%(name)s is disabled: nobody can sign in to it.") % name)
        case _enable:
            applications.set_app_enabled(found, is_enabled=True, **named)
            messages.success(request, _("%(name)s is enabled.") % name)
    return HttpResponseRedirect(reverse("admincenter:app", args=[found.pk]))


def _shown_once(request: HttpRequest, app: App, secret: str, *, is_new: bool) -> HttpResponse:
    client = Client.objects.get(app=app)
    context = {
        "app": app,
        "client": client,
        "secret": secret,
        "is_new": is_new,
        "issuer": issuer_of(app.organisation),
        "lines": _lines(app, client, secret),
        "here": "apps",
    }
    return render(request, "admincenter/app_once.html", context)


def _lines(app: App, client: Client | None, secret: str) -> list[Any]:
    preset = PRESETS.get(app.preset, PRESETS["web"])
    if client is None:
        return []
    address = app.home_url or "https://app.example.org"
    return preset.lines(issuer=issuer_of(app.organisation), client_id=client.client_id, secret=secret, address=address)


def _sign_ins(app: App) -> list[dict[str, Any]]:
    """Return the last sign-ins in an app and refusals, the newest first."""
    kinds = [EventKind.SIGN_IN_ALLOWED, EventKind.SIGN_IN_DENIED]
    newest = Event.objects.order_by("-id").values_list("id", flat=True).first() or 0
    events = Event.objects.filter(
        organisation_id=app.organisation_id,
        kind__in=kinds,
        details__app_id=str(app.pk),
        id__gt=newest - EVENTS_SEARCHED,
    ).order_by("-id")[:SIGN_INS_SHOWN]
    return [
        {
            "event": event,
            "is_allowed": event.kind == EventKind.SIGN_IN_ALLOWED,
            "why": REASONS.get(event.reason, event.reason),
        }
        for event in events
    ]
