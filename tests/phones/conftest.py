"""Shared fixtures for tests of telephones."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.messaging.test_voice_audio import wav
from tests.phones.http_benches import phones_file, phones_of
from tests.world import World
from watchword.messaging.voice import tts


@pytest.fixture
def site(settings: Any, world: World) -> Client:
    """Return a provider's HTTP client, for a web server whose phones file names providers of several schemes."""
    one = phones_file("twilio-messages", "https://api.example", name="texts")
    two = phones_file("twilio-calls", "https://api.example", name="calls")
    three = phones_file("http", "https://api.example", name="nobody")
    four = phones_file("vonage-sms", "https://api.example", name="plain")
    settings.WATCHWORD_PHONES = phones_of(f"{one}\n{two}\n{three}\n{four}")
    settings.WATCHWORD_PUBLIC_URL = "http://testserver"
    return Client(enforce_csrf_checks=True)


@pytest.fixture
def quick_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the synthesiser with one that returns a tenth of a second of sound, and is available on every machine."""
    monkeypatch.setattr(tts, "is_available", lambda: True)
    monkeypatch.setattr(tts, "speak", lambda _words, _language: wav(b"\1\0" * 800))
