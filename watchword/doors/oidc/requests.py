"""An OAuth request as Authlib reads it, from the parameters of one place: the query, the form or a pushed request.

Authlib's own request for Django merges query and form, so that a client secret in an address, and so in logs, would be
accepted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Payload, OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidRequestError
from django.http import HttpRequest, QueryDict

LONGEST_PARAMETER = 8_000
MOST_PARAMETERS = 60


class Payload(OAuth2Payload):  # type: ignore[misc]  # Authlib has no types
    """The parameters of one request."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._parameters = dict(parameters)

    @property
    def data(self) -> dict[str, str]:
        """Return the parameters."""
        return self._parameters

    @cached_property
    def datalist(self) -> Mapping[str, Sequence[str]]:
        """Return each parameter as a list of one value: repeated ones were refused before."""
        return defaultdict(list, {name: [value] for name, value in self._parameters.items()})


class OAuthRequest(OAuth2Request):  # type: ignore[misc]  # Authlib has no types
    """One OAuth request."""

    def __init__(self, http: HttpRequest, parameters: Mapping[str, str]) -> None:
        # The public URL decides about TLS, not the hop from the proxy; so Authlib's check of the address is left out.
        self.method = http.method or ""
        self.uri = ""
        self.headers = http.headers
        self.http = http
        self.payload = Payload(parameters)
        self.client: Any = None
        self.auth_method: str | None = None
        self.user: Any = None
        self.authorization_code: Any = None
        self.refresh_token: Any = None
        self.credential: Any = None
        self.dpop_thumbprint = ""
        self._scope: str | None = None
        self._body = None

    @property
    def args(self) -> dict[str, str]:
        """Return nothing: a parameter in the address is no parameter of a form."""
        return {}

    @property
    def form(self) -> dict[str, str]:
        """Return the parameters."""
        return self.payload.data


def parameters_of(given: QueryDict) -> dict[str, str]:
    """Return the parameters of a query or form; raise InvalidRequestError for a repeated or oversized one.

    RFC 6749 section 3.1: a parameter without a value counts as left out, and none may come twice.
    """
    if len(given) > MOST_PARAMETERS:
        raise InvalidRequestError("Too many parameters.")
    parameters: dict[str, str] = {}
    for name, values in given.lists():
        if len(values) > 1:
            raise InvalidRequestError(f"Parameter {printable(name)} is given more than once.")
        if len(values[0]) > LONGEST_PARAMETER:
            raise InvalidRequestError(f"Parameter {printable(name)} is too long.")
        if "\x00" in values[0]:
            raise InvalidRequestError(f"Parameter {printable(name)} has a NUL character.")
        if values[0]:
            parameters[name] = values[0]
    return parameters


def printable(text: str) -> str:
    """Return a text cut and reduced to the characters that an error description may have (RFC 6749 section 5.2)."""
    return "".join(sign for sign in text[:200] if " " <= sign <= "~" and sign not in '"\\')
