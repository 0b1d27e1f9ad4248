"""Writing moments down: judge what the database knows of them, then record the good ones in one transaction.

Positions, moments and inbox entries are written together, by one set-based statement each; once this returns, they
are on disk. Owns ``moment``. Knows nothing of HTTP.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from uuid_utils.compat import uuid7

from leadfeed_api.db.session import Connection, Database, affected
from leadfeed_api.errors import Unavailable
from leadfeed_api.feed import entries
from leadfeed_api.feed.log import appending
from leadfeed_api.ingestion.interpret import Candidate

JUDGE = """
SELECT l.lead_id IS NOT NULL AS known, m.moment_id
FROM organization o
CROSS JOIN unnest($2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS x (source, external_id, lead_id, ordinal)
LEFT JOIN lead l ON l.org_id = $1 AND l.lead_id = x.lead_id
LEFT JOIN moment m ON m.org_id = $1 AND m.source = x.source AND m.external_id = x.external_id
WHERE o.org_id = $1
ORDER BY x.ordinal
"""
INSERT_MOMENTS = """
INSERT INTO moment
  (org_id, moment_id, position, source, external_id, lead_id, type, description, url, bot, occurred_at, recorded_at)
SELECT o.org_id, x.moment_id, x.position, x.source, x.external_id, x.lead_id, x.type, x.description, x.url, x.bot,
  x.occurred_at, $12
FROM organization o
CROSS JOIN unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
  $10::text[], $11::timestamptz[])
  AS x (moment_id, position, source, external_id, lead_id, type, description, url, bot, occurred_at)
JOIN lead l ON l.org_id = $1 AND l.lead_id = x.lead_id
WHERE o.org_id = $1
ON CONFLICT DO NOTHING
"""
ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one candidate; ``id`` is the moment's, a duplicate's is the first one's."""

    status: Literal["accepted", "duplicate", "rejected"]
    id: UUID | None = None
    problem: str | None = None


UNKNOWN_LEAD = Verdict("rejected", problem="unknown-lead")


class _Overtaken(Exception):
    """Between judging and recording, somebody recorded the same moment or erased its lead."""


async def record_moments(database: Database, org_id: int, candidates: Sequence[Candidate]) -> list[Verdict]:
    """Records what is new and has a lead; one verdict per candidate, in order.

    Judging happens before the organisation's lock is taken, so that the lock is held for the writing alone; when the
    writing finds that the judgement no longer holds, it is rolled back and judged again.
    """
    for _ in range(ATTEMPTS):
        async with database.read() as connection:
            verdicts = await judge(connection, org_id, candidates)
        fresh = [(one, verdict.id) for one, verdict in zip(candidates, verdicts, strict=True) if _is_new(verdict)]
        try:
            if fresh:
                await _write(database, org_id, [one for one, _ in fresh], [moment_id for _, moment_id in fresh])
        except _Overtaken:
            continue
        return verdicts
    raise Unavailable("The same moments are being written elsewhere. Nothing was stored; try again.")


def _is_new(verdict: Verdict) -> bool:
    return verdict.status == "accepted"


async def judge(connection: Connection, org_id: int, candidates: Sequence[Candidate]) -> list[Verdict]:
    """Which candidates are new, duplicates (of stored ones, or of an earlier one here) or of no known lead."""
    rows = await connection.fetch(
        JUDGE,
        org_id,
        [one.source for one in candidates],
        [one.external_id for one in candidates],
        [one.lead_id for one in candidates],
    )
    seen: dict[tuple[str, str], UUID] = {}
    verdicts = []
    for one, row in zip(candidates, rows, strict=True):
        identity = (one.source, one.external_id)
        stored: UUID | None = row["moment_id"] or seen.get(identity)
        if stored is not None:
            verdicts.append(Verdict("duplicate", stored))
        elif not row["known"]:
            verdicts.append(UNKNOWN_LEAD)
        else:
            seen[identity] = uuid7()
            verdicts.append(Verdict("accepted", seen[identity]))
    return verdicts


async def _write(
    database: Database, org_id: int, fresh: Sequence[Candidate], moment_ids: Sequence[UUID | None]
) -> None:
    async with appending(database, org_id) as log:
        last = await log.advance(len(fresh))
        first = last - len(fresh) + 1
        written = await log.connection.execute(
            INSERT_MOMENTS,
            org_id,
            list(moment_ids),
            list(range(first, last + 1)),
            [one.source for one in fresh],
            [one.external_id for one in fresh],
            [one.lead_id for one in fresh],
            [one.type for one in fresh],
            [one.description for one in fresh],
            [one.url for one in fresh],
            [one.bot for one in fresh],
            [one.occurred_at for one in fresh],
            datetime.now(UTC),
        )
        if affected(written) != len(fresh):
            raise _Overtaken
        await entries.fan_out(log.connection, org_id, first, last)
