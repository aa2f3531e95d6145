"""Who may do what to whom: one table that code, tests and documentation share."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Role(StrEnum):
    """An administrative role; the values are stored."""

    GLOBAL_ADMINISTRATOR = "global_administrator"
    AUTHENTICATION_ADMINISTRATOR = "authentication_administrator"
    AUTHENTICATION_POLICY_ADMINISTRATOR = "authentication_policy_administrator"
    USER_ADMINISTRATOR = "user_administrator"
    HELPDESK_ADMINISTRATOR = "helpdesk_administrator"
    GLOBAL_READER = "global_reader"


class Act(StrEnum):
    """Something that an administrator can do."""

    SEE_PEOPLE = "see_people"
    SEE_SIGN_INS = "see_sign_ins"
    CREATE_PERSON = "create_person"
    IMPORT_PEOPLE = "import_people"
    EDIT_PERSON = "edit_person"
    BLOCK_PERSON = "block_person"
    DELETE_PERSON = "delete_person"
    RESET_PASSWORD = "reset_password"  # noqa: S105  (an act)
    CHANGE_MFA_STATE = "change_mfa_state"
    RESET_METHODS = "reset_methods"
    DELETE_APP_PASSWORDS = "delete_app_passwords"
    SIGN_OUT_EVERYWHERE = "sign_out_everywhere"
    UNLOCK = "unlock"
    CLOSE_ALERTS = "close_alerts"
    GIVE_ROLES = "give_roles"
    CHANGE_SETTINGS = "change_settings"


ROLE_NAMES: dict[Role, str | Promise] = {
    Role.GLOBAL_ADMINISTRATOR: _("Global Administrator"),
    Role.AUTHENTICATION_ADMINISTRATOR: _("Authentication Administrator"),
    Role.AUTHENTICATION_POLICY_ADMINISTRATOR: _("Authentication Policy Administrator"),
    Role.USER_ADMINISTRATOR: _("User Administrator"),
    Role.HELPDESK_ADMINISTRATOR: _("Helpdesk Administrator"),
    Role.GLOBAL_READER: _("Global Reader"),
}

_SEE = frozenset({Act.SEE_PEOPLE, Act.SEE_SIGN_INS})

MAY: dict[Role, frozenset[Act]] = {
    Role.GLOBAL_ADMINISTRATOR: frozenset(Act),
    Role.AUTHENTICATION_ADMINISTRATOR: _SEE
    | {
        Act.RESET_PASSWORD,
        Act.RESET_METHODS,
        Act.DELETE_APP_PASSWORDS,
        Act.SIGN_OUT_EVERYWHERE,
        Act.UNLOCK,
        Act.CLOSE_ALERTS,
    },
    Role.AUTHENTICATION_POLICY_ADMINISTRATOR: _SEE | {Act.CHANGE_MFA_STATE, Act.CHANGE_SETTINGS},
    Role.USER_ADMINISTRATOR: _SEE
    | {
        Act.CREATE_PERSON,
        Act.IMPORT_PEOPLE,
        Act.EDIT_PERSON,
        Act.BLOCK_PERSON,
        Act.DELETE_PERSON,
        Act.RESET_PASSWORD,
        Act.SIGN_OUT_EVERYWHERE,
        Act.CLOSE_ALERTS,
    },
    Role.HELPDESK_ADMINISTRATOR: _SEE | {Act.RESET_PASSWORD, Act.SIGN_OUT_EVERYWHERE, Act.UNLOCK, Act.CLOSE_ALERTS},
    Role.GLOBAL_READER: _SEE,
}
"""What each role may do at all."""

RANK: dict[Role, int] = {
    Role.GLOBAL_ADMINISTRATOR: 3,
    Role.AUTHENTICATION_POLICY_ADMINISTRATOR: 2,
    Role.AUTHENTICATION_ADMINISTRATOR: 2,
    Role.USER_ADMINISTRATOR: 2,
    Role.HELPDESK_ADMINISTRATOR: 1,
    Role.GLOBAL_READER: 1,
}
"""To whom: an act on a person is open to those whose highest rank is at least that person's; 0 is nobody's."""

ACTS_ON_NOBODY = frozenset(
    {
        Act.SEE_PEOPLE,
        Act.SEE_SIGN_INS,
        Act.CREATE_PERSON,
        Act.IMPORT_PEOPLE,
        Act.CHANGE_SETTINGS,
        Act.CLOSE_ALERTS,
    }
)
"""Acts that touch no particular person, so that rank does not matter."""


def rank(roles: Collection[Role]) -> int:
    """Return the highest rank among roles; 0 for somebody who administers nothing."""
    return max((RANK[role] for role in roles), default=0)


def may(roles: Collection[Role], act: Act, on: Collection[Role] | None = None) -> bool:
    """Whether somebody with these roles may do an act, to somebody who has the roles ``on``.

    ``on`` is None for an act on nobody in particular. A person of the same rank can be touched, one above cannot.
    """
    granting = [role for role in roles if act in MAY[role]]
    if not granting:
        return False
    if on is None or act in ACTS_ON_NOBODY:
        return True
    return rank(granting) >= rank(on)
