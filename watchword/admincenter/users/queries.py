"""Lists of people: filtered, sorted and paged by key, so that a page of 50 costs the same among 100,000 people."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import QueryDict

from watchword.core.policy import MfaState
from watchword.directory.models import Organisation, RoleAssignment, User
from watchword.directory.search import found_by

PAGE = 50
SORTS: dict[str, tuple[str, ...]] = {
    "name": ("display_name",),
    "sign-in": ("sign_in_name",),
    "state": ("mfa_state", "display_name"),
}
SHOWN_GROUPS = ("everybody", "blocked", "administrators", "deleted")


@dataclass(frozen=True, slots=True)
class PeopleFilter:
    """The list options in a URL: search text, filters, order and position."""

    query: str = ""
    state: str = ""
    show: str = "everybody"
    sort: str = "name"
    is_descending: bool = False
    after: str = ""
    person: str = ""

    @classmethod
    def read(cls, values: Mapping[str, str]) -> PeopleFilter:
        """Read the options from the query string; ignore invalid values."""
        state, show, sort = values.get("state", ""), values.get("show", ""), values.get("sort", "")
        return cls(
            query=values.get("q", "").strip()[:100],
            state=state if state in set(MfaState) else "",
            show=show if show in SHOWN_GROUPS else "everybody",
            sort=sort.removeprefix("-") if sort.removeprefix("-") in SORTS else "name",
            is_descending=sort.startswith("-"),
            after=values.get("after", "")[:500],
            person=values.get("person", "")[:36],
        )

    @classmethod
    def read_form(cls, values: QueryDict) -> PeopleFilter:
        """Read the options that were submitted with a form."""
        return cls.read({name: values.get(name, "") for name in ("q", "state", "show")})

    def among_the_living(self) -> PeopleFilter:
        """Return these options without the filter for deleted people, for pages that show none of them."""
        return dataclasses.replace(self, show="everybody") if self.show == "deleted" else self

    def address(self, **changes: str) -> str:
        """Return the query string of these options with some values changed; leave out empty values."""
        values = {
            "q": self.query,
            "state": self.state,
            "show": "" if self.show == "everybody" else self.show,
            "sort": ("-" if self.is_descending else "") + ("" if self.sort == "name" else self.sort),
            "after": self.after,
            "person": self.person,
            **changes,
        }
        if values["sort"] == "-":
            values["sort"] = "-name"
        return urlencode({name: value for name, value in values.items() if value})

    def sorted_by(self, sort: str) -> str:
        """Return the query string for the link in a column heading: sort by the column, or reverse its order."""
        turns = self.sort == sort and not self.is_descending
        return self.address(after="", sort=f"-{sort}" if turns else "" if sort == "name" else sort)


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """One page of people, and the key after which the next page begins."""

    people: list[User]
    next_after: str


def matching(organisation: Organisation, people_filter: PeopleFilter) -> QuerySet[User]:
    """Return the people who match the options, unordered."""
    people = User.objects.filter(organisation=organisation, deleted_at__isnull=people_filter.show != "deleted")
    people = found_by(people, people_filter.query)
    if people_filter.state:
        people = people.filter(mfa_state=people_filter.state)
    match people_filter.show:
        case "blocked":
            people = people.filter(blocked_at__isnull=False)
        case "administrators":
            people = people.filter(pk__in=RoleAssignment.objects.values("user"))
        case _:
            pass
    return people


def number_of(organisation: Organisation, people_filter: PeopleFilter, *, at_most: int) -> int:
    """Return how many people match; stop counting at ``at_most + 1``."""
    return matching(organisation, people_filter).order_by()[: at_most + 1].count()


def page_of(organisation: Organisation, people_filter: PeopleFilter) -> PeoplePage:
    """Return one page by keyset pagination, without counting or skipping rows."""
    fields = (*SORTS[people_filter.sort], "id")
    people = matching(organisation, people_filter)
    start = _read_key(people_filter.after, fields)
    if start is not None:
        people = people.filter(_beyond(fields, start, is_descending=people_filter.is_descending))
    sign = "-" if people_filter.is_descending else ""
    rows = list(people.select_related("organisation").order_by(*(sign + field for field in fields))[: PAGE + 1])
    shown = rows[:PAGE]
    following = "|".join(str(getattr(shown[-1], field)) for field in fields) if len(rows) > PAGE else ""
    return PeoplePage(shown, following)


def _beyond(fields: tuple[str, ...], start: tuple[str | UUID, ...], *, is_descending: bool) -> Q:
    beyond = "lt" if is_descending else "gt"
    # The first condition is redundant, but lets the database start in the index at the beginning of the page.
    condition = Q()
    for number, field in enumerate(fields):
        same = Q(**dict(zip(fields[:number], start[:number], strict=True)))
        condition |= same & Q(**{f"{field}__{beyond}": start[number]})
    return Q(**{f"{fields[0]}__{beyond}e": start[0]}) & condition


def _read_key(after: str, fields: tuple[str, ...]) -> tuple[str | UUID, ...] | None:
    if not after.isprintable():
        return None
    *values, pk = after.rsplit("|", maxsplit=1)
    values = "".join(values).split("|", maxsplit=len(fields) - 2)
    if len(values) != len(fields) - 1:
        return None
    try:
        return (*values, UUID(pk))
    except ValueError:
        return None
