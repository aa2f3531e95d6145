"""A backup of a SQLite database is restored elsewhere, or refused in one sentence that leaves nothing behind."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyrage import x25519

from tests.commands import home_with_keys_of, refusal, run_program, succeed, watchword

WORLD = """
from django.test import Client
from tests.world import give_app_password, make_world, sign_in
from watchword.audit import hash_chain
from watchword.core.policy import MfaState
from watchword.signin import actions
world = make_world()
sign_in(Client(), world.alice)
print(world.alices_app_password)
print(give_app_password(world.alice, "Phone"))
actions.set_mfa_state(world.carol, MfaState.ENABLED, by=None, now=now)
hash_chain.seal(now=now)
"""
SINCE = """
from watchword.core.policy import FactorKind
from watchword.directory.models import User
from watchword.factors import vault
from watchword.signin import actions
alice = User.objects.get(sign_in_name="alice@harbour.example")
(laptop,) = [each for each in vault.holdings(alice, kinds=[FactorKind.APP_PASSWORD]) if each.data.label == "Laptop"]
actions.delete_app_passwords(alice, [laptop.id], by=None, now=now)
actions.block(User.objects.get(sign_in_name="bob@harbour.example"), by=None, now=now)
"""
WHO_COMES_IN = """
import sys
from watchword.core.policy import Door
from watchword.directory.models import User
from watchword.signin import non_interactive
from watchword.signin.models import Session
from watchword.signin.non_interactive import AuthRequest, Secret
for letters in {letters!r}:
    asked = AuthRequest(Door.MAIL, "alice@harbour.example", Secret(letters), "imap", "198.51.100.9")
    print("in" if non_interactive.check_many([asked], now=now)[0].allowed else "refused")
