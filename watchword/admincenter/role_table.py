"""The table of who may do what to whom, as the page and the documentation show it."""

from __future__ import annotations

from django.utils.translation import gettext as _

from watchword.admincenter.words import ACT_NAMES
from watchword.directory.roles import ACTS_ON_NOBODY, MAY, RANK, ROLE_NAMES, Act, Role

type Row = tuple[str, list[bool]]


def names() -> list[str]:
    """Return the names of the roles, in the order of the columns."""
    return [str(ROLE_NAMES[role]) for role in Role]


def rows() -> list[Row]:
    """Return each act with whether each role may do it."""
    return [(str(ACT_NAMES[act]), [act in MAY[role] for role in Role]) for act in Act]


def ranks() -> list[tuple[str, list[str]]]:
    """Return each rank, the highest first, with the roles that have it."""
    words = {3: _("highest"), 2: _("middle"), 1: _("lowest"), 0: _("none")}
    levels = sorted({*RANK.values(), 0}, reverse=True)
    return [
        (words[level], [str(ROLE_NAMES[role]) for role in Role if RANK[role] == level] or [_("people without a role")])
        for level in levels
    ]


_PAGE = """\
# Who may do what to whom

<!-- Written by `watchword role_table`; a test holds it to the table that the code asks. -->

The same table stands in the admin center under *Roles*, and answers every question in the code.

{table}

Somebody with several roles may do what any of them allows.

## To whom

An act on a person is open to those whose role stands at least as high as that person's highest one. Only a role that
allows the act counts: a User Administrator who is also a Helpdesk Administrator unlocks whom a Helpdesk Administrator
may unlock.

{ranks}

Rank doesn't matter for acts on nobody in particular:

{on_nobody}

Nobody gives or takes a role that stands above their own. The last Global Administrator who can sign in keeps the role,
and can be neither blocked nor deleted; `watchword createadmin` on the server's console makes another one.
"""


def markdown() -> str:
    """Return the page ``docs/admin/roles.md``."""
    table = [f"| | {' | '.join(names())} |", "|---|" + ":-:|" * len(names())]
    table += [f"| {act} | {' | '.join('yes' if may else 'no' for may in answers)} |" for act, answers in rows()]
    levels = ["| rank | roles |", "|---|---|", *(f"| {rank} | {', '.join(several)} |" for rank, several in ranks())]
    on_nobody = [f"- {ACT_NAMES[act]}" for act in Act if act in ACTS_ON_NOBODY]
    return _PAGE.format(table="\n".join(table), ranks="\n".join(levels), on_nobody="\n".join(on_nobody))
