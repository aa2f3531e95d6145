"""The phones file (TOML): gateways, their prices, and the messages that they may send. Read once at the start.

It never holds a secret in clear: a secret is sealed by ``watchword phones seal``, or stored in a file of its own.
"""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Any

from watchword.core.policy import Channel
from watchword.messaging.worker.route_selection import Route

LARGEST = 1_000_000
DEAREST = 1_000
"""Highest price of one message in any currency; more is a slip of the decimal point."""
SIMULATOR = "simulator"
"""The kind of the demo's only gateway. A phones file can't use it."""
_COMMON = frozenset({"name", "kind", "weight", "prefixes", "each_day", "prices"})

type OpenSecret = Callable[[str], str]
"""Return the secret that a value refers to (``sealed:…`` or ``file:/…``); raises ValueError with plain words."""


@dataclass(frozen=True, slots=True)
class GatewayKind:
    """One kind of gateway: the dataclass of its options, and the channels that it supports with them."""

    config: type
    channels: Callable[[Any], frozenset[Channel]]
    adapt: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda table: table
    """Convert the operator's table into fields of ``config``, for presets."""


@dataclass(frozen=True, slots=True)
class ConfiguredGateway:
    """One gateway of the phones file."""

    route: Route
    kind: str
    config: Any


@dataclass(frozen=True, slots=True)
class Phones:
    """The content of the phones file; empty without a file."""

    gateways: tuple[ConfiguredGateway, ...] = ()
    currency: str = ""
    sim_check: Any = None
    problems: tuple[str, ...] = field(default=())

    @property
    def channels(self) -> frozenset[Channel]:
        """Return the channels that have at least one gateway."""
        return frozenset(channel for planned in self.gateways for channel in planned.route.channels)

    @property
    def is_simulated(self) -> bool:
        """Return whether texts and calls go to a web page, where every visitor reads them."""
        return any(planned.kind == SIMULATOR for planned in self.gateways)

    def find(self, name: str) -> ConfiguredGateway | None:
        """Return a gateway by its name."""
        return next((planned for planned in self.gateways if planned.route.name == name), None)


def simulated() -> Phones:
    """Return the gateways of a demo without a phones file: simulated telephones on a web page."""
    return Phones((ConfiguredGateway(Route(SIMULATOR, frozenset(Channel)), SIMULATOR, None),))


