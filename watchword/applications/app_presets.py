"""Presets of apps: what each needs to sign people in, and the lines that connect it.

A line may contain ``{issuer}``, ``{client_id}``, ``{secret}`` and ``{address}``: that of the app, without a slash at
its end. Sources: the documentation of each app.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from watchword.applications.models import ClientKind

_PROFILE = ("openid", "profile", "email")
_MATRIX_PROVIDER = "01HVATCHW0RD00000000000000"
"""The id of the provider in the configuration of MAS: a ULID that stands in the redirect address."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """Lines to paste, and the place for them."""

    place: str | Promise
    text: str


@dataclass(frozen=True, slots=True)
class Preset:
    """What an app of one kind needs."""

    name: str | Promise
    about: str | Promise
    redirects: tuple[str, ...] = ()
    """Redirect addresses; one that begins with ``/`` (or is empty) follows the address of the app."""
    kind: ClientKind = ClientKind.CONFIDENTIAL
    scopes: tuple[str, ...] = _PROFILE
    pkce_exempt: bool = False
    """For apps that send no code challenge (RFC 7636)."""
    backchannel: str = ""
    """Where it is told of the end of a sign-in, after the address of the app."""
    allows_device_flow: bool = False
    snippets: tuple[Snippet, ...] = ()
    tried_by: str = ""
    """The test that signs in to the real app; empty: none does."""

    @property
    def needs_address(self) -> bool:
        """Return whether the redirect addresses follow from the address of the app."""
        return any(not redirect.startswith("http") for redirect in self.redirects)

    def redirect_uris(self, address: str) -> list[str]:
        """Return the redirect URIs of an app at an address."""
        base = address.rstrip("/")
        return [redirect if redirect.startswith("http") else base + redirect for redirect in self.redirects]

    def backchannel_uri(self, address: str) -> str:
        """Return the back-channel logout URI of an app at an address, or an empty string."""
        return address.rstrip("/") + self.backchannel if self.backchannel else ""

    def lines(self, *, issuer: str, client_id: str, secret: str, address: str) -> list[Snippet]:
        """Return what to paste on the side of the app."""
        values = {"issuer": issuer, "client_id": client_id, "secret": secret, "address": address.rstrip("/")}
        return [Snippet(snippet.place, _filled(snippet.text, values)) for snippet in self.snippets]


def _filled(text: str, values: Mapping[str, str]) -> str:
    # Not str.format: the lines of some apps have braces of their own.
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


PRESETS: dict[str, Preset] = {
    "roundcube": Preset(
        "Roundcube",
        _("Webmail. Dovecot takes its token in place of a password."),
        redirects=("/index.php/login/oauth",),
        scopes=(*_PROFILE, "offline_access", "mail"),
        pkce_exempt=True,
        snippets=(
            Snippet(
                "config/config.inc.php",
                "$config['oauth_provider'] = 'generic';\n"
                "$config['oauth_provider_name'] = 'Watchword';\n"
                "$config['oauth_client_id'] = '{client_id}';\n"
                "$config['oauth_client_secret'] = '{secret}';\n"
                "$config['oauth_auth_uri'] = '{issuer}/authorize';\n"
                "$config['oauth_token_uri'] = '{issuer}/token';\n"
                "$config['oauth_identity_uri'] = '{issuer}/userinfo';\n"
                "$config['oauth_scope'] = 'openid profile email offline_access mail';\n"
                "$config['oauth_identity_fields'] = ['email'];\n"
                "$config['oauth_login_redirect'] = true;",
            ),
        ),
    ),
    "sogo": Preset(
        "SOGo",
        _("Webmail, calendars and address books, from version 5.12 on."),
        redirects=("/SOGo/",),
        scopes=(*_PROFILE, "offline_access", "mail"),
        pkce_exempt=True,
        snippets=(
            Snippet(
                "/etc/sogo/sogo.conf",
                "SOGoAuthenticationType = openid;\n"
                "SOGoXSRFValidationEnabled = NO;\n"
                'SOGoOpenIdConfigUrl = "{issuer}/.well-known/openid-configuration";\n'
                'SOGoOpenIdClient = "{client_id}";\n'
                'SOGoOpenIdClientSecret = "{secret}";\n'
                'SOGoOpenIdScope = "openid profile email offline_access mail";\n'
                "SOGoOpenIdEmailParam = email;\n"
                "SOGoOpenIdEnableRefreshToken = YES;",
            ),
        ),
    ),
    "nextcloud": Preset(
        "Nextcloud",
        _("Files and calendars, with Nextcloud's own app user_oidc."),
        redirects=("/apps/user_oidc/code", "/index.php/apps/user_oidc/code"),
        scopes=(*_PROFILE, "groups"),
        backchannel="/apps/user_oidc/backchannel-logout/watchword",
        snippets=(
            Snippet(
                _("In the folder of Nextcloud"),
                "php occ app:install user_oidc\n"
                "php occ user_oidc:provider watchword \\\n"
                "  --clientid='{client_id}' \\\n"
                "  --clientsecret='{secret}' \\\n"
                "  --discoveryuri='{issuer}/.well-known/openid-configuration' \\\n"
                "  --scope='openid profile email groups' \\\n"
                "  --unique-uid=0",
            ),
        ),
    ),
    "grafana": Preset(
        "Grafana",
        _("Dashboards."),
        redirects=("/login/generic_oauth",),
        scopes=(*_PROFILE, "groups", "offline_access"),
        snippets=(
            Snippet(
                "/etc/grafana/grafana.ini",
                "[auth.generic_oauth]\n"
                "enabled = true\n"
                "name = Watchword\n"
                "client_id = {client_id}\n"
                "client_secret = {secret}\n"
                "scopes = openid profile email groups offline_access\n"
                "auth_url = {issuer}/authorize\n"
                "token_url = {issuer}/token\n"
                "api_url = {issuer}/userinfo\n"
                "login_attribute_path = preferred_username\n"
                "use_pkce = true\n"
                "use_refresh_token = true",
            ),
        ),
    ),
    "gitea": Preset(
        "Gitea, Forgejo",
        _("Git repositories."),
        redirects=("/user/oauth2/watchword/callback",),
        scopes=(*_PROFILE, "groups"),
        pkce_exempt=True,
        snippets=(
            Snippet(
                _("As the user of Gitea (for Forgejo: forgejo instead of gitea)"),
                "gitea admin auth add-oauth \\\n"
                "  --name watchword \\\n"
                "  --provider openidConnect \\\n"
                "  --key '{client_id}' \\\n"
                "  --secret '{secret}' \\\n"
                "  --auto-discover-url '{issuer}/.well-known/openid-configuration' \\\n"
                "  --scopes 'openid profile email groups'",
            ),
        ),
    ),
    "gitlab": Preset(
        "GitLab",
        _("Git repositories, self-managed."),
        redirects=("/users/auth/openid_connect/callback",),
        snippets=(
            Snippet(
                "/etc/gitlab/gitlab.rb",
                "gitlab_rails['omniauth_providers'] = [\n"
                "  {\n"
                '    name: "openid_connect",\n'
                '    label: "Watchword",\n'
                "    args: {\n"
                '      name: "openid_connect",\n'
                '      scope: ["openid", "profile", "email"],\n'
                '      response_type: "code",\n'
                '      issuer: "{issuer}",\n'
                "      discovery: true,\n"
                '      client_auth_method: "basic",\n'
                '      uid_field: "sub",\n'
                "      pkce: true,\n"
                "      client_options: {\n"
                '        identifier: "{client_id}",\n'
                '        secret: "{secret}",\n'
                '        redirect_uri: "{address}/users/auth/openid_connect/callback"\n'
                "      }\n"
                "    }\n"
                "  }\n"
                "]",
            ),
        ),
    ),
    "proxmox": Preset(
        "Proxmox VE",
        _("Virtual machines. Its address has the port, such as https://pve.example.org:8006."),
        redirects=("",),
        snippets=(
            Snippet(
                _("On one node of the cluster, as root"),
                "pveum realm add watchword --type openid \\\n"
                "  --issuer-url '{issuer}' \\\n"
                "  --client-id '{client_id}' \\\n"
                "  --client-key '{secret}' \\\n"
                "  --username-claim username \\\n"
                "  --autocreate 1",
            ),
        ),
    ),
    "mattermost": Preset(
        "Mattermost",
        _("Chat; OpenID Connect needs one of its paid editions."),
        redirects=("/signup/openid/complete",),
        pkce_exempt=True,
        snippets=(
            Snippet(
                _("System Console, Authentication, OpenID Connect"),
                "Discovery Endpoint: {issuer}/.well-known/openid-configuration\n"
                "Client ID: {client_id}\n"
                "Client Secret: {secret}",
            ),
        ),
    ),
    "matrix": Preset(
        "Matrix (MAS)",
        _("Chat, with the Matrix Authentication Service. Its address is that of the service, not of the home server."),
        redirects=(f"/upstream/callback/{_MATRIX_PROVIDER}",),
        backchannel=f"/upstream/backchannel-logout/{_MATRIX_PROVIDER}",
        snippets=(
            Snippet(
                "config.yaml",
                "upstream_oauth2:\n"
                "  providers:\n"
                f"    - id: {_MATRIX_PROVIDER}\n"
                "      human_name: Watchword\n"
                "      issuer: '{issuer}'\n"
                "      client_id: '{client_id}'\n"
                "      client_secret: '{secret}'\n"
                "      token_endpoint_auth_method: client_secret_basic\n"
                "      scope: 'openid profile email'\n"
                "      pkce_method: always\n"
                "      on_backchannel_logout: logout_browser_only\n"
                "      claims_imports:\n"
                "        localpart:\n"
                "          action: suggest\n"
                "          template: '{{ user.preferred_username.split(\"@\")[0] }}'\n"
                "        displayname:\n"
                "          action: suggest\n"
                "          template: '{{ user.name }}'\n"
                "        email:\n"
                "          action: suggest\n"
                "          template: '{{ user.email }}'",
            ),
        ),
    ),
    "mod-auth-openidc": Preset(
        "Apache (mod_auth_openidc)",
        _("Any site behind Apache."),
        redirects=("/oidc-callback",),
        scopes=(*_PROFILE, "groups"),
        backchannel="/oidc-callback?logout=backchannel",
        snippets=(
            Snippet(
                _("In the virtual host. Replace CHANGE-ME by a random word of your own."),
                'OIDCProviderMetadataURL "{issuer}/.well-known/openid-configuration"\n'
                'OIDCClientID "{client_id}"\n'
                'OIDCClientSecret "{secret}"\n'
                'OIDCRedirectURI "{address}/oidc-callback"\n'
                'OIDCCryptoPassphrase "CHANGE-ME"\n'
                'OIDCScope "openid profile email groups"\n'
                "OIDCPKCEMethod S256\n"
                "OIDCRemoteUserClaim preferred_username\n"
                "<Location />\n"
                "  AuthType openid-connect\n"
                "  Require valid-user\n"
                "</Location>",
            ),
        ),
    ),
    "oauth2-proxy": Preset(
        "oauth2-proxy",
        _("Any site behind this proxy."),
        redirects=("/oauth2/callback",),
        scopes=(*_PROFILE, "groups", "offline_access"),
        snippets=(
            Snippet(
                _("oauth2-proxy.cfg. Replace CHANGE-ME by 32 random characters."),
                'provider = "oidc"\n'
                'oidc_issuer_url = "{issuer}"\n'
                'client_id = "{client_id}"\n'
                'client_secret = "{secret}"\n'
                'redirect_url = "{address}/oauth2/callback"\n'
                'scope = "openid profile email groups offline_access"\n'
                'code_challenge_method = "S256"\n'
                'email_domains = ["*"]\n'
                'cookie_secret = "CHANGE-ME"',
            ),
        ),
    ),
    "web": Preset(
        _("Web app"),
        _("Any app on a server that speaks OpenID Connect."),
        redirects=("/callback",),
        scopes=(*_PROFILE, "groups", "offline_access"),
        snippets=(
            Snippet(
                _("In the settings of the app"),
                "Issuer: {issuer}\nClient ID: {client_id}\nClient secret: {secret}\nScopes: openid profile email",
            ),
        ),
    ),
    "native": Preset(
        _("Program on people's devices"),
        _("A program that opens a browser and listens on the same machine (RFC 8252); it has no secret."),
        redirects=("http://127.0.0.1/", "http://[::1]/"),
        kind=ClientKind.PUBLIC,
        scopes=(*_PROFILE, "offline_access"),
        snippets=(
            Snippet(
                _("In the settings of the program"),
                "Issuer: {issuer}\nClient ID: {client_id}\nRedirect address: http://127.0.0.1/ (any port)\n"
                "Scopes: openid profile email offline_access",
            ),
        ),
    ),
    "device": Preset(
        _("Device without a browser"),
        _("A television, a printer, a command line: people type its code on another device (RFC 8628)."),
        kind=ClientKind.PUBLIC,
        scopes=(*_PROFILE, "offline_access"),
        allows_device_flow=True,
        snippets=(
            Snippet(
                _("In the settings of the device"),
                "Issuer: {issuer}\nClient ID: {client_id}\nDevice authorization: {issuer}/device_authorization\n"
                "Scopes: openid profile email offline_access",
            ),
        ),
    ),
}
"""The gallery, in the order in which it is shown."""
