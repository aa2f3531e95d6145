"""The demo's folder and ports: one demo at a time, only a demo's data is removed, every mistake has a clear message."""

from __future__ import annotations

import socket
from argparse import ArgumentTypeError
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.core.management import CommandError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from watchword.demo import card, home, mailbox_store, ports
from watchword.demo.management.commands.demo import Command
from watchword.demo.sample import Made


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Iterator[Path]:
    settings.WATCHWORD_HOME = tmp_path
    (tmp_path / home.DATABASE).write_bytes(b"rows")
    own = {**connection.settings_dict, "NAME": tmp_path / home.DATABASE}
    # The tests' own connection stays open: the removed data lie in a folder of the test.
    with mock.patch.object(connection, "settings_dict", own), mock.patch.object(connection, "close"):
        yield tmp_path


@pytest.mark.django_db
def test_what_no_demo_made_is_never_forgotten(folder: Path) -> None:
    with pytest.raises(home.CannotUse, match="no demo made, so nothing was removed"):
        home.forget(folder)
    assert (folder / home.DATABASE).read_bytes() == b"rows"


def test_a_database_elsewhere_is_never_forgotten(folder: Path) -> None:
    card.begin(folder)
    with (
        mock.patch.object(connection, "settings_dict", {"NAME": "watchword"}),
        pytest.raises(home.CannotUse, match="WATCHWORD_DATABASE_URL"),
    ):
        home.forget(folder)
    assert (folder / home.DATABASE).exists()


def test_beginning_anew_forgets_data_card_and_mails_and_keeps_the_rest(folder: Path) -> None:
    card.keep(folder, Made({"root": "secret"}, "letters"))
    ports.keep(folder, ports.Ports(web=1))
    mailbox_store.deliver("alice@harbour.example", b"Subject: x\n\nx")
    (folder / "notes.txt").write_text("mine")
    home.forget(folder)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_a_demo_that_was_interrupted_while_it_was_made_can_begin_anew(folder: Path) -> None:
    card.begin(folder)
    assert card.stored(folder) is None
    home.forget(folder)
    assert not (folder / home.DATABASE).exists()


def test_two_demos_never_share_a_folder(tmp_path: Path) -> None:
    with (
        home.hold(tmp_path / "new"),
        pytest.raises(home.CannotUse, match="another demo runs"),
        home.hold(tmp_path / "new"),
    ):
        pytest.fail("both came in")
    with home.hold(tmp_path / "new"):
        assert (tmp_path / "new" / home.LOCK).exists()


@pytest.mark.parametrize("typed", ["0", "-1", "65536", "99999999999", "", "abc", "80 80", "1e3"])
def test_what_is_no_port_is_said_in_words(typed: str) -> None:
    with pytest.raises(ArgumentTypeError, match="is no port; expected a number from 1 to 65535"):
        ports.port(typed)


def test_a_port_that_another_process_has_is_not_free() -> None:
    with socket.socket() as taken:
        taken.bind((ports.HOST, 0))
        taken.listen()
        number = taken.getsockname()[1]
        assert ports.why_not_free(number) == "is in use"
    assert ports.why_not_free(number) == ""


@pytest.mark.parametrize("words", ["", "{", "[]", '{"web": 1, "more": 2}'])
def test_ports_that_were_kept_badly_are_the_usual_ones(tmp_path: Path, words: str) -> None:
    (tmp_path / ports.FILE).write_text(words)
    assert ports.stored(tmp_path) == ports.Ports()
    ports.keep(tmp_path, ports.Ports(web=1, imap=2, submission=3))
    assert ports.stored(tmp_path) == ports.Ports(1, 2, 3)


def test_the_demo_of_another_version_names_the_way_to_begin_anew(db: None, tmp_path: Path) -> None:
    MigrationRecorder(connection).record_applied("delivery", "0001_initial")
    with pytest.raises(CommandError, match="another version of Watchword; begin anew: make demo RESET=1"):
        Command()._made(tmp_path)
