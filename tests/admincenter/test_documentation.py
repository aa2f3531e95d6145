"""The documentation as pages of the admin center: every page can be read there, and every link leads somewhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from urllib.parse import urljoin

import pytest
from django.test import Client

from tests.admincenter.reading import as_role
from tests.world import World, sign_in
from watchword.admincenter import documentation
from watchword.directory.roles import Role

DOCS = Path(__file__).parents[2] / "docs"
ADDRESS = "/admin/docs/"
PAGES = sorted(path for path in documentation.files() if path.endswith(".md"))


def links(path: str) -> list[str]:
    return re.findall(r'(?:href|src)="([^"]+)"', documentation.page_of(path).html)


def test_every_file_of_the_documentation_can_be_read() -> None:
    there = {file.relative_to(DOCS).as_posix() for file in DOCS.rglob("*") if file.suffix in {".md", ".png", ".svg"}}
    assert set(documentation.files()) == there
    assert len(PAGES) > 20


def test_every_page_is_reached_from_the_index() -> None:
    reached, to_read = {documentation.INDEX}, [documentation.INDEX]
    while to_read:
        for link in links(to_read.pop()):
            target = link.removeprefix(ADDRESS).partition("#")[0]
            if link.startswith(ADDRESS) and target.endswith(".md") and target not in reached:
                reached.add(target)
                to_read.append(target)
    missing = set(PAGES) - reached
    assert not missing, f"name these in docs/index.md or in docs/adr/index.md: {sorted(missing)}"


@pytest.mark.parametrize("path", PAGES)
def test_each_link_of_a_page_leads_to_a_place_that_is_there(path: str) -> None:
    for link in links(path):
        address = urljoin(ADDRESS + path, link)
        if address.startswith(("http://", "https://", "mailto:")):
            continue
        target, _hash, anchor = address.removeprefix(ADDRESS).partition("#")
        assert target in documentation.files(), f"{path} leads to {link}"
        if anchor:
            assert f'id="{anchor}"' in documentation.page_of(target).html, f"{path} leads to {link}"


def test_a_page_has_its_title_its_tables_and_code_that_the_keyboard_reaches(client: Client, world: World) -> None:
    sign_in(client, world.root)
    page = client.get(f"{ADDRESS}operating/keys.md").content.decode()
    assert "<title>The key ring" in page
    assert '<h1 id="the-key-ring">The key ring</h1>' in page
    assert '<pre tabindex="0"><code>watchword keys create' in page
    assert re.search(r'<div class="table-scroll" tabindex="0" role="region" aria-label="Table"><table>', page)


def test_a_picture_comes_as_a_picture(client: Client, world: World) -> None:
    sign_in(client, world.root)
    for path, kind in (("pictures/panel.png", "image/png"), ("performance/pages.svg", "image/svg+xml")):
        response = client.get(ADDRESS + path)
        assert response["Content-Type"] == kind
        assert response.content == (DOCS / path).read_bytes()


@pytest.mark.parametrize(
    "path", ["../README.md", "..%2fpyproject.toml", "%2e%2e/LICENSE", "nothing.md", "operating", "adr/", "/etc/passwd"]
)
def test_a_path_outside_the_documentation_is_not_found(client: Client, world: World, path: str) -> None:
    sign_in(client, world.root)
    assert client.get(ADDRESS + path).status_code == 404


@pytest.mark.parametrize("role", list(Role))
def test_each_administrator_reads_the_documentation(client: Client, world: World, role: Role) -> None:
    as_role(client, world, role)
    assert client.get(ADDRESS).status_code == 200


def test_a_person_without_a_role_is_refused(client: Client, world: World) -> None:
    sign_in(client, world.alice)
    assert client.get(ADDRESS).status_code == 403


@pytest.mark.parametrize("path", PAGES)
def test_a_page_shows_no_comment_of_its_source(path: str) -> None:
    assert "&lt;!--" not in re.sub(r"<pre.*?</pre>", "", documentation.page_of(path).html, flags=re.DOTALL)


def test_html_in_a_page_is_shown_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n<script>alert(1)</script> [x](javascript:alert(1))\n")
    monkeypatch.setattr(documentation, "files", lambda: {"page.md": page})
    html = documentation.page_of.__wrapped__("page.md").html
    assert "<script" not in html
    assert 'href="javascript' not in html


def test_a_server_without_the_files_says_so(client: Client, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documentation, "files", dict)
    sign_in(client, world.root)
    response = client.get(ADDRESS)
    assert response.status_code == 404
    assert "installed on this server" in response.content.decode()


def test_the_wheel_takes_every_folder_of_the_documentation_along() -> None:
    metadata = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())
    patterns = {pattern for each in metadata["tool"]["setuptools"]["data-files"].values() for pattern in each}
    needed = {f"{file.parent.relative_to(DOCS.parent).as_posix()}/*{file.suffix}" for file in DOCS.rglob("*.*")} - {
        "docs/performance/*.json"
    }
    assert needed <= patterns
