"""Proving the inbox on a live database: is it what its definition says, and if not, putting it right.

And whether each entry is where a resuming stream looks for it. Owns the comparison and how it is repaired; the SQL is
``feed.definition``'s.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from leadfeed_api.db.session import ANY_PLANS, Database
from leadfeed_api.feed import definition
from leadfeed_api.feed.definition import Key
from leadfeed_api.feed.log import Change, appending

AT_A_TIME = 1_000  # differences mended in one transaction: everybody who reports a moment waits for the same lock


@dataclass(frozen=True, slots=True)
class Differences:
    """How many entries there are, how many the definition misses or does not know, and whether they were repaired.

    ``misplaced`` are those that a stream would miss when it resumes (``feed.order``).
    """

    entries: int
    missing: int
    surplus: int
    repaired: bool
    misplaced: int = 0

    @property
    def some(self) -> bool:
        """Whether there are any."""
        return bool(self.missing or self.surplus or self.misplaced)

    def as_dict(self) -> dict[str, int | bool]:
        """By name."""
        return asdict(self)


async def compare(database: Database, org_id: int, *, repair: bool) -> Differences:
    """Compares for as long as it takes, and keeps nobody waiting; repairs if asked to.

    By one snapshot and without a lock: whatever changes feeds commits the inbox together with what it follows from.
    A repair takes the organisation's lock, for what was found and is still so; its users' streams are told to reload.
    """
    async with database.snapshot() as connection:
        await connection.execute(ANY_PLANS)
        lacking = sorted(await definition.missing(connection, org_id))  # by user, so that few are told twice
        extra = sorted(await definition.surplus(connection, org_id))
        misplaced = sorted(await definition.misplaced(connection, org_id))
        total = await definition.count(connection, org_id)
    if repair:
        for begin in range(0, max(len(lacking), len(extra), len(misplaced)), AT_A_TIME):
            part = slice(begin, begin + AT_A_TIME)
            await _mend(database, org_id, lacking[part], extra[part], misplaced[part])
    found = Differences(total, len(lacking), len(extra), repaired=False, misplaced=len(misplaced))
    return replace(found, repaired=repair and found.some)


async def _mend(
    database: Database, org_id: int, lacking: Sequence[Key], extra: Sequence[Key], misplaced: Sequence[Key]
) -> None:
    async with appending(database, org_id) as log:
        await log.lock_entries()
        position = await log.advance(1)
        users = set(await definition.repair(log.connection, org_id, lacking, extra, position))
        users |= set(await definition.make_late(log.connection, org_id, misplaced))
        await log.tell([Change(user, position, "reset", None) for user in sorted(users)])
