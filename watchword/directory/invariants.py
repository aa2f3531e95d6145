"""Checks of the rules about people that must hold at any time."""

from __future__ import annotations

from django.db.models import Count, F, Q

from watchword.core.policy import MfaState
from watchword.core.usernames import can_be_name, is_name_key
from watchword.directory.models import Organisation, SendAs, SignInName, User
from watchword.directory.roles import Role


def problems() -> list[str]:
    """Return every violated rule, one text for each."""
    return [
        *_administrators(),
        *_disabled_administrators(),
        *_emergency_access(),
        *_names(),
        *_alphabet(),
        *_mailboxes(),
        *_send_as(),
    ]


def _administrators() -> list[str]:
    # An organisation without any Global Administrator is still being set up; one with only blocked ones is locked out.
    holds = Q(users__role_assignments__role=Role.GLOBAL_ADMINISTRATOR)
    working = holds & Q(users__blocked_at=None, users__deleted_at=None)
    rows = Organisation.objects.annotate(
        any=Count("users", filter=holds, distinct=True), working=Count("users", filter=working, distinct=True)
    )
    return [f"I7 organisation {row.pk} has no working administrator" for row in rows if row.any and not row.working]


def _disabled_administrators() -> list[str]:
    disabled = User.objects.filter(mfa_state=MfaState.DISABLED, deleted_at=None).exclude(role_assignments=None)
    return [f"I10 administrator {name} is Disabled" for name in disabled.values_list("sign_in_name", flat=True)]


def _emergency_access() -> list[str]:
    marked = User.objects.exclude(emergency_since=None)
    powerless = marked.exclude(role_assignments__role=Role.GLOBAL_ADMINISTRATOR)
    return [
        f"I10 emergency access account {name} is no Global Administrator"
        for name in powerless.values_list("sign_in_name", flat=True)
    ]


def _names() -> list[str]:
    nameless = User.objects.filter(names=None).values_list("pk", flat=True)
    return [f"I3 person {pk} has no name to sign in with" for pk in nameless]


def _alphabet() -> list[str]:
    # Created before the alphabet was closed, or written outside Watchword: a person can't sign in with such a name.
    names = SignInName.objects.order_by("pk").values_list("user_id", "key").iterator()
    return [
        f"I3 person {pk} has the name {key!r}, which no sign-in name can be"
        for pk, key in names
        if not is_name_key(key)
    ]


def _mailboxes() -> list[str]:
    # A person without a mailbox has the one of the sign-in name, which must then not be another person's.
    shared = User.objects.filter(mailbox=None, sign_in_name__in=User.objects.exclude(mailbox=None).values("mailbox"))
    names = User.objects.exclude(mailbox=None).values_list("pk", "mailbox").iterator()
    return [
        *(f"I12 person {pk} has the mailbox of somebody else" for pk in shared.values_list("pk", flat=True)),
        *(
            f"I12 person {pk} has the mailbox {name!r}, which none can be"
            for pk, name in names
            if not can_be_name(name)
        ),
    ]


def _send_as() -> list[str]:
    # The right is valid only within one organisation, and never for a person's own address, which needs no right.
    strange = SendAs.objects.filter(
        ~Q(user__organisation=F("address__user__organisation")) | Q(user=F("address__user"))
    ).values_list("pk", flat=True)
    return [f"I9 right {pk} lets somebody write as nobody they may be let" for pk in strange]
