"""The phones file: every mistake in it is explained in plain words, and no secret is ever quoted."""

from __future__ import annotations

import base64
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.config.phones_file import kinds
from watchword.core.policy import Channel
from watchword.messaging.config_file import Phones, read_phones
from watchword.messaging.gateways.sim_swap import SimSwapConfig
from watchword.messaging.worker.route_selection import Route

SECRET = "hunter2-hunter2"
SEALED = "sealed:" + base64.urlsafe_b64encode(b"x").decode()

GOOD = f"""
currency = "EUR"

[[gateway]]
name = "carrier-one"
kind = "smpp"
weight = 3
prefixes = ["+49", "+43"]
each_day = 5000
prices = {{ DE = "0.07", AT = 0.08, "*" = "0.12" }}
host = "smsc.example"
system_id = "watchword"
password = "{SEALED}"

[[gateway]]
name = "pbx"
kind = "sip"
host = "192.0.2.1"
"""


def open_secret(text: str) -> str:
    if text != SEALED:
        raise ValueError("is a secret in clear")
    return SECRET[:8]


def read(text: str) -> Phones:
    return read_phones(text, kinds(), open_secret, SimSwapConfig)


def problems(text: str) -> str:
    read_one = read(text)
    assert read_one.gateways == ()
    assert read_one.problems != ()
    return "\n".join(read_one.problems)


def gateway(**more: str) -> str:
    """Return the TOML of one gateway that is valid apart from the given values."""
    values = {
        "name": '"one"',
        "kind": '"smpp"',
        "host": '"smsc.example"',
        "system_id": '"me"',
        "password": f'"{SEALED}"',
    } | more
    return "[[gateway]]\n" + "".join(f"{name} = {value}\n" for name, value in values.items() if value)


def test_a_file_says_which_gateways_there_are_what_they_carry_and_cost() -> None:
    phones = read(GOOD)
    assert phones.problems == ()
    assert phones.currency == "EUR"
    assert phones.channels == frozenset(Channel)
    one = phones.find("carrier-one")
    assert one is not None
    assert one.route == Route(
        "carrier-one", frozenset({Channel.SMS}), 3, ("+49", "+43"), 5000, {"DE": 70_000, "AT": 80_000, "*": 120_000}
    )
    assert (one.route.price_micros("AT"), one.route.price_micros("FR")) == (80_000, 120_000)
    assert one.config.password == SECRET[:8]
    assert phones.find("nobody") is None


