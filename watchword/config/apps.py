"""Django's configuration of this package."""

from django.apps import AppConfig


class WatchwordConfig(AppConfig):
    """The package as Django knows it; it registers the system checks."""

    name = "watchword.config"
    label = "config"

    def ready(self) -> None:
        """Import the checks, which register themselves."""
        from watchword.config import checks  # noqa: F401  (importing registers)
