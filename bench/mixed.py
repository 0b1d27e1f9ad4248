"""An hour of an organisation of 2,000 reps in two minutes: pages, streams, polls, reports, sync and watching at once.

What an hour holds is the constants below; it is gone through ``FASTER`` times as fast, a part of it in each run, and so
that a full run of the bench is about one hour. Every rep has a stream open. Whatever is asked is due at a time of its
own, and counted from then on: a service that falls behind cannot slow the load down. Every answer is checked, and every
stream must hear each moment that is for its rep, once, and no other: a run in which anything is lost has no figures.

A poll reads the whole document: after a quarter of an hour something is always new.

Not faster: at 60 times a slow machine of two cores had more to do than it could, and what waits for the organisation's
lock, one change after the other, waited longer and longer. That says how long a run is, and nothing of a service.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from statistics import median

from bench.crowd import Crowd
from bench.figures import Figure
from bench.hour import Kind, asked, hour
from bench.load import Request, get, in_own_process, post
from bench.rivals import listening
from bench.world import World, process_serving, read_json
from leadfeed_api.db.session import Database
from leadfeed_api.ingestion.interpret import Candidate
from leadfeed_api.ingestion.record import record_moments
from leadfeed_api.people.sync import sync

REPS, LEADS = 2_000, 10  # leads of each rep
WATCHERS = 3  # of the first lead of each, which half of the moments are about
PAGES, MOMENTS, CHANGES, WATCHES = 12, 10, 1, 1  # in an hour, for each rep
READERS, POLLS = 0.1, 4  # one in ten has a reader, which asks so often in an hour
FASTER, SLICE_S = 30, 24.0  # seconds of a run; five are an hour
AT_ONCE = 10  # moments in a report
MARKER = b"One rep hears this"
ALONE_S = 0.3  # of a run's length, for pages with nothing else going on
KINDS = {
    "page": "a page",
    "poll": "a reader's poll, answered whole",
    "report": f"a report of {AT_ONCE} moments",
    "sync": "a change of a lead by sync",
    "watch": "a lead watched, or no longer",
    "heard": "a moment from when its report was due until a stream heard it",
}


@dataclass(frozen=True)
class Scale:
    """How many reps, and for how long."""

    reps: int
    seconds: float

    def each(self, in_an_hour: float) -> float:
        """Seconds between two of what each rep does so often in an hour."""
        return 3_600 / (self.reps * in_an_hour * FASTER)

    def count(self, in_an_hour: float) -> int:
        """How many of them there are."""
        return max(2, int(self.seconds / self.each(in_an_hour)))


def run(world: World, runs: int, seconds: float) -> list[Figure]:
    """Everything at once in every run; fewer reps for a shorter time where ``seconds`` are few."""
    scale = Scale(REPS, min(SLICE_S, 6 * seconds)) if seconds >= 1 else Scale(40, 1.0)
    about = f"an hour of {scale.reps:,} reps {FASTER} times as fast"
    asyncio.run(_people(world, scale))
    beside = Figure("mixed_page_vs_alone", "", f"median ms of a page in {about} ÷ the same pages and nothing else")
    figures = {
        (kind, share): Figure(f"mixed_{kind}_p{share}_ms", "", f"{_named(share)} ms of {what} in {about}")
        for kind, what in KINDS.items()
        for share in (50, 99)
    }
    readers = _readers(world, scale)
    for turn in range(runs):
        with process_serving(world) as (pid, port):
            kinds, hearers = _kinds(world, scale, port, f"mixed-{turn}", readers)
            tokens = map(world.token, map(_rep, range(scale.reps)))
            crowd = Crowd([pid], port, MARKER, [listening("/v1/feed/stream", token) for token in tokens])
            alone = in_own_process(asked, {"page": _part(kinds["page"], ALONE_S)})
            took: Mapping[str, Sequence[float]] = in_own_process(hour, crowd, kinds, "report", hearers)
        for (kind, share), figure in figures.items():
            figure.add(_ms(took[kind], share), 1)
            figure.details.setdefault("count", []).append(len(took[kind]))
        beside.add(_ms(took["page"], 50), _ms(alone["page"], 50))
    return [beside, *figures.values()]


def _named(share: int) -> str:
    return "median" if share == 50 else f"{share}th percentile"


def _ms(seconds: Sequence[float], share: int) -> float:
    return median(seconds) * 1e3 if share == 50 else seconds[ceil(len(seconds) * share / 100) - 1] * 1e3


def _part(kind: Kind, share: float) -> Kind:
    return Kind(kind.port, kind.requests[: max(2, int(len(kind.requests) * share))], kind.every)


def _rep(number: int) -> str:
    return f"mixed-{number}"


def _lead(rep: int, number: int) -> str:
    return f"mixed-{rep}-{number}"


def _watchers(rep: int, reps: int) -> list[int]:
    """Who watches a rep's first lead."""
    return [(rep + step) % reps for step in range(1, WATCHERS + 1)]


