"""The language of a person's codes, in texts and calls."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from watchword.audit.events import EventKind
from watchword.audit.record import record
from watchword.directory.models import User
from watchword.messaging.content.translations import LANGUAGES
from watchword.signin.middleware import origin_of, request_session, request_user


class LanguageForm(forms.Form):
    """One of the languages of texts and calls, or the organisation's default."""

    language = forms.ChoiceField(
        label=gettext_lazy("Which language?"),
        required=False,
        widget=forms.RadioSelect,
        error_messages={"invalid_choice": gettext_lazy("Choose one of these languages.")},
    )

    def __init__(self, user: User, data: QueryDict | None) -> None:
        super().__init__(data, initial={"language": user.language})
        field = self.fields["language"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", as_organisation(user)), *LANGUAGES.items()]


@require_http_methods(["GET", "HEAD", "POST"])
def choose(request: HttpRequest) -> HttpResponse:
    """Let a person choose the language of their texts and calls."""
    user = request_user(request)
    form = LanguageForm(user, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        _change(request, user, form.cleaned_data["language"])
        messages.success(request, _("Your choice is saved."))
        return HttpResponseRedirect(reverse("portal:security"))
    return render(request, "portal/language.html", {"form": form})


def language_in_words(user: User) -> str:
    """Return the language of a person's texts and calls, in its own name."""
    return LANGUAGES.get(user.language) or as_organisation(user)


def as_organisation(user: User) -> str:
    """Return the organisation's language, in words that say so."""
    language = LANGUAGES.get(user.organisation.language, LANGUAGES["en"])
    return _("%(language)s, as in your organisation") % {"language": language}


def _change(request: HttpRequest, user: User, language: str) -> None:
    if language == user.language:
        return
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(language=language)
        record(
            EventKind.PERSON_EDITED,
            now=timezone.now(),
            subject=user,
            by=user,
            origin=origin_of(request),
            details={
                "fields": ["language"],
                "before": user.language,
                "sign_in": str(request_session(request).sign_in_id),
            },
        )
