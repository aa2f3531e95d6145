"""``python -m benchmarks phones``: codes through SMPP under load, and many calls at once; writes a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import calls, codes

PAGE = Path(__file__).parents[1] / "docs" / "performance" / "phones.md"
GOAL_MS = 300


def main(home: Path, *, write: bool) -> None:
    """Measure, print, and write the page."""
    notify = calls.measure(home)
    rows = [
        codes.measure(home / str(rate), each_second=rate, seconds=seconds) for rate, seconds in ((20, 20), (50, 60))
    ]
    if write:
        PAGE.write_text(_page(notify, rows))


def _page(notify: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    lines = [
        "# Codes and calls under load",
        "",
        "Made by `python -m benchmarks phones`, on two cores that the web server (four processes), the way to phones, the",
        "SMSC, the telephones and the people share. The database is the embedded default.",
        "",
        "## Codes through SMPP",
        "",
        "Each person's password was right a moment ago. They press *Text me*, at an even pace whether or not earlier ones",
        "are served, and look at the page that follows. Times are in milliseconds, from the moment at which they press.",
        "",
        "| codes a second | codes | asking p50 | p99 | the page p50 | p99 | at the SMSC p50 | p99 | failed |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        times = [f"{row[name][cut]:.0f}" for name in ("send_ms", "page_ms", "arrival_ms") for cut in ("p50", "p99")]
        lines.append(f"| {row['each_second']} | {row['codes']:,} | {' | '.join(times)} | {row['failed']} |")
    last = rows[-1]
    lines += [
        "",
        (
            f"**Goal: the page's p99 under {GOAL_MS} ms at 50 codes a second.** "
            f"The page: {'reached' if last['page_ms']['p99'] < GOAL_MS else 'missed'}. Asking, which writes: "
            f"{'reached' if last['send_ms']['p99'] < GOAL_MS else 'missed'}."
        ),
        (
            f"A code takes about {last['cpu_seconds_for_each_code'] * 1000:.0f} ms of CPU in all processes together, so that"
        ),
        "50 a second leave little of two cores. On its way to the SMSC a code waits for SQLite's one lock, whose writers look",
        "again after up to a tenth of a second; what was asked for arrived.",
        "",
        "## Calls through SIP",
        "",
        f"{notify['calls']} calls at once to telephones that press 1 and record every packet. A packet counts as a gap if it came",
        "later than the 60 ms that telephones hold back.",
        "",
        "| packets | lost | gaps | worst, ms | 99.9 %, ms | the right digits, twice | cores |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        (
            f"| {notify['packets']:,} | {notify['lost']} | {notify['gaps']} | {notify['worst_lateness_ms']:.0f} | "
            f"{notify['p999_lateness_ms']:.0f} | {notify['right_digits']} of {notify['calls']} | {notify['cores']:.2f} |"
        ),
        "",
    ]
    return "\n".join(lines)
