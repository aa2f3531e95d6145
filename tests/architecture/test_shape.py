"""The shape of the tree: small files, pages only in the packages for pages, and documents that match the code."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 400
FOLDERS = ("watchword", "tests", "scripts", "benchmarks")
"""The folders that the rules on sources check; `scripts` holds only shell scripts at present."""

SOURCES = [
    path
    for folder in FOLDERS
    for pattern in ("*.py", "*.html", "*.css", "*.js")
    for path in (ROOT / folder).rglob(pattern)
    if "__pycache__" not in path.parts and "migrations" not in path.parts
]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_folder_that_the_rules_look_at_exists() -> None:
    assert [folder for folder in FOLDERS if not (ROOT / folder).is_dir()] == []


def test_no_folder_with_sources_is_overlooked() -> None:
    folders = {path.relative_to(ROOT).parts[0] for path in tracked() if path.suffix == ".py"}
    assert "watchword" in folders
    assert folders - set(FOLDERS) == set()


def test_no_file_is_long() -> None:
    lengths = {relative(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert {path: length for path, length in lengths.items() if length > LONGEST} == {}


SMALLEST = 60
SMALL_FOR_A_REASON = {
    "portal/app_views": "the pages of one thing, as the others of the portal",
    "alerts/alert_messages": "mails of alerts: messages beside it are of notices to one person",
    "alerts/choices": "what a person chose to be told: a page asks it, alerts own it",
    "admincenter/reports/health_page": "a page; its report is read by commands and metrics too",
    "core/ascii_form": "one encoding with a specification of its own (RFC 5890)",
    "demo/people": "names of people: data",
    "directory/refusals": "writes events of refused acts: the page that asks has no database",
    "doors/mail/submission_sessions": "pure state that is tested without a connection",
    "doors/web/views/passwords": "a page",
    "doors/web/views/reauthentication": "a page",
    "factors/vault/whole_table": "the rest of the vault is about one person at a time",
    "factors/vault/invariants": "what `verify` asks of every package has the same place in each",
    "alerts/invariants": "what `verify` asks of every package has the same place in each",
    "messaging/gateways/http/voice_markup": "TwiML, which a web view writes and the gateway package owns",
    "messaging/gateways/sip/info_dtmf": "one protocol: keys by SIP INFO (application/dtmf-relay)",
    "messaging/gateways/smpp/error_codes": "a table of the protocol's numbers",
    "messaging/worker/circuit_breaker": "a pure state machine with a diagram of its own",
    "signin/key_loss": "the only way for a command to what the vault holds",
    "signin/otp/resending": "the act of one page, which must not see challenges",
    "doors/oidc/discovery": "one document of the specification, which tests compare with what is there",
    "applications/expired_rows": "what the worker deletes; a view never does",
    "ui/icons": "drawings: data",
    "config/wsgi": "Django's entry point",
    "cli/public_certificate": "asks the network: the worker only says how often",
    "doors/mail/primary": "what flock(2) promises, apart from what the primary process does with it",
}
"""Modules of fewer lines than SMALLEST that one other module imports, and why each stands alone."""


def test_a_small_module_with_one_importer_has_a_reason() -> None:
    modules = {
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__"): path
        for path in SOURCES
        if path.suffix == ".py" and path.is_relative_to(ROOT / "watchword")
    }
    importers: dict[str, set[str]] = {name: set() for name in modules}
    for name, path in modules.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                for each in node.names:
                    importers.get(f"{node.module}.{each.name}", importers.get(node.module, set())).add(name)
    small = {
        path.relative_to(ROOT / "watchword").with_suffix("").as_posix()
        for name, path in modules.items()
        if len(importers[name]) == 1
        and len(path.read_text().splitlines()) < SMALLEST
        and path.stem != "__init__"
        and "commands" not in path.parts
    }
    assert small == set(SMALL_FOR_A_REASON)


@pytest.mark.parametrize("package", ["factors", "messaging"])
def test_factors_and_channels_own_no_pages(package: str) -> None:
    """Three generic pages serve every factor, so that none can skip throttling, re-authentication or audit.

    The simulator is the exception: its page is a telephone, not a form of sign-in, and only the demo loads it.
    """
    files = [path for path in (ROOT / "watchword" / package).rglob("*") if "simulator" not in path.parts]
    assert any(path.suffix == ".py" for path in files)
    pages = [relative(path) for path in files if path.stem in ("views", "urls") or path.name == "templates"]
    assert pages == []
    for path in files:
        if path.suffix == ".py":
            web = ("django.http", "django.urls", "django.views", "django.shortcuts")
            assert {name for name in _imports(path) if name.startswith(web)} == set(), relative(path)


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_every_module_opens_with_a_sentence() -> None:
    modules = [path for path in (ROOT / "watchword").rglob("*.py") if "migrations" not in path.parts]
    written = {path: text for path in modules if (text := path.read_text()).strip()}
    silent = [relative(path) for path, text in written.items() if not ast.get_docstring(ast.parse(text))]
    assert silent == []


def test_no_package_is_a_drawer_for_odds_and_ends() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert [relative(path) for path in SOURCES if drawers & {part.removesuffix(".py") for part in path.parts}] == []


def test_every_file_that_architecture_names_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"`((?:watchword|tests|docs|scripts)/[\w./-]+)`", text))
    assert len(named) > 20
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_links_between_the_documents_lead_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{relative(document)}: {target}"
        for document in documents
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", document.read_text())
        if not (document.parent / target).exists()
    ]
    assert broken == []


def tracked() -> list[Path]:
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


# Assembled from parts, so that this file doesn't match its own rule.
FOREIGN = [
    *("/" + folder + "/" for folder in ("work", "root", "home/runner")),
    *(name + ".org" for name in ("pypi", "pythonhosted", "npmjs")),
]


def test_the_tree_names_no_machine_and_no_registry() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{relative(path)}: {foreign}" for foreign in FOREIGN if foreign in text]
    assert found == []


LOCKS = ["requirements.txt", *(f"requirements-{name}.txt" for name in ("demo", "phones", "postgres", "build", "dev"))]


@pytest.mark.parametrize("name", LOCKS)
def test_the_requirements_are_pinned_by_hash_and_name_no_host(name: str) -> None:
    text = (ROOT / name).read_text()
    assert re.search(r"^[a-z0-9._-]+==", text, re.MULTILINE)
    # Each requirement ends in a line with a hash, and the file holds nothing else.
    for line in text.splitlines():
        assert re.fullmatch(r"[a-z0-9._-]+==[\w.]+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line), line


def _pins(name: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9._-]+==[\w.]+)", (ROOT / name).read_text(), re.MULTILINE))


def test_tests_run_on_what_is_shipped() -> None:
    for name in LOCKS[:-2]:
        assert _pins("requirements.txt") <= _pins(name) <= _pins("requirements-dev.txt")


def test_what_runs_holds_no_build_tools() -> None:
    tools = {"setuptools", "wheel", "pip", "build"}
    for name in LOCKS:
        assert (name == "requirements-build.txt") == bool(tools & {pin.partition("==")[0] for pin in _pins(name)})


def test_every_requirement_is_pinned_in_the_file_of_its_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for name, asked in {"": project["dependencies"], **extras}.items():
        pinned = {pin.partition("==")[0] for pin in _pins(f"requirements-{name}.txt" if name else "requirements.txt")}
        wanted = {re.split(r"[\[~=<>; ]", line)[0].lower() for line in asked}
        assert wanted <= pinned, name
        if name:
            assert not wanted & {pin.partition("==")[0] for pin in _pins("requirements.txt")}, name
