"""Reading an organisation's log on, and noting down which new moments wait to be mailed to whom.

Owns ``mail_reader`` (how far the log was read) and the making of ``mail_pending``. One transaction does both, so that
each position is read exactly once; the reader's lock lets several workers share the organisations. SQL narrows to what
could match, ``match`` decides. Sends nothing, and ingestion never waits for it.
"""

from datetime import datetime, timedelta

from leadfeed_api.db.session import Connection, Database
from leadfeed_api.subscriptions import recipients
from leadfeed_api.subscriptions.delivery.adopting import adopt
from leadfeed_api.subscriptions.delivery.outbox import LOCK_TIMEOUT_S
from leadfeed_api.subscriptions.match import Occasion, Rule, matches

STEP = 1_000  # positions read in one transaction
HISTORY = timedelta(days=7)  # what had happened this long before it was recorded is history, not news

READ_FROM = "SELECT position FROM mail_reader WHERE org_id = $1 FOR UPDATE SKIP LOCKED"
# What lies before the next moment is passed over at once: it may be a million positions (``feed.trimming``).
LOG_END = """
SELECT o.position, o.mail_enabled, (
  SELECT m.position FROM moment m WHERE m.org_id = $1 AND m.position > greatest(o.mail_since, $2)
  ORDER BY m.position LIMIT 1) AS next_moment
FROM organization o WHERE o.org_id = $1
"""
READ_TO = "UPDATE mail_reader SET position = $2 WHERE org_id = $1"
# Who could be interested in the moments between two positions, by four indexes: followers of the person, of the
# company, the owner, the watchers. What a machine likely did is nobody's news.
_NEWS = """
  m.org_id = $1 AND m.position > $2 AND m.position <= $3
  AND m.bot IS NULL AND m.occurred_at >= m.recorded_at - $4::interval
"""
_COLUMNS = """
m.moment_id, m.position, m.lead_id, l.account_id, m.type, m.description, s.subscription_id, s.kind, s.value, s.scope
"""
_LEAD = "JOIN lead l ON l.org_id = $1 AND l.lead_id = m.lead_id"
_ACTIVE = "s.org_id = $1 AND NOT s.paused AND s.since < m.position"
# Words are ``match``'s alone: for them every moment is a candidate.
_TYPE_OR_WORDS = "(s.kind = 'type' AND s.value = m.type OR s.kind = 'description')"
CANDIDATES = f"""
SELECT {_COLUMNS}, false AS owned, false AS watched FROM moment m {_LEAD}
JOIN subscription s ON {_ACTIVE} AND s.kind = 'lead' AND s.value = m.lead_id WHERE {_NEWS}
UNION ALL
SELECT {_COLUMNS}, false, false FROM moment m {_LEAD}
JOIN subscription s ON {_ACTIVE} AND s.kind = 'account' AND s.value = l.account_id WHERE {_NEWS}
UNION ALL
SELECT {_COLUMNS}, true, false FROM moment m {_LEAD}
JOIN subscription s ON {_ACTIVE} AND {_TYPE_OR_WORDS} AND s.user_id = l.owner_id WHERE {_NEWS}
UNION ALL
SELECT {_COLUMNS}, false, true FROM moment m {_LEAD}
JOIN watch w ON w.org_id = $1 AND w.lead_id = m.lead_id
JOIN subscription s ON {_ACTIVE} AND {_TYPE_OR_WORDS} AND s.scope = 'feed' AND s.user_id = w.user_id
WHERE {_NEWS}
"""
INSERT_PENDING = """
INSERT INTO mail_pending (org_id, recipient_id, moment_id, subscription_id, noticed_at)
SELECT o.org_id, t.recipient_id, x.moment_id, x.subscription_id, $5
FROM organization o
CROSS JOIN unnest($2::uuid[], $3::bigint[], $4::uuid[]) AS x (moment_id, position, subscription_id)
JOIN subscription_recipient t ON t.org_id = $1 AND t.subscription_id = x.subscription_id
JOIN mail_recipient r ON r.org_id = $1 AND r.recipient_id = t.recipient_id
  AND r.confirmed_at IS NOT NULL AND r.since < x.position
WHERE o.org_id = $1
ON CONFLICT DO NOTHING
RETURNING recipient_id
"""


async def read_on(database: Database, org_id: int, now: datetime) -> bool:
    """Reads up to ``STEP`` positions on, from the next moment; whether there was anything to read.

    False also while another worker reads this organisation's log. Whoever has mail switched off is passed over: what
    happens meanwhile is never mailed, however late this comes.
    """
    async with database.write(lock_timeout_s=LOCK_TIMEOUT_S) as connection:
        position = await connection.fetchval(READ_FROM, org_id)
        if position is None:
            return False
        end = await connection.fetchrow(LOG_END, org_id, position)
        if end is None or end["position"] <= position:
            return False
        up_to = end["position"]
        if end["mail_enabled"] and end["next_moment"] is not None:
            after = end["next_moment"] - 1
            up_to = min(after + STEP, up_to)
            await _note_down(connection, org_id, after, up_to, now)
        await connection.execute(READ_TO, org_id, up_to)
    return True


async def _note_down(connection: Connection, org_id: int, after: int, up_to: int, now: datetime) -> None:
    rows = await connection.fetch(CANDIDATES, org_id, after, up_to, HISTORY)
    found = [row for row in rows if matches(Rule.of(row), Occasion.of(row))]
    if not found:
        return
    moments, subscriptions = [row["moment_id"] for row in found], [row["subscription_id"] for row in found]
    positions = [row["position"] for row in found]
    adopted = await adopt(connection, org_id, subscriptions, now)
    touched = await connection.fetch(INSERT_PENDING, org_id, moments, positions, subscriptions, now)
    waiting = adopted | {row["recipient_id"] for row in touched}
    await recipients.lock(connection, org_id, waiting)
    await recipients.look_at(connection, org_id, waiting, now)
