"""Countries listed by the names that people search for."""

from __future__ import annotations

import phonenumbers

from watchword.core.countries import alphabetical, country_name


def test_every_country_with_telephones_has_a_name() -> None:
    assert [code for code in phonenumbers.SUPPORTED_REGIONS if not country_name(code, "en")] == []
    assert country_name("XK", "de") == "Kosovo"
    assert country_name("DE", "de-AT") == "Deutschland"


def test_what_is_no_country_has_none() -> None:
    assert country_name("", "en") == ""
    assert country_name("ZZ", "en") == ""


def test_accents_don_t_move_a_country_to_another_letter() -> None:
    assert sorted(["Ghana", "Åland Islands", "Côte d'Ivoire", "Denmark", "Croatia"], key=alphabetical) == [
        "Åland Islands", "Côte d'Ivoire", "Croatia", "Denmark", "Ghana",
    ]  # fmt: skip
