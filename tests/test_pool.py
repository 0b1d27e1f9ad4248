"""Connections are lent, waited for and given back; what is not as it was lent is never lent again."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from leadfeed_api.db import pool as pools
from leadfeed_api.db.pool import Connection, Loan, Pool
from leadfeed_api.db.session import Database
from leadfeed_api.errors import Unavailable

pytestmark = pytest.mark.anyio
ASLEEP = "/* by a test */ SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'"

SIZE = 2


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """A pool of two."""

    async def connect() -> Connection:
        return await asyncpg.connect(database_url)

    opened = Pool(connect, SIZE)
    await opened.open()
    yield opened
    await opened.close()


async def server_pid(pool: Pool) -> int:
    async with Loan(pool) as connection:
        return connection.get_server_pid()


async def test_what_came_back_is_lent_again(pool: Pool) -> None:
    first = await server_pid(pool)
    assert await server_pid(pool) == first
    assert pool.lent == 0


async def test_whoever_finds_none_waits_for_the_next_that_comes_back_in_turn(pool: Pool) -> None:
    held = [await pool.take() for _ in range(SIZE)]
    waiting = [asyncio.create_task(pool.take()) for _ in range(2)]
    await asyncio.sleep(0)
    assert pool.lent == SIZE

    for connection, turn in zip(held, waiting, strict=True):
        pool.give_back(connection, sound=True)
        assert await turn is connection
    for connection in held:
        pool.give_back(connection, sound=True)
    assert pool.lent == 0


async def test_whoever_gives_up_waiting_takes_nothing_along(pool: Pool) -> None:
    held = [await pool.take() for _ in range(SIZE)]
    impatient, patient = [asyncio.create_task(pool.take()) for _ in range(2)]
    await asyncio.sleep(0)
    pool.give_back(held[0], sound=True)
    impatient.cancel()  # after it was handed a connection, before it ran
    with pytest.raises(asyncio.CancelledError):
        await impatient

    assert await patient is held[0]
    for connection in held:
        pool.give_back(connection, sound=True)


async def test_whoever_gives_up_waiting_passes_on_that_there_is_room(pool: Pool) -> None:
    held = [await pool.take() for _ in range(SIZE)]
    impatient, patient = [asyncio.create_task(pool.take()) for _ in range(2)]
    await asyncio.sleep(0)
    held[0].terminate()
    pool.give_back(held[0], sound=False)
    impatient.cancel()  # after it was told that it may open one, before it ran
    with pytest.raises(asyncio.CancelledError):
        await impatient

    try:
        async with asyncio.timeout(5):
            pool.give_back(await patient, sound=True)
    finally:
        pool.give_back(held[1], sound=True)


async def test_a_connection_broken_off_in_the_middle_is_ended_and_makes_room(pool: Pool) -> None:
    pids: asyncio.Queue[int] = asyncio.Queue()

    async def sleeper() -> int:
        async with Loan(pool) as connection:
            pids.put_nowait(connection.get_server_pid())
            await connection.execute("SELECT pg_sleep(60)")
        return 0

    task = asyncio.create_task(sleeper())
    pid = await pids.get()
    async with Loan(pool) as connection:  # a server that is asked to stop before it has begun takes no notice
        while not await connection.fetchval(ASLEEP, pid):  # noqa: ASYNC110  it is the server who falls asleep
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert len(pool._ending) == 1, "it was lent again"
    async with Loan(pool) as one, Loan(pool) as other:
        assert not pool._ending
        assert [await each.fetchval("SELECT 1") for each in (one, other)] == [1, 1]


async def test_a_transaction_left_open_is_ended_with_its_connection(pool: Pool) -> None:
    async with Loan(pool) as connection:
        first = connection.get_server_pid()
        await connection.transaction().start()
    assert await server_pid(pool) != first


async def test_an_error_of_a_statement_costs_no_connection(pool: Pool) -> None:
    first = await server_pid(pool)
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with Loan(pool) as connection:
            await connection.fetchval("SELECT 1/0")
    assert await server_pid(pool) == first


async def test_what_the_server_ended_while_it_was_idle_is_not_lent(pool: Pool) -> None:
    async with Loan(pool) as one, Loan(pool) as other:
        ended = one.get_server_pid()
        await other.execute("SELECT pg_terminate_backend($1)", ended)
        async with asyncio.timeout(10):
            while not one.is_closed():  # noqa: ASYNC110  the driver tells nobody
                await asyncio.sleep(0.005)
    async with Loan(pool) as one, Loan(pool) as other:
        assert ended not in {one.get_server_pid(), other.get_server_pid()}


async def test_what_the_server_ended_while_it_was_idle_makes_room(pool: Pool, database_url: str) -> None:
    async with Loan(pool) as one, Loan(pool) as other:
        idle = [one, other]
    async with Database(database_url, pool_size=1) as database, database.read() as administrator:
        for connection in idle:
            await administrator.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
    async with asyncio.timeout(10):
        while not all(connection.is_closed() for connection in idle):  # noqa: ASYNC110  the driver tells nobody
            await asyncio.sleep(0.005)
        async with Loan(pool), Loan(pool):
            assert pool.lent == SIZE


async def test_whoever_waits_opens_one_where_another_could_not(database_url: str) -> None:
    refused = asyncio.Event()

    async def connect() -> Connection:
        if refused.is_set():
            return await asyncpg.connect(database_url)
        await refused.wait()
        raise ConnectionRefusedError

    pool = Pool(connect, 1)
    first, second = [asyncio.create_task(pool.take()) for _ in range(2)]
    await asyncio.sleep(0)
    refused.set()
    with pytest.raises(ConnectionRefusedError):
        await first
    async with asyncio.timeout(10):
        pool.give_back(await second, sound=True)
    await pool.close()


async def test_what_was_not_needed_for_long_is_closed_but_one(pool: Pool) -> None:
    async with Loan(pool), Loan(pool):
        pass
    pool._thin_out()  # begins to look
    kept = await server_pid(pool)
    pool._thin_out()
    async with Loan(pool) as one, Loan(pool) as other:
        assert one.get_server_pid() == kept
        assert other.get_server_pid() != kept


async def test_what_was_needed_meanwhile_is_kept(pool: Pool) -> None:
    async with Loan(pool) as one, Loan(pool) as other:
        pids = {one.get_server_pid(), other.get_server_pid()}
    pool._thin_out()  # begins to look
    async with Loan(pool), Loan(pool):
        pass
    pool._thin_out()
    async with Loan(pool) as one, Loan(pool) as other:
        assert {one.get_server_pid(), other.get_server_pid()} == pids


async def test_waiting_for_a_connection_has_an_end_and_says_so(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Database(database_url, pool_size=1) as database, database.read():
        monkeypatch.setattr(pools, "PATIENCE_S", 0.05)
        with pytest.raises(Unavailable):
            async with database.read():
                pass
        assert database.checked_out == 1


async def test_what_comes_back_after_the_end_is_closed(database_url: str) -> None:
    async with Database(database_url) as database:
        reading = database.read()
        connection = await reading.__aenter__()
    await reading.__aexit__(None, None, None)
    async with asyncio.timeout(10):
        while not connection.is_closed():  # noqa: ASYNC110  nobody is told
            await asyncio.sleep(0.005)
