"""What the issuer says about itself (OpenID Connect Discovery section 3, RFC 8414): what it can do, and where."""

from __future__ import annotations

from typing import Any

from watchword.applications.issuer import endpoint, issuer_of
from watchword.applications.signing_keys import ALGORITHMS
from watchword.applications.subjects import CLAIMS, SCOPES
from watchword.directory.models import Organisation
from watchword.doors.oidc.authorization_requests import ACR_ONE, ACR_TWO, PROMPTS, RESPONSE_MODES
from watchword.doors.oidc.client_authentication import ASSERTION_ALGORITHMS, METHODS

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def metadata(organisation: Organisation) -> dict[str, Any]:
    """Return the metadata document of an organisation's issuer."""
    with_secret = [method for method in METHODS if method != "none"]
    return {
        "issuer": issuer_of(organisation),
        "authorization_endpoint": endpoint(organisation, "authorize"),
        "token_endpoint": endpoint(organisation, "token"),
        "userinfo_endpoint": endpoint(organisation, "userinfo"),
        "jwks_uri": endpoint(organisation, "jwks"),
        "introspection_endpoint": endpoint(organisation, "introspect"),
        "revocation_endpoint": endpoint(organisation, "revoke"),
        "pushed_authorization_request_endpoint": endpoint(organisation, "par"),
        "device_authorization_endpoint": endpoint(organisation, "device_authorization"),
        "end_session_endpoint": endpoint(organisation, "logout"),
        "scopes_supported": list(SCOPES),
        "claims_supported": [*CLAIMS, "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "sid"],
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "response_types_supported": ["code"],
        "response_modes_supported": list(RESPONSE_MODES),
        "grant_types_supported": ["authorization_code", "refresh_token", DEVICE_GRANT],
        "subject_types_supported": ["public", "pairwise"],
        "acr_values_supported": [ACR_ONE, ACR_TWO],
        "prompt_values_supported": list(PROMPTS),
        "id_token_signing_alg_values_supported": list(ALGORITHMS),
        "token_endpoint_auth_methods_supported": list(METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "introspection_endpoint_auth_methods_supported": with_secret,
        "introspection_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": list(METHODS),
        "revocation_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "code_challenge_methods_supported": ["S256"],
        "dpop_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "authorization_response_iss_parameter_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
    }
