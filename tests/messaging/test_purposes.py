"""Every purpose of a code is counted, and has its texts in every language."""

from __future__ import annotations

import pytest

from watchword.messaging.content.translations import WORDS
from watchword.messaging.limits.counters import CODES
from watchword.signin.models import Purpose


def test_codes_for_every_purpose_count_against_the_limits() -> None:
    assert set(CODES) == set(Purpose.values)


@pytest.mark.parametrize("language", list(WORDS))
def test_every_purpose_has_its_words_in_every_language(language: str) -> None:
    words = WORDS[language]
    assert set(words.purposes) == set(words.spoken_purposes) == set(Purpose.values)
