"""The URL configuration: which package serves which path."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

handler500 = "watchword.config.error_views.server_error"
urlpatterns: list[URLPattern | URLResolver] = []

_ADDRESSES = {
    "admin/": "watchword.admincenter",
    "demo/": "watchword.demo",
}
# Several packages share the root: the web door has its own paths there (sign-in, methods, setup), the OpenID Connect
# provider one for each organisation, and the portal the rest.
for _address, _package in (
    *_ADDRESSES.items(),
    ("", "watchword.doors.web"),
    ("", "watchword.doors.oidc"),
    ("", "watchword.doors.forward_auth"),
    ("", "watchword.portal"),
):
    if _package in settings.INSTALLED_APPS:
        urlpatterns.append(path(_address, include(f"{_package}.urls")))
