"""First statistics: a table that was empty a moment ago is analysed as soon as it holds something, and while it grows.

Until PostgreSQL has looked at a table it takes every organisation in it for a row or two. Then any index that begins
with the organisation looks as good as the right one, and a batch is joined by reading all leads once for each moment; a
plan kept from then stays as bad. Moments a second in batches of 500 into a new database: 925, where every plan was made
anew 5,000, with statistics 9,000-12,000. PostgreSQL's own autovacuum comes round once a minute, and that is the minute
in which somebody tries the service out, or opens it to everybody: a thousand streams of an organisation that had come a
minute ago fell behind by ten seconds, for plans from before it. So a table is analysed when it has its first pages, and
again when a quarter of it has changed, until it is large; then everything is left to autovacuum (docs/decisions/0011).

Knows which tables are ours by who owns them, and nothing of what they hold.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from leadfeed_api.db.session import Connection, Database
from leadfeed_api.errors import Unavailable
from leadfeed_api.telemetry import log

LOOK_EVERY_S = 2.0
ANALYSE_S = 600.0  # at most; it reads a sample, however large the table is
LARGE = 10_000  # pages; a quarter of that is not written in autovacuum's minute
# Of a few pages and never analysed, or a quarter of it has changed since; and ours to analyse.
OUTGROWN = """
SELECT quote_ident(c.relname) FROM pg_class c JOIN pg_stat_user_tables s ON s.relid = c.oid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND pg_has_role(c.relowner, 'USAGE')
AND pg_relation_size(c.oid) / current_setting('block_size')::int >= 4 AND c.relpages < $1
AND (c.reltuples < 0 OR s.n_mod_since_analyze >= 500 + c.reltuples / 4)
"""


@contextlib.asynccontextmanager
async def first_statistics(database: Database) -> AsyncIterator[None]:
    """Looks for such tables in the background while the block runs."""
    looking = asyncio.create_task(_keep_looking(database), name="first statistics")
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def analyse_outgrown(connection: Connection) -> list[str]:
    """Analyses the tables that outgrew what is known of them, each in a transaction of its own; returns their names."""
    tables = [row[0] for row in await connection.fetch(OUTGROWN, LARGE)]
    for table in tables:
        # Intentional: built from a name that PostgreSQL quoted. Takes no lock that reading or writing would notice, and
        # waits for none: whoever has it is analysing the table, another of our processes or autovacuum.
        await connection.execute(f"ANALYZE (SKIP_LOCKED) {table}", timeout=ANALYSE_S)
    return tables


async def _keep_looking(database: Database) -> None:
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            async with database.read() as connection:
                await analyse_outgrown(connection)
        except Unavailable:
            log.warning("statistics-postponed")
        except Exception:  # Intentional: whatever it was, the next look tries again
            log.exception("statistics-failed")
