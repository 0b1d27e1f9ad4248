"""A page of 50 and a feed for readers, ours and others' by turns, on the same rows: the rep with 90 leads, 32 callers.

Before anything is counted, every server must have shown the same 50 moments in the same order.
"""

import json
import urllib.request

from bench.callers import ELEMENT, ENTRY, proven
from bench.figures import Figure
from bench.load import Request, get, in_own_process, post, send
from bench.peers import servers
from bench.world import World, read_json, serving

REP, CALLERS = "light", 32
QUERY = """
{ allCrmEntries(condition: {userId: %d}, orderBy: [OCCURRED_AT_DESC, MOMENT_ID_DESC], first: 50) {
  nodes { read crmMomentByMomentId { id type description occurredAt url source bot
    crmLeadByLeadId { crmId name title starred stars flames ownerId crmAccountByAccountId { crmId name } } } }
  pageInfo { hasNextPage endCursor } } }
"""


def run(world: World, runs: int, seconds: float) -> list[Figure]:
    """Alternates ours and the peers in every run."""
    drf = Figure("page_vs_drf", ">= 7", "pages/s ÷ Django REST framework (gunicorn, one worker)")
    activity = Figure("page_vs_actstream", ">= 40", "pages/s ÷ django-activity-stream as it comes (gunicorn)")
    in_bulk = Figure("page_vs_actstream_in_bulk", "", "pages/s ÷ django-activity-stream, the companies fetched in bulk")
    graph = Figure("page_vs_postgraphile", ">= 1.3", "pages/s ÷ PostGraphile, which is asked without a credential")
    rss = Figure("rss_vs_django", ">= 1", "RSS documents/s ÷ Django's syndication framework")
    them = servers.filled(world)[REP]
    with serving(world) as ours, servers.django(world) as django, servers.postgraphile(world) as nodes:
        pages = [
            (ours, get("/v1/feed", world.token(REP))),
            (django, _with_token("/feed", str(them["token"]))),
            (django, _with_token("/activity", str(them["token"]))),
            (django, _with_token("/activity-in-bulk", str(them["token"]))),
            (nodes, post("/graphql", "", json.dumps({"query": QUERY % them["id"]}).encode())),
        ]
        link = str(read_json(ours, "/v1/feed-link", world.token(REP))["rss"])
        _demand_the_same(pages)
        pages = [(port, proven(port, request, ENTRY)) for port, request in pages]
        documents = [
            (port, proven(port, get(path), ELEMENT))
            for port, path in ((ours, link[link.index("/feeds/") :]), (django, f"/rss/{them['token']}"))
        ]
        for port, request in [*pages, *documents]:
            _measure(port, request, min(seconds, 1.0))  # warm
        for _ in range(runs):
            us, *peers = [_measure(port, request, seconds) for port, request in pages]
            for figure, per_second in zip((drf, activity, in_bulk, graph), peers, strict=True):
                figure.add(us, per_second)
            rss.add(*(_measure(port, request, seconds) for port, request in documents))
    return [drf, activity, in_bulk, graph, rss]


def _measure(port: int, request: Request, seconds: float) -> float:
    per_second: float = in_own_process(send, port, [request], CALLERS, seconds).per_second
    return per_second


def _with_token(path: str, token: str) -> Request:
    return Request(get(path).head.removesuffix(b"\r\n") + f"Authorization: Token {token}\r\n\r\n".encode())


def _demand_the_same(pages: list[tuple[int, Request]]) -> None:
    shown = [_descriptions(port, request) for port, request in pages]
    if len(shown[0]) != 50 or any(one != shown[0] for one in shown):
        raise SystemExit(f"the servers do not show the same page: {[one[:2] for one in shown]}")


def _descriptions(port: int, request: Request) -> list[str]:
    """What a page shows, whoever made it: every ``description`` in it, in order."""
    line, *headers = request.head.decode().strip().split("\r\n")
    method, path, _ = line.split(" ")
    asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", request.body or None, method=method)
    for header in headers:
        asked.add_header(*header.split(": ", 1))
    with urllib.request.urlopen(asked, timeout=60) as answer:
        document = json.load(answer)
    found: list[str] = []

    def look(value: object) -> None:
        if isinstance(value, dict):
            if isinstance(text := value.get("description"), str):
                found.append(text)
            for one in value.values():
                look(one)
        elif isinstance(value, list):
            for one in value:
                look(one)

    look(document)
    return found
