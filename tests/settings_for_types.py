"""The settings as the type checker's Django plugin sees them; nothing is opened or written."""

import os

os.environ.update(
    WATCHWORD_DEMO="yes",
    WATCHWORD_HOME="/nonexistent",
    WATCHWORD_KEYS="v1:typekey1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
)

from watchword.config.settings import *  # noqa: F403  (all names)
