"""The changes that can be made to many people at once, with their explanations."""
# ruff: noqa: E501  (a sentence for translators is one string)

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy, ngettext

from watchword.core.policy import FactorKind, MfaState
from watchword.directory.models import User
from watchword.directory.roles import Act
from watchword.signin import actions


@dataclass(frozen=True, slots=True)
class Change:
    """A change that can be made to many people at once."""

    act: Act
    do: Callable[..., object]
    title: str | Promise
    about: str | Promise
    button: str | Promise
    state: MfaState | None = None
    touches: FactorKind | None = None
    asks_identity: bool = False
    """Whether the form asks how the administrator verified the identity of these people."""

    @property
    def may_tell(self) -> bool:
        """Return whether the administrator may choose to notify the people by mail: not when disabling."""
        return self.state in {MfaState.ENABLED, MfaState.ENFORCED}

    def notes(self, holdings: Mapping[FactorKind, int]) -> tuple[str, ...]:
        """Return in words how many credentials of a person the change removes; empty if it removes none."""
        number = holdings.get(self.touches, 0) if self.touches is not None else 0
        match self.touches:
            case FactorKind.PHONE:
                words = ngettext("%(number)d phone is removed", "%(number)d phones are removed", number)
            case FactorKind.APP_PASSWORD:
                words = ngettext("%(number)d app password is deleted", "%(number)d app passwords are deleted", number)
            case _:
                return ()
        return (words % {"number": number} if number else gettext("has none"),)


def _set(state: MfaState) -> Callable[..., object]:
    def do(user: User, **named: Any) -> object:
        return actions.set_mfa_state(user, state, **named)

    return do


CHANGES: dict[str, Change] = {
    "enable": Change(
        Act.CHANGE_MFA_STATE,
        _set(MfaState.ENABLED),
        gettext_lazy("Enable multi-factor authentication"),
        gettext_lazy(
            "At their next sign-in in a browser these people register a phone; from then on they are Enforced. Until then their own password goes on working in mail programs. Browsers are signed out now."
        ),
        gettext_lazy("Enable multi-factor authentication"),
        MfaState.ENABLED,
    ),
    "enforce": Change(
        Act.CHANGE_MFA_STATE,
        _set(MfaState.ENFORCED),
        gettext_lazy("Enforce multi-factor authentication"),
        gettext_lazy(
            "From now on mail programs need an app password, also those of people who have not registered yet: theirs stop at once, until they register. Browsers of people who were Disabled are signed out."
        ),
        gettext_lazy("Enforce multi-factor authentication"),
        MfaState.ENFORCED,
    ),
    "disable": Change(
        Act.CHANGE_MFA_STATE,
        _set(MfaState.DISABLED),
        gettext_lazy("Disable multi-factor authentication"),
        gettext_lazy(
            "From now on a password is enough everywhere. Phones stay registered. App passwords are suspended for good: enabling again does not revive them."
        ),
        gettext_lazy("Disable multi-factor authentication"),
        MfaState.DISABLED,
    ),
    "reset-methods": Change(
        Act.RESET_METHODS,
        actions.reset_methods,
        gettext_lazy("Require contact methods again"),
        gettext_lazy(
            "All phones of these people are removed and their browsers are signed out. You get a personal link for each of them, good once and for a day: with it and their password they register again, and without it nobody does. Mail programs go on with their app passwords."
        ),
        gettext_lazy("Require contact methods again"),
        touches=FactorKind.PHONE,
        asks_identity=True,
    ),
    "delete-app-passwords": Change(
        Act.DELETE_APP_PASSWORDS,
        actions.delete_app_passwords,
        gettext_lazy("Delete all app passwords"),
        gettext_lazy(
            "Every mail program of these people stops at once. They can make new app passwords. One alone is deleted in the person's panel."
        ),
        gettext_lazy("Delete all app passwords"),
        touches=FactorKind.APP_PASSWORD,
    ),
    "sign-out": Change(
        Act.SIGN_OUT_EVERYWHERE,
        actions.sign_out_everywhere,
        gettext_lazy("Sign out everywhere"),
        gettext_lazy(
            "All browsers of these people are signed out and open mail connections are closed. Passwords, phones and app passwords stay."
        ),
        gettext_lazy("Sign out everywhere"),
    ),
}
