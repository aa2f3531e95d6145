"""A leaked key is retired once no row needs it; a lost key is given up, and the command names who is affected."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import models
from django.utils import timezone

from tests.keys import rotated
from tests.world import ALICES_NUMBER, World, give_app_password, give_phone
from watchword.audit import hash_chain, installation
from watchword.audit.events import EventKind
from watchword.audit.models import Event, SealingKey
from watchword.cli import key_retirement
from watchword.cli.keys import keys
from watchword.config import keyfile
from watchword.core.keyring import KeyRing
from watchword.core.policy import Door, FactorKind
from watchword.directory.models import User
from watchword.factors import vault
from watchword.signin import non_interactive
from watchword.signin.non_interactive import AuthRequest, Secret

pytestmark = pytest.mark.django_db(transaction=True)

KEYED = {
    # A keyed hash or a plain one: no plaintext can be recovered from it, so it can't be sealed again.
    # Random values that are no secret by themselves.
    "applications.Client.pairwise_salt",
    "applications.AuthorizationCode.code_hash",
    "applications.AuthorizationRequest.token_hash",
    "applications.ClientSecret.secret_hash",
    "applications.DeviceAuthorization.device_code_hash",
    "applications.DeviceAuthorization.user_code_hash",
    "applications.HostCookie.token_hash",
    "applications.HostTicket.state_hash",
    "applications.HostTicket.ticket_hash",
    "applications.Token.token_hash",
    "applications.UsedJti.jti_hash",
    "audit.Seal.digest",
    "messaging.Delivery.number_key",
    "messaging.Delivery.range_key",
    "messaging.Receipt.number_key",
    "factors.Credential.lookup",
    "signin.Invitation.token_hash",
    "signin.KnownBrowser.token_hash",
    "signin.Session.token_hash",
    "signin.SignInAttempt.browser_hash",
    "signin.SignInAttempt.token_hash",
    # The check value by which a key is recognised.
    "audit.SealingKey.probe",
}


@pytest.fixture
def path(tmp_path: Path, world: World, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield the path of a key file whose ring sealed the world, as the commands find it."""
    file = tmp_path / "keys"
    file.write_text(settings.WATCHWORD_KEY_RING.serialise())
    file.chmod(0o400)
    installation.register_key(settings.WATCHWORD_KEY_RING, now=timezone.now())
    assert not log_in("abcd " * 6), "an event to be sealed"
    hash_chain.seal(now=timezone.now())
    monkeypatch.delenv("WATCHWORD_KEYS")
    monkeypatch.setattr(key_retirement, "_set_up", lambda _path: 0)
    yield file
    SealingKey.objects.all().delete()


def use_new_key(path: Path, settings: Any) -> tuple[str, str]:
    """Play both steps of a rotation; return the ids of the old and the new key."""
    old = keyfile.read(path).keys[0].id
    new = keyfile.add(path)
    keyfile.use(path, new)
    settings.WATCHWORD_KEY_RING = keyfile.read(path)
    installation.register_key(settings.WATCHWORD_KEY_RING, now=timezone.now())
    return old, new


def log_in(letters: str) -> bool:
    asked = AuthRequest(Door.MAIL, "alice@harbour.example", Secret(letters), "imap", "198.51.100.9")
    return non_interactive.check_many([asked], now=timezone.now())[0].allowed


