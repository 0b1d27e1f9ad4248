"""Writing moments down: positions, moments and inbox entries together, in one transaction.

What the database knows of a batch is asked where it is written, under the organisation's lock: a moment that is stored
already, or whose lead is unknown, is left out by the insert itself. Only when something was left out is it asked what
became of each. One set-based statement each; once this returns, what was accepted is on disk. Owns ``moment``. Knows
nothing of HTTP.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple
from uuid import UUID

from uuid_utils import uuid7

from leadfeed_api.db.session import Database, affected
from leadfeed_api.feed import entries
from leadfeed_api.feed.log import Log, appending
from leadfeed_api.ingestion.interpret import Candidate

FEW = 100  # inboxes; to read for so many takes half a millisecond, under the lock, and to tell them another
SEPARATOR = "\x1f"  # a control character, which no text of a moment holds
JUDGE = """
SELECT l.lead_id IS NOT NULL AS known, m.moment_id
FROM organization o
CROSS JOIN unnest($2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS x (source, external_id, lead_id, ordinal)
LEFT JOIN lead l ON l.org_id = $1 AND l.lead_id = x.lead_id
LEFT JOIN moment m ON m.org_id = $1 AND m.source = x.source AND m.external_id = x.external_id
WHERE o.org_id = $1
ORDER BY x.ordinal
"""
# Intentional: columns come as one text each. The driver and the server take 0.8 µs for every item of an array, nine of
# a moment; to split a text takes a tenth of it. An empty url or bot is none.
# And a LIMIT in place of EXISTS, which PostgreSQL may answer by hashing every moment of the organisation.
INSERT_MOMENTS = """
INSERT INTO moment
  (org_id, moment_id, position, source, external_id, lead_id, type, description, url, bot, occurred_at, recorded_at)
SELECT o.org_id, x.moment_id, $2::bigint + row_number() OVER (PARTITION BY o.org_id ORDER BY x.ordinal),
  x.source, x.external_id, x.lead_id, x.type, x.description, x.url, x.bot, x.occurred_at, $12
FROM organization o
CROSS JOIN unnest(
  string_to_array($3, E'\\x1f')::uuid[], string_to_array($4, E'\\x1f'), string_to_array($5, E'\\x1f'),
  string_to_array($6, E'\\x1f'), string_to_array($7, E'\\x1f'), string_to_array($8, E'\\x1f'),
  string_to_array($9, E'\\x1f', ''), string_to_array($10, E'\\x1f', ''), string_to_array($11, E'\\x1f')::timestamptz[]
) WITH ORDINALITY
  AS x (moment_id, source, external_id, lead_id, type, description, url, bot, occurred_at, ordinal)
JOIN lead l ON l.org_id = $1 AND l.lead_id = x.lead_id
WHERE o.org_id = $1 AND (SELECT true FROM moment d
  WHERE d.org_id = $1 AND d.source = x.source AND d.external_id = x.external_id LIMIT 1) IS NULL
"""


class Verdict(NamedTuple):
    """What became of one candidate; ``id`` is the moment's as text, a duplicate's is the first one's."""

    status: Literal["accepted", "duplicate", "rejected"]
    id: str | None = None
    problem: str | None = None


UNKNOWN_LEAD = Verdict("rejected", problem="unknown-lead")


class _NothingNew(Exception):
    """All of the batch was left out: no position is taken and no reader woken."""

    def __init__(self, verdicts: list[Verdict]) -> None:
        super().__init__()
        self.verdicts = verdicts


async def record_moments(database: Database, org_id: int, candidates: Sequence[Candidate]) -> list[Verdict]:
    """Records what is new and has a lead; one verdict per candidate, in order."""
    try:
        async with appending(database, org_id) as log:
            return await _record(log, candidates)
    except _NothingNew as rolled_back:
        return rolled_back.verdicts


async def _record(log: Log, candidates: Sequence[Candidate]) -> list[Verdict]:
    verdicts = offered = [Verdict("accepted", str(uuid7())) for _ in candidates]
    if len({(one.source, one.external_id) for one in candidates}) < len(candidates):
        # The insert does not see what it is about to write: a batch that holds one identity twice is judged first.
        await log.lock()
        verdicts = await _judge(log, candidates, offered)
    fresh = [(one, verdict) for one, verdict in zip(candidates, verdicts, strict=True) if verdict.status == "accepted"]
    written = await _write(log, fresh) if fresh else 0
    if written < len(fresh):
        verdicts = await _judge(log, candidates, offered)
    if not written:
        raise _NothingNew(verdicts)
    return verdicts


async def _write(log: Log, fresh: Sequence[tuple[Candidate, Verdict]]) -> int:
    """Writes those that are not stored and have a lead; how many these are."""
    before = await log.advance(len(fresh)) - len(fresh)
    tag = await log.connection.execute(
        INSERT_MOMENTS,
        log.org_id,
        before,
        joined([verdict.id or "" for _, verdict in fresh]),
        *columns([one for one, _ in fresh]),
        datetime.now(UTC),
    )
    written = affected(tag)
    if written < len(fresh):
        await log.give_back(len(fresh) - written)
    if written:
        inboxes = await entries.fan_out(log.connection, log.org_id, before + 1, before + written)
        if written == 1 and inboxes <= FEW:
            log.lone_moment = before + 1
    return written


def columns(moments: Sequence[Candidate]) -> list[str]:
    """The moments' columns from ``source`` to ``occurred_at``, each as one text."""
    sources, external_ids, lead_ids, types, descriptions, urls, bots, times = zip(*moments, strict=True)
    plain = [joined(texts) for texts in (sources, external_ids, lead_ids, types, descriptions)]
    optional = [joined([text or "" for text in texts]) for texts in (urls, bots)]
    return [*plain, *optional, joined([time.isoformat() for time in times])]


def joined(texts: Sequence[str]) -> str:
    """Several texts as one. Raises ``ValueError`` where one of them would be taken for two."""
    whole = SEPARATOR.join(texts)
    if whole.count(SEPARATOR) != len(texts) - 1:
        raise ValueError("a text of a moment holds a control character")
    return whole


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
