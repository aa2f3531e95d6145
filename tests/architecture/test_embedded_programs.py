"""Programs that tests write as text import names that exist: no type checker reads them."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = ("watchword.", "tests.", "benchmarks.")


def programs_in(source: str) -> Iterator[ast.Module]:
    """Return the strings of a module that are programs with an import; a placeholder of an f-string is a name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        elif isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "name" for part in node.values)
        else:
            continue
        if "import " in text:
            try:
                yield ast.parse(textwrap.dedent(text))
            except SyntaxError:
                # A sentence with the word in it.
                continue


def missing_from(program: ast.Module) -> list[str]:
    """Return what a program imports of ours and what isn't there."""
    missing = []
    for node in ast.walk(program):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(OURS):
            missing += [f"{node.module}.{each.name}" for each in node.names if not _exists(str(node.module), each.name)]
        elif isinstance(node, ast.Import):
            missing += [each.name for each in node.names if each.name.startswith(OURS) and not _exists(each.name)]
    return missing


def _exists(module: str, name: str = "") -> bool:
    try:
        found = import_module(module)
        return not name or hasattr(found, name) or import_module(f"{module}.{name}") is not None
    except ImportError:
        return False


def test_a_program_within_a_text_imports_what_exists() -> None:
    sources = [path for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    programs = [(path, program) for path in sources for program in programs_in(path.read_text())]
    assert len(programs) > 3
    assert {str(path): missing for path, program in programs if (missing := missing_from(program))} == {}


def test_a_name_that_is_gone_is_found() -> None:
    (program,) = programs_in('WORDS = """\\nfrom watchword.demo.processes import Processes, NoLongerThere\\n"""')
    assert missing_from(program) == ["watchword.demo.processes.NoLongerThere"]
