"""May this request pass? The answer to a proxy, by the rules of the host and the same decision as at every door."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

from watchword.core.decision import Account, Allow, AppRules, Attempt, decide
from watchword.core.path_rules import Needs, PathRule, read_rules, rule_for
from watchword.core.policy import AccountStatus, Door
from watchword.doors.forward_auth.host_lookup import HostFacts, Visitor
from watchword.doors.forward_auth.proxied_requests import ProxiedRequest
from watchword.signin import sessions
from watchword.signin.models import AppSignIn


@dataclass(frozen=True, slots=True)
class Pass:
    """The request passes; ``visitor`` is who asks, None for somebody unknown at a public path."""

    visitor: Visitor | None


@dataclass(frozen=True, slots=True)
class SignInFirst:
    """The person has to sign in, or to prove again; ``fresh_minutes`` is how new the proofs have to be, 0 for any."""

    fresh_minutes: int = 0


@dataclass(frozen=True, slots=True)
class Closed:
    """The person may not, whatever they prove."""


type Verdict = Pass | SignInFirst | Closed


def check(request: ProxiedRequest, facts: HostFacts, *, now: datetime) -> Verdict:
    """Return whether a request passes."""
    rule = rule_for(_rules(facts.rules), request.method, request.target)
    visitor = facts.visitor
    if rule is None:
        # The path can be read in several ways, so that no rule can be trusted to be about it.
        return Closed() if visitor is not None else SignInFirst()
    if rule.needs is Needs.PUBLIC and facts.is_enabled:
        return Pass(visitor)
    if visitor is None:
        return SignInFirst()
    if not facts.is_enabled or not visitor.is_assigned:
        return Closed()
    if rule.needs is Needs.GROUP and rule.group not in visitor.groups:
        return Closed()
    allowed = isinstance(decide(_attempt(facts, visitor, rule, now)), Allow) or _is_excused(facts, visitor, rule, now)
    return Pass(visitor) if allowed else SignInFirst(rule.minutes)


def _attempt(facts: HostFacts, visitor: Visitor, rule: PathRule, now: datetime) -> Attempt:
    oldest = [now - timedelta(minutes=rule.minutes)] if rule.needs is Needs.FRESH else []
    if facts.max_age_seconds is not None:
        oldest.append(now - timedelta(seconds=facts.max_age_seconds))
    return Attempt(
        account=Account(AccountStatus.ACTIVE, visitor.state),
        door=Door.FORWARD_AUTH,
        proven=visitor.evidence,
        app=AppRules(
            is_assigned=visitor.is_assigned,
            is_enabled=facts.is_enabled,
            second_factor_always=facts.second_factor_always or rule.needs is Needs.FRESH,
            not_before=max(oldest) if oldest else None,
        ),
    )


def _is_excused(facts: HostFacts, visitor: Visitor, rule: PathRule, now: datetime) -> bool:
    """Return whether a trusted network replaced the second factor of this sign-in, and still does.

    That is seldom, so it may read more: the session, and the networks of the organisation.
    """
    if not visitor.is_excused or facts.second_factor_always or rule.needs is Needs.FRESH:
        return False
    row = AppSignIn.objects.select_related("session__user__organisation").filter(pk=visitor.sign_in_id).first()
    if row is None or row.session is None or not sessions.is_alive(row.session, now=now):
        return False
    attempt = _attempt(facts, visitor, rule, now)
    without = replace(attempt.account, state=attempt.account.state.DISABLED)
    return isinstance(decide(replace(attempt, account=without)), Allow)


@lru_cache(maxsize=1024)
def _rules(text: str) -> tuple[PathRule, ...]:
    return read_rules(text)
