"""What the database cannot do now is no failure of ours: callers are told to come back, and probes say so."""

import asyncio
import re
from typing import Any

import asyncpg
import pytest
import structlog
from asyncpg.transaction import Transaction

from leadfeed_api.db.session import Database
from leadfeed_api.errors import Busy, Unavailable
from leadfeed_api.settings import Settings
from world import World, ok, problem, running_app

pytestmark = pytest.mark.anyio


@pytest.fixture
def read_only(settings: Settings) -> Settings:
    """Settings of a service whose database has become one that only reads, as a primary does that was replaced."""
    return settings.model_copy(update={"database_url": f"{settings.database_url}&default_transaction_read_only=on"})


async def fail(database: Database, sqlstate: str, pids: list[int]) -> None:
    """Has the server refuse a statement for this reason; notes whose connection that was."""
    async with database.write() as connection:
        pids.append(connection.get_server_pid())
        await connection.execute(f"DO $$BEGIN RAISE SQLSTATE '{sqlstate}'; END$$")


async def failed(database: Database, sqlstate: str) -> int:
    """The process of the server that refused a statement for this reason."""
    pids: list[int] = []
    with pytest.raises(Unavailable) as raised:
        await fail(database, sqlstate, pids)
    assert isinstance(raised.value, Busy) == (sqlstate in {"57014", "55P03", "40001", "40P01"})
    return pids[0]


@pytest.mark.parametrize(
    "sqlstate",
    ["25006", "53000", "53100", "53200", "53300", "57014", "55P03", "40001", "40P01"],
    ids=[
        "read only",
        "resources",
        "disk full",
        "out of memory",
        "connections",
        "took too long",
        "locked",
        "overtaken",
        "deadlock",
    ],
)
async def test_what_the_database_cannot_do_now_may_be_tried_again(database: Database, sqlstate: str) -> None:
    await failed(database, sqlstate)
    async with database.write() as connection:
        assert await connection.fetchval("SELECT 1") == 1


@pytest.mark.parametrize("level", ["repeatable%20read", "serializable"])
async def test_who_writes_locks_first_and_then_reads_whatever_the_databases_default_is(
    settings: Settings, level: str
) -> None:
    strict = settings.model_copy(
        update={"database_url": f"{settings.database_url}&default_transaction_isolation={level}"}
    )
    async with running_app(strict) as service:
        world = await service.new_world()
        await world.people("ana", leads={f"l{n}": "ana" for n in range(8)})
        reports = [world.report(world.moment(f"l{n}")) for n in range(8)]
        watches = [world.client.put(f"/v1/watchlist/l{n}", headers=world.rep("ana")) for n in range(8)]
        _, watched = await asyncio.gather(asyncio.gather(*reports), asyncio.gather(*watches))
        assert {answer.status_code for answer in watched} == {204}


async def test_a_connection_to_what_was_the_primary_is_not_lent_again(database: Database) -> None:
    former = await failed(database, "25006")
    async with database.read() as connection:
        assert connection.get_server_pid() != former

    current = await failed(database, "57014")
    async with database.read() as connection:
        assert connection.get_server_pid() == current


async def test_while_the_database_only_reads_who_writes_is_told_to_come_back(world: World, read_only: Settings) -> None:
    await world.people("ana", leads={"l1": "ana"})
    batch = {"moments": [world.moment("l1")]}
    async with running_app(read_only) as service:
        answer = await service.client.post("/v1/moments", headers=world.machine, json=batch)
        problem(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert ok(await service.client.get("/v1/feed", headers=world.rep("ana")))["items"] == []


async def test_a_service_whose_database_only_reads_is_not_ready(world: World, read_only: Settings) -> None:
    ok(await world.client.get("/readyz"))
    async with running_app(read_only) as service:
        answer = problem(await service.client.get("/readyz"), 503, "unavailable")
        assert answer["detail"].startswith("The database takes no writes.")
        ok(await service.client.get("/healthz"))


@pytest.mark.parametrize(
    ("part", "instead", "why"),
    [
        ("//[^@]*@", "//no_such_role@", 'role "no_such_role" does not exist'),
        ("/leadfeed_template_[^?]*", "/no_such_database", 'database "no_such_database" does not exist'),
        ("_gw[^?]*|_master[^?]*", "", "is not currently accepting connections"),
    ],
    ids=["the role", "no database", "the database"],
)
async def test_while_the_database_refuses_logins_callers_are_told_to_come_back_and_the_log_says_why(
    world: World, part: str, instead: str, why: str
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    database, admitted = world.service.app.state.database, world.service.app.state.database.url
    database.url = re.sub(part, instead, admitted)
    for connection in database._pool._idle:
        connection.terminate()
    with structlog.testing.capture_logs() as lines:
        for path, headers in {"/readyz": {}, "/v1/feed": world.rep("ana"), "/v1/settings": world.machine}.items():
            answer = await world.client.get(path, headers=headers)
            assert problem(answer, 503, "unavailable")["detail"].startswith("The service cannot answer now.")
            assert int(answer.headers["retry-after"]) > 0
    requests = [line for line in lines if line["event"] == "request"]
    assert [(line["log_level"], line["status"]) for line in requests] == [("warning", 503)] * 3
    assert all(why in line["reason"] for line in requests)
    assert "failure" not in {line["event"] for line in lines}

    database.url = admitted
    assert await world.page("ana")


async def test_whose_commit_is_not_answered_is_not_told_that_nothing_was_stored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    batch = {"moments": [world.moment("l1")]}
    leave = Transaction.__aexit__

    async def unanswered(transaction: Any, *how: Any) -> None:
        await leave(transaction, *how)
        if not transaction._connection.is_in_transaction():
            raise asyncpg.ConnectionDoesNotExistError

    with monkeypatch.context() as lost:
        lost.setattr(Transaction, "__aexit__", unanswered)
        answer = await world.client.post("/v1/moments", headers=world.machine, json=batch)
    assert "may have been done" in problem(answer, 503, "unavailable")["detail"]

    assert len(await world.feed("ana")) == 1
    assert ok(await world.client.post("/v1/moments", headers=world.machine, json=batch))["duplicates"] == 1
