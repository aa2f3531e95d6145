"""Import of files of people or of states: first a preview, then the import, with a result for each row."""

from __future__ import annotations

import base64
from collections import Counter
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache

from watchword.admincenter import drafts
from watchword.admincenter.labels import FILES, OUTCOMES
from watchword.admincenter.models import Draft
from watchword.admincenter.permissions import require_recent_auth, requires
from watchword.admincenter.users.csv_import import Imported, import_rows
from watchword.core.codes import shown_link_code
from watchword.directory.people_file import (
    BYTE_ORDER_MARK,
    LARGEST_FILE,
    SAMPLE,
    SAMPLE_OF_STATES,
    FileKind,
    PeopleFile,
    UnreadableFile,
    read_file,
    write_csv,
)
from watchword.directory.roles import Act
from watchword.signin.invitations import DAYS
from watchword.signin.middleware import origin_of, request_user
from watchword.ui.addresses import link_address

SHOWN = 500
MOST_ROWS_HERE = 5_000
"""The maximum number of rows that one request can import; the command line takes more."""


class FileForm(forms.Form):
    """A file to import."""

    file = forms.FileField(
        label=gettext_lazy("CSV file"),
        help_text=gettext_lazy(
            "From a spreadsheet: save it as “CSV UTF-8”. Nothing is changed before you have seen what would happen."
        ),
        error_messages={"required": gettext_lazy("Choose a file."), "empty": gettext_lazy("The file is empty.")},
    )


@never_cache
@requires(Act.IMPORT_PEOPLE, Act.CHANGE_MFA_STATE)
def import_file(request: HttpRequest) -> HttpResponse:
    """Accept a file, show a preview of its import, and import it after the confirmation."""
    draft = drafts.find(request)
    if draft is not None:
        return _go_on(request, draft)
    if "draft" in request.POST or "draft" in request.GET:
        messages.warning(request, _("This was done already, or is more than an hour old. Nothing was changed now."))
        return HttpResponseRedirect(reverse("admincenter:import"))
    form = FileForm()
    if request.method == "POST":
        form = FileForm(request.POST, request.FILES)
        if form.is_valid():
            content = form.cleaned_data["file"].read(LARGEST_FILE + 1)
            try:
                read_file(content, most_rows=MOST_ROWS_HERE)
            except UnreadableFile as error:
                said = str(FILES[error.reason]) % {"most": MOST_ROWS_HERE}
                form.add_error("file", " ".join(part for part in (said, error.detail) if part))
            else:
                stored = drafts.keep(request, {"file": [base64.b64encode(content).decode()]})
                return HttpResponseRedirect(drafts.address_of(stored))
    # Opened from the multi-factor page, or by a role that may change states but not create people.
    is_bulk = "bulk" in request.GET or not request_user(request).may(Act.IMPORT_PEOPLE)
    context = {
        "form": form,
        "here": "multi_factor" if is_bulk else "users",
        "is_bulk": is_bulk,
        "most": MOST_ROWS_HERE,
    }
    return render(request, "admincenter/import.html", context)


@requires(Act.IMPORT_PEOPLE, Act.CHANGE_MFA_STATE)
def sample(_request: HttpRequest, kind: str) -> HttpResponse:
    """Return a sample file."""
    samples = {"people": SAMPLE, "states": SAMPLE_OF_STATES}
    if kind not in samples:
        raise Http404
    response = HttpResponse(BYTE_ORDER_MARK + samples[kind], content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{kind}.csv"'
    return response


def _go_on(request: HttpRequest, draft: Draft) -> HttpResponse:
    if answer := require_recent_auth(request):
        return answer
    file = read_file(base64.b64decode(drafts.values_of(draft).get("file", "")), most_rows=MOST_ROWS_HERE)
    is_real = request.method == "POST"
    if is_real and not drafts.spend(draft):
        return HttpResponseRedirect(reverse("admincenter:import"))
    by = request_user(request)
    options = request.POST.get("days", "")
    days = int(options) if options in {str(day) for day in DAYS} else DAYS[0]
    imported = import_rows(
        file,
        organisation=by.organisation,
        by=by,
        origin=origin_of(request),
        is_real=is_real,
        links_last=timedelta(days=days),
    )
    return _show(request, file, imported, None if is_real else draft, days)


def _show(request: HttpRequest, file: PeopleFile, imported: Imported, draft: Draft | None, days: int) -> HttpResponse:
    results = imported.results
    # Rows that need attention come first.
    order = {"refused": 0, "created": 1, "changed": 2, "unchanged": 3}
    ordered = sorted(results, key=lambda result: (order[result.outcome], result.line))
    numbers = Counter(result.outcome for result in results)
    context: dict[str, Any] = {
        "results": ordered[:SHOWN],
        "more": max(len(results) - SHOWN, 0),
        "counts": [(OUTCOMES[outcome], numbers[outcome]) for outcome in OUTCOMES],
        "number": numbers["created"] + numbers["changed"],
        "file": file,
        "is_of_states": file.kind is FileKind.STATES,
        "summary": imported.summary,
        "is_real": draft is None,
        "hours": 24 * days,
        "lasts": DAYS if numbers["created"] else (),
        "draft": draft,
        "here": "users",
    }
    invited = [result for result in results if result.token]
    if invited:
        lines = [
            ["Sign-in name", f"Link (once, {24 * days} hours)"],
            *([row.name, _link(row.token)] for row in invited),
        ]
        context["links"] = write_csv(lines)
        encoded = base64.b64encode((BYTE_ORDER_MARK + context["links"]).encode()).decode()
        context["links_file"] = f"data:text/csv;charset=utf-8;base64,{encoded}"
    return render(request, "admincenter/import_result.html", context)


def _link(token: str) -> str:
    return link_address("web:invitation", shown_link_code(token))
