"""The product's documentation as pages of the admin center: the Markdown files of ``docs/``, as they were installed."""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from mdit_py_plugins.anchors import anchors_plugin

import watchword
from watchword.admincenter.permissions import requires
from watchword.directory.roles import Act

INDEX = "index.md"
INSTALLED = "share/doc/watchword"
"""Where the wheel puts the files, below the environment's prefix."""
_COMMENT = re.compile(r"^<!-- [^<>]+ -->\n", re.MULTILINE)
"""A line that names the commands below it, for the tests that type them."""
_PICTURES = {".png": "image/png", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its title as plain text, and its HTML."""

    title: str
    html: SafeString


@require_safe
@requires(*Act)
def documentation(request: HttpRequest, path: str = INDEX) -> HttpResponse:
    """Show one page, or return one picture of a page. 404 for any other path: the files are listed once."""
    file = files().get(path)
    if file is None:
        if path == INDEX:
            return _missing(request)
        raise Http404
    if file.suffix in _PICTURES:
        return HttpResponse(file.read_bytes(), content_type=_PICTURES[file.suffix])
    page = page_of(path)
    context = {"here": "documentation", "page": page, "is_index": path == INDEX}
    return render(request, "admincenter/documentation.html", context)


@cache
def files() -> Mapping[str, Path]:
    """Return the pages and pictures by their path within ``docs/``; none if the documentation isn't installed."""
    tree = Path(watchword.__file__).parent.parent / "docs"
    folder = tree if (tree / INDEX).is_file() else Path(sysconfig.get_path("data")) / INSTALLED
    found = (file for file in sorted(folder.rglob("*")) if file.suffix in {".md", *_PICTURES} and file.is_file())
    return {file.relative_to(folder).as_posix(): file for file in found}


@cache
def page_of(path: str) -> Page:
    """Return a page as HTML. Links lead to other pages; a link to a file outside the documentation is plain text."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").use(anchors_plugin, max_level=4)
    markdown.add_render_rule("table_open", _open_table)
    markdown.add_render_rule("table_close", _close_table)
    tokens = markdown.parse(_COMMENT.sub("", files()[path].read_text(encoding="utf-8")))
    for token in tokens:
        if token.type in {"fence", "code_block"}:
            # What scrolls sideways must be reached by the keyboard (WCAG 2.1.1); a fence has its attributes on <code>.
            token.type = "code_block"
            token.attrSet("tabindex", "0")
        if token.children:
            token.children = _resolve_links(token.children, PurePosixPath(path).parent)
    title = next((tokens[at + 1].content for at, token in enumerate(tokens) if token.tag == "h1"), path)
    html = markdown.renderer.render(tokens, markdown.options, {})
    return Page(title.replace("`", ""), mark_safe(html))  # noqa: S308  (our own files, with HTML in them switched off)


def _resolve_links(tokens: list[Token], folder: PurePosixPath) -> list[Token]:
    resolved: list[Token] = []
    closes: list[bool] = []
    for token in tokens:
        if token.type == "link_close":
            if closes.pop():
                resolved.append(token)
            continue
        if token.type == "link_open":
            address = _address(str(token.attrs["href"]), folder)
            closes.append(address is not None)
            if address is None:
                continue
            token.attrs["href"] = address
        if token.type == "image":
            token.attrs["src"] = _address(str(token.attrs["src"]), folder) or ""
        resolved.append(token)
    return resolved


def _address(link: str, folder: PurePosixPath) -> str | None:
    """Return the address of a link's target, or None if it is a file that isn't part of the documentation."""
    path, _hash, anchor = link.partition("#")
    if not path or "://" in path:
        return link
    target = normpath(str(folder / path))
    if target not in files():
        return None
    return reverse("admincenter:documentation", args=[target]) + (f"#{anchor}" if anchor else "")


def _open_table(_renderer: RendererHTML, _tokens: list[Token], _index: int, _options: Any, _env: Any) -> str:
    return f'<div class="table-scroll" tabindex="0" role="region" aria-label="{_("Table")}"><table>\n'


def _close_table(_renderer: RendererHTML, _tokens: list[Token], _index: int, _options: Any, _env: Any) -> str:
    return "</table></div>\n"


def _missing(request: HttpRequest) -> HttpResponse:
    context = {"here": "documentation", "page": None, "is_index": True}
    return render(request, "admincenter/documentation.html", context, status=404)
