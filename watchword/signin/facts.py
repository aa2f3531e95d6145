"""Copies rows into the small immutable values on which decisions are based, and evidence back into rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from watchword.core.assurance import Evidence
from watchword.core.decision import Account, Attempt
from watchword.core.factors import SetupContext
from watchword.core.lockout import Count, Lock, stand
from watchword.core.policy import AccountStatus, Channel, Door, FactorKind, MfaState, Policy
from watchword.directory.models import Domain, Organisation, User
from watchword.factors import vault
from watchword.factors.access_pass import factor as access_pass
from watchword.factors.phone.factor import channels_of
from watchword.factors.vault import StoredCredential
from watchword.messaging import send
from watchword.messaging.models import Delivery
from watchword.signin.models import FailureCount, Purpose, SignInAttempt

PROVING = (FactorKind.PASSWORD, FactorKind.PHONE, FactorKind.ACCESS_PASS)
"""The kinds of credentials that can be presented in a browser."""
LATELY = timedelta(days=1)
UNKNOWN_ACCOUNT = Account(standing=AccountStatus.UNKNOWN, state=MfaState.DISABLED)


def read_evidence(rows: Iterable[dict[str, Any]]) -> tuple[Evidence, ...]:
    """Return the evidence that a row stores as JSON."""
    return tuple(
        Evidence(
            FactorKind(row["kind"]),
            datetime.fromisoformat(row["at"]),
            Channel(row["channel"]) if row.get("channel") else None,
        )
        for row in rows
    )


def write_evidence(evidence: Iterable[Evidence], *, address: str = "") -> list[dict[str, str]]:
    """Return evidence as the JSON that a row stores, with the address that presented it where that matters."""
    shown_from = {"address": address} if address else {}
    return [
        {
            "kind": proof.kind.value,
            "at": proof.at.isoformat(),
            "channel": proof.channel.value if proof.channel else "",
            **shown_from,
        }
        for proof in evidence
    ]


def setup_context_of(user: User) -> SetupContext:
    """Return the setup context of this person: what a factor needs to know to set up a method."""
    local, _, domain = user.sign_in_name.partition("@")
    words = (local, domain.split(".", maxsplit=1)[0], user.organisation.name, *user.display_name.split())
    return SetupContext(
        policy=user.organisation.policy,
        region=user.organisation.region,
        context_words=(*words, *user.organisation.name.split(), *user.organisation.policy.banned_words),
        has_second_factor=user.state is MfaState.ENFORCED,
    )


def proven_phones(data: Sequence[StoredCredential]) -> list[StoredCredential]:
    """Return the phones that count as a second factor: those that were not added with the password alone."""
    return [
        stored for stored in data if stored.data.kind is FactorKind.PHONE and not stored.data.public.get("unproven")
    ]


def usable_phones(user: User, data: Sequence[StoredCredential]) -> list[StoredCredential]:
    """Return the proven phones that can get a code today, in the order mobile, alternate, office."""
    return reachable(user, proven_phones(data))


def reachable(user: User, data: Sequence[StoredCredential]) -> list[StoredCredential]:
    """Return the phones among these that can get a text or call today, in the order mobile, alternate, office."""
    setup_context = setup_context_of(user)
    phones = [
        stored for stored in data if stored.data.kind is FactorKind.PHONE and channels_of(stored.data, setup_context)
    ]
    order = ("mobile", "alternate", "office")
    return sorted(phones, key=lambda stored: order.index(stored.data.slot))


def account_of(user: User, data: Sequence[StoredCredential], now: datetime) -> Account:
    """Return the facts about one account that a decision needs."""
    methods: set[FactorKind] = {
        stored.data.kind for stored in data if stored.is_alive and _proves_as_it_is(stored, now)
    }
    if usable_phones(user, data):
        methods.add(FactorKind.PHONE)
    is_registered = bool(proven_phones(data))
    password = next((stored for stored in data if stored.data.kind is FactorKind.PASSWORD), None)
    is_initial = password is not None and bool(password.data.public.get("initial"))
    lifetime = timedelta(seconds=user.organisation.policy.limits.initial_password_seconds)
    return Account(
        standing=user.standing,
        state=user.state,
        methods=frozenset(methods),
        is_registered=is_registered,
        had_second_factor=is_registered or user.had_second_factor_at is not None,
        is_administrator=user.is_administrator,
        is_emergency_access=user.is_emergency_access,
        waits_for_app_password=user.waits_for_app_password(now),
        password_is_initial=is_initial,
        password_has_expired=is_initial and password is not None and now - password.created_at > lifetime,
        password_is_known=password is not None and bool(password.data.public.get("known")),
        password_is_short=password is not None and bool(password.data.public.get("short")),
    )


def _proves_as_it_is(stored: StoredCredential, now: datetime) -> bool:
    match stored.data.kind:
        case FactorKind.PHONE:
            return False
        case FactorKind.ACCESS_PASS:
            return access_pass.is_open(stored.data, now)
        case _:
            return True


def attempt_facts(
    attempt: SignInAttempt,
    *,
    now: datetime,
    data: Sequence[StoredCredential] | None = None,
    more: tuple[Evidence, ...] = (),
) -> Attempt:
    """Return the facts about an attempt that a decision needs, with ``more`` evidence that isn't stored yet."""
    user = attempt.user
    if user is None:
        attempt.dummy_user = attempt.dummy_user or dummy_user()
        _ask_about(attempt.dummy_user, now)
        return Attempt(UNKNOWN_ACCOUNT, Door(attempt.door), Policy())
    if data is None:
        data = vault.holdings(user, kinds=PROVING)
    policy = user.organisation.policy
    proven = still_proven(attempt, data) + more
    showed_pass = any(proof.kind is FactorKind.ACCESS_PASS for proof in proven)
    return Attempt(
        account=account_of(user, data, now),
        door=Door(attempt.door),
        policy=policy,
        proven=proven,
        from_trusted_network=_is_from_trusted_network(attempt, policy),
        is_recovery=attempt.purpose == Purpose.RECOVER,
        second_factor=second_factor_lock(user, now=now),
        can_register=not showed_pass or _can_register(user, now),
        is_confirmation=attempt.purpose == Purpose.CONFIRM,
    )


