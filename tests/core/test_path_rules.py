"""Rules for paths: what a request needs, and which paths no rule can be trusted to be about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.core.path_rules import SIGNED_IN, InvalidRule, Needs, plain_path, read_rules, rule_for

TEXT = """
# what monitoring asks
public GET,HEAD /health
public /static/
group:Night_shift /books/
fresh:10 POST /admin/
signed-in /admin/
"""
RULES = read_rules(TEXT)


@pytest.mark.parametrize(
    ("method", "target", "needs"),
    [
        ("GET", "/health", Needs.PUBLIC),
        ("GET", "/health?full=1", Needs.PUBLIC),
        ("POST", "/health", Needs.SIGNED_IN),
        ("GET", "/health/more", Needs.SIGNED_IN),
        ("GET", "/static/a.css", Needs.PUBLIC),
        ("GET", "/static", Needs.SIGNED_IN),
        ("GET", "/books/2026", Needs.GROUP),
        ("POST", "/admin/users", Needs.FRESH),
        ("GET", "/admin/users", Needs.SIGNED_IN),
        ("GET", "/", Needs.SIGNED_IN),
        ("GET", "/?x=/static/", Needs.SIGNED_IN),
    ],
)
def test_the_first_rule_that_fits_decides(method: str, target: str, needs: Needs) -> None:
    rule = rule_for(RULES, method, target)
    assert rule is not None
    assert rule.needs is needs


@pytest.mark.parametrize(
    "target",
    [
        "/static/../books/",
        "/static/..%2fbooks/",
        "/static/%2e%2e/books/",
        "/static/%252e%252e/books/",
        "/static//books/",
        "//static/",
        "/static/;/../books/",
        "/static/..;/books/",
        "/static\\..\\books/",
        "/static/%5c..%5cbooks",
        "/static/%00",
        "/static/%ff",
        "/static/a\tb",
        "/./static/",
        "static/",
        "http://other.example/static/",
        "*",
        "",
    ],
)
def test_ngx_01_a_path_with_two_readings_fits_no_rule(target: str) -> None:
    """A path that proxy and app may read in different ways is public to nobody."""
    assert rule_for(RULES, "GET", target) is None


@given(st.text(max_size=60))
def test_a_path_is_plain_only_if_reading_it_again_changes_nothing(text: str) -> None:
    plain = plain_path("/" + text)
    if plain is not None and "%" not in plain and "?" not in plain and "#" not in plain:
        assert plain_path(plain) == plain


def test_where_there_are_no_rules_every_path_needs_a_sign_in() -> None:
    assert rule_for((), "GET", "/a/%2f/b//c") == SIGNED_IN


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("public", "form"),
        ("public GET /a extra", "form"),
        ("open /a", "needs"),
        ("public:x /a", "needs"),
        ("group: /a", "needs"),
        ("fresh:0 /a", "needs"),
        ("fresh:99999999 /a", "needs"),
        ("fresh:٣ /a", "needs"),
        ("public get /a", "methods"),
        ("public GET, /a", "methods"),
        ("public a", "path"),
        ("public /a//b", "path"),
        ("public /a%20b", "path"),
        ("public /a?b", "path"),
        ("public /" + "a" * 500, "form"),
    ],
)
def test_a_line_that_is_no_rule_is_named(line: str, why: str) -> None:
    with pytest.raises(InvalidRule) as refused:
        read_rules(f"public /first\n{line}")
    assert (refused.value.number, refused.value.why) == (2, why)
