"""What the service's log says of a request, and what it must never say: whoever reads it could use it."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from clients import plain_client
from leadfeed_api.db.session import Database
from leadfeed_api.organizations.tokens import Tokens
from leadfeed_api.settings import Settings
from leadfeed_api.telemetry import redact_path
from neighbours import free_port
from postgres import cloned
from world import ok, running_app

pytestmark = pytest.mark.anyio

# To look into it divides by zero, and nothing can be put there.
BREAK = """/* by a test */ ALTER TABLE feed_entry RENAME TO feed_entry_gone;
CREATE VIEW feed_entry AS SELECT * FROM feed_entry_gone WHERE 1 / 0 = 1 LIMIT 1"""


@pytest.fixture
def own_database(postgres: tuple[str, str], worker_id: str) -> Iterator[str]:
    """A database that a test may break."""
    with cloned(*postgres, f"{postgres[1]}_logs_{worker_id}") as url:
        yield url


@asynccontextmanager
async def serving(log: Path, database_url: str, log_format: str) -> AsyncIterator[str]:
    """The service as an operator runs it; yields its address once it answers."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LEADFEED_")}
    environment |= {"LEADFEED_DATABASE_URL": database_url, "LEADFEED_LOG_FORMAT": log_format}
    command = [sys.executable, "-m", "leadfeed_api", "serve", "--port", str(port)]
    with log.open("w") as written:
        process = await asyncio.create_subprocess_exec(*command, stdout=written, stderr=written, env=environment)
        try:
            await _until_it_answers(process, address)
            yield address
        finally:
            process.terminate()
            await asyncio.wait_for(process.wait(), 20)


async def _until_it_answers(process: asyncio.subprocess.Process, address: str) -> None:
    async with asyncio.timeout(60), plain_client(base_url=address) as client:
        while True:
            assert process.returncode is None, "the service ended"
            with suppress(httpx2.ConnectError):
                if (await client.get("/healthz")).status_code == 200:
                    return
            await asyncio.sleep(0.05)


async def _say_what_is_no_http(address: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"what is this?\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 400")
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("log_format", ["console", "json"])
async def test_a_log_tells_of_start_and_end_and_every_request_and_of_no_secret_even_when_the_service_fails(
    own_database: str, tmp_path: Path, log_format: str
) -> None:
    settings = Settings(database_url=own_database)
    async with running_app(settings) as service:
        world = await service.new_world()
        await world.people("ana", leads={"l1": "ana"})
        ok(await world.client.patch("/v1/settings", headers=world.machine, json={"rss_enabled": True}))
        link = ok(await world.client.get("/v1/feed-link", headers=world.rep("ana")))["rss"].split("/")[-2]
        user, stream = world.token("ana"), Tokens(settings).for_stream(world.org, "ana", None)[0]
    log = tmp_path / "log"
    asked: list[str] = []

    async def number(request: httpx2.Request) -> None:
        asked.append(f"asked-{uuid4().hex}")
        request.headers["X-Request-ID"] = asked[-1]

    async with (
        serving(log, own_database, log_format) as address,
        plain_client(base_url=address, timeout=20) as client,
    ):
        client.event_hooks["request"] = [number]
        machine = {**world.machine, "Leadfeed-User": "ana"}
        credentials = {"Authorization": f"Bearer {user}"}
        assert (await client.get(f"/feeds/{link}/rss.xml")).status_code == 200
        assert (await client.get(f"/feeds/{link}x/rss.xml")).status_code == 404
        assert (await client.head("/v1/feed/stream", params={"token": stream})).status_code == 200
        made = ok(await client.post("/v1/api-keys", headers=machine, json={"name": "x", "scopes": ["read"]}), 201)
        assert (await client.get("/v1/feed", headers=credentials)).status_code == 200
        assert (await client.get("/v1/feed", headers={"Authorization": f"Bearer {user}x"})).status_code == 401
        async with Database(own_database) as database, database.write() as connection:
            await connection.execute(BREAK)
        for headers in (machine, credentials, {"Authorization": f"Bearer {made['key']}", "Leadfeed-User": "ana"}):
            assert (await client.get("/v1/feed", headers=headers)).status_code == 500
        assert (await client.get(f"/feeds/{link}/rss.xml")).status_code == 500
        feed = {
            "description": "something private",
            "source": "s",
            "external_id": "e",
            "lead_id": "l1",
            "type": "web",
        }
        assert (await client.post("/v1/moments", headers=machine, json={"moments": [feed]})).status_code == 500
        await _say_what_is_no_http(address)

    lines = log.read_text()
    first, *_, last = lines.splitlines()
    assert "starting" in first
    assert address in first
    assert "stopped" in last
    assert [name for name in asked if name not in lines] == []
    assert "DivisionByZeroError" in lines, "a failure of ours was not logged"
    assert "/feeds/…/rss.xml" in lines.encode().decode("unicode_escape" if log_format == "json" else "utf-8")
    for name, secret in {
        "the administrator's key": world.key,
        "the new key": made["key"],
        "the user token": user,
        "the stream token": stream,
        "the feed link's token": link,
        "the signing secret": settings.jwt_secret,
        "what was reported": "something private",
    }.items():
        assert secret not in lines, f"{name} is in the log"
        assert secret.removeprefix("lfk_")[:12] not in lines.replace("\n", ""), f"a part of {name} is in the log"
    if log_format == "json":
        every = [json.loads(line) for line in lines.splitlines()]
        assert {"request", "failure", "Invalid HTTP request received."} <= {one["event"] for one in every}
        assert all({"level", "timestamp"} <= one.keys() for one in every)
        told = [one["request_id"] for one in every if one["event"] == "request"]
        assert sorted(name for name in told if name in asked) == sorted(asked)


