"""One name means one thing, and it is the field's: words of before come back neither as names nor in prose."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for folder in ("watchword", "tests", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
    if "migrations" not in path.parts and "__pycache__" not in path.parts and path.name != Path(__file__).name
)
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if path.name != "CHANGELOG.md" and "adr" not in path.parts
)

OLD_NAMES = frozenset(
    [
        "bell",
        "carrier",
        "carriers",
        "chance",
        "courier",
        "couriers",
        "desk",
        "disavow",
        "disavowal",
        "disavowed",
        "happening",
        "happenings",
        "handover",
        "handovers",
        "hearings",
        "held",
        "judge",
        "judged",
        "keeper",
        "lasts",
        "ledger",
        "nobody",
        "portion",
        "presence",
        "purse",
        "somebody",
        "surroundings",
        "tallies",
        "tally",
        "thaw",
        "thawed",
        "unheard",
        "wire",
        "wires",
        "wish",
        "wishes",
        "way",
        "ways",
        "wished",
    ]
)
"""Parts of identifiers that the field calls otherwise; `docs/adr/0090-the-fields-word-first.md` says how."""
OF_THE_LANGUAGE = re.compile(
    r"help_?desk|(on|under)_(the_|its_)?way|way_(on|out)|make_way|out_of_the_way|OnTheWay", re.IGNORECASE
)
OLD_IN_TEST_NAMES = frozenset(
    ["carrier", "carriers", "courier", "couriers", "purse", "somebody", "tallies", "tally", "thawed"]
)
OLD_IN_PROSE = re.compile(r"\b(couriers?|purses?|tally|tallies|unheard|handovers?)\b", re.IGNORECASE)

STANDS_FOR_ONE_KIND_EACH = frozenset(
    # Django finds them by this name.
    {"Command"}
    # The same part of every factor: its contract asks for it by this name.
    | {"AnswerForm", "SetUpForm"}
)
FILES_OF_A_KIND = frozenset(
    [
        "__init__",
        "actions",
        "apps",
        "config",
        "factor",
        "filters",
        "forms",
        "gateway",
        "invariants",
        "labels",
        "middleware",
        "models",
        "permissions",
        "queries",
        "rules",
        "search",
        "settings_views",
        "trace",
        "urls",
        "views",
    ]
)
"""Django's names, and names of parts that every package of a kind has."""


def words_of(name: str) -> set[str]:
    """Return the words of an identifier in lower case."""
    rest = OF_THE_LANGUAGE.sub("", name)
    return {word.lower() for part in rest.split("_") for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", part)}


def tokens_of(path: Path) -> Iterator[tokenize.TokenInfo]:
    """Return the tokens of a module."""
    return tokenize.generate_tokens(io.StringIO(path.read_text()).readline)


def prose_of(path: Path) -> Iterator[str]:
    """Return the comments and docstrings of a module."""
    yield from (token.string for token in tokens_of(path) if token.type == tokenize.COMMENT)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


def test_no_identifier_is_of_the_words_of_before() -> None:
    found = set()
    for path in SOURCES:
        for token in tokens_of(path):
            if token.type == tokenize.NAME:
                old = OLD_IN_TEST_NAMES if token.string.startswith("test_") else OLD_NAMES
                if words_of(token.string) & old:
                    found.add(f"{path.relative_to(ROOT)}: {token.string}")
    assert sorted(found) == []


def test_no_file_is_named_by_the_words_of_before() -> None:
    templates = [path for path in (ROOT / "watchword").rglob("*.html") if "__pycache__" not in path.parts]
    assert templates
    named = [path for path in (*SOURCES, *templates) if words_of(path.stem) & OLD_NAMES]
    assert [str(path.relative_to(ROOT)) for path in named] == []


def test_no_comment_or_page_uses_the_words_of_before() -> None:
    texts = [(path, text) for path in SOURCES for text in prose_of(path)] + [(page, page.read_text()) for page in PAGES]
    found = [f"{path.relative_to(ROOT)}: {old[0]}" for path, text in texts if (old := OLD_IN_PROSE.search(text))]
    assert found == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("SmppCarrier", {"smpp", "carrier"}),
        ("code_on_the_way", {"code"}),
        ("help_desk", set()),
        ("WAYS_AGAIN", {"ways", "again"}),
    ],
)
def test_the_words_of_a_name_are_found(name: str, words: set[str]) -> None:
    assert words_of(name) == words


def test_one_class_name_stands_for_one_thing() -> None:
    names = Counter(
        node.name
        for path in SOURCES
        if path.is_relative_to(ROOT / "watchword")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    )
    assert {name for name, times in names.items() if times > 1} == set(STANDS_FOR_ONE_KIND_EACH)


def test_one_file_name_stands_for_one_thing() -> None:
    names = Counter(
        path.stem for path in SOURCES if path.is_relative_to(ROOT / "watchword") and "commands" not in path.parts
    )
    twice = {name for name, times in names.items() if times > 1}
    assert twice - FILES_OF_A_KIND == set()
    assert FILES_OF_A_KIND - twice == set(), "what stands once needs no leave"


SAYS_NO = re.compile(
    r"Refus|Den[iy]|^Not(?!Me)[A-Z]|NotAllowed|Reject|Forbid|Throttl|Unavail|Fail(ed|ure)|Unanswer|Deferred|TryLater"
)
IS_ONE_OF = re.compile(r"Den[iy]|Reject|Throttl|Forbid|Fail(ed)?|Unavailable")
NOT_A_RESULT = frozenset(
    [
        # why, and how often: no results of their own
        "DenyReason",
        "RejectReason",
        "FailureCount",
        "RepeatedDenial",
        "DeniedMessage",
        # Warnings
        "Notice",
    ]
)


def test_every_no_is_false_and_has_one_of_six_names() -> None:
    classes = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for path in SOURCES
        if path.is_relative_to(ROOT / "watchword")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    }
    no = {name: bases for name, bases in classes.items() if SAYS_NO.search(name)} | {
        name: bases for name, bases in classes.items() if "NegativeResult" in bases
    }
    assert len(no) > 12
    raised = {"Exception", "ValueError", "PermissionDenied"}
    is_true = {name for name, bases in no.items() if not bases & (raised | {"NegativeResult"})} - NOT_A_RESULT
    assert is_true == set()
    named = {name for name in no if not IS_ONE_OF.search(name)} - NOT_A_RESULT - {"Wait", "Locked", "TooMany"}
    assert named == set()
