"""The page about proxies prints the samples of deploy/proxy as they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((ROOT / "deploy/proxy").iterdir())
PAGE = (ROOT / "docs/operating/proxy.md").read_text()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_the_page_prints_each_sample_word_for_word(sample: Path) -> None:
    assert sample.read_text() in re.findall(r"```[a-z]+\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_prints_nothing_that_no_file_holds() -> None:
    assert len(re.findall(r"^```[a-z]+$", PAGE, re.MULTILINE)) == len(SAMPLES) > 0