def test_a_leaked_key_goes_once_every_app_password_has_moved(
    world: World, path: Path, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = use_new_key(path, settings)
    idle = give_app_password(world.alice, "made with the new key")
    assert keys(["retire", old, "--file", str(path)], {}) == 1
    said = capsys.readouterr().out
    assert "telephone numbers that are registered: 1 sealed anew" in said
    assert "app passwords: 1 can still only be found by this key. Each moves at its next login." in said
    assert [key.id for key in keyfile.read(path).keys] == [new, old]

    assert log_in(world.alices_app_password), "the login at which it moves"
    assert keys(["retire", old, "--file", str(path)], {}) == 0
    assert [key.id for key in keyfile.read(path).keys] == [new]
    settings.WATCHWORD_KEY_RING = keyfile.read(path)
    assert log_in(world.alices_app_password)
    assert log_in(idle)
    (phone,) = vault.holdings(world.alice, kinds=[FactorKind.PHONE])
    assert ALICES_NUMBER.encode() in phone.data.secret
    assert User.objects.get(pk=world.alice.pk).contact_mail == "alice@elsewhere.example"
    assert hash_chain.look().problems == ()
    assert installation.missing_keys(settings.WATCHWORD_KEY_RING) == []
    assert Event.objects.filter(kind=EventKind.KEY_RETIRED, details__keys=[old]).count() == 1


def test_app_passwords_that_never_moved_are_revoked_only_by_word(
    world: World, path: Path, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    old, _new = use_new_key(path, settings)
    assert keys(["retire", old, "--drop", "--file", str(path)], {}) == 0
    assert "app passwords: 1 revoked, because they could only be found by this key" in capsys.readouterr().out
    settings.WATCHWORD_KEY_RING = keyfile.read(path)
    assert not log_in(world.alices_app_password)


def test_the_key_in_use_and_a_key_that_is_not_there_are_not_retired(
    world: World, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = path.read_text()
    for key_id, says in ((keyfile.read(path).keys[0].id, "is in use; use another one first"), ("0" * 8, "there is no")):
        assert keys(["retire", key_id, "--file", str(path)], {}) == 1
        assert says in capsys.readouterr().err
    assert path.read_text() == before


@pytest.mark.breaks_invariants
def test_a_log_that_was_tampered_with_is_not_sealed_anew(
    world: World, path: Path, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    old, _new = use_new_key(path, settings)
    models.QuerySet.update(Event.objects.filter(pk=Event.objects.order_by("id").values("id")[:1]), agent="forged")
    assert keys(["retire", old, "--drop", "--file", str(path)], {}) == 1
    assert "the log is not as it was sealed, so it is not sealed anew" in capsys.readouterr().err
    assert old in {key.id for key in keyfile.read(path).keys}


def lose(path: Path, settings: Any) -> str:
    """Replace the file's ring by a new one; return the id of the lost key."""
    lost = keyfile.read(path).keys[0].id
    path.unlink()
    settings.WATCHWORD_KEY_RING = keyfile.create(path)
    return lost


def test_what_a_lost_key_takes_with_it_is_said_before_anything_is_done(
    world: World, path: Path, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    ring = settings.WATCHWORD_KEY_RING
    lost = lose(path, settings)
    assert keys(["give-up", "--file", str(path)], {}) == 1
    said = capsys.readouterr().out
    assert "telephone numbers that are registered: 1 can't be opened" in said
    assert f"The keys {lost} are not on the ring in {path}. Restore them if there is any copy." in said
    settings.WATCHWORD_KEY_RING = ring
    assert log_in(world.alices_app_password), "nothing was done"


def test_giving_up_names_who_must_register_again_and_leaves_a_whole_installation(
    world: World, path: Path, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    give_phone(world.bob, "+4915112345679")
    lost = lose(path, settings)
    assert keys(["give-up", "--yes", "--file", str(path)], {}) == 0
    said = capsys.readouterr().out
    assert "2 people must register a telephone again" in said
    assert "  alice@harbour.example\n  bob@harbour.example\n" in said
    assert "1 people need new app passwords" in said
    assert installation.missing_keys(settings.WATCHWORD_KEY_RING) == []
    assert vault.holdings(world.alice, with_revoked=True)
    assert User.objects.get(pk=world.alice.pk).contact_mail == ""
    assert not log_in(world.alices_app_password)
    assert log_in(give_app_password(world.alice, "anew"))
    chain = hash_chain.look()
    # The refusal happened twice within the hour: it is one event with a count.
    assert (chain.problems, chain.sealed, chain.unsealed) == ((), 2, 1)
    assert Event.objects.filter(kind=EventKind.KEYS_GIVEN_UP, details__keys=[lost]).count() == 1


def test_nothing_is_given_up_while_every_key_is_there(
    world: World, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keys(["give-up", "--yes", "--file", str(path)], {}) == 0
    assert "there is nothing to give up" in capsys.readouterr().out
    assert log_in(world.alices_app_password)


def test_every_binary_column_is_sealed_by_a_known_purpose_or_holds_a_hash() -> None:
    sealed = {f"{column.model._meta.app_label}.{column.model.__name__}.{column.field}" for column in _columns()}
    there = {
        f"{model._meta.app_label}.{model.__name__}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.Field) and field.get_internal_type() == "BinaryField"
    }
    assert there - KEYED == sealed


def _columns() -> list[Any]:
    return key_retirement._columns()


def test_a_value_is_sealed_again_only_where_another_key_sealed_it(world: World, settings: Any) -> None:
    phones = next(column for column in _columns() if column.words.startswith("telephone numbers"))
    assert phones.reseal(settings.WATCHWORD_KEY_RING) == 0
    new_ring = rotated(settings.WATCHWORD_KEY_RING)
    assert phones.reseal(new_ring) == 1
    assert phones.reseal(new_ring) == 0
    assert phones.unreadable(KeyRing.create(random_source=os.urandom)) == [world.alices_phone.id]
    settings.WATCHWORD_KEY_RING = new_ring
