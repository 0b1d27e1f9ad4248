"""The secret in a feed's address: how it is made, kept, changed and found again.

A token is 256 bits that only this service's signing key can derive from the link's nonce, organisation and user. The
database holds the nonce and the token's SHA-256, so a copy of it opens no feed, and still the owner may be shown the
same address again. When the signing key was changed, the derived token is no longer the stored one: the next look at
the link makes it anew (and ends the old address, which has worked until then).

Owns the table ``feed_link``. Knows nothing of formats.
"""

import base64
import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeAlias

import asyncpg

from leadfeed_api.db.session import Connection, Database
from leadfeed_api.db.together import Together
from leadfeed_api.feed.order import last_change
from leadfeed_api.organizations.identity import digest

NONCE_BYTES = 16
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
Asked: TypeAlias = tuple[str, bytes]  # a user, and the hash of the token that is to be theirs

# By hash first, before any organisation is known: this is how a link's organisation is found.
LINK_BY_HASH = "SELECT org_id, user_id FROM feed_link WHERE token_hash = $1"
# And with the organisation known, all that decides about several feeds of it, in one statement and one snapshot.
FEEDS_OF_LINKS = f"""
SELECT x.number, u.name, o.name, o.panel_url, o.horizon, {last_change("x.user_id")}, k.contact_details, k.created_at
FROM organization o
CROSS JOIN unnest($2::text[], $3::bytea[]) WITH ORDINALITY AS x (user_id, token_hash, number)
JOIN feed_link k ON k.org_id = $1 AND k.user_id = x.user_id AND k.token_hash = x.token_hash
JOIN app_user u ON u.org_id = $1 AND u.user_id = x.user_id AND u.active
WHERE o.org_id = $1 AND o.rss_enabled
"""
REMEMBERED_LINKS = 50_000  # some 20 MB at most
LINK_OF_USER = """
SELECT token_hash, nonce, contact_details, created_at FROM feed_link WHERE org_id = $1 AND user_id = $2
"""
# Each of the next three leaves exactly one link, locked until the commit, and returns it as it is then. Of two callers
# at once the second waits for the first and finds what it wrote.
KEEP_OR_CREATE = """
INSERT INTO feed_link (org_id, user_id, token_hash, nonce, contact_details, created_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (org_id, user_id) DO UPDATE SET contact_details = feed_link.contact_details
RETURNING token_hash, nonce, contact_details, created_at
"""
SET_CONTACT_DETAILS = """
INSERT INTO feed_link (org_id, user_id, token_hash, nonce, contact_details, created_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (org_id, user_id) DO UPDATE SET contact_details = excluded.contact_details
RETURNING token_hash, nonce, contact_details, created_at
"""
ROTATE = """
INSERT INTO feed_link (org_id, user_id, token_hash, nonce, contact_details, created_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (org_id, user_id)
DO UPDATE SET token_hash = excluded.token_hash, nonce = excluded.nonce, created_at = excluded.created_at
RETURNING token_hash, nonce, contact_details, created_at
"""
DELETE = "DELETE FROM feed_link WHERE org_id = $1 AND user_id = $2"
LAST_MODIFIED = """
SELECT greatest(
  (SELECT m.recorded_at FROM moment m WHERE m.org_id = $1 AND m.position = $3),
  (SELECT c.changed_at FROM feed_change c WHERE c.org_id = $1 AND c.user_id = $2 AND c.position = $3)) AS changed_at,
  (SELECT k.shown_at FROM feed_link k WHERE k.org_id = $1 AND k.token_hash = $4 AND k.shown_state = $5) AS shown_at
"""
# Another state, another second, and a later one: the log's where it tells one, else now.
SHOW = """
UPDATE feed_link SET shown_state = $3, shown_at = CASE
  WHEN shown_state = $3 THEN shown_at
  WHEN shown_at IS NULL OR $4 >= shown_at + interval '1 second' THEN $4
  ELSE greatest($5, shown_at + interval '1 second') END
WHERE org_id = $1 AND token_hash = $2 RETURNING shown_at
"""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose link it is, and the key by which its token is derived."""

    org_id: int
    user_id: str
    key: bytes = field(repr=False)

    def token(self, nonce: bytes) -> str:
        """The secret of the address: 43 characters of base64url. Nonce and number have fixed lengths: no two meet."""
        message = b"feed-link" + nonce + self.org_id.to_bytes(8, signed=True) + self.user_id.encode()
        return base64.urlsafe_b64encode(hmac.digest(self.key, message, "sha256")).decode()[:43]


@dataclass(frozen=True, slots=True)
class OwnLink:
    """A link as its owner sees it."""

    token: str = field(repr=False)
    contact_details: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Link:
    """A link as a reader's request finds it: whose feed, and what it may show; most of it a row as it comes.

    ``position`` is that of the last thing that changed in the feed, ``horizon`` the one in the organisation's log up
    to which changes are no longer kept.
    """

    token_hash: bytes
    org_id: int
    user_id: str
    user_name: str
    organization: str
    panel_url: str | None
    horizon: int
    position: int
    contact_details: bool
    created_at: datetime


async def show_or_create(connection: Connection, owner: Owner, now: datetime) -> OwnLink:
    """The user's link; it is made on first use, with contact details. Wants a transaction."""
    row = await connection.fetchrow(LINK_OF_USER, owner.org_id, owner.user_id)
    if row is not None and (link := _read(owner, row)):
        return link
    return await _write(connection, KEEP_OR_CREATE, owner, now)


