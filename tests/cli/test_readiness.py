"""A database is not served with a key ring that can't open it, nor by a program older or newer than its schema."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from django.utils import timezone

from tests.commands import watchword
from watchword.audit import installation
from watchword.audit.models import Release, SealingKey
from watchword.cli import readiness
from watchword.config import keyfile
from watchword.core.keyring import KeyRing

COMMANDS = (
    ["serve"],
    ["serve", "web"],
    ["serve", "mail"],
    ["serve", "worker"],
    ["check"],
    ["verify"],
    ["createadmin", "root@harbour.example"],
    ["import-people", "/nonexistent"],
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home of a new installation, made by two commands."""
    home = tmp_path_factory.mktemp("made")
    for words in (["keys", "create"], ["migrate", "--verbosity", "0"]):
        done = watchword(*words, home=home)
        assert done.returncode == 0, done.stderr
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """Return a copy of the installation that a test may damage."""
    return Path(shutil.copytree(made, tmp_path / "home"))


def sql(home: Path, statement: str) -> None:
    database = sqlite3.connect(home / "watchword.sqlite3")
    database.execute(statement)
    database.commit()
    database.close()


def refusals(home: Path, commands: tuple[list[str], ...] = COMMANDS, **variables: str) -> set[str]:
    """Return the error messages without the command's name; check that each command fails without a traceback."""
    said = set()
    for words in commands:
        done = watchword(*words, home=home, **variables)
        assert done.returncode == 1, (words, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        first = done.stderr.splitlines()[0]
        said.add(first.partition(": ")[2])
    return said


def test_a_ring_that_can_t_open_the_database_is_refused_by_every_command_in_one_sentence(home: Path) -> None:
    lost = keyfile.read(home / "keys").keys[0].id
    (home / "keys").unlink()
    keyfile.create(home / "keys")
    (said,) = refusals(home, (*COMMANDS, ["migrate"]))
    assert said == (
        f"this database was sealed with the key {lost}, which is not on the ring in {home / 'keys'}; restore that file "
        "from its copy. Where no copy is left, `watchword keys give-up` tells what can be done."
    )


def test_a_missing_ring_leads_to_its_copy_and_not_to_a_new_one(home: Path) -> None:
    (home / "keys").unlink()
    for words in (["serve"], ["check"], ["migrate"]):
        said = watchword(*words, home=home).stderr
        assert "that file, restored from its copy; only for a new database, run `watchword keys create` first" in said
    assert watchword("keys", "create", home=home).returncode == 1
    assert not (home / "keys").exists()


def test_a_database_of_a_newer_release_is_refused_by_name(home: Path) -> None:
    sql(home, "INSERT INTO django_migrations (app, name, applied) VALUES ('signin', '0999_future', '2030-01-01')")
    sql(home, "UPDATE audit_release SET migrated_by = '9.1.0', lowest = '9.0.0'")
    (said,) = refusals(home, (["serve"], ["check"], ["migrate"]))
    assert said == "this database was migrated by 9.1.0 and needs Watchword 9.0.0 or newer; this is Watchword 0.1.0."


def test_the_previous_release_goes_on_where_a_migration_only_expanded(home: Path) -> None:
    sql(home, "INSERT INTO django_migrations (app, name, applied) VALUES ('signin', '0999_future', '2030-01-01')")
    sql(home, "UPDATE audit_release SET migrated_by = '0.2.0', lowest = '0.1.0'")
    done = watchword("check", home=home)
    assert done.returncode == 0, done.stderr


def test_migrations_of_an_unknown_origin_are_refused(home: Path) -> None:
    sql(home, "INSERT INTO django_migrations (app, name, applied) VALUES ('signin', '0999_future', '2030-01-01')")
    sql(home, "DELETE FROM audit_release")
    (said,) = refusals(home, (["check"], ["serve", "mail"]))
    assert said == "this database was migrated by a newer release and needs that release; this is Watchword 0.1.0."


def test_a_database_that_waits_for_migrations_is_refused(home: Path) -> None:
    sql(home, "DELETE FROM django_migrations WHERE app = 'alerts'")
    (said,) = refusals(home, (["check"], ["serve", "worker"]))
    assert said == "the database isn't up to date; run `watchword migrate` first."


def test_a_mistyped_path_makes_no_file(home: Path) -> None:
    typo = home / "watchwrod.sqlite3"
    (said,) = refusals(home, (["check"], ["serve"]), WATCHWORD_DATABASE_URL=f"sqlite://{typo}")
    assert said.startswith(f"there is no database at {typo}. If it should be there, correct WATCHWORD_DATABASE_URL")
    assert not typo.exists()


def test_an_empty_database_is_said_to_be_empty(home: Path) -> None:
    (home / "watchword.sqlite3").unlink()
    (home / "watchword.sqlite3").touch()
    (said,) = refusals(home, (["check"], ["serve", "web"]))
    assert said == "the database is empty; run `watchword migrate` first, or correct WATCHWORD_DATABASE_URL."


def test_a_file_that_is_no_database_is_named_by_its_code(home: Path) -> None:
    (home / "watchword.sqlite3").write_bytes(b"no database at all" * 100)
    (said,) = refusals(home, (["check"], ["serve", "mail"], ["verify"]))
    assert said == "the database can't be used: file is not a database (SQLITE_NOTADB)."


def test_a_database_that_does_not_answer_is_told_without_its_address(home: Path) -> None:
    nowhere = "postgresql://watchword:hunter2@127.0.0.1:1/watchword"
    (said,) = refusals(home, (["check"], ["serve"], ["verify"], ["migrate"]), WATCHWORD_DATABASE_URL=nowhere)
    assert said == "the database can't be used: unreachable (OperationalError)."


def test_a_key_that_cannot_be_noted_is_one_sentence(home: Path) -> None:
    sql(home, "DELETE FROM audit_sealingkey")
    sql(
        home,
        "CREATE TRIGGER refused BEFORE INSERT ON audit_sealingkey BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    writing = tuple(words for words in COMMANDS if words not in (["check"], ["verify"]))
    (said,) = refusals(home, writing)
    assert said == "the database can't be used: SQLITE_CONSTRAINT."


def test_a_database_that_may_not_be_written_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests may run as root, who may write every file, so ``os.access`` is replaced by the answer for another user."""
    monkeypatch.setattr(readiness, "_path", lambda: home / "watchword.sqlite3")
    monkeypatch.setattr(readiness, "is_sqlite", lambda: True)
    monkeypatch.setattr(os, "access", lambda place, _mode: place == home)
    said = readiness.why_unusable() or ""
    assert said.startswith(f"this user may not read and write {home / 'watchword.sqlite3'}; see whose it is")


@pytest.mark.django_db
def test_a_key_is_missed_until_it_is_retired() -> None:
    old = KeyRing.create(random_source=os.urandom)
    new = old.with_new_key().using(old.with_new_key().keys[0].id)
    now = timezone.now()
    assert installation.register_key(old, now=now)
    assert not installation.register_key(old, now=now)
    other = KeyRing.create(random_source=os.urandom)
    assert old.keys[0].id in installation.missing_keys(other)
    assert old.keys[0].id not in installation.missing_keys(new)
    installation.forget_keys([old.keys[0].id], now=now)
    assert old.keys[0].id not in installation.missing_keys(other)


@pytest.mark.django_db
def test_another_key_of_the_same_id_opens_nothing() -> None:
    ring = KeyRing.create(random_source=os.urandom)
    installation.register_key(ring, now=timezone.now())
    twin = KeyRing.parse(f"v1:{ring.keys[0].id}:{'A' * 43}=", random_source=os.urandom)
    assert ring.keys[0].id in installation.missing_keys(twin)
    assert SealingKey.objects.filter(key_id=ring.keys[0].id).exists()


@pytest.mark.django_db
def test_the_numbers_of_a_release_never_fall() -> None:
    Release.objects.all().delete()
    for release, noted in (("0.9.0", "0.9.0"), ("0.10.0", "0.10.0"), ("0.2.0", "0.10.0"), ("0.10.1rc1", "0.10.1rc1")):
        installation.note_release(release, now=timezone.now())
        row = installation.noted_release()
        assert row is not None
        assert (row.migrated_by, row.lowest) == (noted, installation.LOWEST_RELEASE)
    assert installation.may_serve("0.10.0", Release(lowest="0.9.0"))
    assert not installation.may_serve("0.9.9", Release(lowest="0.10.0"))
    assert not installation.may_serve("0.9.9", None)
