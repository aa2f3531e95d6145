"""The drop-down list of countries says what Django's own would say."""

from __future__ import annotations

import pytest
from django import forms
from django.test import SimpleTestCase

from watchword.ui.country_select import CountrySelect

COUNTRIES = [("DE", "Germany"), ("CI", "Côte d'Ivoire"), ("XX", "<b>Nowhere & co</b>")]


@pytest.mark.parametrize("value", ["DE", "CI", "XX", "ZZ", "", None])
def test_the_list_is_the_one_that_django_writes(value: str | None) -> None:
    attrs = {"class": "short-input", "aria-describedby": "id_region_help", "required": True, "disabled": False}
    ours = CountrySelect(attrs={"autocomplete": "country"}, choices=COUNTRIES).render("region", value, attrs)
    theirs = forms.Select(attrs={"autocomplete": "country"}, choices=COUNTRIES).render("region", value, attrs)
    SimpleTestCase().assertHTMLEqual(ours, theirs)


def test_a_name_of_a_country_is_escaped() -> None:
    assert "&lt;b&gt;Nowhere &amp; co&lt;/b&gt;" in CountrySelect(choices=COUNTRIES).render("region", "DE")
