"""The SELECTs of the feed: page, stream and feeds for readers render these rows. Mail has a statement of its own.

One statement each. Returns wire items, never table rows. Changes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from leadfeed_api.db.session import Connection
from leadfeed_api.feed.cards import CARDS, account_card, lead_card
from leadfeed_api.feed.log import ChangeKind
from leadfeed_api.feed.order import live_between, live_positions_after
from leadfeed_api.feed.schemas import AccountCard, Contact, ContactItem, FeedItem, LeadCard, Reason
from leadfeed_api.feed.words import is_subscribed

# What an item shows, and of whom ($2 is the user, except where a statement serves several).
_OWNED = "l.owner_id IS NOT DISTINCT FROM e.user_id"
# Intentional: a LIMIT in place of EXISTS, which PostgreSQL may answer by hashing every watch of the organisation.
WATCHED = """(SELECT true FROM watch w
    WHERE w.org_id = $1 AND w.user_id = e.user_id AND w.lead_id = e.lead_id LIMIT 1) IS NOT NULL"""
# The user's subscriptions that may be about the item: null for none, else a line each. An empty line is one that is;
# any other is words, which ``is_subscribed`` looks for in the description (SQL would read them by the locale).
LISTENING = """
  (SELECT string_agg(CASE s.kind WHEN 'description' THEN s.value ELSE '' END, E'\\n') FROM subscription s
  WHERE s.org_id = $1 AND s.user_id = e.user_id AND NOT s.paused AND CASE s.kind
    WHEN 'lead' THEN s.value = e.lead_id
    WHEN 'account' THEN s.value = l.account_id
    WHEN 'type' THEN s.value = e.type AND (s.scope = 'feed' OR l.owner_id = e.user_id)
    ELSE s.scope = 'feed' OR l.owner_id = e.user_id END)
"""
# For one user alone, $2: asked once a statement whether there are any, so that nobody without them pays for each row.
_MY_LISTENING = f"""
  CASE WHEN EXISTS (SELECT FROM subscription y WHERE y.org_id = $1 AND y.user_id = $2) THEN {LISTENING} END
"""
# For one user alone, too: who watches nobody does not pay for each row.
_MY_WATCHED = f"EXISTS (SELECT FROM watch v WHERE v.org_id = $1 AND v.user_id = $2) AND {WATCHED}"
_TOLD = "e.moment_id, e.type, m.description, e.occurred_at, m.url, m.source, m.bot, e.read"
_FACTS = f"{_TOLD}, {CARDS}, {_OWNED} AS owned, {WATCHED} AS watched"
MY_ITEM = f"{_TOLD}, {CARDS}, {_OWNED} AS owned, {_MY_WATCHED} AS watched, {_MY_LISTENING} AS listening"
_CONTACT = "l.email, l.phone, l.mobile, l.fax, a.address, a.url AS account_url"
JOINS = """
  JOIN moment m ON m.org_id = $1 AND m.moment_id = e.moment_id
  JOIN lead l ON l.org_id = $1 AND l.lead_id = e.lead_id
  LEFT JOIN account a ON a.org_id = $1 AND a.account_id = l.account_id
"""
# The same, row by row and by nothing but the keys: a LIMIT is what no planner moves a join across. The order speaks for
# the key's own index: of an organisation that PostgreSQL knows nothing of yet, all that begin with it look as good.
LOOK_UPS = """
  JOIN LATERAL (SELECT * FROM moment m
    WHERE m.org_id = $1 AND m.moment_id >= e.moment_id ORDER BY m.moment_id LIMIT 1) m ON m.moment_id = e.moment_id
  JOIN LATERAL (SELECT * FROM lead l
    WHERE l.org_id = $1 AND l.lead_id >= e.lead_id ORDER BY l.lead_id LIMIT 1) l ON l.lead_id = e.lead_id
  LEFT JOIN LATERAL (SELECT * FROM account a
    WHERE a.org_id = $1 AND a.account_id >= l.account_id ORDER BY a.account_id LIMIT 1) a ON a.account_id = l.account_id
"""
# The entry of a moment ``m`` in the inbox of $2, by the inbox's key.
OF_MOMENT = """
  SELECT * FROM feed_entry e
  WHERE e.org_id = $1 AND e.user_id = $2 AND e.occurred_at = m.occurred_at AND e.moment_id = m.moment_id LIMIT 1
