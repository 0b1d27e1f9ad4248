"""``leadfeed deliver`` as operators run it."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from mail_server import running
from mail_workers import environment, run_once, until, worker
from post import address_of, just_now, own_database, read, subscribe
from world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
def database_url(postgres: tuple[str, str]) -> Iterator[str]:
    with own_database(postgres) as url:
        yield url


async def test_a_worker_without_a_mail_server_fills_a_folder_within_thirty_seconds_and_stops_when_told(
    world: World, database_url: str, tmp_path: Path
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    folder = tmp_path / "data" / "mailbox"
    async with worker(environment(database_url, tmp_path / "data")) as process:
        await world.report(just_now(world, "l1", "Visited"))
        await until(lambda: len(list(folder.glob("*.eml"))) == 1)  # now it surely runs
        await world.report(just_now(world, "l1", "Came back"))
        await until(lambda: len(list(folder.glob("*.eml"))) == 2, 30)
        assert {address_of(read(file.read_bytes())) for file in folder.glob("*.eml")} == {"ana@crm.example"}
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await process.wait() == 0


async def test_once_does_what_is_due_and_says_where_the_mail_went(
    world: World, database_url: str, tmp_path: Path
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1", recipients=["pat@partner.example"])
    said = await run_once(environment(database_url, tmp_path))
    assert f"Mail goes to {tmp_path / 'mailbox'}." in said
    assert len(list((tmp_path / "mailbox").glob("*.eml"))) == 1


async def test_a_worker_that_cannot_work_says_why_in_one_line(database_url: str, tmp_path: Path) -> None:
    for name, value in (("SMTP_URL", "imap://mail.example"), ("MAIL_FROM", "nobody")):
        with pytest.raises(AssertionError, match=f"leadfeed: LEADFEED_{name}") as refused:
            await run_once(environment(database_url, tmp_path, **{name: value}))
        assert "Traceback" not in str(refused.value)


async def test_two_workers_side_by_side_send_nothing_twice(world: World, database_url: str, tmp_path: Path) -> None:
    reps = [f"rep{number}" for number in range(30)]
    await world.people(*reps, leads={f"of-{rep}": rep for rep in reps})
    for rep in reps:
        await subscribe(world, rep, "type", "web")
    async with running() as server:
        env = environment(database_url, tmp_path, SMTP_URL=f"smtp://127.0.0.1:{server.port}")
        async with worker(env), worker(env):
            for number in range(3):
                await world.report(*(just_now(world, f"of-{rep}", f"Visit {number}") for rep in reps))
            await until(lambda: len({address for address, _ in server.kept}) == 30)
            told = b"".join(message for _, message in server.kept).replace(b"=\r\n", b"")
            assert set(server.copies().values()) == {1}
            assert all(f"Visit {number}".encode() in told for number in range(3))
    assert len(server.kept) < 60


async def test_a_worker_shows_its_metrics_when_asked(world: World, database_url: str, tmp_path: Path) -> None:
    with_port = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = with_port.sockets[0].getsockname()[1]
    with_port.close()
    await with_port.wait_closed()
    shown = ""

    async def look() -> None:
        nonlocal shown
        async with httpx2.AsyncClient() as client:
            while "leadfeed_mails_queued 0.0" not in shown:
                try:
                    shown = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
                except httpx2.ConnectError:
                    await asyncio.sleep(0.05)

    async with worker(environment(database_url, tmp_path), "--metrics-port", str(port)), asyncio.timeout(30):
        await look()
    assert "leadfeed_mail_oldest_seconds" in shown
