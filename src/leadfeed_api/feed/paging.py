"""Pages of feeds: the statement that finds one or several, and what it found.

The rows are those of ``feed.queries``, written as JSON where they are found. One statement; changes nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeAlias
from uuid import UUID

from leadfeed_api.db.queues import Queues
from leadfeed_api.db.session import Database
from leadfeed_api.db.together import Together
from leadfeed_api.feed.encoding import ITEM, Items
from leadfeed_api.feed.filters import OF_AN_ENTRY, OF_EITHER, PLAIN, Conditions, Filters, clauses, narrow
from leadfeed_api.feed.queries import JOINS, LOOK_UPS, MY_ITEM, NEWEST_FIRST, OF_MOMENT, OLDER
from leadfeed_api.feed.starred import starred_keys
from leadfeed_api.feed.words import is_subscribed

Edge: TypeAlias = tuple[datetime, UUID]
Asked: TypeAlias = tuple[str, datetime, UUID]  # whose page, and of what is older than this
NEWEST: Edge = (datetime.max.replace(tzinfo=UTC), UUID(int=2**128 - 1))  # older than infinity is everything
# By turns on two cores (decision 0012): fewer statements leave PostgreSQL idle between them, more share less, and so do
# fewer pages to a statement. One of eight pages takes some 4 ms.
STATEMENTS, PAGES = 3, 8
NARROWED = 3  # of an organisation at a time: one that searches much leaves connections, and pages, to the others

_PLACE = {"$2": "r.user_id", "$3": "r.occurred_at", "$4": "r.moment_id"}
_ONE = "(VALUES ($2::text, $3::timestamptz, $4::uuid, 1)) r (user_id, occurred_at, moment_id, number)"
# Intentional: what is hidden in a SELECT has no length that a plan could be made for, each time anew.
_SEVERAL = """unnest((SELECT $2::text[]), (SELECT $3::timestamptz[]), (SELECT $4::uuid[])) WITH ORDINALITY
  r (user_id, occurred_at, moment_id, number)"""


@dataclass(frozen=True, slots=True)
class Page:
    """Items newest first, as JSON; where the page ends, if older ones follow; the log's position in the same snapshot.

    ``org`` and ``active`` are what the organisation is called and whether the user is active in it; None for unknown.
    """

    items: bytes
    end: Edge | None
    position: int
    org: str | None
    active: bool | None


@lru_cache(maxsize=512)
def rows_statement(conditions: Conditions, limit: int) -> str:
    """A page's rows, and one more where there is one; part of the page's statement.

    $1 is the organisation, $2 the user, $3 and $4 where the page begins; the conditions' parameters begin at $5.
    Intentional: the limit is a literal. Bound, it keeps the plan custom and costs 1.6 times the requests per second.
    """
    names = {name for name, _ in conditions}
    picked, newest = OLDER + clauses(conditions, 5), f"{NEWEST_FIRST} LIMIT {limit + 1:d}"
    entries, first = "SELECT e.* FROM feed_entry e WHERE e.org_id = $1 AND e.user_id = $2", newest
    if "lead_id" in names:
        # A lead's moments stand in the feed's order as well, by ``moment_by_lead``: each is looked up in the inbox.
        bounds = _of_moment(OLDER + clauses(conditions, 5, OF_EITHER))
        entries = f"SELECT e.* FROM moment m CROSS JOIN LATERAL ({OF_MOMENT}) e WHERE m.org_id = $1{bounds}"
        first = _of_moment(newest)
    if "starred" in names and "lead_id" not in names:
        keys = starred_keys(conditions, 5, limit + 1)
        rows = f"(SELECT e.* FROM ({keys}) m CROSS JOIN LATERAL ({OF_MOMENT}) e) e {LOOK_UPS}"
    elif names <= OF_AN_ENTRY:
        # Cut first, joined afterwards: however wrong the guesses are, no row too many is joined.
        rows = f"({entries}{picked} {first}) e {LOOK_UPS}"
    else:
        rows = f"({entries}) e {JOINS} WHERE true{picked} {newest}"
    return f"SELECT {MY_ITEM} FROM {rows}"


def _of_moment(text: str) -> str:
    """What is said of an entry, said of its moment."""
    return re.sub(r"\be\.", "m.", text)


@lru_cache(maxsize=512)
def page_statement(conditions: Conditions, limit: int, *, several: bool = False) -> str:
    """The statement of a page: one row, with all its items in one text and whose feed it is.

    For ``several``, $2 to $4 are arrays, and it is a row each.
    """
    rows = re.sub(r"\$[234]\b", lambda found: _PLACE[found[0]], rows_statement(conditions, limit))
    return f"""
SELECT r.number, o.position, o.org, u.active, p.found, p.items, p.undecided FROM {_SEVERAL if several else _ONE}
JOIN organization o ON o.org_id = $1
LEFT JOIN app_user u ON u.org_id = $1 AND u.user_id = r.user_id CROSS JOIN LATERAL (
  SELECT count(*) AS found, string_agg({ITEM}, ',' ORDER BY p.occurred_at DESC, p.moment_id DESC) AS items,
    bool_or(p.listening <> '') AS undecided
  FROM ({rows}) p
) p
"""


class Pages:
    """Pages of feeds as they are now; plain ones that are asked for at the same time share a statement.

    Narrowed ones, which may have to read a whole inbox, wait for each other within an organisation.
    """

    def __init__(self, data: Database) -> None:
        self._data = data
        self._together = Together(self._plain, out=STATEMENTS, at_once=PAGES)
        self._queues = Queues(NARROWED)

    async def page(self, org_id: int, user_id: str, filters: Filters, *, after: Edge | None = None, limit: int) -> Page:
        """Up to ``limit`` items of the user's feed, older than ``after`` (time, id); one statement.

        Raises ``Busy`` where others' searches keep it waiting for too long.
        """
        asked = (user_id, *(after or NEWEST))
        if filters == PLAIN:
            row = await self._together.find((org_id, limit), asked)
        else:
            async with self._queues.turn(org_id):
                (row,) = await self._find(org_id, filters, limit, [asked])
        return _read(row, limit)

    async def _plain(self, about: tuple[int, int], asked: Sequence[Asked]) -> list[tuple[Any, ...] | None]:
        org_id, limit = about
        return await self._find(org_id, PLAIN, limit, asked)

    async def _find(
        self, org_id: int, filters: Filters, limit: int, asked: Sequence[Asked]
    ) -> list[tuple[Any, ...] | None]:
        conditions, parameters = narrow(filters, datetime.now(UTC))
        statement = page_statement(conditions, limit, several=len(asked) > 1)
        places = zip(*asked, strict=True) if len(asked) > 1 else asked[0]
        found: list[tuple[Any, ...] | None] = [None] * len(asked)
        async with self._data.read() as connection:
            rows = await connection.fetch(statement, org_id, *places, *parameters)
        for number, *row in rows:
            found[number - 1] = tuple(row)
        return found


def _read(row: tuple[Any, ...] | None, limit: int) -> Page:
    if row is None:
        return Page(b"", None, position=0, org=None, active=None)
    position, org, active, found, written, undecided = row
    items, end = Items(written or ""), None
    if found > limit:
        items = items.without_last()
        end = items.last()
    return Page(items.decided(is_subscribed) if undecided else items.json(), end, position, org, active)
