"""Proving the inbox on a live database: is it what its definition says, and if not, putting it right.

Owns the comparison and its repair; the definition's SQL is ``feed.entries``'.
"""

from dataclasses import asdict, dataclass

from leadfeed_api.db.session import Database
from leadfeed_api.feed import entries
from leadfeed_api.feed.log import Change, appending

COUNT = "SELECT count(*) FROM feed_entry WHERE org_id = $1"


@dataclass(frozen=True, slots=True)
class Differences:
    """How many entries there are, how many the definition misses or does not know, and whether they were repaired."""

    entries: int
    missing: int
    surplus: int
    repaired: bool

    def as_dict(self) -> dict[str, int | bool]:
        """By name."""
        return asdict(self)


async def compare(database: Database, org_id: int, *, repair: bool) -> Differences:
    """Compares under the organisation's lock, so that nothing moves meanwhile; repairs if asked to.

    A repaired user's streams are told to reload.
    """
    async with appending(database, org_id) as log:
        await log.lock()
        total = await log.connection.fetchval(COUNT, org_id)
        lacking = await entries.missing(log.connection, org_id)
        extra = await entries.surplus(log.connection, org_id)
        mend = repair and bool(lacking or extra)
        if mend:
            position = await log.advance(1)
            await entries.repair(log.connection, org_id, lacking, extra, position)
            users = sorted({user for user, _ in [*lacking, *extra]})
            await log.tell([Change(user, position, "reset", None) for user in users])
    return Differences(total, len(lacking), len(extra), mend)