def test_a_secret_is_in_no_repr() -> None:
    assert SECRET[:8] not in repr(read(GOOD))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no [[gateway]]"),
        ("currency = ", "is not TOML"),
        ("[" * 5000, "is not TOML"),
        ("currency = " + "1" * 5000, "is not TOML that can be read: ValueError"),
        ('currency = "euro"', "currency is not a code such as EUR"),
        ("currency = 1", "currency is not a code such as EUR"),
        ("colour = 1", "has 'colour', which means nothing here"),
        ("gateway = 1", "write [[gateway]]"),
        ("gateway = [1]", "write [[gateway]]"),
        ("[gateway]", "write [[gateway]]"),
        (gateway(name=""), "gateway 1: name is missing"),
        (gateway(name='"no spaces"'), "gateway 'no spaces': name is missing, or is not of letters"),
        (gateway(name='"' + "x" * 33 + '"'), "gateway 1: name is missing, or is not of letters"),
        (gateway(name='"---"'), "name is missing, or is not of letters"),
        (gateway(name="7"), "gateway 1: name is missing"),
        (gateway(kind=""), "gateway 'one': kind is missing; expected: one of"),
        (gateway(kind='"pigeon"'), "kind is 'pigeon'; expected: one of"),
        (gateway(kind="{ a = 1 }"), "kind is a dict; expected"),
        (gateway() + gateway(), "has two gateways named 'one'"),
        (gateway(weight="0"), "weight is 0; expected: a whole number from 1 to 1000000"),
        (gateway(weight="true"), "weight is True"),
        (gateway(weight='"much"'), "weight is 'much'"),
        (gateway(each_day="-1"), "each_day is -1"),
        (gateway(prefixes='"+49"'), "prefixes is not a list of beginnings"),
        (gateway(prefixes='["0049"]'), "prefixes is not a list of beginnings"),
        (gateway(prefixes='["+"]'), "prefixes is not a list of beginnings"),
        (gateway(prefixes='["+٤٩"]'), "prefixes is not a list of beginnings"),
        (gateway(prices="1"), "prices is not a table"),
        (gateway(prices='{ DE = "cheap" }'), "the price of 'DE' is not an amount"),
        (gateway(prices='{ DE = "-1" }'), "the price of 'DE' is not an amount"),
        (gateway(prices='{ DE = "NaN" }'), "the price of 'DE' is not an amount"),
        (gateway(prices='{ DE = "1e999999" }'), "the price of 'DE' is not an amount"),
        (gateway(prices='{ DE = "Infinity" }'), "the price of 'DE' is not an amount"),
        (gateway(prices="{ DE = true }"), "the price of 'DE' is not an amount"),
        (gateway(prices='{ Germany = "1" }'), "the price of 'Germany' is not an amount"),
        (gateway(host=""), "host is missing"),
        (gateway(host="1"), "host is not text in quotes"),
        (gateway(port='"x"'), "port is not a whole number"),
        (gateway(port="70000"), "port is not from 1 to 65535"),
        (gateway(port="true"), "port is true or false; expected: int"),
        (gateway(tls='"yes"'), "tls is not true or false"),
        (gateway(alphabet='"morse"'), "alphabet is 'morse'; expected: one of gsm, latin1"),
        (gateway(colour='"red"'), "'colour' means nothing here; expected:"),
        (gateway(password='"in clear"'), "password is a secret in clear"),
        (gateway(password="7"), "password is not text in quotes"),
        (gateway(system_id='"much-too-long-a-name"'), "system_id has more than 15 characters"),
        (gateway() + "[sim_check]\n", "[sim_check]: url is missing"),
        (gateway() + 'sim_check = "x"\n', "means nothing here"),
    ],
)
def test_every_mistake_is_told_in_plain_words(text: str, said: str) -> None:
    assert said in problems(text)


def test_all_mistakes_are_told_at_once() -> None:
    told = problems(gateway(weight="0", port="0", prefixes="1") + gateway(name='"two"', kind='"pigeon"') + "x = 1\n")
    for word in ("weight", "prefixes", "kind is 'pigeon'"):
        assert word in told


HTTP = """
[[gateway]]
name = "web"
kind = "http"
url = "https://sms.example/send"
"""


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("timeout_seconds = nan", "timeout_seconds is not between 0 and"),
        ("timeout_seconds = 1" + "0" * 400, "timeout_seconds is not between 0 and"),
        ("json = { at = 2026-11-24 }", "json holds a date or a number that JSON does not have"),
        ("json = { at = nan }", "json holds a date or a number that JSON does not have"),
        ("form = { a = 1 }", "form is not text in quotes"),
        ('query = ["a"]', "query is not a table"),
        ('success_values = "ok"', "success_values is not a list"),
        ('headers = { Authorization = "Bearer x" }', "is a secret in clear"),
        ("receipts = 1", "receipts: is not a table"),
        ("receipts = { scheme = 'magic' }", "scheme is 'magic'; expected: one of"),
        ("receipts = { scheme = 'twilio' }", "need a secret"),
        ("channel = 'pigeon'", "channel is 'pigeon'; expected: one of sms, voice"),
    ],
)
def test_mistakes_deeper_in_a_channel_are_told_as_well(more: str, said: str) -> None:
    assert said in problems(HTTP + more)


