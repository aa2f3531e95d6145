"""The demo with real gateways: codes are never sent to the sample's invented numbers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.world import World, give_phone
from watchword.core.policy import Channel, FactorKind
from watchword.demo import real_phones
from watchword.factors import vault
from watchword.messaging.config_file import ConfiguredGateway, Phones, simulated
from watchword.messaging.worker.route_selection import Route

pytestmark = pytest.mark.django_db
REAL = Phones((ConfiguredGateway(Route("exchange", frozenset({Channel.VOICE})), "sip", None),))


def has_phone(world: World) -> bool:
    return bool(vault.holdings(world.alice, kinds=[FactorKind.PHONE]))


def test_what_was_made_up_is_forgotten_once_and_what_is_registered_then_stays(world: World, tmp_path: Path) -> None:
    assert real_phones.forget_made_up(tmp_path, simulated(), now=world.now) == 0
    assert has_phone(world)
    assert real_phones.forget_made_up(tmp_path, REAL, now=world.now) == 1
    assert not has_phone(world)
    give_phone(world.alice)
    assert real_phones.forget_made_up(tmp_path, REAL, now=world.now) == 0
    assert has_phone(world)


def test_after_a_time_without_gateways_everything_is_made_up_again(world: World, tmp_path: Path) -> None:
    real_phones.forget_made_up(tmp_path, REAL, now=world.now)
    real_phones.forget_made_up(tmp_path, simulated(), now=world.now)
    give_phone(world.alice)
    assert real_phones.forget_made_up(tmp_path, REAL, now=world.now) == 1


def test_the_card_names_the_gateways_of_each_way() -> None:
    texts = ConfiguredGateway(Route("gateway", frozenset({Channel.SMS})), "http", None)
    both = dataclasses.replace(REAL, gateways=(*REAL.gateways, texts))
    assert real_phones.names_of(both) == "texts by gateway; calls by exchange"
