"""Bulk upserts from a CRM: users before accounts before leads, a verdict per record, and the feeds kept right.

One transaction per kind and at most 1,000 records: the organisation's lock is held for a chunk, not for a night's
export. Owns ``app_user``, ``account`` and ``lead``.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from leadfeed_api.best_bets.scoring import Scored, follow_scores
from leadfeed_api.db.session import Connection, Database
from leadfeed_api.feed import entries
from leadfeed_api.feed.log import Change, Log, appending
from leadfeed_api.people.ownership import LeadChange, apply_changes
from leadfeed_api.people.records import Records, merge, read_records
from leadfeed_api.people.schemas import Kind, SyncAnswer, SyncResult

MANY = 10_000  # leads of changed accounts: a position for each, and who sees it, would hold the lock for seconds
RANKED = ("score", "stars", "flames", "starred")  # what best_bets makes a lead's card of; the last three as given
COLUMNS: Mapping[Kind, tuple[str, ...]] = {
    "users": ("id", "name", "email", "language", "time_zone", "active"),
    "accounts": ("id", "name", "url", "address"),
    "leads": ("id", "name", "title", "account_id", "owner_id", "email", "phone", "mobile", "fax", *RANKED),
}
STORED: Mapping[Kind, str] = {
    "users": """
SELECT user_id AS id, name, email, language, time_zone, active FROM app_user
WHERE org_id = $1 AND user_id = ANY($2::text[])
""",
    "accounts": """
SELECT account_id AS id, name, url, address FROM account WHERE org_id = $1 AND account_id = ANY($2::text[])
""",
    "leads": """
SELECT lead_id AS id, name, title, account_id, owner_id, email, phone, mobile, fax, score,
  stars_given AS stars, flames_given AS flames, starred_given AS starred
FROM lead WHERE org_id = $1 AND lead_id = ANY($2::text[])
""",
}
UPSERT: Mapping[Kind, str] = {
    "users": """
INSERT INTO app_user (org_id, user_id, name, email, language, time_zone, active)
SELECT o.org_id, x.* FROM organization o
CROSS JOIN unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[]) AS x WHERE o.org_id = $1
ON CONFLICT (org_id, user_id) DO UPDATE SET name = excluded.name, email = excluded.email, language = excluded.language,
  time_zone = excluded.time_zone, active = excluded.active
""",
    "accounts": """
INSERT INTO account (org_id, account_id, name, url, address)
SELECT o.org_id, x.* FROM organization o
CROSS JOIN unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS x WHERE o.org_id = $1
ON CONFLICT (org_id, account_id) DO UPDATE SET name = excluded.name, url = excluded.url, address = excluded.address
""",
    "leads": """
INSERT INTO lead (org_id, lead_id, name, title, account_id, owner_id, email, phone, mobile, fax, score, stars_given,
  flames_given, starred_given)
SELECT o.org_id, x.* FROM organization o
CROSS JOIN unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
  $10::text[], $11::float8[], $12::smallint[], $13::smallint[], $14::boolean[]) AS x WHERE o.org_id = $1
ON CONFLICT (org_id, lead_id) DO UPDATE SET name = excluded.name, title = excluded.title,
  account_id = excluded.account_id, owner_id = excluded.owner_id, email = excluded.email, phone = excluded.phone,
  mobile = excluded.mobile, fax = excluded.fax, score = excluded.score, stars_given = excluded.stars_given,
  flames_given = excluded.flames_given, starred_given = excluded.starred_given
