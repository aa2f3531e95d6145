"""A mailbox has a name of its own: a rename doesn't move it, and a new person of an old name doesn't inherit it."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from tests.admincenter.reading import as_role
from tests.pages import text
from tests.world import ORIGIN, World, give_app_password, make_organisation, make_person, sign_in
from watchword.alerts.models import Alert, Notice
from watchword.alerts.outbox_consumer import consume
from watchword.alerts.rules import AlertRule
from watchword.core.policy import Door, MfaState
from watchword.directory import actions, mailboxes
from watchword.directory.mailboxes import BadMailbox
from watchword.directory.models import SignInName, User
from watchword.directory.permissions import PermissionDenied
from watchword.directory.roles import Role
from watchword.signin import actions as signin_actions
from watchword.signin import mail_submission, non_interactive
from watchword.signin.actions import change_mailbox
from watchword.signin.models import Revocation
from watchword.signin.non_interactive import AuthRequest, Secret

ALICE, SMITH = "alice@harbour.example", "alice.smith@harbour.example"


def rename(world: World, user: User, name: str) -> User:
    actions.edit_person(user, {"sign_in_name": name}, by=world.root, origin=ORIGIN, now=timezone.now())
    return User.objects.get(pk=user.pk)


def create(world: World, name: str) -> User:
    return actions.create_person(
        world.organisation, sign_in_name=name, display_name="New", by=world.root, origin=ORIGIN, now=timezone.now()
    )


def mailbox_opened(name: str, letters: str) -> str:
    asked = AuthRequest(Door.MAIL, name, Secret(letters), "imap", "198.51.100.9")
    (answer,) = non_interactive.check_many([asked], now=timezone.now())
    return answer.mailbox if answer.allowed else ""


def test_a_rename_moves_no_mail_and_both_names_open_the_mailbox(world: World) -> None:
    alice = rename(world, world.alice, SMITH)
    assert (alice.sign_in_name, alice.mailbox_name) == (SMITH, ALICE)
    for name in (ALICE, SMITH):
        assert mailbox_opened(name, world.alices_app_password) == ALICE
        assert non_interactive.find_mailbox(name, "lmtp") == ALICE
    assert non_interactive.find_mailbox(ALICE, "imap") == ALICE
    assert set(SignInName.objects.filter(user=alice).values_list("name", "is_alias")) == {(ALICE, True), (SMITH, False)}


def test_the_name_before_is_nobody_elses_until_it_is_taken_away(world: World) -> None:
    alice = rename(world, world.alice, SMITH)
    with pytest.raises(actions.BadPerson) as refused:
        create(world, ALICE)
    assert refused.value.reasons == {"sign_in_name": "taken"}
    actions.remove_alias(alice, ALICE, by=world.root, now=timezone.now())
    assert create(world, ALICE).sign_in_name == ALICE


def test_a_new_person_of_an_old_name_gets_a_mailbox_of_their_own(world: World) -> None:
    alice = rename(world, world.alice, SMITH)
    actions.remove_alias(alice, ALICE, by=world.root, now=timezone.now())
    new = create(world, ALICE)
    assert new.mailbox_name == "alice.2@harbour.example"
    actions_letters = give_app_password(new)
    User.objects.filter(pk=new.pk).update(mfa_state=MfaState.ENFORCED)
    assert mailbox_opened(ALICE, actions_letters) == "alice.2@harbour.example"
    assert mailbox_opened(SMITH, world.alices_app_password) == ALICE
    # LMTP and LDA look up an address: the new person's. IMAP and doveadm look up a mailbox name: the old person's.
    assert non_interactive.find_mailbox(ALICE, "lmtp") == "alice.2@harbour.example"
    assert non_interactive.find_mailbox(ALICE, "lda") == "alice.2@harbour.example"
    assert non_interactive.find_mailbox(ALICE, "imap") == ALICE
    assert non_interactive.find_mailbox(ALICE, "doveadm") == ALICE
    assert non_interactive.find_mailbox("alice.2@harbour.example", "imap") == "alice.2@harbour.example"


def test_the_mail_server_s_other_questions_carry_the_mailbox(world: World) -> None:
    alice = rename(world, world.alice, SMITH)
    now = timezone.now()
    assert ALICE in [mailbox.name for mailbox in non_interactive.find_mailboxes(None)]
    assert SMITH not in [mailbox.name for mailbox in non_interactive.find_mailboxes(None)]
    assert mail_submission.names_that_may_send_as(SMITH, now=now) == [ALICE]
    assert mail_submission.names_that_may_send_as(ALICE, now=now) == [ALICE]
    assert mail_submission.may_go_on(ALICE, None, now=now) == (not Revocation.objects.filter(user_id=alice.pk).exists())


def test_connections_are_closed_under_the_name_that_opened_them(world: World) -> None:
    from watchword.signin.actions import block

    alice = rename(world, world.alice, SMITH)
    block(alice, by=world.root, now=timezone.now())
    assert Revocation.objects.filter(user_id=alice.pk).order_by("-id").values_list("mailbox", flat=True)[0] == ALICE


def test_a_rename_is_told_to_both_addresses_and_to_administrators(world: World) -> None:
    rename(world, world.alice, SMITH)
    consume(now=timezone.now())
    assert Notice.objects.filter(user=world.alice, rule=AlertRule.RENAMED).count() == 3, (
        "contact, new name, name before"
    )
    assert Alert.objects.filter(rule=AlertRule.RENAMED, subject=world.alice).count() == 1


def test_an_alias_becomes_the_name_and_back_and_each_stays_the_person_s(world: World) -> None:
    rename(world, world.alice, SMITH)
    alice = rename(world, User.objects.get(pk=world.alice.pk), ALICE)
    assert alice.mailbox_name == ALICE
    assert set(SignInName.objects.filter(user=alice).values_list("name", "is_alias")) == {(ALICE, False), (SMITH, True)}


def test_another_spelling_of_the_same_name_makes_no_alias(world: World) -> None:
    alice = rename(world, world.alice, "Alice@harbour.example")
    assert list(SignInName.objects.filter(user=alice).values_list("name", "is_alias")) == [
        ("Alice@harbour.example", False)
    ]


def test_connections_to_a_mailbox_that_is_taken_over_close_however_its_name_is_typed(world: World) -> None:
    carol = world.carol
    change_mailbox(carol, "shop@harbour.example", by=world.root, takes_over=False, now=timezone.now())
    Revocation.objects.all().delete()
    change_mailbox(world.bob, "Shop@Harbour.example", by=world.root, takes_over=True, now=timezone.now())
    closed = set(Revocation.objects.values_list("user_id", "mailbox"))
    assert closed == {(world.bob.pk, "bob@harbour.example"), (carol.pk, "shop@harbour.example")}


def test_a_mailbox_is_taken_over_only_by_a_confirmed_act_and_both_are_told(world: World) -> None:
    now = timezone.now()
    bob, carol = world.bob, world.carol
    with pytest.raises(BadMailbox, match="taken"):
        change_mailbox(bob, "carol@harbour.example", by=world.root, takes_over=False, now=now)
    change_mailbox(bob, "carol@harbour.example", by=world.root, takes_over=True, now=now)
    assert User.objects.get(pk=bob.pk).mailbox_name == "carol@harbour.example"
    assert User.objects.get(pk=carol.pk).mailbox_name == "carol.2@harbour.example"
    assert set(Revocation.objects.values_list("mailbox", flat=True)) == {
        "bob@harbour.example",
        "carol@harbour.example",
    }
    consume(now=timezone.now())
    assert {notice.user for notice in Notice.objects.filter(rule=AlertRule.MAILBOX_CHANGED, user__isnull=False)} == {
        bob,
        carol,
    }


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("bob@harbour.example", "own"),
        ("bob@elsewhere.example", "other_domain"),
        ("bob", "no_domain"),
        ("victim@other.example", "other_domain"),
    ],
)
def test_a_mailbox_that_can_t_be_is_refused(world: World, name: str, reason: str) -> None:
    make_person(make_organisation("Other", "other.example"), "victim")
    with pytest.raises(BadMailbox) as refused:
        change_mailbox(world.bob, name, by=world.root, takes_over=True, now=timezone.now())
    assert refused.value.reason == reason
    assert User.objects.get(pk=world.bob.pk).mailbox_name == "bob@harbour.example"


def test_only_a_global_administrator_changes_a_mailbox(client: Client, world: World) -> None:
    by = as_role(client, world, Role.USER_ADMINISTRATOR)
    assert client.get(f"/admin/users/{world.bob.pk}/mailbox/").status_code == 403
    assert "/mailbox/" not in client.get(f"/admin/users/?person={world.bob.pk}").content.decode()
    with pytest.raises(PermissionDenied):
        mailboxes.set_mailbox(world.bob, "x@harbour.example", by=by, takes_over=True, now=timezone.now())


def test_the_page_warns_and_asks_before_it_takes_a_mailbox_from_a_person(client: Client, world: World) -> None:
    sign_in(client, world.root)
    here = f"/admin/users/{world.bob.pk}/mailbox/"
    assert "bob@harbour.example" in client.get(f"/admin/users/?person={world.bob.pk}").content.decode()
    assert "Changing it shows the person another mailbox at once." in text(client.get(here).content)
    refused = client.post(here, {"mailbox": "carol@harbour.example"})
    assert "This is another person's mailbox." in text(refused.content).replace("&#x27;", "'")
    done = client.post(here, {"mailbox": "carol@harbour.example", "takes_over": "on"}, follow=True)
    assert "Bob has this mailbox from now on." in text(done.content)
    assert "carol@harbour.example" in text(done.content)


ELODIE, IN_ASCII = "\u00e9lodie@harbour.example", "xn--lodie-9ra@harbour.example"


def test_the_ascii_form_of_an_address_leads_to_the_same_mailbox_and_is_nobody_elses(world: World) -> None:
    create(world, ELODIE)
    assert non_interactive.find_ascii_address(ELODIE) == IN_ASCII
    assert non_interactive.find_ascii_address("\u00c9lodie+caf\u00e9@harbour.example") == (
        "xn--lodie-9ra+xn--caf-dma@harbour.example"
    )
    assert non_interactive.find_ascii_address("\uff41lice@harbour.example") == ALICE
    for service in ("lda", "lmtp", "imap"):
        assert non_interactive.find_mailbox(IN_ASCII, service) == ELODIE
    with pytest.raises(actions.BadPerson) as refused:
        create(world, IN_ASCII)
    assert refused.value.reasons == {"sign_in_name": "taken"}


def test_only_an_address_of_a_person_and_never_the_ascii_form_itself_is_mapped(world: World) -> None:
    for address in (ALICE, "alice+caf\u00e9@elsewhere.example", ELODIE, "\u00e9lodie", "@harbour.example"):
        assert non_interactive.find_ascii_address(address) is None
    new = create(world, ELODIE)
    assert non_interactive.find_ascii_address(IN_ASCII) is None, "no loop"
    signin_actions.delete(new, by=world.root, now=timezone.now())
    assert non_interactive.find_ascii_address(ELODIE) is None


def test_mail_for_an_old_name_in_ascii_form_goes_to_whoever_has_the_name_now(world: World) -> None:
    elodie = rename(world, create(world, ELODIE), SMITH)
    assert non_interactive.find_mailbox(IN_ASCII, "lda") == ELODIE
    actions.remove_alias(elodie, ELODIE, by=world.root, now=timezone.now())
    new = create(world, ELODIE)
    assert new.mailbox_name == "\u00e9lodie.2@harbour.example"
    assert non_interactive.find_mailbox(str(non_interactive.find_ascii_address(ELODIE)), "lda") == new.mailbox_name
    assert non_interactive.find_mailbox(SMITH, "lda") == ELODIE
