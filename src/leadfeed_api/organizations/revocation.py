"""Who has lost, since they were let in, the right to stay: for streams, which outlive the check at their beginning."""

from collections.abc import Collection, Sequence

from leadfeed_api.db.session import Connection

BARRED_USERS = """
SELECT x.user_id FROM organization o CROSS JOIN unnest($2::text[]) AS x (user_id)
LEFT JOIN app_user u ON u.org_id = $1 AND u.user_id = x.user_id
WHERE o.org_id = $1 AND u.active IS NOT TRUE
"""
GOOD_KEYS = "SELECT key_hash FROM api_key WHERE org_id = $1 AND key_hash = ANY($2::bytea[]) AND revoked_at IS NULL"


async def barred_users(connection: Connection, org_id: int, user_ids: Sequence[str]) -> set[str]:
    """Those of the users who are disabled, or no more."""
    return {row["user_id"] for row in await connection.fetch(BARRED_USERS, org_id, user_ids)}


async def revoked_keys(connection: Connection, org_id: int, key_hashes: Collection[bytes]) -> set[bytes]:
    """Those of the API keys, by their hashes, that are good no more."""
    if not key_hashes:
        return set()
    rows = await connection.fetch(GOOD_KEYS, org_id, list(key_hashes))
    return set(key_hashes) - {row["key_hash"] for row in rows}