@pytest.mark.parametrize("kind", [name for name in kinds() if name not in {"smpp", "sip", "http"}])
def test_a_preset_says_what_it_needs(kind: str) -> None:
    assert "missing" in problems(f'[[gateway]]\nname = "one"\nkind = "{kind}"\n')


@pytest.mark.parametrize("place", ["password", "weight", "kind", "prefixes", "prices", "alphabet", "port", "tls"])
def test_a_secret_in_the_wrong_place_of_a_table_is_not_quoted(place: str) -> None:
    assert SECRET not in problems(gateway(**{place: f'{{ inner = "{SECRET}" }}'}))
    assert SECRET not in problems(gateway(name=f'{{ inner = "{SECRET}" }}'))


def test_a_secret_in_clear_is_refused_and_not_quoted() -> None:
    assert SECRET not in problems(gateway(password=f'"{SECRET}"'))


# Whatever a file contains, reading it reports the problems and never fails.

words = st.sampled_from(
    [
        *("currency", "gateway", "sim_check", "name", "kind", "weight", "prefixes", "prices", "each_day", "host"),
        *(
            "port",
            "url",
            "json",
            "form",
            "receipts",
            "headers",
            "secrets",
            "password",
            "timeout_seconds",
            "channel",
            "DE",
        ),
        *("account", "token", "sender", "base", "user", "query", "key", "secret", "system_id", "tls", "recordings"),
    ]
)
plain = (
    st.integers(-(10**30), 10**30)
    | st.floats()
    | st.booleans()
    | st.sampled_from([*kinds(), "EUR", "text", SEALED, "+49", "0.07", "https://x.example", "1e99999", "", "\u0000"])
    | st.text(max_size=8)
)
values = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
tables = st.dictionaries(words, values, max_size=8)


def toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return '"' + "".join(f"\\U{ord(sign):08x}" for sign in value if not 0xD800 <= ord(sign) < 0xE000) + '"'
        case float() if math.isnan(value) or value in {float("inf"), float("-inf")}:
            return {"nan": "nan", "inf": "inf", "-inf": "-inf"}[str(value)]
        case int() | float():
            return repr(value).replace("e+", "e")
        case list():
            return "[" + ", ".join(toml(one) for one in value) + "]"
        case _:
            return "{ " + ", ".join(f"{toml(str(key))} = {toml(one)}" for key, one in value.items()) + " }"


@given(
    st.lists(
        tables
        | st.builds(lambda kind, table: {"name": "a", **table, "kind": kind}, st.sampled_from([*kinds()]), tables),
        max_size=3,
    ),
    tables,
)
def test_no_table_makes_reading_fail(gateways: list[dict[str, Any]], top: dict[str, Any]) -> None:
    lines = [f"{toml(key)} = {toml(value)}" for key, value in top.items() if key != "gateway"]
    for table in gateways:
        lines += ["[[gateway]]", *(f"{toml(key)} = {toml(value)}" for key, value in table.items())]
    phones = read("\n".join(lines))
    assert bool(phones.problems) != bool(phones.gateways)


@given(st.text(max_size=200))
def test_no_text_makes_reading_fail(text: str) -> None:
    read(text)


@given(
    st.lists(
        st.sampled_from(["[[gateway]]\n", "[", "]", "{", "}", "=", '"', "'''", "\n", "name", "kind", "1", "."]),
        max_size=60,
    )
)
def test_no_scraps_of_toml_make_reading_fail(scraps: list[str]) -> None:
    read("".join(scraps))


def test_a_folder_of_recordings_is_an_absolute_path() -> None:
    sip = '[[gateway]]\nname = "pbx"\nkind = "sip"\nhost = "192.0.2.1"\nrecordings = '
    one = read(sip + '"/srv/prompts"').find("pbx")
    assert one is not None
    assert one.config.recordings == Path("/srv/prompts")
    assert "recordings is not an absolute path" in problems(sip + '"prompts"')
