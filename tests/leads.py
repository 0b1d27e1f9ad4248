"""Leads with scores, for the tests of best bets: what a CRM sends, and the night in which everyone is tiered."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import time_machine

from leadfeed_api.best_bets import retier as tiering
from leadfeed_api.best_bets.retier import Retiered
from leadfeed_api.db.session import Database
from world import World, ok


@contextmanager
def at_noon() -> Iterator[None]:
    """Today, but while neither a day nor a night ends."""
    with time_machine.travel(datetime.now(UTC).replace(hour=12, minute=0)):
        yield


async def score(world: World, **scores: float | None) -> None:
    """Syncs scores by lead id; a lead that is not there yet comes to be, owned by nobody."""
    await world.sync(leads=[{"id": lead, "name": lead.title(), "score": value} for lead, value in scores.items()])


async def own(world: World, user_id: str, scores: Mapping[str, float | None]) -> None:
    """Leads of one user with these scores; their company is Acme."""
    await world.people(user_id, leads=dict.fromkeys(scores, user_id))
    await score(world, **scores)


async def push_score(world: World, lead_id: str, value: float | None) -> dict[str, Any]:
    """One score by its own address."""
    return ok(await world.client.post(f"/v1/leads/{lead_id}/score", headers=world.machine, json={"score": value}))


async def set_tiers(world: World, **tiers: Any) -> dict[str, Any]:
    """Changes the organisation's tiers; the settings afterwards."""
    return ok(await world.client.patch("/v1/settings", headers=world.machine, json={"tiers": tiers}))


async def night(world: World, *, days: int = 0) -> Retiered:
    """Re-tiers everyone, so many days from now."""
    database: Database = world.service.app.state.database
    return await tiering.retier(database, world.org_id, clock=lambda: datetime.now(UTC) + timedelta(days=days))


async def best_bets(world: World, user_id: str, **query: Any) -> list[dict[str, Any]]:
    """A user's whole list, page by page."""
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await world.client.get("/v1/best-bets", headers=world.rep(user_id), params={**query, **cursor})
        page = ok(answer)
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = {"cursor": page["next_cursor"]}


def ids(items: Sequence[Mapping[str, Any]]) -> list[str]:
    """The leads' ids, in order."""
    return [item["lead"]["id"] for item in items]


def standing(items: Sequence[Mapping[str, Any]]) -> dict[str, tuple[int, int, bool]]:
    """Stars, flames and star by lead id."""
    return {
        item["lead"]["id"]: (item["lead"]["stars"], item["lead"]["flames"], item["lead"]["starred"]) for item in items
    }


STATIC = {
    "stars": {"method": "static", "at_least": [20, 50, 80]},
    "flames": {"method": "static", "at_least": [5, 15, 30]},
}


def plan_nodes(explained: str) -> list[dict[str, Any]]:
    """Every node of what EXPLAIN (FORMAT JSON) answered."""
    waiting: list[dict[str, Any]] = [json.loads(explained)[0]["Plan"]]
    found: list[dict[str, Any]] = []
    while waiting:
        found.append(waiting.pop())
        waiting += found[-1].get("Plans", [])
    return found