def _is_from_trusted_network(attempt: SignInAttempt, policy: Policy) -> bool:
    """Return whether this request, and each one that proved something in this attempt, came from a trusted network.

    The request that typed the name doesn't matter. Before a dangerous action a network never replaces a proof.
    """
    addresses = [attempt.address, *(str(row.get("address", "")) for row in attempt.evidence)]
    return attempt.purpose == Purpose.SIGN_IN and all(policy.trusts(address) for address in addresses)


def _can_register(user: User, now: datetime) -> bool:
    """Return whether a code could be sent to a new phone and arrive.

    Administrators must be able to repair the gateways: where no code was typed lately, their sign-in doesn't depend on
    one.
    """
    if not user.organisation.policy.channels & send.channels_carried():
        return False
    lately = Delivery.objects.filter(organisation_id=user.organisation_id, entered_at__gt=now - LATELY)
    return not user.is_administrator or lately.exists()


def dummy_user() -> User:
    """Return a dummy user that isn't in the database, for running the same queries as for a real one.

    However long the queries take, they take equally long for an unknown name.
    """
    return User(pk=UUID(int=0), organisation=Organisation())


def _ask_about(user: User, now: datetime) -> None:
    account_of(user, vault.holdings(user, kinds=PROVING), now)
    second_factor_lock(user, now=now)


def policy_for(user: User | None, key: str) -> Policy:
    """Return the policy for a typed name: the person's, or the one of its domain, so that both meet the same limits.

    The domain is queried in either case, so that both take equally long.
    """
    domain = Domain.objects.select_related("organisation").filter(name=key.rpartition("@")[2]).first()
    if user is not None:
        return user.organisation.policy
    return domain.organisation.policy if domain is not None else Policy()


def still_proven(attempt: SignInAttempt, data: Sequence[StoredCredential]) -> tuple[Evidence, ...]:
    """Return the evidence of an attempt; it is void once the password on which it rests was replaced.

    An attempt to recover an account rests on the account having no password.
    """
    password = next((stored.id for stored in data if stored.data.kind is FactorKind.PASSWORD), None)
    if attempt.purpose == Purpose.RECOVER:
        return read_evidence(attempt.evidence) if password is None else ()
    if attempt.password_version is None or attempt.password_version != password:
        return ()
    return read_evidence(attempt.evidence)


def code_key(user: User) -> str:
    """Return the key under which a person's failed codes are counted."""
    return f"code:{user.pk}"


def second_factor_lock(user: User, *, now: datetime) -> Lock:
    """Return whether this person's second factor may be tried now."""
    row = FailureCount.objects.filter(pk=code_key(user)).first()
    return stand(read_count(row), user.organisation.policy.limits, now)


def read_count(row: FailureCount | None) -> Count:
    """Return a failure count as a value."""
    if row is None:
        return Count()
    return Count(tuple(datetime.fromisoformat(text) for text in row.failures), row.locked_at, row.in_a_row)