def _kinds(
    world: World, scale: Scale, port: int, name: str, readers: Sequence[Request]
) -> tuple[dict[str, Kind], list[list[int]]]:
    """All that is asked, and which streams must hear each report."""
    reports, hearers = [], []
    for number in range(scale.count(MOMENTS / AT_ONCE)):
        about = [((number * AT_ONCE + n) % scale.reps, (number + n) % 2) for n in range(AT_ONCE)]
        reports.append(_report(world, f"{name}-{number}", number, about))
        hearers.append([one for rep, lead in about for one in (rep, *(_watchers(rep, scale.reps) if not lead else ()))])
    asks = {
        "page": (PAGES, _pages(world, scale)),
        "poll": (READERS * POLLS, _again(readers, scale.count(READERS * POLLS))),
        "sync": (CHANGES, [_change(world, scale, number) for number in range(scale.count(CHANGES))]),
        "watch": (WATCHES, list(_watches(world, scale))),
    }
    kinds = {kind: Kind(port, requests, scale.each(in_an_hour)) for kind, (in_an_hour, requests) in asks.items()}
    return {**kinds, "report": Kind(port, reports, scale.each(MOMENTS / AT_ONCE))}, hearers


def _again(requests: Sequence[Request], count: int) -> list[Request]:
    return [requests[number % len(requests)] for number in range(count)]


def _pages(world: World, scale: Scale) -> list[Request]:
    """Everybody's in turn; it must show something of the rep's own, and be whole."""
    each = [
        get("/v1/feed", world.token(_rep(rep)), holds=f'"lead":{{"id":"{_rep(rep)}-')
        for rep in range(min(scale.reps, scale.count(PAGES)))
    ]
    return _again(each, scale.count(PAGES))


def _report(world: World, name: str, number: int, about: Sequence[tuple[int, int]]) -> Request:
    moments = [
        {
            "source": "bench",
            "external_id": f"{name}-{place}",
            "lead_id": _lead(rep, lead),
            "type": "web",
            "description": f"{MARKER.decode()} {number} times: the pricing page",
        }
        for place, (rep, lead) in enumerate(about)
    ]
    body = json.dumps({"moments": moments}).encode()
    return post("/v1/moments", world.key, body, holds=f'"accepted":{len(moments)},')


def _change(world: World, scale: Scale, number: int) -> Request:
    rep = number * 7 % scale.reps
    lead = {"id": _lead(rep, 2), "name": "Ana Ruiz", "title": f"Title {number}", "owner_id": _rep(rep)}
    return post("/v1/sync", world.key, json.dumps({"leads": [lead]}).encode(), holds='"accepted":1,')


def _watches(world: World, scale: Scale) -> Iterator[Request]:
    """A rep watches the last lead of another, about whom nothing is reported; those are ended in the second half."""
    half = scale.count(WATCHES) // 2
    for method in (b"PUT", b"DELETE"):
        for number in range(half):
            rep, other = number % scale.reps, (number + scale.reps // 2) % scale.reps
            asked_ = get(f"/v1/watchlist/{_lead(other, LEADS - 1)}", world.token(_rep(rep)), status=204)
            yield Request(method + asked_.head.removeprefix(b"GET"), status=204)


def _readers(world: World, scale: Scale) -> list[Request]:
    """The polls of those who have a reader."""
    with process_serving(world) as (_, port):
        links = [
            str(read_json(port, "/v1/feed-link", world.token(_rep(rep)))["rss"])
            for rep in range(max(1, int(scale.reps * READERS)))
        ]
    return [get(link[link.index("/feeds/") :], holds="<item>") for link in links]


async def _people(world: World, scale: Scale) -> None:
    """The reps with their leads, those who watch them, and a month of moments: as many as the world has."""
    reps, now = range(scale.reps), datetime.now(UTC)
    users = [{"id": _rep(rep), "name": f"Rep {rep}"} for rep in reps]
    leads = [
        {"id": _lead(rep, number), "name": f"Lead {number} of {rep}", "owner_id": _rep(rep)}
        for rep in reps
        for number in range(LEADS)
    ]
    watches = [(one, _lead(rep, 0)) for rep in reps for one in _watchers(rep, scale.reps)]
    async with Database(world.url) as database:
        for start in range(0, len(users), 1_000):
            await sync(database, world.org_id, {"users": users[start : start + 1_000]})
        for start in range(0, len(leads), 1_000):
            await sync(database, world.org_id, {"leads": leads[start : start + 1_000]})
        async with database.write() as connection:
            await connection.execute(
                "INSERT INTO watch (org_id, user_id, lead_id, created_at)"
                " SELECT $1, x.user_id, x.lead_id, $4 FROM unnest($2::text[], $3::text[]) AS x (user_id, lead_id)"
                " ON CONFLICT DO NOTHING",
                world.org_id,
                [_rep(one) for one, _ in watches],
                [lead for _, lead in watches],
                now,
            )
        for start in range(0, world.moments, 1_000):
            await record_moments(
                database, world.org_id, [_old(n, world.moments, scale, now) for n in range(start, start + 1_000)]
            )
        async with database.read() as connection:
            await connection.execute("VACUUM ANALYZE")


def _old(n: int, moments: int, scale: Scale, now: datetime) -> Candidate:
    rep, lead = n % scale.reps, n // scale.reps % LEADS
    when = now - timedelta(days=30) * (1 - n / moments)
    return Candidate("bench", f"mixed-{n}", _lead(rep, lead), "web", f"Visited page {n}", None, None, when)
