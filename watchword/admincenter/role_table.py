"""The table of roles and their permissions, as the page and the documentation show it."""

from __future__ import annotations

from watchword.admincenter.labels import ACT_NAMES
from watchword.directory.roles import ACTS_WITHOUT_TARGET, MAY, MAY_TOUCH, ROLE_NAMES, WHOM_NAMES, Act, Role, Whom

type Row = tuple[str, list[bool]]


def names() -> list[str]:
    """Return the names of the roles, in the order of the columns."""
    return [str(ROLE_NAMES[role]) for role in Role]


def rows() -> list[Row]:
    """Return each act with the roles that may do it."""
    return [(str(ACT_NAMES[act]), [act in MAY[role] for role in Role]) for act in Act]


def whom_rows() -> list[Row]:
    """Return each relation of a person to an administrator, with the roles that may act on such people."""
    return [(str(WHOM_NAMES[whom]), [whom in MAY_TOUCH[role] for role in Role]) for whom in Whom]


_PAGE = """\
# Who may do what to whom

<!-- Written by `watchword role_table`; a test holds it to the table that the code asks. -->

The same table stands in the admin center under *Roles*, and answers every question in the code.

{table}

Somebody with several roles may do what any of them allows.

## To whom

An act on a person is open where this table says yes, for what that person is:

{whom}

- Two roles at the same height don't reach each other: an Authentication Administrator can't reset a User Administrator,
  nor the other way round. The table is that of Microsoft Entra (see ADR 0063).
- Of somebody with several roles every one must be reached, so that the most powerful one counts.
- Only a role that allows the act counts, and it must reach the person by itself: a User Administrator who is also a
  Helpdesk Administrator unlocks only whom a Helpdesk Administrator may unlock.
- There are no groups with roles yet; when there are, only Global Administrators will reach their members.

It doesn't matter whom for acts on nobody in particular:

{without_target}

Nobody gives or takes a role that they don't reach. The last Global Administrator who can sign in keeps the role, and
can be neither blocked nor deleted; `watchword createadmin` on the server's console makes another one.
"""


def markdown() -> str:
    """Return the page ``docs/admin/roles.md``."""
    without_target = [f"- {ACT_NAMES[act]}" for act in Act if act in ACTS_WITHOUT_TARGET]
    return _PAGE.format(table=_table(rows()), whom=_table(whom_rows()), without_target="\n".join(without_target))


def _table(lines: list[Row]) -> str:
    head = [f"| | {' | '.join(names())} |", "|---|" + ":-:|" * len(names())]
    return "\n".join(
        head + [f"| {name} | {' | '.join('yes' if may else 'no' for may in row)} |" for name, row in lines]
    )