print("blocked" if User.objects.get(sign_in_name="bob@harbour.example").blocked_at else "active")
print(Session.objects.filter(ended_at=None).count(), "sessions")
"""


TASKS = """
from watchword.audit.models import MaintenanceRun
print(*sorted(MaintenanceRun.objects.values_list("pk", flat=True)))
"""


@dataclass(frozen=True)
class Installation:
    """A home, an archive of it, the key ring encrypted to an identity, and what was revoked since."""

    folder: Path
    app_passwords: tuple[str, str]
    """Alice's: the first one was deleted after the backup."""

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def archive(self) -> Path:
        return self.folder / "backup.tar.gz"

    @property
    def keys(self) -> Path:
        return self.folder / "backup.tar.gz.keys.age"

    @property
    def identity(self) -> Path:
        return self.folder / "identity"

    @property
    def access_list(self) -> Path:
        return self.folder / "access-list"

    def comes_in(self, home: Path) -> list[str]:
        """Return whether each of Alice's app passwords opens, whether Bob is blocked, and how many sessions live."""
        return run_program(WHO_COMES_IN.format(letters=self.app_passwords), home=home).splitlines()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Return an installation with a backup, which later revoked an app password and blocked Bob."""
    folder = tmp_path_factory.mktemp("made")
    home = folder / "home"
    succeed("keys", "create", home=home)
    succeed("migrate", "--verbosity", "0", home=home)
    first, second = run_program(WORLD, home=home).splitlines()
    installation = Installation(folder, (first, second))
    identity = x25519.Identity.generate()
    installation.identity.write_text(f"# made for a test\n{identity}\n")
    installation.identity.chmod(0o600)
    succeed("access-list", str(folder / "old-list"), home=home)
    said = succeed("backup", str(installation.archive), "--keys-to", str(identity.to_public()), home=home)
    assert "last seal none" not in said
    run_program(SINCE, home=home)
    succeed("access-list", str(installation.access_list), home=home)
    return installation


@pytest.fixture
def elsewhere(made: Installation, tmp_path: Path) -> Path:
    """Return another home that has the key ring and nothing else."""
    return home_with_keys_of(made.home, tmp_path / "elsewhere")


def names_in(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def test_on_another_machine_the_revoked_stay_revoked_and_verify_is_silent(made: Installation, tmp_path: Path) -> None:
    home = tmp_path / "new"
    keys = ("--keys", str(made.keys), "--identity", str(made.identity))
    said = succeed("restore", str(made.archive), *keys, "--access-list", str(made.access_list), home=home)
    assert "Ended: 1 sessions" in said
    assert "app passwords revoked again (1):\n    alice@harbour.example: Laptop" in said
    assert "blocked again (1):\n    bob@harbour.example" in said
    assert names_in(home) == {"keys", "watchword.sqlite3"}
    assert made.comes_in(home) == ["refused", "in", "blocked", "0 sessions"]
    checked = watchword("verify", home=home)
    assert checked.returncode == 0, checked.stderr


def test_without_a_list_the_operator_is_told_what_lives_again(made: Installation, elsewhere: Path) -> None:
    said = succeed("restore", str(made.archive), home=elsewhere)
    assert "is valid again: blocked people, deleted app passwords, roles, old account passwords" in said
    assert made.comes_in(elsewhere) == ["in", "in", "active", "0 sessions"]


def test_all_app_passwords_are_paused_where_no_list_is_left(made: Installation, elsewhere: Path) -> None:
    succeed("restore", str(made.archive), "--pause-app-passwords", home=elsewhere)
    assert made.comes_in(elsewhere)[:2] == ["refused", "refused"]


def test_another_key_ring_is_refused_before_anything_is_written(made: Installation, tmp_path: Path) -> None:
    home = tmp_path / "other"
    succeed("keys", "create", home=home)
    said = refusal("restore", str(made.archive), home=home)
    assert said.startswith("this archive was sealed with the key ")
    assert said.endswith("Nothing was written.")
    assert names_in(home) == {"keys"}


def test_a_home_with_a_database_is_left_as_it_is(made: Installation, elsewhere: Path) -> None:
    journal = elsewhere / "watchword.sqlite3-wal"
    for place in (elsewhere / "watchword.sqlite3", journal):
        place.write_bytes(b"something")
        said = refusal("restore", str(made.archive), home=elsewhere)
        assert said == f"{place} exists: a backup is restored only where no database is, so nothing was written"
        assert place.read_bytes() == b"something"
        place.unlink()
    assert names_in(elsewhere) == {"keys"}


def test_a_cut_or_changed_archive_writes_nothing(made: Installation, elsewhere: Path, tmp_path: Path) -> None:
    octets = made.archive.read_bytes()
    middle = len(octets) // 2
    for damaged in (octets[:middle], octets[:middle] + b"\x55" + octets[middle + 1 :], b"no archive"):
        path = tmp_path / "damaged.tar.gz"
        path.write_bytes(damaged)
        assert refusal("restore", str(path), home=elsewhere).endswith("; nothing was written")
    assert names_in(elsewhere) == {"keys"}


def test_an_archive_of_a_newer_release_is_refused_by_name(made: Installation, elsewhere: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(made.home, tmp_path / "newer"))
    database = sqlite3.connect(home / "watchword.sqlite3")
    database.execute(
        "INSERT INTO django_migrations (app, name, applied) VALUES ('signin', '0999_future', '2030-01-01')"
    )
    database.execute("UPDATE audit_release SET migrated_by = '9.1.0', lowest = '9.0.0'")
    database.commit()
    database.close()
    succeed("backup", str(tmp_path / "newer.tar.gz"), home=home)
    said = refusal("restore", str(tmp_path / "newer.tar.gz"), home=elsewhere)
    assert said == (
        "this database was migrated by 9.1.0 and needs Watchword 9.0.0 or newer; this is Watchword 0.1.0. "
        "Nothing is in its place."
    )
    assert names_in(elsewhere) == {"keys"}


def test_an_archive_of_an_older_release_is_upgraded(made: Installation, elsewhere: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(made.home, tmp_path / "older"))
    run_program("from django.core.management import call_command; call_command('migrate', 'audit', '0001')", home=home)
    succeed("backup", str(tmp_path / "older.tar.gz"), home=home)
    succeed("restore", str(tmp_path / "older.tar.gz"), home=elsewhere)
    assert watchword("check", home=elsewhere).returncode == 0


def test_an_access_list_that_is_older_or_changed_is_refused(
    made: Installation, elsewhere: Path, tmp_path: Path
) -> None:
    said = refusal("restore", str(made.archive), "--access-list", str(made.folder / "old-list"), home=elsewhere)
    assert "older than the backup" in said
    changed = tmp_path / "changed"
    changed.write_bytes(made.access_list.read_bytes().replace(b"blocked", b"active", 1))
    said = refusal("restore", str(made.archive), "--access-list", str(changed), home=elsewhere)
    assert "is cut off, was changed, or was not written with this key ring" in said
    assert names_in(elsewhere) == {"keys"}


def test_a_seal_that_the_log_does_not_have_is_refused(made: Installation, elsewhere: Path) -> None:
    for seal in ("ab" * 32, "no seal"):
        refusal("restore", str(made.archive), "--expect", seal, home=elsewhere)
        assert names_in(elsewhere) == {"keys"}


def test_age_opens_the_copy_of_the_key_ring(made: Installation) -> None:
    if shutil.which("age") is None:
        pytest.skip("age is not installed (Debian's package: age)")
    words = ["age", "--decrypt", "--identity", str(made.identity), str(made.keys)]
    opened = subprocess.run(words, capture_output=True, check=True)
    assert opened.stdout == (made.home / "keys").read_bytes()


def test_another_identity_opens_no_copy_and_leaves_no_key(made: Installation, tmp_path: Path) -> None:
    other = tmp_path / "identity"
    other.write_text(f"{x25519.Identity.generate()}\n")
    other.chmod(0o600)
    home = tmp_path / "new"
    for identity in (other, made.archive):
        refusal("restore", str(made.archive), "--keys", str(made.keys), "--identity", str(identity), home=home)
        assert not home.exists()


def test_what_is_no_recipient_is_refused_without_being_repeated(made: Installation, tmp_path: Path) -> None:
    identity = str(x25519.Identity.generate())
    for text in (identity, "age1nothing", "nobody"):
        said = refusal("backup", str(tmp_path / "x"), "--keys-to", text, home=made.home)
        assert text not in said
    assert names_in(tmp_path) == set()


def test_the_drill_leaves_nothing_and_only_the_newest_are_retained(made: Installation, tmp_path: Path) -> None:
    home = Path(shutil.copytree(made.home, tmp_path / "home"))
    target = tmp_path / "backups"
    target.mkdir()
    (target / "watchword-2025-01-01T00-00-00Z.tar.gz").touch()
    (target / "notes.tar.gz").touch()
    said = succeed("backup", str(target), "--drill", "--retain", "1", home=home)
    assert "The drill succeeded" in said
    left = names_in(target)
    assert "notes.tar.gz" in left
    assert "watchword-2025-01-01T00-00-00Z.tar.gz" not in left
    assert len(left) == 2
    assert {"access_list", "backup", "drill"} <= set(run_program(TASKS, home=home).split())


def test_a_drill_that_fails_is_said(made: Installation, tmp_path: Path) -> None:
    """An event that was changed by hand: the copy is as good as the database, and both are not what was sealed."""
    home = Path(shutil.copytree(made.home, tmp_path / "home"))
    database = sqlite3.connect(home / "watchword.sqlite3")
    database.execute("UPDATE audit_event SET reason = 'forged' WHERE id = (SELECT min(id) FROM audit_event)")
    database.commit()
    database.close()
    said = refusal("backup", "--drill", home=home)
    assert said.startswith("the drill failed, so this archive could not be restored: I8 ")


def test_a_file_that_exists_and_a_folder_that_does_not_are_told(made: Installation, tmp_path: Path) -> None:
    said = refusal("backup", str(made.archive), home=made.home)
    assert said == f"{made.archive} exists already and was left as it is; choose another name"
    said = refusal("backup", str(tmp_path / "no" / "file"), home=made.home)
    assert "can't be written (No such file or directory)" in said
