"""Which room answers which address."""

from importlib.util import find_spec

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = []

_ADDRESSES = {
    "admin/": "watchword.admincenter",
    "": "watchword.portal",
    "sign-in/": "watchword.doors.web",
    "telephone/": "watchword.delivery.simulator",
    "demo/": "watchword.demo",
}
for _address, _room in _ADDRESSES.items():
    if _room in settings.INSTALLED_APPS and find_spec(f"{_room}.urls") is not None:
        urlpatterns.append(path(_address, include(f"{_room}.urls")))
