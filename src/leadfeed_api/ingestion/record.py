"""Writing moments down: positions, moments and inbox entries together, in one transaction.

A batch is written as if all of it were new and had a lead, which nearly every batch is. Where the insert left something
out nothing of it stays: then the batch is judged under the organisation's lock, and what is accepted is written. One
set-based statement each; once this returns, what was accepted is on disk. Owns what comes into ``moment``; what leaves
it is erased (``people.ownership``) or no longer kept (``feed.retention``). Knows nothing of HTTP.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple
from uuid import UUID

from uuid_utils import uuid7

from leadfeed_api.db.packed import counted, packed, packed_if_any, uncounted, unpacked, unpacked_or_none
from leadfeed_api.db.session import Database, affected
from leadfeed_api.feed import entries
from leadfeed_api.feed.log import Log, appending
from leadfeed_api.feed.order import raised, watermark
from leadfeed_api.ingestion.interpret import Candidate

FEW = 100  # inboxes; to read for so many takes half a millisecond, under the lock, and to tell them another
JUDGE = """
SELECT l.lead_id IS NOT NULL AS known, m.moment_id
FROM organization o
CROSS JOIN unnest($2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS x (source, external_id, lead_id, ordinal)
LEFT JOIN lead l ON l.org_id = $1 AND l.lead_id = x.lead_id
LEFT JOIN moment m ON m.org_id = $1 AND m.source = x.source AND m.external_id = x.external_id
WHERE o.org_id = $1
ORDER BY x.ordinal
"""
_OCCURRED = uncounted("x.occurred_at")
# Intentional: a conflict in place of a look-up. It asks the identity's index whatever PostgreSQL knows of the
# organisation; a look-up reads all moments of one that was not counted yet, for each of the batch (decision 0014).
INSERT_MOMENTS = f"""
INSERT INTO moment
  (org_id, moment_id, position, source, external_id, lead_id, type, description, url, bot, occurred_at, recorded_at,
  watermark)
SELECT o.org_id, x.moment_id, $2::bigint + x.ordinal,
  x.source, x.external_id, x.lead_id, x.type, x.description, x.url, x.bot, {_OCCURRED}, $12,
  {raised(watermark("$2"), _OCCURRED, "$12")}
FROM organization o
CROSS JOIN unnest(
  {unpacked("$3", "uuid")}, {unpacked("$4")}, {unpacked("$5")}, {unpacked("$6")}, {unpacked("$7")}, {unpacked("$8")},
  {unpacked_or_none("$9")}, {unpacked_or_none("$10")}, {unpacked("$11", "bigint")}
) WITH ORDINALITY
  AS x (moment_id, source, external_id, lead_id, type, description, url, bot, occurred_at, ordinal)
JOIN lead l ON l.org_id = $1 AND l.lead_id = x.lead_id
WHERE o.org_id = $1
ON CONFLICT (org_id, source, external_id) DO NOTHING
"""


class Verdict(NamedTuple):
    """What became of one candidate; ``id`` is the moment's as text, a duplicate's is the first one's."""

    status: Literal["accepted", "duplicate", "rejected"]
    id: str | None = None
    problem: str | None = None


UNKNOWN_LEAD = Verdict("rejected", problem="unknown-lead")


class Columns(NamedTuple):
    """Moments in order of their positions, and of time; each column as one text (``db.packed``)."""

    ids: str
    sources: str
    external_ids: str
    lead_ids: str
    types: str
    descriptions: str
    urls: str | None  # none at all; an empty one is none
    bots: str | None  # likewise
    times: str  # counted

    def for_inboxes(self, recorded_at: datetime) -> entries.Written:
        """What of them is in an inbox."""
        return entries.Written(self.ids, self.lead_ids, self.types, self.times, recorded_at)


class _LeftOut(Exception):
    """Not all of a batch was new and had a lead: it is rolled back, positions and all."""


async def record_moments(database: Database, org_id: int, candidates: Sequence[Candidate]) -> list[Verdict]:
    """Records what is new and has a lead; one verdict per candidate, in order."""
    offered = [Verdict("accepted", str(uuid7())) for _ in candidates]
    columns = columns_of(candidates, offered)  # before the lock, for which others wait
    try:
        async with appending(database, org_id) as log:
            await _write(log, columns, len(candidates))
    except _LeftOut:
        return await _record_in_part(database, org_id, candidates, offered)
    return offered


async def _record_in_part(
    database: Database, org_id: int, candidates: Sequence[Candidate], offered: Sequence[Verdict]
) -> list[Verdict]:
    async with appending(database, org_id) as log:
        await log.lock()
        verdicts = await _judge(log, candidates, offered)
        fresh = [pair for pair in zip(candidates, verdicts, strict=True) if pair[1].status == "accepted"]
        if fresh:
            await _write(log, columns_of(*zip(*fresh, strict=True)), len(fresh))
        return verdicts


async def _write(log: Log, columns: Columns, count: int) -> None:
    """Writes so many moments. Raises ``_LeftOut`` where one is stored already, stands here twice, or has no lead."""
    before = await log.advance(count) - count
    now = datetime.now(UTC)
    tag = await log.connection.execute(INSERT_MOMENTS, log.org_id, before, *columns, now)
    if affected(tag) < count:
        raise _LeftOut
    inboxes = await entries.fan_out(log.connection, log.org_id, before, columns.for_inboxes(now))
    if count == 1 and inboxes <= FEW:
        log.lone_moment = before + 1


def columns_of(moments: Sequence[Candidate], verdicts: Sequence[Verdict]) -> Columns:
    """The moments as columns, under the ids they are given, in the order of inboxes: so few are late."""
    named = zip([one.occurred_at for one in moments], [one.id or "" for one in verdicts], moments, strict=True)
    times, ids, moments = zip(*sorted(named), strict=True)
    sources, external_ids, lead_ids, types, descriptions, urls, bots, _ = zip(*moments, strict=True)
    return Columns(
        packed(ids),
        packed(sources),
        packed(external_ids),
        packed(lead_ids),
        packed(types),
        packed(descriptions),
        packed_if_any(urls),
        packed_if_any(bots),
        packed(counted(times)),
    )


async def _judge(log: Log, candidates: Sequence[Candidate], offered: Sequence[Verdict]) -> list[Verdict]:
    """What becomes, or became just now, of candidates that are accepted under the ids they are offered.

    Of one identity the first that has a lead counts, unless one is stored already.
    """
    rows = await log.connection.fetch(
        JUDGE,
        log.org_id,
        [one.source for one in candidates],
        [one.external_id for one in candidates],
        [one.lead_id for one in candidates],
    )
    seen: dict[tuple[str, str], str] = {}
    verdicts = []
    for one, mine, row in zip(candidates, offered, rows, strict=True):
        identity = (one.source, one.external_id)
        stored: str | None = _text(row["moment_id"]) or seen.get(identity)
        if stored is None and row["known"]:
            stored = seen[identity] = mine.id or ""
        if stored is None:
            verdicts.append(UNKNOWN_LEAD)
        else:
            verdicts.append(Verdict("accepted" if stored == mine.id else "duplicate", stored))
    return verdicts


def _text(moment_id: UUID | None) -> str | None:
    return None if moment_id is None else str(moment_id)
