"""The impact of a settings change on people is shown before the change is saved."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.admincenter.reading import hidden
from tests.pages import text
from tests.world import World, give_phone, make_person
from watchword.core.policy import Channel, MfaState
from watchword.directory.models import Organisation

PAGE = "/admin/service-settings/"


def filled_in(root: Client, **changes: str) -> dict[str, str]:
    """Return the form's values as the page shows them, with changes; ``-`` removes a field, as an unticked box does."""
    form = root.get(PAGE).context["form"]
    values = {name: form[name].value() for name in form.fields}
    as_typed = {name: "on" if value is True else str(value) for name, value in values.items() if value is not False}
    return {name: value for name, value in {**as_typed, **changes}.items() if value != "-"}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("call_allowed", "1 person has phones that take calls alone"),
        ("text_allowed", "1 person gets calls from now on"),
        ("app_passwords_allowed", "1 person has app passwords"),
        ("account_password_in_mail_while_enabled", "1 person is Enabled"),
    ],
)
def test_how_many_a_change_concerns_is_told_and_nothing_is_saved_before(
    root: Client, world: World, name: str, says: str
) -> None:
    dora = make_person(world.organisation, "dora", state=MfaState.ENFORCED)
    give_phone(dora, "+4930901820", slot="office", channel=Channel.VOICE)
    give_phone(world.carol, "+4930901821", slot="office", channel=Channel.VOICE)
    values = filled_in(root, **{name: "-"})
    asked = root.post(PAGE, values)
    assert says in text(asked.content), "Carol is Disabled and not concerned"
    assert getattr(Organisation.objects.get(), name)
    assert root.post(PAGE, {**values, "confirmed": hidden(asked, "confirmed")}).status_code == 302
    assert not getattr(Organisation.objects.get(), name)


def test_numbers_that_changed_meanwhile_are_told_again(root: Client, world: World) -> None:
    values = filled_in(root, account_password_in_mail_while_enabled="-")
    asked = root.post(PAGE, values)
    make_person(world.organisation, "erin", state=MfaState.ENABLED)
    again = root.post(PAGE, {**values, "confirmed": hidden(asked, "confirmed")})
    assert "2 people are Enabled" in text(again.content)
    assert Organisation.objects.get().account_password_in_mail_while_enabled


def test_a_change_that_concerns_nobody_is_saved_at_once(root: Client, world: World) -> None:
    assert root.post(PAGE, filled_in(root, call_allowed="-")).status_code == 302
    assert not Organisation.objects.get().call_allowed