LOGGING = """
import logging, sys
from leadfeed_api import telemetry
telemetry.configure_logging(sys.argv[1])
{meanwhile}
telemetry.log.warning("ours", of="the service")
telemetry.RequestLines.write("info", {{"path": "/"}})
logging.getLogger("theirs").warning("of a library")
{afterwards}
"""
WATCHED = """
class Watched:
    lines = []
    write = lines.append
    flush = staticmethod(lambda: None)
sys.stderr = Watched()
"""


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_log_that_cannot_be_written_ends_no_work(log_format: str) -> None:
    program = LOGGING.format(meanwhile="", afterwards="print('alive')")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", program, log_format], stdout=subprocess.PIPE, stderr=full, text=True, check=False
        )
    assert done.stdout == "alive\n"


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_line_is_written_at_once_so_that_those_of_several_processes_stay_apart(log_format: str) -> None:
    program = LOGGING.format(meanwhile=WATCHED, afterwards="import json; print(json.dumps(Watched.lines))")
    done = subprocess.run([sys.executable, "-c", program, log_format], capture_output=True, text=True, check=True)
    lines = json.loads(done.stdout.strip())
    assert len(lines) == 3
    assert all(line.endswith("\n") for line in lines), lines


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/feeds/ SECRET/rss.xml", "/feeds/…/rss.xml"),
        ("/feeds/\nSECRET", "/feeds/…"),
        ("/feeds/?SECRET/rss.xml", "/feeds/…/rss.xml"),
        ("/feeds/#SECRET/rss.xml", "/feeds/…/rss.xml"),
        ("/mail/a SECRET", "/mail/…"),
        ("/v1/feed/stream?token=SECRET", "/v1/feed/stream?token=…"),
        ("/v1/feed/stream?a=b&TOKEN=SECRET&c=d", "/v1/feed/stream?a=b&TOKEN=…"),
        ("/v1/leads/what?=x/hidden", "/v1/leads/what?=x/hidden"),
        (f"/v1/leads/{'x' * 128}/hidden", f"/v1/leads/{'x' * 128}/hidden"),
        ("/" + "x" * 60_000, "/" + "x" * 999 + "…"),
    ],
)
def test_a_path_is_shown_without_a_secret_however_its_address_was_mangled(path: str, shown: str) -> None:
    assert redact_path(path) == shown


def test_a_path_of_slashes_alone_is_read_in_passing() -> None:
    """One that were looked through from each of its slashes would not be read before the test's time is over."""
    slashes = "/" * 1_000_000
    assert redact_path(slashes) == "/" * 1_000 + "…"
    assert redact_path(f"{slashes}feeds{slashes}secret/rss.xml") == "/" * 1_000 + "…"
