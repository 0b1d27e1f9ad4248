"""One page of a feed: the statement that finds it, and what it found.

The rows are those of ``feed.queries``, written as JSON where they are found. One statement; changes nothing.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

from leadfeed_api.db.session import Connection
from leadfeed_api.feed.encoding import ITEM, Items
from leadfeed_api.feed.filters import OF_AN_ENTRY, Conditions, Filters, clauses, narrow
from leadfeed_api.feed.queries import FROM, LOOK_UPS, MY_ITEM, NEWEST_FIRST
from leadfeed_api.feed.starred import starred_keys
from leadfeed_api.feed.words import is_subscribed


@dataclass(frozen=True, slots=True)
class Page:
    """Items newest first, as JSON; where the page ends, if older ones follow; the log's position in the same snapshot.

    ``org`` and ``active`` are what the organisation is called and whether the user is active in it; None for unknown.
    """

    items: bytes
    end: tuple[datetime, UUID] | None
    position: int
    org: str | None
    active: bool | None


@lru_cache(maxsize=512)
def rows_statement(conditions: Conditions, limit: int) -> str:
    """A page's rows under these conditions, and one more where there is one; part of the page's statement.

    Intentional: the limit is a literal. Bound, it keeps the plan custom and costs 1.6 times the requests per second.
    """
    picked = clauses(conditions, 3)
    rows = f"{FROM} WHERE e.org_id = $1 AND e.user_id = $2{picked} {NEWEST_FIRST} LIMIT {limit + 1:d}"
    if ("starred", 0) in conditions:
        keys = starred_keys(conditions, 3, limit + 1)
        rows = f"""FROM ({keys}) k CROSS JOIN LATERAL (
          SELECT e.* FROM feed_entry e WHERE e.org_id = $1 AND e.user_id = $2
            AND e.occurred_at = k.occurred_at AND e.moment_id = k.moment_id LIMIT 1
        ) e {LOOK_UPS}"""
    elif OF_AN_ENTRY.issuperset(name for name, _ in conditions):
        # Cut first, joined afterwards: however wrong the guesses are, no row too many is joined.
        rows = f"""FROM (
          SELECT e.* FROM feed_entry e
          WHERE e.org_id = $1 AND e.user_id = $2{picked} {NEWEST_FIRST} LIMIT {limit + 1:d}
        ) e {LOOK_UPS}"""
    return f"SELECT {MY_ITEM} {rows}"


@lru_cache(maxsize=512)
def page_statement(conditions: Conditions, limit: int) -> str:
    """The statement of a page: one row, with all its items in one text and whose feed it is."""
    return f"""
SELECT o.position, o.org, u.active, p.found, p.items, p.undecided FROM organization o
LEFT JOIN app_user u ON u.org_id = $1 AND u.user_id = $2 CROSS JOIN LATERAL (
  SELECT count(*) AS found, string_agg({ITEM}, ',' ORDER BY p.occurred_at DESC, p.moment_id DESC) AS items,
    bool_or(p.listening <> '') AS undecided
  FROM ({rows_statement(conditions, limit)}) p
) p WHERE o.org_id = $1
"""


async def page(
    connection: Connection,
    org_id: int,
    user_id: str,
    filters: Filters,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Page:
    """Up to ``limit`` items of the user's feed, older than ``after`` (time, id); one statement."""
    conditions, parameters = narrow(filters, datetime.now(UTC), after=after)
    row = await connection.fetchrow(page_statement(conditions, limit), org_id, user_id, *parameters)
    if row is None:
        return Page(b"", None, position=0, org=None, active=None)
    position, org, active, found, written, undecided = row
    items, end = Items(written or ""), None
    if found > limit:
        items = items.without_last()
        end = items.last()
    return Page(items.decided(is_subscribed) if undecided else items.json(), end, position, org, active)
