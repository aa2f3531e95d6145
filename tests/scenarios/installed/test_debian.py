"""The wheel on Debian 13, with Debian's own Python and as an unprivileged user."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.left_out import NO_PACKAGE_BRINGS_IT
from tests.scenarios.debian_tree import NotHere
from tests.scenarios.installed import debian
from tests.scenarios.installed.builds import Release
from tests.scenarios.installed.installation import first_steps, play_demo

pytestmark = pytest.mark.scenario


def test_on_debian_13_an_ordinary_user_gets_to_a_page_and_to_the_demo(release: Release, tmp_path: Path) -> None:
    try:
        with debian.installed(release, tmp_path) as installation:
            who = installation.python("import os, sys; print(os.getuid(), *sys.version_info[:2], sys.base_prefix)")
            assert who == f"{debian.UNPRIVILEGED} 3 13 /usr\n"
            first_steps(installation)
            play_demo(installation.with_home("demo"))
    except NotHere as reason:
        pytest.skip(f"{NO_PACKAGE_BRINGS_IT}the wheel on Debian 13: {reason}")
