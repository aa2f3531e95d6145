"""Importing files of people or of states: first what would happen, then doing it, with a result for each row."""

from __future__ import annotations

import base64
from typing import Any

from django import forms
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache

from watchword.admincenter.gate import needs, prove_first
from watchword.admincenter.importing import Result, import_rows
from watchword.admincenter.words import FILES
from watchword.directory.people_file import (
    LARGEST_FILE,
    SAMPLE,
    SAMPLE_OF_STATES,
    PeopleFile,
    UnreadableFile,
    read_file,
    write_csv,
)
from watchword.directory.roles import Act
from watchword.signin.middleware import origin_of, person_of

SHOWN = 500


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
@needs(Act.IMPORT_PEOPLE)
def import_file(request: HttpRequest) -> HttpResponse:
    """Take a file, show what would happen, and do it once that was seen."""
    if answer := prove_first(request):
        return answer
    form = FileForm()
    if request.method == "POST":
        kept = request.POST.get("kept", "")
        form = FileForm(request.POST, request.FILES)
        content = (
            _kept(kept) if kept else (form.cleaned_data["file"].read(LARGEST_FILE + 1) if form.is_valid() else None)
        )
        if content is not None:
            try:
                return _show(request, read_file(content), content, is_real=bool(kept))
            except UnreadableFile as error:
                form = FileForm(request.POST, request.FILES)
                form.is_valid()
                form.errors.pop("file", None)
                form.add_error("file", " ".join(part for part in (str(FILES[error.reason]), error.detail) if part))
    return render(request, "admincenter/import.html", {"form": form, "here": "users"})


@needs(Act.IMPORT_PEOPLE)
def sample(_request: HttpRequest, kind: str) -> HttpResponse:
    """Return a file to begin with."""
    samples = {"people": SAMPLE, "states": SAMPLE_OF_STATES}
    if kind not in samples:
        raise Http404
    response = HttpResponse(samples[kind], content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{kind}.csv"'
    return response


def _show(request: HttpRequest, file: PeopleFile, content: bytes, *, is_real: bool) -> HttpResponse:
    results = import_rows(file, by=person_of(request), origin=origin_of(request), is_real=is_real)
    context: dict[str, Any] = {
        "results": results[:SHOWN],
        "more": max(len(results) - SHOWN, 0),
        "counts": _counts(results),
        "is_real": is_real,
        "kept": base64.b64encode(content).decode(),
        "here": "users",
    }
    if is_real and any(result.token for result in results):
        context["links"] = write_csv(
            [["Sign-in name", "Link (once, seven days)"]]
            + [[result.name, _link(result.token)] for result in results if result.token]
        )
    return render(request, "admincenter/import_result.html", context)


def _counts(results: list[Result]) -> list[tuple[str, int]]:
    words = {"created": _("created"), "changed": _("changed"), "unchanged": _("unchanged"), "refused": _("refused")}
    return [(words[name], sum(1 for result in results if result.outcome == name)) for name in words]


def _link(token: str) -> str:
    return str(settings.WATCHWORD_PUBLIC_URL).rstrip("/") + reverse("web:invitation", args=[token])


def _kept(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None
