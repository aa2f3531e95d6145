"""Writes docs/performance/: the figures of one run as JSON, bars as SVG, and the page that shows them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.template import Context, Engine

FOLDER = Path(__file__).parents[1] / "docs" / "performance"
TEMPLATES = Path(__file__).parent / "templates"
BAR, GAP, LEFT, WIDTH = 22, 8, 260, 420


def bars(name: str, title: str, values: Sequence[tuple[str, float, str]]) -> None:
    """Draw one bar for each (label, value, words) into ``name``.svg."""
    most = max(value for _label, value, _words in values) or 1
    rows = [
        {"label": label, "words": words, "y": 34 + index * (BAR + GAP), "width": max(1, round(WIDTH * value / most))}
        for index, (label, value, words) in enumerate(values)
    ]
    context = {"title": title, "rows": rows, "bar": BAR, "left": LEFT, "height": 44 + len(rows) * (BAR + GAP)}
    (FOLDER / f"{name}.svg").write_text(_render("bars.svg", context))


def write(results: dict[str, Any]) -> None:
    """Write the figures, the bars and the page of one run."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    ours = results["socket"]
    bars(
        "app-passwords",
        "App passwords a second through the mail door's socket",
        [
            (f"{row['people']:,} people, {row['each']} each", row["rate"], f"{row['rate']:,.0f} ({row['ratio']:.2f})")
            for row in ours
        ]
        + [("the bare limit (median)", sorted(row["limit"] for row in ours)[len(ours) // 2], "1.00")],
    )
    best = next(row["rate"] for row in ours if row["each"] == 10)
    beside = [("Watchword, 10 each, logged and committed", best, f"{best:,.0f}")]
    beside += [(row["name"], row["rate"], f"{row['rate']:,.0f}") for row in results["dovecot"]]
    beside += [
        (f"{row['name']}'s scheme, {row['each']} each, nothing else", row["rate"], f"{row['rate']:,.0f}")
        for row in results["schemes"]
        if row["each"] == 10
    ]
    bars("beside-others", "Checks a second beside what people run today", beside)
    pages = [row for row in results["pages"] if row["queries"]]
    bars(
        "pages",
        "Milliseconds of CPU for a page at 100,000 people",
        [(row["name"], row["cpu_ms"], f"{row['cpu_ms']:.1f} ms, {row['queries']} questions") for row in pages],
    )
    over = [row for row in pages if row["queries"] > 10 or row["cpu_ms"] > 15]
    flat = [row["ratio"] for row in ours if row["each"]]
    context = {**results, "over": over, "flat": (max(flat) - min(flat)) / min(flat) * 100, "best": best}
    (FOLDER / "README.md").write_text(_render("README.md", context))


def _render(name: str, context: dict[str, Any]) -> str:
    engine = Engine(dirs=[str(TEMPLATES)], autoescape=False, libraries={})
    return engine.get_template(name).render(Context(context, autoescape=False))