"""
NEWEST_FIRST = "ORDER BY e.occurred_at DESC, e.moment_id DESC"
OLDER = " AND (e.occurred_at, e.moment_id) < ($3::timestamptz, $4::uuid)"

NEWEST_WITH_CONTACTS = f"""
SELECT {MY_ITEM}, {_CONTACT} FROM feed_entry e {JOINS}
WHERE e.org_id = $1 AND e.user_id = $2 {NEWEST_FIRST} LIMIT 50
"""

HORIZON = "SELECT position, horizon FROM organization WHERE org_id = $1"
MOMENTS_SINCE = f"""
SELECT e.user_id, e.position, {_FACTS}, {LISTENING} AS listening FROM unnest($2::text[]) u (user_id)
CROSS JOIN LATERAL ({live_between("u.user_id", "$3", "$4")}) e {LOOK_UPS}
"""
# A card is shown to those who may see the lead now, and not to those who might when it changed.
CHANGES_SINCE = f"""
SELECT c.user_id, c.position, c.kind, c.lead_id AS changed_lead_id, {CARDS}
FROM feed_change c
LEFT JOIN lead l ON l.org_id = $1 AND l.lead_id = c.lead_id AND (
  l.owner_id = c.user_id
  OR EXISTS (SELECT FROM watch w WHERE w.org_id = $1 AND w.user_id = c.user_id AND w.lead_id = c.lead_id))
LEFT JOIN account a ON a.org_id = $1 AND a.account_id = l.account_id
WHERE c.org_id = $1 AND c.user_id = ANY($2::text[]) AND c.position > $3 AND c.position <= $4
"""
# What ``by_view`` makes events of: moment ``m`` about lead ``l``, and those who see it in the same words.
SHARED_ITEM = f"""m.position, m.moment_id, m.type, m.description, m.occurred_at, m.url, m.source, m.bot, {CARDS},
  s.user_ids, s.view, s.listening"""
EVERYONE_TOLD = f"""
  SELECT array_agg(x.user_id) AS user_ids, x.view, x.listening FROM (
    SELECT e.user_id, u.owned + 2 * u.watched + 8 * e.read::int AS view, {LISTENING} AS listening
    FROM (
      SELECT t.user_id, max(t.owned) AS owned, max(t.watched) AS watched FROM (
        SELECT l.owner_id AS user_id, 1 AS owned, 0 AS watched
        UNION ALL SELECT v.user_id, 0, 1 FROM watch v WHERE v.org_id = $1 AND v.lead_id = m.lead_id
      ) t GROUP BY t.user_id
    ) u
    CROSS JOIN LATERAL (
      SELECT * FROM feed_entry e WHERE e.org_id = $1 AND e.user_id = u.user_id AND e.live
        AND e.occurred_at = m.occurred_at AND e.moment_id = m.moment_id LIMIT 1
    ) e
  ) x GROUP BY x.view, x.listening
"""
# The same two from the side of the log: each event once, with everyone it is for. The cheaper side when many follow.
MOMENTS_BETWEEN = f"""
SELECT {SHARED_ITEM}
FROM (
  SELECT * FROM moment m WHERE m.org_id = $1 AND m.position > $2 AND m.position <= $3
  ORDER BY m.position LIMIT $3::bigint - $2::bigint
) m
JOIN lead l ON l.org_id = $1 AND l.lead_id = m.lead_id
LEFT JOIN account a ON a.org_id = $1 AND a.account_id = l.account_id
CROSS JOIN LATERAL ({EVERYONE_TOLD}) s
"""
CHANGES_BETWEEN = f"""
SELECT c.position, c.kind, c.lead_id AS changed_lead_id, array_agg(c.user_id) AS user_ids, {CARDS}
FROM feed_change c
LEFT JOIN lead l ON l.org_id = $1 AND l.lead_id = c.lead_id AND (
  l.owner_id = c.user_id
  OR EXISTS (SELECT FROM watch w WHERE w.org_id = $1 AND w.user_id = c.user_id AND w.lead_id = c.lead_id))
LEFT JOIN account a ON a.org_id = $1 AND a.account_id = l.account_id
WHERE c.org_id = $1 AND c.position > $2 AND c.position <= $3
GROUP BY c.position, c.kind, c.lead_id, l.org_id, l.lead_id, a.org_id, a.account_id
"""
# Where the n-th event of one user after a position lies: how a long history is read in pieces.
END_OF_PIECE = f"""
SELECT max(p.position) FROM (
  SELECT x.position FROM (
    {live_positions_after("$2", "$3", "$4")}
    UNION ALL
    (SELECT c.position FROM feed_change c
     WHERE c.org_id = $1 AND c.user_id = $2 AND c.position > $3 ORDER BY c.position LIMIT $4)
  ) x ORDER BY x.position LIMIT $4
) p HAVING count(*) = $4
"""
POSITIONS = "SELECT org_id, position FROM organization WHERE org_id = ANY($1::bigint[])"


@dataclass(frozen=True, slots=True)
class MomentEvent:
    """A new moment in one user's feed."""

    user_id: str
    position: int
    item: FeedItem


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """Something else that changed in one user's feed; ``lead`` is None when it is no more, or not theirs to see now."""

    user_id: str
    position: int
    kind: ChangeKind
    lead_id: str | None
    lead: LeadCard | None
    account: AccountCard | None