""",
}
USERS_AMONG = "SELECT user_id FROM app_user WHERE org_id = $1 AND user_id = ANY($2::text[])"
ACCOUNTS_AMONG = "SELECT account_id FROM account WHERE org_id = $1 AND account_id = ANY($2::text[])"
LEADS_OF_ACCOUNTS = """
SELECT lead_id FROM lead WHERE org_id = $1 AND account_id = ANY($2::text[]) ORDER BY lead_id LIMIT $3
"""


async def sync(database: Database, org_id: int, document: Any) -> SyncAnswer:
    """Stores what a body holds. Raises ``Invalid`` when it is no batch; a bad record spoils no other."""
    results: list[SyncResult] = []
    for records in read_records(document):
        if records.given:
            async with appending(database, org_id) as log:
                await _store(log, records)
        results += [records.results[index] for index in sorted(records.results)]
    rejected = sum(result.status == "rejected" for result in results)
    return SyncAnswer(accepted=len(results) - rejected, rejected=rejected, results=results)


async def _store(log: Log, records: Records) -> None:
    if records.kind == "leads":  # owners may change
        await log.lock_entries()
        await _reject_strangers(log.connection, log.org_id, records)
    else:
        await log.lock()
    ids = sorted({record["id"] for record in records.given.values()})
    stored = {row["id"]: dict(row) for row in await log.connection.fetch(STORED[records.kind], log.org_id, ids)}
    rows = merge(records, stored, COLUMNS[records.kind])
    if rows:
        ordered = [rows[one] for one in sorted(rows)]
        columns = [[row[name] for row in ordered] for name in COLUMNS[records.kind]]
        await log.connection.execute(UPSERT[records.kind], log.org_id, *columns)
        if records.kind == "leads":
            placed = await follow_scores(log, list(_scored(stored, ordered)))
            await apply_changes(log, list(_lead_changes(stored, ordered, frozenset(placed))))
        elif records.kind == "accounts":
            await _tell_of_accounts(log, [row["id"] for row in ordered if row["id"] in stored])


async def _reject_strangers(connection: Connection, org_id: int, records: Records) -> None:
    """Sets aside leads whose owner or account the organisation does not know."""
    for name, statement, problem in (
        ("owner_id", USERS_AMONG, "unknown-user"),
        ("account_id", ACCOUNTS_AMONG, "unknown-account"),
    ):
        wanted = sorted({record[name] for record in records.given.values() if record.get(name) is not None})
        known = {row[0] for row in await connection.fetch(statement, org_id, wanted)} if wanted else set()
        for index, record in sorted(records.given.items()):
            if record.get(name) is not None and record[name] not in known:
                records.reject(index, problem, name, "is not known to this organisation; send it first")


async def _tell_of_accounts(log: Log, account_ids: Sequence[str]) -> None:
    """The accounts' leads have other cards; where these are many, whoever sees one of them is told to reload."""
    if not account_ids:
        return
    leads = await log.connection.fetch(LEADS_OF_ACCOUNTS, log.org_id, account_ids, MANY + 1)
    if len(leads) <= MANY:
        await apply_changes(log, [LeadChange(row["lead_id"], None, None) for row in leads])
    else:
        position = await log.advance(1)
        seers = await entries.seers_of_accounts(log.connection, log.org_id, account_ids)
        await log.tell([Change(user_id, position, "reset", None) for user_id in seers])


def _scored(stored: Mapping[str, Mapping[str, Any]], rows: Iterable[Mapping[str, Any]]) -> Iterable[Scored]:
    """The leads that best_bets has to place anew."""
    for row in rows:
        before = stored.get(row["id"], {})
        if any(row[name] != before.get(name) for name in RANKED):
            yield Scored(row["id"], before.get("score"), row["score"])


def _lead_changes(
    stored: Mapping[str, Mapping[str, Any]], rows: Iterable[Mapping[str, Any]], placed: frozenset[str]
) -> Iterable[LeadChange]:
    """A score shows in a feed by the stars and flames it gives alone: ``placed`` are the leads where these changed."""
    unseen = dict.fromkeys(RANKED)
    for row in rows:
        before = stored.get(row["id"])
        owner = None if before is None else before["owner_id"]
        if before is not None and {**before, **unseen} == {**row, **unseen} and row["id"] not in placed:
            continue
        yield LeadChange(row["id"], owner, row["owner_id"])
