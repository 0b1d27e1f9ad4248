"""Feeds for readers: a 304 against an empty route of the same framework."""

import urllib.request

from fastapi import FastAPI

from bench.figures import Figure
from bench.load import get, in_own_process, send
from bench.world import World, read_json, serving


def run(world: World, runs: int, seconds: float) -> list[Figure]:
    """Alternates ours and the reference in every run."""
    figure = Figure("rss304_vs_noop", ">= 0.7", "304 answers/s ÷ answers/s of an empty FastAPI route, 32 callers")
    with serving(world) as port, serving(world, "bench.feeds:empty_app") as empty:
        link = str(read_json(port, "/v1/feed-link", world.token("light"))["rss"])
        path = link[link.index("/feeds/") :]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            tag = answer.headers["etag"]
        unchanged = get(path, status=304, If_None_Match=tag)
        for _ in range(runs):
            ours = in_own_process(send, port, [unchanged], 32, seconds)
            noop = in_own_process(send, empty, [get("/healthz", holds="ok")], 32, seconds)
            figure.add(ours.per_second, noop.per_second)
    return [figure]


def empty_app() -> FastAPI:
    """A route that does nothing."""
    app = FastAPI()

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    return app
