"""The answer to an authorization request, by the response mode of the client, always with ``iss`` (RFC 9207)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from authlib.oauth2.base import OAuth2Error
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers
from django.utils.csp import CSP

from watchword.applications.issuer import issuer_of
from watchword.directory.models import Organisation


class RedirectToApp(HttpResponse):
    """A redirect to an app, also to the private-use scheme of a native one, which Django's own redirect refuses."""

    status_code = 302

    def __init__(self, address: str) -> None:
        super().__init__()
        self["Location"] = address


def answer(
    request: HttpRequest,
    organisation: Organisation,
    redirect_uri: str,
    mode: str,
    parameters: Mapping[str, str],
) -> HttpResponse:
    """Return the answer that takes these parameters to the client. The redirect URI was checked before."""
    given = {**parameters, "iss": issuer_of(organisation)}
    if mode == "form_post" and urlsplit(redirect_uri).scheme in {"http", "https"}:
        response = render(request, "oidc/form_post.html", {"address": redirect_uri, "parameters": given})
        allow_form_to(response, redirect_uri)
    else:
        response = RedirectToApp(with_parameters(redirect_uri, given, in_fragment=mode == "fragment"))
    add_never_cache_headers(response)
    # RFC 9700 section 4.2.4: the code must not reach others by the Referer header.
    response["Referrer-Policy"] = "no-referrer"
    return response


def parameters_of_error(error: OAuth2Error, state: str) -> dict[str, str]:
    """Return the parameters that tell a client of an error."""
    parameters = {"error": str(error.error)}
    if error.description:
        parameters["error_description"] = str(error.description)
    return {**parameters, "state": state} if state else parameters


def allow_form_to(response: HttpResponse, address: str) -> None:
    """Let the forms of one page lead to an app: browsers apply ``form-action`` to redirects after a form, too."""
    parts = urlsplit(address)
    source = f"{parts.scheme}://{parts.netloc}" if parts.scheme in {"http", "https"} else f"{parts.scheme}:"
    # The attribute by which Django's own decorator ``csp_override`` speaks to its middleware.
    setattr(response, "_csp_config", {**settings.SECURE_CSP, "form-action": [CSP.SELF, source]})  # noqa: B010  (Django gives it no public name)


def with_parameters(address: str, parameters: Mapping[str, str], *, in_fragment: bool = False) -> str:
    """Return an address with parameters added to its query or as its fragment."""
    if in_fragment:
        return f"{address}#{urlencode(parameters)}"
    return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(parameters)}"
