"""What happened between two positions of a log, as bytes ready to send, with who is told.

Owns the choice between two ways of reading the same thing: by user, when few follow or much happened; by position, when
many follow. Both read what each user may see at the moment of reading.
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

from leadfeed_api.db.session import Connection
from leadfeed_api.feed import queries
from leadfeed_api.stream import events

# By user costs an index probe a user, by position about this many a moment (measured: bench of the two statements).
PROBES_PER_POSITION = 4


class News(NamedTuple):
    """One event: where in the log, for whom, and its body without an id."""

    position: int
    user_ids: Sequence[str]
    body: bytes


async def between(connection: Connection, org_id: int, user_ids: Sequence[str], after: int, up_to: int) -> list[News]:
    """The events above ``after`` and up to ``up_to``, by position; all that concern the given users, perhaps others."""
    if not user_ids or up_to <= after:
        return []
    if len(user_ids) <= PROBES_PER_POSITION * (up_to - after):
        found = await _by_user(connection, org_id, user_ids, after, up_to)
    else:
        found = await _by_position(connection, org_id, after, up_to)
    return sorted(found, key=attrgetter("position"))


async def _by_user(connection: Connection, org_id: int, user_ids: Sequence[str], after: int, up_to: int) -> list[News]:
    moments = await queries.moments_since(connection, org_id, user_ids, after, up_to)
    found = [News(one.position, (one.user_id,), events.moment(one.item)) for one in moments]
    for changed in await queries.changes_since(connection, org_id, user_ids, after, up_to):
        body = events.change(changed)
        if body is not None:
            found.append(News(changed.position, (changed.user_id,), body))
    return found


async def _by_position(connection: Connection, org_id: int, after: int, up_to: int) -> list[News]:
    moments = await queries.moments_between(connection, org_id, after, up_to)
    found = [News(one.position, told, events.moment(one.item)) for one, told in moments]
    for changed, told in await queries.changes_between(connection, org_id, after, up_to):
        body = events.change(changed)
        if body is not None:
            found.append(News(changed.position, told, body))
    return found
