"""A working hour in seconds: pages, streams, polls, ingest, sync and watching at once, each from its own process.

What is asked: by how much is a page slower in the middle of it all than alone, and is every answer still right.
"""

import asyncio
import itertools
import json
import multiprocessing
import time
from collections.abc import Iterator
from typing import Any

import uvloop

from bench.figures import Figure
from bench.ingest import send_batches
from bench.load import Request, get, guarded, in_own_process, post, send, sending
from bench.world import World, read_json, serving

STREAMS = 20  # as many as one user may have


def run(world: World, runs: int, seconds: float) -> list[Figure]:
    """One process at each kind of work; the page's median, and its 99th percentile, against the page alone."""
    median = Figure("mixed_page_vs_alone", "", "median ms of a page while everything else happens ÷ alone, 4 callers")
    tail = Figure("mixed_page_p99_ms", "", "99th percentile ms of a page while everything else happens ÷ 1")
    ingest = Figure("mixed_ingest", "", "moments/s meanwhile, batches of 100, one caller ÷ 1")
    heard = Figure("mixed_stream_deliveries", "", f"events/s heard meanwhile by {STREAMS} streams of one user ÷ 1")
    page = get("/v1/feed", world.token("light"), holds='"live_cursor"')
    with serving(world) as port:
        link = str(read_json(port, "/v1/feed-link", world.token("light"))["rss"])
        poll = get(link[link.index("/feeds/") :], holds="<rss")
        for turn in range(runs):
            alone = in_own_process(send, port, [page], 4, seconds)
            with multiprocessing.get_context("spawn").Pool(6) as pool:
                work: list[Any] = [
                    pool.apply_async(guarded, (send, port, [page], 4, seconds)),
                    pool.apply_async(guarded, (send, port, [poll], 1, seconds)),
                    pool.apply_async(guarded, (send_batches, port, world.key, f"m{turn}", 100, 1, seconds)),
                    pool.apply_async(guarded, (listen, port, world.token("watching"), STREAMS, seconds)),
                    pool.apply_async(guarded, (change, port, world.key, world.token("light"), seconds)),
                ]
                pages, _, moments, events, _ = [one.get(120) for one in work]
            median.add(_at(pages, 0.5), _at(alone, 0.5))
            tail.add(_at(pages, 0.99), 1.0)
            ingest.add(moments, 1.0)
            heard.add(events, 1.0)
    return [median, tail, ingest, heard]


def _at(answered: Any, share: float) -> float:
    seconds = answered.seconds
    return float(seconds[int((len(seconds) - 1) * share)] * 1_000)


def change(port: int, key: str, token: str, seconds: float) -> float:
    """One caller that syncs a person, watches another, and ends it, over and over."""
    return uvloop.run(sending(port, _Changes(key, token), 1, seconds)).per_second


class _Changes(Iterator[Request]):
    def __init__(self, key: str, token: str) -> None:
        self.key, self.token, self.count = key, token, itertools.count()

    def __next__(self) -> Request:
        number = next(self.count)
        if number % 3 == 0:
            lead = {"id": f"heavy-{number % 5_000}", "name": f"Renamed {number}", "owner_id": "heavy"}
            return post("/v1/sync", self.key, json.dumps({"leads": [lead]}).encode(), holds="accepted")
        method = b"PUT" if number % 3 == 1 else b"DELETE"
        asked = get(f"/v1/watchlist/heavy-{number // 3}", self.token, status=204)
        return Request(method + asked.head.removeprefix(b"GET"), status=204)


def listen(port: int, token: str, streams: int, seconds: float) -> float:
    """Events per second that arrive on so many streams."""
    return uvloop.run(_listen(port, token, streams, seconds))


async def _listen(port: int, token: str, streams: int, seconds: float) -> float:
    asked = get("/v1/feed/stream", token).head
    ends = time.perf_counter() + seconds

    async def one() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(asked)
        if b" 200 " not in await reader.readuntil(b"\r\n\r\n"):
            raise SystemExit("a stream did not open")
        heard = 0
        while (left := ends - time.perf_counter()) > 0:
            try:
                heard += (await asyncio.wait_for(reader.read(65_536), left)).count(b"event: moment")
            except TimeoutError:
                break
        writer.close()
        return heard

    return sum(await asyncio.gather(*(one() for _ in range(streams)))) / seconds