async def newest_with_contacts(connection: Connection, org_id: int, user_id: str) -> list[ContactItem]:
    """The newest 50 items with the contact details of their people, for feeds that readers poll."""
    return [_contact_item(row) for row in await connection.fetch(NEWEST_WITH_CONTACTS, org_id, user_id)]


async def reach(connection: Connection, org_id: int) -> tuple[int, int]:
    """How far the log has come, and how far back its changes are kept: (position, horizon)."""
    row = await connection.fetchrow(HORIZON, org_id)
    return (0, 0) if row is None else (row["position"], row["horizon"])


async def positions(connection: Connection, org_ids: Sequence[int]) -> dict[int, int]:
    """How far each organisation's log has come. The one statement over several organisations: a poll, no lock."""
    return {row["org_id"]: row["position"] for row in await connection.fetch(POSITIONS, list(org_ids))}


async def moments_since(
    connection: Connection, org_id: int, user_ids: Sequence[str], after: int, up_to: int
) -> list[MomentEvent]:
    """New moments of these users' feeds at positions above ``after`` and up to ``up_to``, in no order."""
    rows = await connection.fetch(MOMENTS_SINCE, org_id, list(user_ids), after, up_to)
    return [MomentEvent(row["user_id"], row["position"], _item(row)) for row in rows]


async def changes_since(
    connection: Connection, org_id: int, user_ids: Sequence[str], after: int, up_to: int
) -> list[ChangeEvent]:
    """Other changes of these users' feeds at positions above ``after`` and up to ``up_to``, in no order."""
    rows = await connection.fetch(CHANGES_SINCE, org_id, list(user_ids), after, up_to)
    return [_change(row, row["user_id"]) for row in rows]


async def moments_between(
    connection: Connection, org_id: int, after: int, up_to: int
) -> list[tuple[MomentEvent, list[str]]]:
    """As :func:`moments_since` for everyone: each event once for all who see it in the same words (no ``user_id``)."""
    return by_view(await connection.fetch(MOMENTS_BETWEEN, org_id, after, up_to))


async def changes_between(
    connection: Connection, org_id: int, after: int, up_to: int
) -> list[tuple[ChangeEvent, list[str]]]:
    """As :func:`changes_since` for everyone: each event once for all it is told to (no ``user_id``)."""
    rows = await connection.fetch(CHANGES_BETWEEN, org_id, after, up_to)
    return [(_change(row, ""), row["user_ids"]) for row in rows]


async def end_of_piece(connection: Connection, org_id: int, user_id: str, after: int, events: int) -> int | None:
    """The position of the user's ``events``-th event after ``after``; None when there are not that many."""
    found: int | None = await connection.fetchval(END_OF_PIECE, org_id, user_id, after, events)
    return found


def by_view(rows: Iterable[Any]) -> list[tuple[MomentEvent, list[str]]]:
    """Each moment once for all who see it in the same words, from rows that each are for several users."""
    found: dict[tuple[int, int], tuple[MomentEvent, list[str]]] = {}
    for row in rows:
        position, view = row["position"], row["view"] | 4 * is_subscribed(row["listening"], row["description"])
        if (position, view) not in found:
            listening = "" if view & 4 else None
            flags = {"owned": view & 1, "watched": view & 2, "listening": listening, "read": bool(view & 8)}
            found[position, view] = MomentEvent("", position, _item({**row, **flags})), []
        found[position, view][1].extend(row["user_ids"])
    return list(found.values())


def _item(row: Any) -> FeedItem:
    """Intentional: constructed, not validated; the columns' types are the schema's."""
    because: list[Reason] = []
    if row["owned"]:
        because.append("owned")
    if row["watched"]:
        because.append("watched")
    return FeedItem.model_construct(
        id=row["moment_id"],
        type=row["type"],
        description=row["description"],
        occurred_at=row["occurred_at"],
        url=row["url"],
        source=row["source"],
        lead=lead_card(row),
        account=account_card(row),
        because=because,
        subscribed=is_subscribed(row["listening"], row["description"]),
        read=row["read"],
        bot=row["bot"],
    )


def _contact_item(row: asyncpg.Record) -> ContactItem:
    contact = Contact.model_construct(
        email=row["email"],
        phone=row["phone"],
        mobile=row["mobile"],
        fax=row["fax"],
        address=row["address"],
        url=row["account_url"],
    )
    return ContactItem.model_construct(item=_item(row), contact=contact)


def _change(row: Any, user_id: str) -> ChangeEvent:
    """A change, from a row with the card of its lead, if the user may see one."""
    lead = None if row["lead_id"] is None else lead_card(row)
    return ChangeEvent(user_id, row["position"], row["kind"], row["changed_lead_id"], lead, account_card(row))