async def set_contact_details(connection: Connection, owner: Owner, shown: bool, now: datetime) -> OwnLink:
    """Says whether the feed shows e-mail, telephone numbers and the company's addresses. Wants a transaction."""
    return await _write(connection, SET_CONTACT_DETAILS, owner, now, contact_details=shown)


async def rotate(connection: Connection, owner: Owner, now: datetime) -> OwnLink:
    """Gives the feed a new address; the old one is unknown from the commit on. Wants a transaction."""
    return await _write(connection, ROTATE, owner, now)


async def delete(connection: Connection, owner: Owner) -> None:
    """Ends the address, if there is one."""
    await connection.execute(DELETE, owner.org_id, owner.user_id)


class Whose:
    """Whose link a token's hash was: one process's memory, which saves the look-up before the organisation is known.

    Says nothing of whether the link is still good: that is asked of the database each time.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[int, str]] = OrderedDict()

    async def find(self, data: Database, token_hash: bytes) -> tuple[int, str] | None:
        """The number of the organisation and the user; None for a hash nobody ever had, as far as is known."""
        known = self._known.get(token_hash)
        if known is not None:
            return known
        async with data.read() as connection:
            row = await connection.fetchrow(LINK_BY_HASH, token_hash)
        if row is None:
            return None
        owner = self._known[token_hash] = (row["org_id"], row["user_id"])
        if len(self._known) > REMEMBERED_LINKS:
            self._known.popitem(last=False)
        return owner


def hash_of(token: str) -> bytes | None:
    """What is stored of a token; None for a text that cannot be one."""
    return digest(token) if _TOKEN.fullmatch(token) else None


Polls: TypeAlias = Together[int, Asked, Link | None]


def polls(data: Database) -> Polls:
    """Where the polls of an organisation are asked together: :func:`find_links`."""
    return Together(partial(find_links, data), out=1, at_once=200)


async def find_links(data: Database, org_id: int, asked: Sequence[Asked]) -> list[Link | None]:
    """The organisation's links that bear these tokens, in order; one statement.

    None for a token that is no more, for a user who was disabled, and while the organisation has feeds for readers off.
    """
    users, hashes = [user for user, _ in asked], [token_hash for _, token_hash in asked]
    found: list[Link | None] = [None] * len(asked)
    async with data.read() as connection:
        rows = await connection.fetch(FEEDS_OF_LINKS, org_id, users, hashes)
    for number, *facts in rows:
        user_id, token_hash = asked[number - 1]
        found[number - 1] = Link(token_hash, org_id, user_id, *facts)
    return found


async def last_modified(data: Database, link: Link, state: str, now: datetime) -> datetime:
    """Since when the feed has been in this ``state``: to the second, no two states of it ever had the same date.

    The log alone cannot say: two changes may be of one second, or stamped in another order than they came in by two
    processes, and a new name is not in it at all. So the date that a state was first shown under is kept. Of what lies
    before the horizon it tells nothing: the date of such a state is now.
    """
    asked = link.org_id, link.user_id, link.position, link.token_hash, state
    async with data.read() as connection:
        ((changed_at, shown_at),) = await connection.fetch(LAST_MODIFIED, *asked)
    if shown_at is None:
        told = link.position >= link.horizon
        changed_at = max(link.created_at, changed_at or link.created_at) if told else now
        async with data.write() as connection:
            shown_at = await connection.fetchval(SHOW, link.org_id, link.token_hash, state, changed_at, now)
    found: datetime = shown_at or changed_at  # a link that was ended meanwhile is shown once more
    return found


def _read(owner: Owner, row: asyncpg.Record) -> OwnLink | None:
    """What the owner sees of a stored link; None when the key that made it is no longer ours."""
    token = owner.token(row["nonce"])
    if not hmac.compare_digest(digest(token), row["token_hash"]):
        return None
    return OwnLink(token, row["contact_details"], row["created_at"])


async def _write(
    connection: Connection, statement: str, owner: Owner, now: datetime, *, contact_details: bool = True
) -> OwnLink:
    nonce = secrets.token_bytes(NONCE_BYTES)
    values = (owner.org_id, owner.user_id, digest(owner.token(nonce)), nonce, contact_details, now)
    (row,) = await connection.fetch(statement, *values)
    # The row is locked now: nobody else makes it anew meanwhile.
    return _read(owner, row) or await rotate(connection, owner, now)
