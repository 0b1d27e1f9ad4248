"""A database that lost its last commits, as a restored backup or a standby that was behind leaves it."""

from leadfeed_api.stream.live import Live
from statements import BY_A_TEST
from world import World


async def put_back(world: World, positions: int) -> None:
    """The database is as it was so many positions ago, and the service's process asks after it."""
    async with world.service.app.state.database.write() as connection:
        end = await connection.fetchval(
            f"{BY_A_TEST} UPDATE organization SET position = position - $2 WHERE org_id = $1 RETURNING position",
            world.org_id,
            positions,
        )
        for table in ("feed_entry", "moment"):
            await connection.execute(
                f"{BY_A_TEST} DELETE FROM {table} WHERE org_id = $1 AND position > $2", world.org_id, end
            )
    process: Live = world.service.app.state.live
    process.wakeups.resumed()
