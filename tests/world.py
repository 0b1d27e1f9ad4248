"""A small world to test in: a running service, and organisations in it as their users meet them.

Everything goes through the public API; nothing here looks into tables.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import httpx2
import uvicorn
from fastapi import FastAPI

from answers import is_documented
from clients import plain_client
from leadfeed_api.app import create_app
from leadfeed_api.db.session import Database
from leadfeed_api.organizations import queries
from leadfeed_api.organizations.identity import org_number
from leadfeed_api.settings import Settings
from leadfeed_api.stream.protocol import HandingOver

WATCHED = {"response": [is_documented]}
MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@dataclass
class Service:
    """A running application and a client to it."""

    app: FastAPI
    client: httpx2.AsyncClient
    base_url: str = "http://testserver"

    async def new_world(self, org: str | None = None) -> "World":
        """A new organisation with an administrator's key."""
        org = org or f"org-{uuid4().hex[:12]}"
        database: Database = self.app.state.database
        async with database.write() as connection:
            org_id = await queries.create_organization(connection, org, org.title(), datetime.now(UTC))
            _, key = await queries.create_key(connection, org_id, ["admin"], "tests", datetime.now(UTC))
        return World(self, org, key)


@dataclass
class World:
    """One organisation, as its CRM, its marketing system and its reps see it."""

    service: Service
    org: str
    key: str
    numbers: Iterable[int] = field(default_factory=count)

    @property
    def org_id(self) -> int:
        """The organisation's number."""
        return org_number(self.org)

    @property
    def client(self) -> httpx2.AsyncClient:
        """The HTTP client; credentials go into each call."""
        return self.service.client

    @property
    def machine(self) -> dict[str, str]:
        """Headers of a machine that may do everything."""
        return {"Authorization": f"Bearer {self.key}"}

    def token(self, user_id: str, *, role: str = "rep", ttl: timedelta = timedelta(hours=1)) -> str:
        """A user token."""
        signed: str = self.service.app.state.tokens.for_user(self.org, user_id, role=role, ttl=ttl)[0]
        return signed

    def rep(self, user_id: str) -> dict[str, str]:
        """Headers of a signed-in rep."""
        return {"Authorization": f"Bearer {self.token(user_id)}"}

    async def key_for(self, *scopes: str) -> dict[str, str]:
        """Headers of a machine that holds these scopes."""
        answer = await self.client.post(
            "/v1/api-keys", headers=self.machine, json={"name": "of a test", "scopes": list(scopes)}
        )
        return {"Authorization": f"Bearer {ok(answer, 201)['key']}"}

    async def sync(self, **records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Sends users, accounts and leads; all must be accepted."""
        answer = ok(await self.client.post("/v1/sync", headers=self.machine, json=records))
        assert answer["rejected"] == 0, answer
        return answer

    async def people(self, *users: str, leads: Mapping[str, str | None]) -> None:
        """Users by id, and leads by id with their owner's id."""
        await self.sync(
            users=[{"id": user, "name": user.title(), "email": f"{user}@crm.example"} for user in users],
            accounts=[{"id": "acme", "name": "Acme", "url": "https://acme.example", "address": "1 Main St"}],
            leads=[
                {"id": lead, "name": lead.title(), "account_id": "acme", "owner_id": owner}
                for lead, owner in leads.items()
            ],
        )

    def moment(self, lead_id: str, **fields: Any) -> dict[str, Any]:
        """A moment nobody reported before."""
        number = next(iter(self.numbers))
        fields.setdefault("description", f"Visited page {number}")
        fields.setdefault("occurred_at", (MONDAY + timedelta(seconds=number)).isoformat())
        return {"source": "tests", "external_id": f"m-{number}", "lead_id": lead_id, "type": "web", **fields}

    async def report(self, *moments: Mapping[str, Any]) -> list[str]:
        """Reports moments, all of which must be accepted; returns their ids."""
        answer = await self.client.post("/v1/moments", headers=self.machine, json={"moments": moments})
        results = ok(answer)["results"]
        assert {result["status"] for result in results} == {"accepted"}, results
        return [result["id"] for result in results]

    async def page(self, user_id: str, **query: Any) -> dict[str, Any]:
        """One page of a user's feed."""
        return ok(await self.client.get("/v1/feed", headers=self.rep(user_id), params=query))

    async def feed(self, user_id: str, **query: Any) -> list[dict[str, Any]]:
        """A user's whole feed, page by page."""
        page = await self.page(user_id, limit=200, **query)
        items: list[dict[str, Any]] = page["items"]
        while page["next_cursor"]:
            page = await self.page(user_id, limit=200, cursor=page["next_cursor"], **query)
            items += page["items"]
        return items


def ok(answer: httpx2.Response, status: int = 200) -> dict[str, Any]:
    """The document of an answer that must have this status."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
    document: dict[str, Any] = answer.json()
    return document


def problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The document of an answer that must be this problem."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    document: dict[str, Any] = answer.json()
    assert document["type"] == f"/problems/{code}", document
    assert document["status"] == status
    return document


_idle: defaultdict[str, list[FastAPI]] = defaultdict(list)


@contextmanager
def application(settings: Settings) -> Iterator[FastAPI]:
    """An application that nobody else uses meanwhile.

    It may have been another test's before: what it opens is opened anew by each lifespan, and what it keeps beside (the
    routes' own preparations, a fifth of the suite's time, and counters) is no organisation's. So a test does not wait
    for a counter to leave zero: another test may have moved it.
    """
    idle = _idle[settings.model_dump_json()]
    app = idle.pop() if idle else create_app(settings)
    yield app
    idle.append(app)


@asynccontextmanager
async def running_app(settings: Settings) -> AsyncIterator[Service]:
    """The application, entered and left as a server would, with a client that reaches it without a network."""
    with application(settings) as app:
        async with _entered(app) as service:
            yield service


@asynccontextmanager
async def _entered(app: FastAPI) -> AsyncIterator[Service]:
    async with app.router.lifespan_context(app):
        # Intentional: an error of ours must surface as the 500 a caller would see, not as an exception in the test.
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with plain_client(transport=transport, base_url="http://testserver", event_hooks=WATCHED) as client:
            yield Service(app, client)


@asynccontextmanager
async def served(settings: Settings, http: type[asyncio.Protocol] = HandingOver) -> AsyncIterator[Service]:
    """The application under uvicorn in this loop."""
    with application(settings) as app:
        async with listening(app, http) as service:
            yield service


@asynccontextmanager
async def listening(app: FastAPI, http: type[asyncio.Protocol] = HandingOver) -> AsyncIterator[Service]:
    """As :func:`served`, for an application of the test's own making, which nobody has afterwards."""
    config = uvicorn.Config(app, port=0, http=http, log_level="warning", log_config=None)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    # Intentional: not its own loop. Signals stay with pytest, and that one looks ten times a second whether to end, and
    # sleeps as long once more when it does.
    await server.startup()
    await server.on_tick(0)
    assert server.started
    port = server.servers[0].sockets[0].getsockname()[1]
    base_url = f"http://127.0.0.1:{port}"
    try:
        async with plain_client(base_url=base_url, timeout=10, event_hooks=WATCHED) as client:
            yield Service(app, client, base_url)
    finally:
        await app.state.live.leave()
        await _end(server)


async def _end(server: uvicorn.Server) -> None:
    state = server.server_state
    for one in server.servers:
        one.close()
    async with asyncio.timeout(10):
        while state.connections or state.tasks:  # uvicorn tells nobody
            for connection in list(state.connections):  # again: one that was let in last comes now
                connection.shutdown()
            await asyncio.sleep(0.001)
    await server.lifespan.shutdown()
