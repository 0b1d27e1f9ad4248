"""The same batches into Django REST framework's CRM: validated, told apart, written with their inboxes, durable.

Before anything is counted both must have given the same verdicts on the same batch, and put its moment in as many
inboxes.
"""

import asyncio
import json
import urllib.request
from collections.abc import Sequence

import asyncpg

from bench.batches import Into, into_world, send_batches
from bench.figures import Figure
from bench.load import in_own_process
from bench.peers import servers
from bench.world import World, serving

BATCH, REP = 500, "watching"
_TOLD = {"type": "web", "description": "Probed", "source": "probe"}
PROBE = [
    {**_TOLD, "external_id": "1", "lead_id": "watching-3"},
    {**_TOLD, "external_id": "2", "lead_id": "nobody"},
    {**_TOLD, "external_id": "1", "lead_id": "watching-4"},
]
INBOXES = """
SELECT (SELECT count(*) FROM feed_entry e JOIN moment m ON m.org_id = e.org_id AND m.moment_id = e.moment_id
  WHERE m.source = 'probe'),
  (SELECT count(*) FROM peers.crm_entry e JOIN peers.crm_moment m ON m.id = e.moment_id WHERE m.source = 'probe')
"""


def run(world: World, runs: int, seconds: float) -> list[Figure]:
    """Alternates ours and the peer in every run."""
    figure = Figure(
        "ingest_vs_drf", "", f"moments/s in batches of {BATCH}, one caller ÷ Django REST framework (gunicorn)"
    )
    token = str(servers.filled(world)[REP]["token"])
    ours = into_world(world)
    theirs = Into(ours.org_ids, (token,), ours.leads)
    with serving(world) as port, servers.django(world) as django:
        _demand_the_same(world, [(port, "/v1/moments", f"Bearer {world.key}"), (django, "/moments", f"Token {token}")])
        for turn in range(-1, runs):
            us = in_own_process(send_batches, port, ours, f"vs-drf-{turn}", BATCH, 1, seconds)
            them = in_own_process(send_batches, django, theirs, f"vs-drf-{turn}", BATCH, 1, seconds, "/moments")
            if turn >= 0:  # the first one is for warming up
                figure.add(us, them)
    return [figure]


def _demand_the_same(world: World, servers_asked: Sequence[tuple[int, str, str]]) -> None:
    told = [_verdicts(*asked) for asked in servers_asked]
    inboxes = tuple(asyncio.run(_inboxes(world.url)))
    if told != [["accepted", "rejected", "duplicate"]] * 2 or inboxes[0] != inboxes[1] or not inboxes[0]:
        raise SystemExit(f"the servers do not do the same: {told}, {inboxes}")


def _verdicts(port: int, path: str, authorization: str) -> list[str]:
    headers = {"Content-Type": "application/json", "Authorization": authorization}
    body = json.dumps({"moments": PROBE}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers)) as answer:
        return [one["status"] for one in json.load(answer)["results"]]


async def _inboxes(url: str) -> Sequence[int]:
    connection = await asyncpg.connect(url)
    row: Sequence[int] = await connection.fetchrow(INBOXES)
    await connection.close()
    return row
