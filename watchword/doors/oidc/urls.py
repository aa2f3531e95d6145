"""The URLs of the OpenID Connect provider; each organisation is an issuer of its own."""

from django.urls import path

from watchword.doors.oidc.views import authorization, devices, endpoints, logout

app_name = "oidc"

urlpatterns = [
    path("<uuid:tenant>/v2.0/.well-known/openid-configuration", endpoints.openid_configuration, name="configuration"),
    path(
        ".well-known/openid-configuration/<uuid:tenant>/v2.0",
        endpoints.openid_configuration,
        name="configuration_by_rfc8414",
    ),
    path(".well-known/oauth-authorization-server/<uuid:tenant>/v2.0", endpoints.openid_configuration, name="metadata"),
    path("<uuid:tenant>/v2.0/jwks", endpoints.jwks, name="jwks"),
    path("<uuid:tenant>/v2.0/authorize", authorization.authorize, name="authorize"),
    path("<uuid:tenant>/v2.0/authorize/<str:token>/", authorization.proceed, name="proceed"),
    path("<uuid:tenant>/v2.0/par", endpoints.push, name="push"),
    path("<uuid:tenant>/v2.0/token", endpoints.token, name="token"),
    path("<uuid:tenant>/v2.0/introspect", endpoints.introspect, name="introspect"),
    path("<uuid:tenant>/v2.0/revoke", endpoints.revoke, name="revoke"),
    path("<uuid:tenant>/v2.0/userinfo", endpoints.userinfo, name="userinfo"),
    path("<uuid:tenant>/v2.0/device_authorization", devices.authorization, name="device_authorization"),
    path("<uuid:tenant>/v2.0/logout", logout.end_session, name="logout"),
    path("device/", devices.type_code, name="device"),
]
