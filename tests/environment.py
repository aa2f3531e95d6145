"""The environment of every test run; pytest loads it first (`-p tests.environment`), before Django's settings."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

KEYS = "v1:testkey1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

home = Path(tempfile.mkdtemp(prefix="watchword-tests-"))
atexit.register(shutil.rmtree, home, ignore_errors=True)

for _name in [name for name in os.environ if name.startswith("WATCHWORD_") and not name.startswith("WATCHWORD_TEST_")]:
    del os.environ[_name]
os.environ.update(WATCHWORD_DEMO="yes", WATCHWORD_HOME=str(home), WATCHWORD_KEYS=KEYS)
