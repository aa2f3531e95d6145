"""Which role may do what to whom, cell by cell: the expected answers are written here, not derived from the table."""

from __future__ import annotations

import pytest

from watchword.directory.roles import ACTS_WITHOUT_TARGET, MAY, MAY_TOUCH, Act, Role, Whom, may

TO_WHOM = """
                                    none  global  auth  policy  user  helpdesk  reader  group
global_administrator                yes   yes     yes   yes     yes   yes       yes     yes
authentication_administrator        yes   no      yes   no      no    no        no      no
authentication_policy_administrator yes   no      yes   yes     yes   yes       yes     no
user_administrator                  yes   no      no    no      yes   yes       no      no
helpdesk_administrator              yes   no      no    no      no    yes       no      no
global_reader                       no    no      no    no      no    no        no      no
"""
COLUMNS = dict(zip(TO_WHOM.split("\n")[1].split(), Whom, strict=True))
CELLS = [
    (Role(role), whom, answer == "yes")
    for role, *answers in (line.split() for line in TO_WHOM.strip().split("\n")[1:])
    for whom, answer in zip(COLUMNS.values(), answers, strict=True)
]
ON_PEOPLE = [act for act in Act if act not in ACTS_WITHOUT_TARGET]


@pytest.mark.parametrize(("role", "whom", "reaches"), CELLS)
def test_each_cell_of_the_table_of_whom_is_as_written_here(role: Role, whom: Whom, reaches: bool) -> None:
    assert (whom in MAY_TOUCH[role]) is reaches


def test_no_cell_is_left_out() -> None:
    assert {(role, whom) for role, whom, _reaches in CELLS} == {(role, whom) for role in Role for whom in Whom}


@pytest.mark.parametrize("act", list(Act))
def test_an_act_on_a_person_follows_both_tables(act: Act) -> None:
    for role, whom, reaches in CELLS:
        if whom is Whom.ROLE_GROUP:
            continue
        on = frozenset() if whom is Whom.NO_ROLE else frozenset({Role(whom.value)})
        assert may({role}, act, on) is (act in MAY[role] and (act in ACTS_WITHOUT_TARGET or reaches)), (role, whom)


@pytest.mark.parametrize("act", list(Act))
def test_a_person_without_a_role_may_nothing(act: Act) -> None:
    assert not may(frozenset(), act)
    assert not may(frozenset(), act, frozenset())


def test_equal_rank_is_no_permission() -> None:
    """Three roles of equal rank: none of them can take over an account of another one."""
    authentication, users, policy = (
        {Role.AUTHENTICATION_ADMINISTRATOR},
        {Role.USER_ADMINISTRATOR},
        {Role.AUTHENTICATION_POLICY_ADMINISTRATOR},
    )
    for act in ON_PEOPLE:
        for actor, other in [
            (authentication, users),
            (authentication, policy),
            (users, authentication),
            (users, policy),
        ]:
            assert not may(actor, act, other), (actor, act, other)


@pytest.mark.parametrize("above", [Role.GLOBAL_ADMINISTRATOR, Role.AUTHENTICATION_ADMINISTRATOR, Role.GLOBAL_READER])
def test_the_most_powerful_role_of_the_other_person_counts(above: Role) -> None:
    helpdesk = Role.HELPDESK_ADMINISTRATOR
    assert may({helpdesk}, Act.RESET_PASSWORD, {helpdesk})
    assert not may({helpdesk}, Act.RESET_PASSWORD, {helpdesk, above})
    assert not may({Role.USER_ADMINISTRATOR}, Act.BLOCK_PERSON, {helpdesk, above})


def test_only_the_role_that_allows_the_act_counts() -> None:
    """A User Administrator who is also a Helpdesk Administrator unlocks only targets of a Helpdesk Administrator."""
    both = {Role.USER_ADMINISTRATOR, Role.HELPDESK_ADMINISTRATOR}
    assert may({Role.USER_ADMINISTRATOR}, Act.BLOCK_PERSON, {Role.USER_ADMINISTRATOR})
    assert not may({Role.USER_ADMINISTRATOR}, Act.UNLOCK)
    assert may(both, Act.UNLOCK, {Role.HELPDESK_ADMINISTRATOR})
    assert not may(both, Act.UNLOCK, {Role.USER_ADMINISTRATOR})


def test_what_two_roles_reach_is_not_added_up() -> None:
    """A target with two roles must be within reach of one role of the actor; two roles together don't suffice."""
    both = {Role.AUTHENTICATION_ADMINISTRATOR, Role.HELPDESK_ADMINISTRATOR}
    assert may(both, Act.RESET_PASSWORD, {Role.AUTHENTICATION_ADMINISTRATOR})
    assert may(both, Act.RESET_PASSWORD, {Role.HELPDESK_ADMINISTRATOR})
    assert not may(both, Act.RESET_PASSWORD, both)


def test_a_person_who_only_reads_acts_on_nobody() -> None:
    assert not any(may({Role.GLOBAL_READER}, act, frozenset()) for act in ON_PEOPLE)
    assert may({Role.GLOBAL_READER}, Act.SEE_PEOPLE, {Role.GLOBAL_ADMINISTRATOR})
