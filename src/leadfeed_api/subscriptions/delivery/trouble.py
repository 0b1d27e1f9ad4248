"""What all workers know of a mail server in trouble: that it loses messages, or refuses one address after the other.

Owns ``mail_server``, where a server has a row from then on until it takes a message: so several workers try it as
carefully as one would, and so does one that was started again. Knows nothing of mails.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from leadfeed_api.db.session import Connection, Database, affected

# From the first pause to the longest. A server that loses messages is tried far less often than one that is away,
# because each try may cost a copy: within an hour it gets seven.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
# Without a loss, until a message is risked for the last time though the server took no other one since: longer than
# most outages.
UNPROVEN = timedelta(hours=2)
# Mails refused for good that are believed while the server takes no message at all: any more, and it is us whom it does
# not want ("relaying denied"). The next ones are put off, or an hour of it would pause every address there is.
REFUSED_IN_A_ROW = 3

LOSS = "SELECT lost_at, next_at FROM mail_server WHERE server = $1 AND lost_at IS NOT NULL"
TRY = "UPDATE mail_server SET next_at = $3 WHERE server = $1 AND next_at <= $2"
TRIED = "UPDATE mail_server SET next_at = $3 WHERE server = $1 AND next_at = $2"
# A message that left before the pause does not make it longer.
LOST = """
INSERT INTO mail_server (server, lost_at, next_at, pause) VALUES ($1, $2::timestamptz, $2 + $3::interval, $3)
ON CONFLICT (server) DO UPDATE SET lost_at = $2,
  next_at = CASE WHEN $5 OR mail_server.pause IS NULL
    THEN $2 + least(coalesce(mail_server.pause * 2, $3), $4::interval) ELSE mail_server.next_at END,
  pause = CASE WHEN $5 OR mail_server.pause IS NULL
    THEN least(coalesce(mail_server.pause * 2, $3), $4) ELSE mail_server.pause END
RETURNING next_at
"""
REFUSED = """
INSERT INTO mail_server (server, refused) VALUES ($1, 1)
ON CONFLICT (server) DO UPDATE SET refused = mail_server.refused + 1 WHERE mail_server.refused < $2
"""
OVER = "DELETE FROM mail_server WHERE server = $1"


@dataclass(frozen=True, slots=True)
class Loss:
    """The server lost a message at ``lost_at``, and took none since; ``next_at``: when one may try it."""

    lost_at: datetime
    next_at: datetime

    def proves_nothing(self, now: datetime) -> bool:
        """Whether a message that it may not lose again has to wait."""
        return now < self.lost_at + UNPROVEN


async def loss(connection: Connection, server: str) -> Loss | None:
    """What has to be known before a message is tried; None: nothing, and several may leave at once."""
    rows = await connection.fetch(LOSS, server)
    return Loss(rows[0]["lost_at"], rows[0]["next_at"]) if rows else None


async def may_try(connection: Connection, server: str, now: datetime, until: datetime) -> bool:
    """Whether the caller, and nobody else ``until`` then, is to try a server that lost a message."""
    return affected(await connection.execute(TRY, server, now, until)) == 1


async def tried(database: Database, server: str, until: datetime, now: datetime) -> None:
    """After ``may_try``: nothing was lost, so the next one may try. No word where something was, or a message taken."""
    async with database.write() as connection:
        await connection.execute(TRIED, server, until, now)


async def lost(database: Database, server: str, now: datetime, *, tries: bool) -> datetime:
    """A message was handed over and no answer came; when the next may be. ``tries``: it left by ``may_try``."""
    async with database.write() as connection:
        (row,) = await connection.fetch(LOST, server, now, FIRST_PAUSE, LONGEST_PAUSE, tries)
    next_at: datetime = row["next_at"]
    return next_at


async def believed(database: Database, server: str) -> bool:
    """Counts an address that was refused for good; whether it is that address, and not anybody's."""
    async with database.write() as connection:
        return affected(await connection.execute(REFUSED, server, REFUSED_IN_A_ROW)) == 1


async def over(database: Database, server: str) -> None:
    """The server took a message."""
    async with database.write() as connection:
        await connection.execute(OVER, server)