def read_phones(
    text: str, kinds: Mapping[str, GatewayKind], open_secret: OpenSecret, sim_config: type | None = None
) -> Phones:
    """Return the content of a phones file, or every mistake in it as ``problems``. Secrets are never quoted."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return Phones(problems=(f"is not TOML: {error}",))
    except (ValueError, RecursionError) as error:
        # For example a number with thousands of digits, or endlessly nested brackets.
        return Phones(problems=(f"is not TOML that can be read: {type(error).__name__}",))
    problems: list[str] = []
    problems += [
        f"has {name!r}, which means nothing here; expected: currency, [[gateway]], [sim_check]"
        for name in sorted(set(table) - {"currency", "gateway", "sim_check"})
    ]
    currency = _currency(table, problems)
    tables = table.get("gateway", [])
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        return Phones(problems=(*problems, "gateway is not a list of tables; write [[gateway]]"))
    gateways: list[ConfiguredGateway] = []
    for position, one in enumerate(tables, 1):
        planned = _planned(one, position, kinds, open_secret, problems)
        if planned is not None and any(planned.route.name == other.route.name for other in gateways):
            problems.append(f"has two gateways named {planned.route.name!r}")
        elif planned is not None:
            gateways.append(planned)
    if not gateways:
        problems.append("names no [[gateway]]")
    sim = None
    if "sim_check" in table and sim_config is not None:
        sim = _fill(sim_config, table["sim_check"], "[sim_check]", open_secret, problems)
    if problems:
        return Phones(problems=tuple(problems))
    return Phones(tuple(gateways), currency, sim)


def _currency(table: Mapping[str, Any], problems: list[str]) -> str:
    currency = table.get("currency", "")
    if not isinstance(currency, str) or (currency and not (len(currency) == 3 and currency.isupper())):
        problems.append("currency is not a code such as EUR (ISO 4217)")
        return ""
    return currency


def _planned(
    table: dict[str, Any], position: int, kinds: Mapping[str, GatewayKind], open_secret: OpenSecret, problems: list[str]
) -> ConfiguredGateway | None:
    name = table.get("name", "")
    is_name = isinstance(name, str) and 0 < len(name) <= 32 and name.isascii()  # the length of the database column
    # An invalid name is not quoted: it could be anything, even a secret in the wrong field.
    where = f"gateway {name!r}" if is_name else f"gateway {position}"
    if not is_name or not name.replace("-", "").isalnum():
        problems.append(f"{where}: name is missing, or is not of letters, digits and hyphens (at most 32)")
        return None
    kind = kinds.get(str(table.get("kind")))
    if kind is None:
        said = f"is {_quoted(table['kind'])}" if "kind" in table else "is missing"
        problems.append(f"{where}: kind {said}; expected: one of {', '.join(sorted(kinds))}")
        return None
    before = len(problems)
    weight = _number(table, "weight", 1, where, problems)
    each_day = _number(table, "each_day", None, where, problems)
    prefixes = table.get("prefixes", [])
    if not isinstance(prefixes, list) or not all(
        isinstance(prefix, str) and prefix.isascii() and prefix.startswith("+") and prefix[1:].isdecimal()
        for prefix in prefixes
    ):
        problems.append(f'{where}: prefixes is not a list of beginnings of numbers such as ["+49", "+4315"]')
        prefixes = []
    prices = _prices(table.get("prices", {}), where, problems)
    rest = {key: value for key, value in table.items() if key not in _COMMON}
    try:
        adapted = kind.adapt({"kind": str(table["kind"]), **rest})
    except ValueError as error:
        problems.append(f"{where}: {error}")
        return None
    config = _fill(
        kind.config, {key: value for key, value in adapted.items() if key != "kind"}, where, open_secret, problems
    )
    if config is None or len(problems) > before:
        return None
    route = Route(name, kind.channels(config), weight or 1, tuple(prefixes), each_day, prices)
    return ConfiguredGateway(route, str(table["kind"]), config)


def _number(table: Mapping[str, Any], name: str, default: int | None, where: str, problems: list[str]) -> int | None:
    value: object = table.get(name, default)
    if value is default:
        return default
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST:
        return value
    problems.append(f"{where}: {name} is {_quoted(value)}; expected: a whole number from 1 to {LARGEST}")
    return default


def _quoted(value: object) -> str:
    """Return a value as an error message may show it; tables and lists are not shown, as they may hold secrets."""
    return repr(value)[:40] if isinstance(value, str | int | float) else f"a {type(value).__name__}"


def _prices(table: object, where: str, problems: list[str]) -> dict[str, int]:
    prices: dict[str, int] = {}
    if not isinstance(table, dict):
        problems.append(f'{where}: prices is not a table such as {{ DE = "0.07", "*" = "0.12" }}')
        return prices
    for country, price in table.items():
        try:
            amount = Decimal(str(price))
        except (InvalidOperation, ValueError):
            amount = Decimal("NaN")
        is_amount = not isinstance(price, bool) and amount.is_finite() and 0 <= amount <= DEAREST
        if not is_amount or not (country == "*" or re.fullmatch("[A-Z]{2}", country)):
            problems.append(f'{where}: the price of {country!r} is not an amount such as "0.07"')
            continue
        prices[country] = int(amount * 1_000_000)
    return prices


def _fill(kind: type, table: Any, where: str, open_secret: OpenSecret, problems: list[str]) -> Any:
    """Return a dataclass filled from a table whose names and types must match its fields."""
    if not isinstance(table, Mapping):
        problems.append(f"{where}: is not a table")
        return None
    hints = typing.get_type_hints(kind)
    fields = {one.name: one for one in dataclasses.fields(kind)}
    before = len(problems)
    problems += [
        f"{where}: {name!r} means nothing here; expected: {', '.join(sorted(fields))}"
        for name in sorted(set(table) - set(fields))
    ]
    values = {}
    for name, one in fields.items():
        if name not in table:
            if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING:
                problems.append(f"{where}: {name} is missing")
            continue
        # A field that is hidden from repr is a secret, which must not be in the file in clear.
        opened = open_secret if not one.repr else None
        try:
            values[name] = _value(hints[name], table[name], f"{where}: {name}", opened, open_secret, problems)
        except ValueError as error:
            problems.append(f"{where}: {name} {error}")
    if len(problems) > before:
        return None
    try:
        return kind(**values)
    except ValueError as error:
        problems.append(f"{where}: {error}")
        return None


def _value(
    hint: Any, value: Any, where: str, opened: OpenSecret | None, open_secret: OpenSecret, problems: list[str]
) -> Any:
    """Return one value as the type of its field; raises ValueError with plain words."""
    if isinstance(hint, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not type(None)]
        hint = options[0]
    origin = typing.get_origin(hint) or hint
    if dataclasses.is_dataclass(origin) and isinstance(origin, type):
        return _fill(origin, value, where, open_secret, problems)
    if origin is tuple:
        item = typing.get_args(hint)[0]
        if not isinstance(value, list):
            raise ValueError("is not a list")
        return tuple(_value(item, one, where, opened, open_secret, problems) for one in value)
    if origin in {dict, Mapping} or origin is typing.get_origin(Mapping[str, str]):
        if not isinstance(value, dict):
            raise ValueError("is not a table")
        inner = typing.get_args(hint)[1]
        return {str(key): _value(inner, one, where, opened, open_secret, problems) for key, one in value.items()}
    return _plain(origin, value, opened)


def _plain(kind: Any, value: Any, opened: OpenSecret | None) -> Any:
    if kind is Any or kind is object:
        return _json(value)
    if kind is bool or isinstance(value, bool):
        if kind is not bool or not isinstance(value, bool):
            raise ValueError("is not true or false" if kind is bool else f"is true or false; expected: {kind.__name__}")
        return value
    if kind is float and isinstance(value, int):
        return float(max(-LARGEST, min(value, LARGEST)))
    if kind is Path:
        if not isinstance(value, str) or not Path(value).is_absolute():
            raise ValueError("is not an absolute path")
        return Path(value)
    if isinstance(kind, type) and issubclass(kind, str) and isinstance(value, str):
        text = opened(value) if opened is not None else value
        try:
            return kind(text)
        except ValueError:
            expected = f"; expected: one of {', '.join(kind)}" if issubclass(kind, StrEnum) else ""
            raise ValueError(f"is {_quoted(value)}{expected}") from None
    if not isinstance(kind, type) or not isinstance(value, kind):
        names = {str: "text in quotes", int: "a whole number", float: "a number"}
        raise ValueError(  # noqa: TRY004  (the file is wrong, not the caller)
            f"is not {names.get(kind, 'of the right kind')}"
        )
    return value


def _json(value: Any) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise ValueError("holds a date or a number that JSON does not have") from None
    return value
