"""Who comes to follow a feed: whether they may, and how far the log has come.

When a process was restarted everybody who followed comes back within seconds. So those who come together are looked up
together: one statement, one snapshot.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

from leadfeed_api.db.session import Database
from leadfeed_api.db.together import Together

STATEMENTS, AT_ONCE = 2, 200
# Intentional: an array hidden in a SELECT has no length that a plan could be made for, each time anew.
ARRIVALS = """
SELECT x.number, o.org, u.active, o.position, x.key_hash IS NULL OR EXISTS (
  SELECT FROM api_key k WHERE k.org_id = $1 AND k.key_hash = x.key_hash AND k.revoked_at IS NULL)
FROM organization o
CROSS JOIN unnest((SELECT $2::text[]), (SELECT $3::bytea[])) WITH ORDINALITY x (user_id, key_hash, number)
LEFT JOIN app_user u ON u.org_id = $1 AND u.user_id = x.user_id
WHERE o.org_id = $1
"""


class Arrival(NamedTuple):
    """The organisation's name, whether the user is active in it, and its log's position; None for what is unknown.

    ``trusted`` is whether the key is good that they, or whoever got their token, came by; true where there is none.
    """

    org: str | None
    active: bool | None
    position: int
    trusted: bool


Asked: TypeAlias = tuple[str, bytes | None]  # a user, and the hash of the key they came by
Arrivals: TypeAlias = Together[int, Asked, Arrival]


def arrivals(data: Database) -> Arrivals:
    """Where those who come to an organisation's streams are looked up together."""
    return Together(partial(_find, data), out=STATEMENTS, at_once=AT_ONCE)


async def _find(data: Database, org_id: int, asked: Sequence[Asked]) -> list[Arrival]:
    found = [Arrival(None, None, 0, trusted=False)] * len(asked)
    users, keys = [user for user, _ in asked], [key_hash for _, key_hash in asked]
    async with data.read() as connection:
        rows = await connection.fetch(ARRIVALS, org_id, users, keys)
    for number, *row in rows:
        found[number - 1] = Arrival(*row)
    return found
