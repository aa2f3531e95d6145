"""Fill the template of a request: each value is quoted for its context, so that no value can break out of it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from watchword.messaging.gateways.http.config import FIELD, HttpConfig


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, ready to be sent."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)


def fill(config: HttpConfig, values: Mapping[str, str]) -> Request:
    """Return the request for these values; ``values`` has every name of ``config.FIELDS``."""
    known = {**values, **{f"secret.{name}": secret for name, secret in config.secrets.items()}}
    url = _text(config.url, known, lambda value: quote(value, safe=""))
    if config.query:
        url += ("&" if "?" in url else "?") + urlencode(
            {name: _text(text, known) for name, text in config.query.items()}
        )
    accepts = "*/*" if config.success_pattern else "application/json"
    headers = {"Accept": accepts, "Idempotency-Key": values["reference"]}
    if config.user:
        headers["Authorization"] = "Basic " + b64encode(f"{config.user}:{config.password}".encode()).decode()
    content = b""
    if config.json is not None:
        content = json.dumps(_json(config.json, known)).encode()
        headers["Content-Type"] = "application/json"
    elif config.form:
        content = urlencode({name: _text(text, known) for name, text in config.form.items()}).encode()
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    for name, text in config.headers.items():
        # The operator's headers override ours; a line break in a value would begin another header.
        headers = {ours: value for ours, value in headers.items() if ours.lower() != name.lower()}
        headers[name] = " ".join(_text(text, known).split())
    return Request(config.method, url, headers, content)


def _text(text: str, values: Mapping[str, str], quoted: Callable[[str], str] = str) -> str:
    # One pass: fields inside a value are not filled.
    return FIELD.sub(lambda match: quoted(values[match[1]]), text)


def _json(value: object, values: Mapping[str, str]) -> object:
    match value:
        case str():
            return _text(value, values)
        case Mapping():
            return {name: _json(inner, values) for name, inner in value.items()}
        case list():
            return [_json(inner, values) for inner in value]
        case _:
            return value


def look_up(answer: object, path: str) -> str:
    """Return the value at a dotted path of a JSON response as text; empty where there is none."""
    match find(answer, path):
        case bool() as yes:
            return "true" if yes else "false"
        case str() | int() | float() as plain:
            return str(plain)
        case _:
            return ""


def find(answer: object, path: str) -> object:
    """Return the value at a dotted path of a JSON response; None where there is none."""
    for step in path.split("."):
        match answer:
            case Mapping():
                answer = answer.get(step)
            case list() if step.isdecimal() and int(step) < len(answer):
                answer = answer[int(step)]
            case _:
                return None
    return answer
