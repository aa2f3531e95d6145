"""The forms of groups, and the people that a typed list or a file names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from watchword.admincenter.labels import FILES, GROUP
from watchword.directory.actions import BadPerson, find_by_name
from watchword.directory.models import Organisation, User
from watchword.directory.people_file import FileKind, UnreadableFile, read_file
from watchword.directory.search import found_by

LONGEST_LIST = 100_000
MOST_TYPED = 1_000
MOST_MEMBERS_IN_FILE = 5_000
MOST_QUOTED = 10
"""How many of the names that were not found an error lists."""


class GroupForm(forms.Form):
    """The name and description of a group."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": gettext_lazy("Enter a name.")},
    )
    description = forms.CharField(
        label=gettext_lazy("Description"),
        max_length=300,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def refuse(self, error: BadPerson) -> None:
        """Show why a group can't be so."""
        for name, reason in error.reasons.items():
            self.add_error(name, str(GROUP[reason]))


@dataclass(slots=True)
class FoundPeople:
    """The people that a list names, and what of it names nobody or several."""

    users: list[User] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    ambiguous: list[str] = field(default_factory=list)

    def problems(self) -> list[str]:
        """Return the sentences that say what is wrong with the list."""
        said = []
        for names, sentence in (
            (self.unknown, _("Nobody in your organisation has these names: %(names)s. Nobody was added.")),
            (self.ambiguous, _("Several people match: %(names)s. Write their sign-in names. Nobody was added.")),
        ):
            if names:
                said.append(sentence % {"names": _quoted(names)})
        return said


def find_people(organisation: Organisation, names: Iterable[str], *, by_words: bool) -> FoundPeople:
    """Return the people whom these names mean: sign-in names, aliases, or (``by_words``) parts of one person's name."""
    found = FoundPeople()
    for name in dict.fromkeys(names):
        user = find_by_name(name)
        if user is not None and user.organisation_id == organisation.pk and user.deleted_at is None:
            found.users.append(user)
            continue
        matching: Sequence[User] = []
        if by_words and "@" not in name:
            rows = User.objects.filter(organisation=organisation, deleted_at=None)
            matching = list(found_by(rows, name).order_by("display_name", "pk")[:2])
        match matching:
            case [only]:
                found.users.append(only)
            case []:
                found.unknown.append(name)
            case _several:
                found.ambiguous.append(name)
    return found


class MembersForm(forms.Form):
    """People to add: typed, or pasted from a list."""

    names = forms.CharField(
        label=gettext_lazy("People"),
        max_length=LONGEST_LIST,
        help_text=gettext_lazy("One a line, or with commas between them: sign-in names, or names that one person has."),
        widget=forms.Textarea(attrs={"rows": 5, "autocomplete": "off", "spellcheck": "false"}),
        error_messages={
            "required": gettext_lazy("Write whom to add."),
            "max_length": gettext_lazy("This list is too long. Import it as a file."),
        },
    )

    def __init__(self, organisation: Organisation, data: Any) -> None:
        super().__init__(data)
        self.organisation = organisation

    def clean_names(self) -> list[User]:
        """Return the people; reject the whole list if one of its names is wrong."""
        names = [name.strip() for name in re.split(r"[\n\r,;]", self.cleaned_data["names"]) if name.strip()]
        if len(names) > MOST_TYPED:
            raise forms.ValidationError(_("This list is too long. Import it as a file."))
        found = find_people(self.organisation, names, by_words=True)
        if problems := found.problems():
            raise forms.ValidationError(problems)
        if not found.users:
            raise forms.ValidationError(_("Write whom to add."))
        return found.users


class MembersFileForm(forms.Form):
    """People to add, from a CSV file with a column of sign-in names."""

    file = forms.FileField(
        label=gettext_lazy("CSV file"),
        help_text=gettext_lazy("Its first line names the columns; “Sign-in name” is read, others are not."),
        error_messages={
            "required": gettext_lazy("Choose a file."),
            "empty": gettext_lazy("The file is empty, or has a first line only."),
        },
    )

    def __init__(self, organisation: Organisation, data: Any = None, files: Any = None) -> None:
        super().__init__(data, files)
        self.organisation = organisation

    def clean_file(self) -> list[User]:
        """Return the people whom the file names; reject the whole file if one of its names is wrong."""
        try:
            read = read_file(
                self.cleaned_data["file"].read(), most_rows=MOST_MEMBERS_IN_FILE, kinds=(FileKind.MEMBERS,)
            )
        except UnreadableFile as error:
            if error.reason == "headers":
                raise forms.ValidationError(_("The first line must name a column “Sign-in name”.")) from None
            said = str(FILES[error.reason]) % {"most": MOST_MEMBERS_IN_FILE}
            raise forms.ValidationError(f"{said} {error.detail}".strip()) from None
        names = [row.cells["sign_in_name"] for row in read.rows]
        if "" in names:
            line = read.rows[names.index("")].line
            raise forms.ValidationError(_("Line %(line)d has no sign-in name. Nobody was added.") % {"line": line})
        found = find_people(self.organisation, names, by_words=False)
        if problems := found.problems():
            raise forms.ValidationError(problems)
        return found.users


def _quoted(names: Sequence[str]) -> str:
    quoted = ", ".join(f"“{name[:100]}”" for name in names[:MOST_QUOTED])
    if len(names) > MOST_QUOTED:
        quoted += " " + _("and %(number)d more") % {"number": len(names) - MOST_QUOTED}
    return quoted
