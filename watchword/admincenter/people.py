"""Lists of people: filtered, sorted and paged so that a hundred thousand of them cost no more than fifty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Q, QuerySet

from watchword.core.policy import MfaState
from watchword.directory.models import Organisation, RoleAssignment, User

PAGE = 50
SORTS = {"name": "display_name", "sign-in": "sign_in_name"}
SHOWS = ("everybody", "blocked", "administrators", "deleted")


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to see, as it stands in the address."""

    query: str = ""
    state: str = ""
    show: str = "everybody"
    sort: str = "name"
    is_descending: bool = False
    after: str = ""
    person: str = ""

    @classmethod
    def read(cls, values: Mapping[str, str]) -> Wish:
        """Read a wish from the address; what makes no sense is left out."""
        state, show, sort = values.get("state", ""), values.get("show", ""), values.get("sort", "")
        return cls(
            query=values.get("q", "").strip()[:100],
            state=state if state in set(MfaState) else "",
            show=show if show in SHOWS else "everybody",
            sort=sort.removeprefix("-") if sort.removeprefix("-") in SORTS else "name",
            is_descending=sort.startswith("-"),
            after=values.get("after", "")[:400],
            person=values.get("person", "")[:36],
        )

    def address(self, **changes: str) -> str:
        """Return the query string for this wish with some values changed; empty ones are left out."""
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


@dataclass(frozen=True, slots=True)
class Page:
    """One page of people, and where the next one begins."""

    people: list[User]
    next_after: str


def matching(organisation: Organisation, wish: Wish) -> QuerySet[User]:
    """Return the people whom a wish is about, in no order."""
    people = User.objects.filter(organisation=organisation)
    people = people.filter(deleted_at__isnull=wish.show != "deleted")
    if wish.query:
        for word in wish.query.casefold().split()[:5]:
            people = people.filter(search_key__contains=word)
    if wish.state:
        people = people.filter(mfa_state=wish.state)
    match wish.show:
        case "blocked":
            people = people.filter(blocked_at__isnull=False)
        case "administrators":
            people = people.filter(pk__in=RoleAssignment.objects.values("user"))
        case _:
            pass
    return people


def page_of(organisation: Organisation, wish: Wish) -> Page:
    """Return one page by its first key, never by counting rows from the beginning."""
    field = SORTS[wish.sort]
    people = matching(organisation, wish).prefetch_related("role_assignments").select_related("organisation")
    start = _read_key(wish.after)
    if start is not None:
        value, pk = start
        beyond = "lt" if wish.is_descending else "gt"
        people = people.filter(Q(**{f"{field}__{beyond}": value}) | Q(**{field: value, f"id__{beyond}": pk}))
    order = ("-" if wish.is_descending else "") + field
    rows = list(people.order_by(order, "-id" if wish.is_descending else "id")[: PAGE + 1])
    shown = rows[:PAGE]
    following = f"{getattr(shown[-1], field)}|{shown[-1].pk}" if len(rows) > PAGE else ""
    return Page(shown, following)


def _read_key(after: str) -> tuple[str, UUID] | None:
    value, _, pk = after.rpartition("|")
    try:
        return value, UUID(pk)
    except ValueError:
        return None
