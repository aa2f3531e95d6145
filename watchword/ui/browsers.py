"""Names of browsers from their User-Agent headers."""

from functools import lru_cache

from django.utils.translation import gettext as _
from ua_parser import parse


@lru_cache(maxsize=4096)
def _family(agent: str) -> tuple[str, str]:
    found = parse(agent)
    browser = found.user_agent.family if found.user_agent is not None else ""
    system = found.os.family if found.os is not None else ""
    return browser, system


def browser_in_words(agent: str) -> str:
    """Return a name such as "Firefox on Linux" for a User-Agent header."""
    browser, system = _family(agent[:300])
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or _("An unknown program")
