"""Who has lost, since they were let in, the right to stay: for streams, which outlive the check at their beginning."""

from collections.abc import Collection

from leadfeed_api.db.session import Connection

ACTIVE_USERS = "SELECT user_id FROM app_user WHERE org_id = $1 AND user_id = ANY($2::text[]) AND active"
GOOD_KEYS = "SELECT key_hash FROM api_key WHERE org_id = $1 AND key_hash = ANY($2::bytea[]) AND revoked_at IS NULL"


async def barred_users(connection: Connection, org_id: int, user_ids: Collection[str]) -> set[str]:
    """Those of the users who are disabled, or no more."""
    rows = await connection.fetch(ACTIVE_USERS, org_id, list(user_ids))
    return set(user_ids) - {row["user_id"] for row in rows}


async def revoked_keys(connection: Connection, org_id: int, key_hashes: Collection[bytes]) -> set[bytes]:
    """Those of the API keys, by their hashes, that are good no more."""
    if not key_hashes:
        return set()
    rows = await connection.fetch(GOOD_KEYS, org_id, list(key_hashes))
    return set(key_hashes) - {row["key_hash"] for row in rows}
