"""What one machine holds, and a million reps, calculated from measured unit costs. Pure: figures in, Markdown out.

Every assumption is a constant here and a sentence in the text. What was not measured is left out, not guessed.
"""

import math
from collections.abc import Mapping
from typing import Any

MARGIN = 2  # half of a measured rate is what one plans with
PAGES_AN_HOUR = 12  # by each rep online
POLLS_AN_HOUR = 4  # by each feed reader
READERS = 0.1  # of all reps have one
ONLINE = 1 / 3  # of all reps
STREAMS = 20_000  # a process, by the default setting
REPS, MOMENTS = 1_000_000, 10_000  # what the plan is for; moments a second
FAN_OUT = 3.6  # entries a moment, of the plan and of the batches that were measured
DELIVERY = "stream_vs_raw_on_loopback"
ROWS = {
    "pages of 50, one worker": ("page_light_by_32", "ours", "/s"),
    "polls answered 304, one worker": ("rss304_vs_noop", "ours", "/s"),
    "moments in batches of 500, one caller": ("ingest_vs_sql", "ours", "/s"),
    "single moments, 64 callers, grouped": ("single_grouped_vs_ungrouped", "ours", "/s"),
}
COSTS = {
    # With what a kernel does for clients on the same machine: theirs spares some of it, a network's card adds some.
    "a delivery to a stream": (DELIVERY, "ours_us_each", "µs of the server's processor"),
    "an open stream": ("stream_kib_per_connection", "ours", "KiB"),
    "a page while all else goes on": ("mixed_page_p99_ms", "ours", "ms at the 99th percentile"),
}

Figures = Mapping[str, Mapping[str, Any]]


def capacity(figures: Figures) -> str:
    """The tables and the plan."""
    lines = ["| unit | measured | plan with |", "|---|---|---|"]
    for about, (name, key, unit) in ROWS.items():
        if (found := _of(figures, name, key)) is not None:
            lines.append(f"| {about} | {found:,.0f}{unit} | {found / MARGIN:,.0f}{unit} |")
    for about, (name, key, unit) in COSTS.items():
        if (found := _of(figures, name, key)) is not None:
            lines.append(f"| {about} | {found:,.1f} {unit} | |")
    return "\n".join([*lines, "", *_steps(figures), "", *_million(figures)])


def _of(figures: Figures, name: str, key: str) -> float | None:
    found = figures.get(name, {}).get(key)
    return None if found is None else float(found)


def _plan(figures: Figures, about: str) -> float | None:
    name, key, _ = ROWS[about]
    found = _of(figures, name, key)
    return None if found is None else found / MARGIN


def _rates(figures: Figures) -> tuple[float, float, float] | None:
    """Pages, polls and moments a second that one plans with; None when one of them was not measured."""
    pages = _plan(figures, "pages of 50, one worker")
    polls = _plan(figures, "polls answered 304, one worker")
    moments = _plan(figures, "moments in batches of 500, one caller")
    return None if pages is None or polls is None or moments is None else (pages, polls, moments)


def _steps(figures: Figures) -> list[str]:
    rates = _rates(figures)
    if rates is None:
        return []
    pages, polls, moments = rates
    online = pages * 3_600 / PAGES_AN_HOUR
    first = f"{pages:,.0f} pages/s, {polls:,.0f} polls/s or {STREAMS:,} streams"
    return [
        f"With {PAGES_AN_HOUR} pages an hour from each, {pages:,.0f} pages/s are {online:,.0f} reps online; the nearer",
        f"limit is the {STREAMS:,} streams of one process.{_together(figures)}",
        "",
        "| step | due at, for this machine |",
        "|---|---|",
        f"| `serve --workers N` on one PostgreSQL | {first} |",
        f"| several instances behind a proxy, wake-ups by NATS | {pages:,.0f} pages/s on each two of its cores |",
        f"| Citus by `org_id` | {moments:,.0f} moments/s sustained for each two cores that PostgreSQL can be given |",
    ]


def _together(figures: Figures) -> str:
    times = _of(figures, "ingest_500x8", "median")
    return "" if times is None else f" Eight callers at once bring in {times:,.2f} times what one does."


def _million(figures: Figures) -> list[str]:
    rates = _rates(figures)
    if rates is None:
        return []
    pages, polls, moments = rates
    online = REPS * ONLINE
    asked, polled = online * PAGES_AN_HOUR / 3_600, REPS * READERS * POLLS_AN_HOUR / 3_600
    cores = 2 * MOMENTS / moments
    lines = [
        f"**{REPS:,} reps, {MOMENTS:,} moments/s**, calculated and not tried.",
        "",
        f"* A third online: {online:,.0f} streams are {math.ceil(online / STREAMS)} processes of {STREAMS:,}.",
        f"* {PAGES_AN_HOUR} pages an hour from each are {asked:,.0f}/s: {_count(math.ceil(asked / pages), 'worker')}.",
        f"* A tenth with a reader that polls every quarter of an hour: {polled:,.0f}/s, of {polls:,.0f} of one worker.",
        f"* {MOMENTS:,} moments/s at fan-out {FAN_OUT} are {math.ceil(cores)} cores of PostgreSQL.",
    ]
    delivery = _of(figures, DELIVERY, "ours_us_each")
    if delivery is not None:
        # Each entry is one delivery to whoever is online.
        busy = MOMENTS * FAN_OUT * ONLINE * delivery / 1e6
        lines.append(f"* A third of the entries reaches a stream: {busy:.1f} cores for deliveries, over all processes.")
    return [
        *lines,
        "",
        "What one organisation takes is bounded by its lock, whatever the machine; the plan is for many. On one large",
        "PostgreSQL it fits; on Citus it is spread by organisation.",
    ]


def _count(number: int, of: str) -> str:
    """``1 worker``, ``2 workers``."""
    return f"{number} {of}" if number == 1 else f"{number} {of}s"
