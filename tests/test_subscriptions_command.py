"""``leadfeed deliver`` as operators run it."""

import asyncio
import json
import re
import signal
import socket
import stat
from collections import Counter
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from clients import figure
from leadfeed_api.cli import app
from leadfeed_api.cli import deliver as command
from leadfeed_api.settings import Settings
from leadfeed_api.subscriptions import digest
from leadfeed_api.subscriptions.delivery import backlog, noticing
from leadfeed_api.subscriptions.delivery.worker import delivering
from leadfeed_api.telemetry import Metrics
from mail_server import MailServer, running
from mail_workers import HURRIED, environment, run_once, started, until, worker
from neighbours import free_port
from post import address_of, just_now, read, subscribe, text_of
from world import World, running_app

pytestmark = [pytest.mark.anyio, pytest.mark.alone]


async def test_a_worker_without_a_mail_server_fills_a_folder_shows_its_metrics_and_stops_when_told(
    world: World, database_url: str, tmp_path: Path
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    port = free_port()
    env = environment(database_url, tmp_path / "data")
    async with worker(env, "--metrics-port", str(port), hurried=True) as process:
        await world.report(just_now(world, "l1", "Visited"))
        await until(lambda: len(list((tmp_path / "data" / "mailbox").glob("*.eml"))) == 1)
        (file,) = (tmp_path / "data" / "mailbox").glob("*.eml")
        assert [stat.S_IMODE(one.stat().st_mode) for one in (file.parent, file)] == [0o700, 0o600]
        assert address_of(read(file.read_bytes())) == "ana@crm.example"
        shown = await metrics_with(port, 'leadfeed_mails_sent_total{kind="instant"} 1.0')
        assert "leadfeed_mails_queued" in shown
        assert "leadfeed_mail_oldest_seconds" in shown
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await process.wait() == 0


async def metrics_with(port: int, line: str) -> str:
    """What the worker exposes, once ``line`` is in it."""
    async with httpx2.AsyncClient() as client, asyncio.timeout(30):
        while line not in (shown := (await client.get(f"http://127.0.0.1:{port}/metrics")).text):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return shown


@pytest.mark.soak
async def test_a_moment_is_in_the_mail_within_thirty_seconds(world: World, database_url: str, tmp_path: Path) -> None:
    """As it is run in earnest, by the clock on the wall."""
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    async with worker(environment(database_url, tmp_path)):
        await world.report(just_now(world, "l1", "Visited"))
        await until(lambda: len(list((tmp_path / "mailbox").glob("*.eml"))) == 1, 30)


async def test_once_does_what_is_due_and_says_where_the_mail_went(
    world: World, database_url: str, tmp_path: Path
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1", recipients=["pat@partner.example"])
    said = await run_once(environment(database_url, tmp_path, LOG_FORMAT="json"))
    begun, *_ = [json.loads(line) for line in said.splitlines()]
    assert (begun["event"], begun["to"]) == ("mail-worker-started", str(tmp_path / "mailbox"))
    assert len(list((tmp_path / "mailbox").glob("*.eml"))) == 1


async def test_once_fails_while_the_mail_server_is_away_and_the_next_run_sends_what_waits(
    world: World, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1", recipients=["pat@partner.example"])
    async with running() as server:
        env = environment(database_url, tmp_path, SMTP_URL=f"smtp://127.0.0.1:{server.port}")
        await server.stop()
        line = await said_by(monkeypatch, env, "deliver", "--once")
        assert line.startswith("leadfeed: the mail server cannot be used: ")
        assert line.endswith("; what waits is tried again by the next run\n")
        await server.start()
        await run_once(env)
        assert [address for address, _ in server.kept] == ["pat@partner.example"]


async def test_once_fails_after_a_fault_of_ours_which_is_in_the_log(
    world: World, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    await world.report(just_now(world, "l1", "Visited"))
    monkeypatch.setattr(noticing, "CANDIDATES", "SELECT 1 / 0, $1::bigint, $2::bigint, $3::bigint, $4::interval")
    line = await said_by(monkeypatch, environment(database_url, tmp_path), "deliver", "--once")
    assert line == "leadfeed: something failed (DivisionByZeroError); what waits is tried again by the next run\n"


async def test_metrics_that_cannot_be_served_are_said_to_be(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = environment(database_url, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = await said_by(monkeypatch, env, "deliver", "--metrics-port", port)
        assert f"cannot serve metrics on 127.0.0.1:{port} (Address already in use)" in line
        line = await said_by(monkeypatch, env, "deliver", "--metrics-port", port, "--metrics-host", "192.0.2.1")
        assert f"cannot serve metrics on 192.0.2.1:{port} " in line


async def test_a_worker_that_cannot_work_says_why_in_one_line(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, given in (
        ("SMTP_URL", {"SMTP_URL": "imap://mail.example"}),
        ("MAIL_FROM", {"MAIL_FROM": "nobody"}),
        ("PUBLIC_URL", {"SMTP_URL": "smtp://mail.example"}),
        ("PUBLIC_URL", {"SMTP_URL": "smtp://mail.example", "HOST": "0.0.0.0", "JWT_SECRET": "s" * 32}),  # noqa: S104
    ):
        for words in (["deliver", "--once"], ["serve", "--with-delivery"]):
            line = await said_by(monkeypatch, environment(database_url, tmp_path, **given), *words)
            assert line.startswith(f"leadfeed: LEADFEED_{name}")


async def said_by(monkeypatch: pytest.MonkeyPatch, env: dict[str, str], *words: str) -> str:
    """The one line that a command ends with, run in this process."""
    with monkeypatch.context() as told:
        for variable, text in env.items():
            told.setenv(variable, text)
        told.setattr(command, "configure_logging", lambda _: None)  # it is this process's, and outlives the test
        done = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    return done.stderr


async def test_two_workers_side_by_side_send_nothing_twice(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest, "GATHER", timedelta(seconds=0.2))
    async with running() as server:
        there = settings.model_copy(update={"smtp_url": f"smtp://127.0.0.1:{server.port}"})
        async with delivering(there, Metrics()), delivering(there, Metrics()):
            await everyone_is_told_once(world, server, reps=15)


async def test_a_serving_process_sends_mail_when_told_to(
    world: World, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest, "GATHER", timedelta(0))
    await world.people("ana", leads={"l1": "ana"})
    await subscribe(world, "ana", "lead", "l1")
    async with running_app(settings.model_copy(update={"with_delivery": True, "data_dir": tmp_path})) as serving:
        await world.report(just_now(world, "l1", "Visited"))
        await until(lambda: len(list((tmp_path / "mailbox").glob("*.eml"))) == 1)
        exposed = (await serving.client.get("/metrics")).text
    assert "leadfeed_mails_sent_total" in exposed


async def test_a_serving_process_tells_what_waits_where_no_worker_runs(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "GAUGES_S", 0.02)
    async with running_app(settings) as serving:
        world = await serving.new_world()
        await world.people("ana", leads={"l1": "ana"})
        await subscribe(world, "ana", "lead", "l1", recipients=["pat@partner.example"])  # one mail: may we?
        await world.report(just_now(world, "l1", "Visited"))
        async with asyncio.timeout(30):
            while not await figure(serving.client, "leadfeed_mail_unread_seconds"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert await figure(serving.client, "leadfeed_mails_queued") == 1
        assert await figure(serving.client, "leadfeed_mail_oldest_seconds") > 0


async def test_a_fresh_demo_mails_what_its_invitation_reports(database_url: str, tmp_path: Path) -> None:
    port = free_port()
    async with started([*HURRIED[:-1], "demo", "--port", str(port)], environment(database_url, tmp_path)) as demo:
        assert demo.stdout is not None
        said = ""
        async with asyncio.timeout(60):
            while "Read the feed:" not in said:
                line = await demo.stdout.readline()
                assert line, said
                said += line.decode()
        (folder,) = re.findall(r"Mailbox +(.+)", said)
        (key,) = re.findall(r"moments -H 'Authorization: Bearer ([^']+)'", said)
        (body,) = re.findall(r"-d '(.+)'\n", said)
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            moment = {**json.loads(body)["moments"][0], "external_id": "by-a-test", "description": "Asked for a duck"}
            answer = await client.post(
                "/v1/moments", headers={"Authorization": f"Bearer {key}"}, json={"moments": [moment]}
            )
        assert answer.json()["accepted"] == 1
        await until(lambda: any("Asked for a duck" in text_of(mail) for mail in mails_in(Path(folder))))
        assert Path(folder) == tmp_path / "mailbox"
        demo.send_signal(signal.SIGINT)
        async with asyncio.timeout(30):
            assert await demo.wait() in {0, 128 + signal.SIGINT}


def mails_in(folder: Path) -> list[EmailMessage]:
    return [read(file.read_bytes()) for file in folder.glob("*.eml")]


@pytest.mark.soak
async def test_two_processes_side_by_side_send_nothing_twice(world: World, database_url: str, tmp_path: Path) -> None:
    async with running() as server:
        env = environment(database_url, tmp_path, SMTP_URL=f"smtp://127.0.0.1:{server.port}")
        async with worker(env), worker(env):
            await everyone_is_told_once(world, server, reps=60)


async def everyone_is_told_once(world: World, server: MailServer, *, reps: int) -> None:
    """Three moments of everybody's lead are each in one mail to its owner, and no mail is sent twice."""
    names = [f"rep{number}" for number in range(reps)]
    await world.people(*names, leads={f"of-{name}": name for name in names})
    for name in names:
        await subscribe(world, name, "type", "web")
    visits = Counter({(f"{name}@crm.example", f"Visit {number}"): 1 for name in names for number in range(3)})
    for number in range(3):
        await world.report(*(just_now(world, f"of-{name}", f"Visit {number}") for name in names))
    await until(lambda: told_of(server) >= visits)
    assert told_of(server) == visits
    assert set(server.copies().values()) == {1}


def told_of(server: MailServer) -> Counter[tuple[str, str]]:
    """Who was told of which visit, and how often, in the texts of the mails."""
    return Counter(
        (address, visit)
        for address, message in server.kept
        for visit in re.findall(r"Visit \d", text_of(read(message)))
    )
