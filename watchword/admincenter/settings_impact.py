"""The number of people affected by a change of the service settings, shown before it is saved."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import QuerySet
from django.utils.translation import ngettext

from watchword.core.policy import MfaState
from watchword.directory.models import Organisation, User
from watchword.signin import queries


def told_before_saving(organisation: Organisation, values: Mapping[str, object]) -> list[str]:
    """Return one sentence for each feature that these values switch off, with the number of people affected."""
    people = User.objects.filter(organisation=organisation, deleted_at=None)
    protected = people.exclude(mfa_state=MfaState.DISABLED)
    said = []
    if _is_switched_off(organisation, values, "call_allowed"):
        number = protected.filter(pk__in=queries.call_only_users(organisation.pk)).count()
        said += _sentence(
            number,
            ngettext(
                "%(number)d person has phones that take calls alone: they can't sign in until you have helped them.",
                "%(number)d people have phones that take calls alone: they can't sign in until you have helped them.",
                number,
            ),
        )
    if _is_switched_off(organisation, values, "text_allowed"):
        number = _registered(protected, organisation)
        said += _sentence(
            number,
            ngettext(
                "%(number)d person gets calls from now on, and no texts.",
                "%(number)d people get calls from now on, and no texts.",
                number,
            ),
        )
    if _is_switched_off(organisation, values, "app_passwords_allowed"):
        number = people.filter(pk__in=queries.app_password_users(organisation.pk)).count()
        said += _sentence(
            number,
            ngettext(
                "%(number)d person has app passwords: their mail programs stop at once.",
                "%(number)d people have app passwords: their mail programs stop at once.",
                number,
            ),
        )
    if _is_switched_off(organisation, values, "account_password_in_mail_while_enabled"):
        number = people.filter(mfa_state=MfaState.ENABLED).count()
        said += _sentence(
            number,
            ngettext(
                "%(number)d person is Enabled: their mail programs stop until they have registered.",
                "%(number)d people are Enabled: their mail programs stop until they have registered.",
                number,
            ),
        )
    return said


def _is_switched_off(organisation: Organisation, values: Mapping[str, object], name: str) -> bool:
    return bool(getattr(organisation, name)) and not values.get(name, True)


def _registered(people: QuerySet[User], organisation: Organisation) -> int:
    reached_by_calls = queries.call_only_users(organisation.pk)
    registered = people.filter(pk__in=queries.registered_users(organisation.pk))
    return registered.exclude(pk__in=reached_by_calls).count()


def _sentence(number: int, words: str) -> list[str]:
    return [words % {"number": number}] if number else []
