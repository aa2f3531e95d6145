"""What clients did and were told, and whether that can be true of one Watchword (the checker). Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

REVOKED_SECONDS = 1.0
"""How long after the acknowledgement of its end an access may still work."""


class Told(StrEnum):
    """The answer to one act."""

    OK = "ok"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    """Nothing was done, or nobody says whether it was: 503, *later*, a closed connection."""


class Kind(StrEnum):
    """What a client asked for."""

    SIGN_IN = "sign in with the right password and code"
    REPLAY = "sign in with a code that was accepted"
    WRONG_CODE = "sign in with a wrong code"
    VISIT = "open a page in a session"
    SIGN_OUT = "end every session of a person"
    MAKE = "make an app password"
    REVOKE = "delete an app password"
    LOGIN = "log in to mail with an app password"
    BLOCK = "block a person"
    UNBLOCK = "unblock a person"


@dataclass(frozen=True, slots=True)
class Act:
    """One act; times in seconds of the client's monotonic clock. ``subject`` is a session, a code or a password."""

    person: str
    kind: Kind
    subject: str
    invoked: float
    answered: float
    told: Told
    detail: str = ""


@dataclass(slots=True)
class _Person:
    sessions: dict[str, bool] = field(default_factory=dict)
    """Sessions that were acknowledged; False if whether they live is unknown."""
    ended: dict[str, float] = field(default_factory=dict)
    passwords: dict[str, bool] = field(default_factory=dict)
    revoked: dict[str, float] = field(default_factory=dict)
    blocked_at: float | None = None
    block_is_known: bool = True


def check(history: Iterable[Act]) -> list[str]:
    """Return what contradicts an acknowledged act, one sentence each; the acts of one person don't overlap."""
    people: dict[str, _Person] = {}
    problems: list[str] = []
    codes: Counter[str] = Counter()
    for act in sorted(history, key=lambda act: act.invoked):
        person = people.setdefault(act.person, _Person())
        if act.kind is Kind.SIGN_IN and act.told is Told.OK:
            codes[act.detail] += 1
        if wrong := _step(person, act):
            problems.append(f"{act.invoked:.2f} {act.person}: {act.kind}: {wrong} {act.detail}".rstrip())
    return problems + [f"code {code} was accepted {times} times" for code, times in codes.items() if times > 1]


def _step(person: _Person, act: Act) -> str:
    """Move the model of one person on; return what can't be, empty if all can."""
    match act.kind:
        case Kind.SIGN_IN:
            return _sign_in(person, act)
        case Kind.REPLAY | Kind.WRONG_CODE:
            return "let in" if act.told is Told.OK else ""
        case Kind.VISIT:
            return _visit(person, act)
        case Kind.LOGIN:
            return _login(person, act)
        case Kind.MAKE | Kind.REVOKE:
            _app_password(person, act)
        case Kind.SIGN_OUT:
            _end_sessions(person, act)
        case Kind.BLOCK | Kind.UNBLOCK:
            _block(person, act)
    return ""


def _sign_in(person: _Person, act: Act) -> str:
    if act.told is Told.OK:
        person.sessions[act.subject] = True
    elif act.told is Told.REFUSED and person.blocked_at is None and person.block_is_known:
        return "a right password and code were refused"
    return ""


def _app_password(person: _Person, act: Act) -> None:
    if act.told is not Told.OK:
        person.passwords[act.subject] = False
    elif act.kind is Kind.MAKE:
        person.passwords[act.subject] = True
    else:
        person.revoked[act.subject] = act.answered


def _end_sessions(person: _Person, act: Act) -> None:
    """Note the end of every session; after an act without an answer nobody knows whether they live."""
    for session in list(person.sessions):
        if act.told is Told.OK:
            person.ended.setdefault(session, act.answered)
        else:
            person.sessions[session] = False


def _block(person: _Person, act: Act) -> None:
    person.block_is_known = act.told is Told.OK
    if act.told is Told.OK:
        person.blocked_at = act.answered if act.kind is Kind.BLOCK else None
    if act.kind is Kind.BLOCK:
        _end_sessions(person, act)


def _visit(person: _Person, act: Act) -> str:
    ended = person.ended.get(act.subject)
    if act.told is Told.OK and ended is not None and act.invoked > ended + REVOKED_SECONDS:
        return f"a session opens {act.invoked - ended:.2f} s after its end was acknowledged"
    if act.told is Told.REFUSED and ended is None and person.sessions.get(act.subject) and person.block_is_known:
        return "an acknowledged session is lost"
    return ""


def _login(person: _Person, act: Act) -> str:
    revoked = person.revoked.get(act.subject)
    if act.told is Told.OK:
        if revoked is not None and act.invoked > revoked + REVOKED_SECONDS:
            return f"a deleted app password opens {act.invoked - revoked:.2f} s after its end was acknowledged"
        if (
            person.block_is_known
            and person.blocked_at is not None
            and act.invoked > person.blocked_at + REVOKED_SECONDS
        ):
            return "a blocked person's app password opens"
    elif act.told is Told.REFUSED:
        is_free = person.blocked_at is None and person.block_is_known
        if revoked is None and is_free and person.passwords.get(act.subject):
            return "a right app password was refused"
    return ""


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which this share of the values lies; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
