"""What was found of streams, as figures: ours divided by each peer's of the same turn. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bench.broadcast import CALLERS, Cost
from bench.figures import Figure


@dataclass(frozen=True)
class Found:
    """One server, at so many streams, in one turn."""

    who: str
    size: int
    cost: Cost
    delays: Sequence[float]  # seconds from when something was due for one stream until it was heard, in order


def percentile(seconds: Sequence[float], share: float) -> float:
    """In ms, of seconds in order."""
    return seconds[int((len(seconds) - 1) * share)] * 1e3


MEASURES: dict[str, Callable[[Found], float]] = {
    "kib_each": lambda one: one.cost.bytes_each / 1024,
    "opened_per_second": lambda one: one.cost.opened_per_second,
    "us_each": lambda one: one.cost.seconds_each * 1e6,
    "us_each_at_once": lambda one: one.cost.seconds_each_at_once * 1e6,
    "per_second": lambda one: 1 / one.cost.seconds_each,
    "per_second_at_once": lambda one: 1 / one.cost.seconds_each_at_once,
    "broadcast_p50_ms": lambda one: percentile(one.cost.delays, 0.5),
    "broadcast_p99_ms": lambda one: percentile(one.cost.delays, 0.99),
    "p50_ms": lambda one: percentile(one.delays, 0.5),
    "p99_ms": lambda one: percentile(one.delays, 0.99),
}
LARGE, SMALL = 0, 1
PER_CPU = "deliveries per CPU-second"
RAW = "a raw uvloop writer that knows nobody"
NCHAN = "nginx's nchan, same clients, same bytes"
CLIENTS = "the kernel's work for the clients counted as the server's"
HEARD = "ms from report to client at 1,000 deliveries/s"
TOLD = "nchan's, told when ours has recorded it"
EVERYONE = "ms until 99 % of {n} streams heard what was reported to all"
AT_ONCE = f"as stream_vs_nchan_on_loopback while {CALLERS} callers report at once"


class Row(NamedTuple):
    """One figure: a measure of ours, divided by the same of ``against`` where there is one."""

    name: str
    meaning: str  # ``{n}`` is how many streams
    measure: str
    size: int = LARGE
    against: str = ""
    target: str = ""
    apart: bool = False  # measured in a network of its own, where there can be one


ROWS = (
    Row("stream_kib_per_connection", "KiB of private memory a connection, {n} open", "kib_each", target="<= 12"),
    Row("stream_vs_raw", f"{PER_CPU} ÷ {RAW}", "per_second", LARGE, "raw", apart=True),
    Row("stream_vs_raw_on_loopback", f"{PER_CPU}, {CLIENTS} ÷ {RAW}", "per_second", LARGE, "raw"),
    Row("stream_vs_nchan", f"{PER_CPU} ÷ {NCHAN}", "per_second", LARGE, "nchan", ">= 1.5", apart=True),
    Row("stream_vs_nchan_on_loopback", f"{PER_CPU}, {CLIENTS} ÷ {NCHAN}", "per_second", LARGE, "nchan"),
    Row("stream_1k_vs_nchan", "as stream_vs_nchan_on_loopback, {n} streams", "per_second", SMALL, "nchan"),
    Row("stream_at_once_vs_nchan", AT_ONCE, "per_second_at_once", LARGE, "nchan"),
    Row("stream_vs_pushpin", f"{PER_CPU}, {CLIENTS} ÷ Pushpin, all of its processes", "per_second", LARGE, "pushpin"),
    Row(
        "stream_vs_eventstream",
        f"{PER_CPU}, {CLIENTS} ÷ django-eventstream by uvicorn, {{n}} streams",
        "per_second",
        SMALL,
        "eventstream",
    ),
    Row("stream_connect_vs_nchan", "streams opened/s, {n} of them ÷ nchan", "opened_per_second", LARGE, "nchan"),
    Row("stream_connect_vs_pushpin", "streams opened/s, {n} of them ÷ Pushpin", "opened_per_second", LARGE, "pushpin"),
    Row("stream_1k_connect_vs_nchan", "streams opened/s, {n} of them ÷ nchan", "opened_per_second", SMALL, "nchan"),
    Row("stream_p50_ms", f"median {HEARD}, {{n}} streams", "p50_ms"),
    Row("stream_p99_ms", f"99th percentile {HEARD}, {{n}} streams", "p99_ms"),
    Row("stream_1k_p50_ms", f"median {HEARD}, {{n}} streams", "p50_ms", SMALL),
    Row("stream_1k_p99_ms", f"99th percentile {HEARD}, {{n}} streams", "p99_ms", SMALL),
    Row("stream_p50_vs_nchan", f"median {HEARD}, {{n}} streams ÷ {TOLD}", "p50_ms", LARGE, "nchan"),
    Row("stream_p99_vs_nchan", f"99th percentile {HEARD}, {{n}} streams ÷ {TOLD}", "p99_ms", LARGE, "nchan"),
    Row("stream_broadcast_p99_ms", EVERYONE, "broadcast_p99_ms"),
    Row("stream_broadcast_p99_vs_nchan", f"{EVERYONE} ÷ {TOLD}", "broadcast_p99_ms", LARGE, "nchan"),
)


def figures(found: Sequence[Found], found_apart: Sequence[Found], sizes: Sequence[int]) -> list[Figure]:
    """All of ``ROWS`` whose peers were measured; without a network apart its figures are the loopback's, and say so."""
    return list(_figures(found, found_apart, sizes))


def _figures(found: Sequence[Found], found_apart: Sequence[Found], sizes: Sequence[int]) -> Iterator[Figure]:
    for row in ROWS:
        size, measure = sizes[row.size], MEASURES[row.measure]
        there = found_apart if row.apart and found_apart else found
        ours = [one for one in there if (one.who, one.size) == ("ours", size)]
        theirs = [one for one in there if (one.who, one.size) == (row.against, size)]
        if row.against and not theirs:
            continue
        figure = Figure(row.name, row.target, row.meaning.format(n=f"{size:,}"))
        if row.apart and not found_apart:
            figure.meaning += f"; {CLIENTS}"
        for turn, one in enumerate(ours):
            figure.add(measure(one), measure(theirs[turn]) if row.against else 1)
        if row.measure == "per_second":
            for one in [*ours, *theirs]:
                _note(figure, one)
        yield figure


def _note(figure: Figure, one: Found) -> None:
    for name, measure in MEASURES.items():
        if name not in ("per_second", "per_second_at_once") and (one.delays or name not in ("p50_ms", "p99_ms")):
            figure.details.setdefault(f"{one.who}_{name}", []).append(measure(one))
