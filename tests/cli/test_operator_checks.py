"""`watchword check` warns of what will not work although every process starts: phones, mail, kicks, sockets."""

from __future__ import annotations

import grp
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from watchword.cli.operator_checks import PROBE_MAILBOX, warnings, why_no_kick, why_not_enterable
from watchword.core.policy import Channel
from watchword.messaging.config_file import ConfiguredGateway, Phones
from watchword.messaging.worker.route_selection import Route

PYTHON = sys.executable


@pytest.fixture
def bare(settings: Any) -> Any:
    """Return the settings of an installation without gateways, mail and kick command."""
    settings.WATCHWORD_PHONES = Phones()
    settings.WATCHWORD_CAN_MAIL = False
    settings.WATCHWORD_MAIL = replace(settings.WATCHWORD_MAIL, kick=())
    return settings


def test_where_neither_codes_nor_mail_can_leave_it_is_said(bare: Any) -> None:
    said = list(warnings())
    assert said[0].startswith("no code can be sent, so nobody can register a phone: set WATCHWORD_PHONES_FILE")
    assert said[1].startswith("no mail can be sent, so nobody is warned of anything: set WATCHWORD_SMTP_URL")
    assert len(said) == 2


def test_a_phones_file_without_calls_is_said_to_carry_none(bare: Any) -> None:
    bare.WATCHWORD_CAN_MAIL = True
    bare.WATCHWORD_PHONES = Phones((ConfiguredGateway(Route("texts", frozenset({Channel.SMS})), "smpp", None),))
    assert list(warnings()) == ["no calls can be sent: the phones file names no channel for them"]


def test_a_kick_that_can_t_run_is_found_before_a_person_is_blocked(bare: Any) -> None:
    bare.WATCHWORD_CAN_MAIL = True
    bare.WATCHWORD_MAIL = replace(bare.WATCHWORD_MAIL, kick=("/nonexistent/doveadm", "kick", "{user}"))
    assert list(warnings())[-1] == (
        "open mail connections of blocked people can't be closed: /nonexistent/doveadm can't be run "
        "(No such file or directory) (WATCHWORD_MAIL_KICK)"
    )


def test_the_kick_is_tried_for_a_name_that_no_mailbox_has() -> None:
    asked = f"import sys; sys.exit(0 if sys.argv[1] == {PROBE_MAILBOX!r} else 3)"
    assert why_no_kick((PYTHON, "-c", asked, "{user}")) is None
    assert why_no_kick((PYTHON, "-c", "raise SystemExit(68)", "{user}")) is None
    refused = "import sys; print('anvil failed', file=sys.stderr); sys.exit(75)"
    assert why_no_kick((PYTHON, "-c", refused, "{user}")) == f"{PYTHON} returned 75: anvil failed"


def test_the_kick_is_tried_without_the_secrets_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHWORD_KEYS", "hunter2")
    asked = "import os, sys; sys.exit(5 if 'WATCHWORD_KEYS' in os.environ else 0)"
    assert why_no_kick((PYTHON, "-c", asked, "{user}")) is None


def test_sockets_that_their_group_can_t_reach_are_found(tmp_path: Path) -> None:
    mine = grp.getgrgid(os.getgid()).gr_name
    folder = tmp_path / "mail"
    assert why_not_enterable(folder, mine) is None, "it will be made rightly"
    folder.mkdir(mode=0o700)
    assert f"the group {mine} may not enter {folder}" in (why_not_enterable(folder, mine) or "")
    folder.chmod(0o710)
    assert why_not_enterable(folder, mine) is None
    assert why_not_enterable(folder, "nogroupofthisname") == "there is no group nogroupofthisname"
