"""Build docs/security/standards.md; ``tests.security.write_standards`` prints it.

Facts of the code (kinds of events, purposes of keys, tables, dependencies) are read from the code; the rest is
written in ``standards_words``. A test reports missing entries, and whether the page is current.
"""

from __future__ import annotations

import ast
import itertools
import re
import tomllib
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

from django.apps import apps

from tests.security.standards_words import CLASSES, PURPOSES, TABLES, Table
from watchword.audit.events import NOTIFIED_KINDS, EventKind
from watchword.config import settings
from watchword.core import codes, keyring
from watchword.factors.password import factor, quality

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "watchword"
TEMPLATE = Path(__file__).parent / "standards.template.md"
DEPENDENCIES = ROOT / "docs" / "adr" / "0004-dependencies.md"

NO_WORDS = ("", "")
"""Placeholder for a purpose without a description: the page is built all the same, and a test names the purpose."""

_KEYED = frozenset({"seal", "open", "mac", "macs", "keyed"})
_RING = re.compile(r"ring|vault|keyed", re.IGNORECASE)


def markdown() -> str:
    """Return the whole page."""
    written = _written_by()
    return TEMPLATE.read_text().format(
        shortest_alone=factor.SHORTEST_ALONE,
        shortest_with_second=factor.SHORTEST_WITH_SECOND,
        longest=factor.LONGEST,
        guesses=f"{quality.FEWEST_GUESSES:,}",
        guesses_alone=f"{quality.FEWEST_GUESSES_ALONE:,}",
        guesses_left=f"{quality.FEWEST_GUESSES_WITHOUT_CONTEXT:,}",
        product=quality.PRODUCT,
        argon2=", ".join(f"{name} {value:,}" for name, value in settings.WATCHWORD_ARGON2.items()),
        key_bits=8 * keyring.KEY_BYTES,
        nonce_bits=8 * keyring.NONCE_BYTES,
        code_digits=codes.CODE_DIGITS,
        app_password_letters=codes.APP_PASSWORD_LETTERS,
        access_pass_letters=codes.ACCESS_PASS_LETTERS,
        access_link_letters=codes.LINK_CODE_LETTERS,
        signs=len(codes._UNMISTAKABLE),
        purposes=_table(
            ("purpose", "use", "what for"),
            ((f"`{name}`", *PURPOSES.get(name, NO_WORDS)) for name in sorted(purposes())),
        ),
        classes=_table(("class", "what it is", "how it is protected"), ((name, *CLASSES[name]) for name in CLASSES)),
        tables=_table(
            ("table", "class", "what it holds", "how long"),
            ((f"`{name}`", table.level, table.holds, _lifetime(table)) for name, table in sorted(TABLES.items())),
        ),
        dependencies=_list(f"`{name}`" for name in dependencies()),
        events=_table(
            ("event", "can warn or alert", "written in"),
            (
                (f"`{kind}`", "yes" if kind in NOTIFIED_KINDS else "", _list(written.get(kind.name, ())))
                for kind in EventKind
            ),
        ),
    )


def tables() -> set[str]:
    """Return the tables of Watchword's own models, as ``app.Model``."""
    return {model._meta.label for model in apps.get_models()}


def purposes() -> set[str]:
    """Return every purpose for which a key is derived, taken from the calls in the source."""
    found: set[str] = set()
    for path in sorted(SOURCES.rglob("*.py")):
        if "migrations" in path.parts:
            continue
        tree = ast.parse(path.read_text())
        known = dict(_constants(tree))
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = _last_name(call.func)
            if name == "SealedTextField":
                found |= {_text(word.value, known) for word in call.keywords if word.arg == "purpose"}
            elif name in _KEYED and call.args and _RING.search(ast.unparse(call.func)):
                found.add(_text(call.args[0], known))
    # The vault seals the phone factor's data under a purpose built from the factor's kind.
    return (found | {"factors.phone"}) - {""}


def dependencies() -> list[str]:
    """Return the dependencies that run beside Watchword's own code."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    return sorted((re.split(r"[\[~=<>; ]", line)[0] for line in asked), key=str.casefold)


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield from ((target.id, node.value.value) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("watchword."):
            path = ROOT / (str(node.module).replace(".", "/") + ".py")
            if path.exists() and any("PURPOSE" in alias.name or alias.name == "SEAL" for alias in node.names):
                theirs = dict(_constants(ast.parse(path.read_text())))
                yield from ((a.asname or a.name, theirs[a.name]) for a in node.names if a.name in theirs)


def _text(node: ast.expr, known: dict[str, str]) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return known.get(node.id, "") if isinstance(node, ast.Name) else ""


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _written_by() -> dict[str, list[str]]:
    """Return the packages that record each kind of event; modules are not named, because they move too often."""
    found: dict[str, set[str]] = {}
    for path in sorted(SOURCES.rglob("*.py")):
        package = path.relative_to(SOURCES).with_suffix("").as_posix()
        if "migrations" in path.parts or package == "audit/events":
            continue
        text = path.read_text()
        if re.search(r"\brecord(_all)?\(|EventDraft\(|note_both\(|_act\(", text):
            for kind in sorted(set(re.findall(r"EventKind\.([A-Z_]+)", text))):
                found.setdefault(kind, set()).add(f"`{package.split('/')[0]}`")
    return {kind: sorted(packages) for kind, packages in found.items()}


def _lifetime(table: Table) -> str:
    return _duration(table.lifetime) + table.after if isinstance(table.lifetime, timedelta) else table.lifetime


def _duration(time: timedelta) -> str:
    seconds = int(time.total_seconds())
    for unit, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds % unit == 0 and seconds:
            return f"{seconds // unit} {name}{'' if seconds == unit else 's'}"
    return f"{seconds} seconds"


def _list(words: Iterable[str]) -> str:
    return ", ".join(words)


def _table(head: tuple[str, ...], rows: Iterable[Iterable[str]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in row)} |" for row in lines)
