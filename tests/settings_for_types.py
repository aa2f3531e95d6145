"""The settings as the type checker's Django plugin sees them."""

import tests.environment  # noqa: F401
from watchword.config.settings import *  # noqa: F403
