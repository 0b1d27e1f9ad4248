"""docs/debian.md, run as it stands: its nginx in front of real instances, and its settings read by the service."""

import asyncio
import os
import re
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from clients import figure, plain_client
from instances import Instance, instance, instances, world_at
from leadfeed_api.settings import Settings
from mail_server import self_signed
from neighbours import accepts, free_port, program
from stream_client import Stream
from tools import needs
from world import World, ok, problem

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).resolve().parent.parent / "docs/debian.md").read_text(encoding="utf-8")


def block(language: str, beginning: str) -> str:
    """The page's block of code that begins so."""
    found = re.findall(rf"^```{language}\n({re.escape(beginning)}.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def with_ours(text: str, ours: Mapping[str, str]) -> str:
    """The text with other addresses, each of which must be in it once."""
    for theirs, other in ours.items():
        assert text.count(theirs) == 1, theirs
        text = text.replace(theirs, other)
    return text


@asynccontextmanager
async def nginx(folder: Path, ports: Sequence[int]) -> AsyncIterator[httpx2.AsyncClient]:
    """nginx with the page's configuration before services at two ports; yields a client that trusts it."""
    _, trusted = self_signed(folder)
    port = free_port()
    site = with_ours(
        block("nginx", "upstream leadfeed {"),
        {
            "127.0.0.1:8000": f"127.0.0.1:{ports[0]}",
            "127.0.0.1:8001": f"127.0.0.1:{ports[1]}",
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "/etc/letsencrypt/live/leads.example.com/fullchain.pem": str(trusted),
            "/etc/letsencrypt/live/leads.example.com/privkey.pem": str(folder / "private.pem"),
        },
    )
    kept = "".join(
        f"{what}_temp_path {folder}/{what};\n" for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;\n"
        f"events {{ }}\nhttp {{\naccess_log off;\n{kept}{site}}}\n"
    )
    with program([str(needs("nginx")), "-p", str(folder), "-c", str(configuration), "-e", f"{folder}/errors"]):
        await accepts(port)
        trust = ssl.create_default_context(cafile=trusted)
        async with httpx2.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=trust, timeout=15) as client:
            yield client


@asynccontextmanager
async def behind_nginx(
    settings: Settings, folder: Path
) -> AsyncIterator[tuple[World, list[Instance], httpx2.AsyncClient]]:
    """A world on two instances, and a client that reaches them through nginx."""
    async with AsyncExitStack() as opened:
        both = await opened.enter_async_context(instances(settings, 2))
        ports = [urlsplit(one.base_url).port or 0 for one in both]
        world = await opened.enter_async_context(world_at(settings, both[0].base_url))
        await world.people("ana", leads={"l1": "ana"})
        yield world, both, await opened.enter_async_context(nginx(folder, ports))


async def report(world: World, client: httpx2.AsyncClient) -> httpx2.Response:
    """The answer to one moment."""
    return await client.post("/v1/moments", headers=world.machine, json={"moments": [world.moment("l1")]})


async def test_through_the_page_s_nginx_streams_flow_and_bodies_are_bounded_by_the_service(
    settings: Settings, tmp_path: Path
) -> None:
    async with behind_nginx(settings, tmp_path) as (world, _, client):
        async with client.sse("/v1/feed/stream", headers=world.rep("ana")) as source:
            stream = Stream(source, None)
            await stream.ready()
            for _ in range(3):
                (result,) = ok(await report(world, client))["results"]
                assert (await stream.next()).data["id"] == result["id"], "told before the next is reported"

        assert len(ok(await client.get("/v1/feed", headers=world.rep("ana")))["items"]) == 3
        too_long = await client.post(
            "/v1/moments", headers={**world.machine, "Content-Type": "application/json"}, content=b" " * 4_500_000
        )
        problem(too_long, 413, "body-too-large")
        assert (await client.get("/metrics")).status_code == 403


async def test_a_restart_of_one_instance_after_the_other_refuses_nobody(settings: Settings, tmp_path: Path) -> None:
    async with behind_nginx(settings, tmp_path) as (world, both, client), AsyncExitStack() as opened:
        ended, answers = asyncio.Event(), list[int]()

        async def reporting() -> None:
            while not ended.is_set():
                answers.append((await report(world, client)).status_code)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(reporting())
            for one in both:
                one.terminate()
                assert await one.ended() == 0
                again = instance(settings, port=urlsplit(one.base_url).port)
                await served_by(await opened.enter_async_context(again))
            ended.set()

        assert set(answers) == {200}


async def served_by(one: Instance) -> None:
    """Waits until nginx asks an instance again."""
    async with plain_client(base_url=one.base_url) as direct, asyncio.timeout(30):
        while not await figure(direct, "leadfeed_moments_total"):  # noqa: ASYNC110  of another process
            await asyncio.sleep(0.05)


def test_the_settings_of_the_page_are_settings_and_make_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    given = dict(line.split("=", 1) for line in block("sh", "LEADFEED_DATABASE_URL=").splitlines())
    for name in os.environ:
        if name.startswith("LEADFEED_"):
            monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value.strip('"'))

    known = {f"LEADFEED_{name.upper()}" for name in Settings.model_fields}
    settings = Settings()

    assert given.keys() <= known
    assert (settings.mail_from, settings.cors_origins) == (
        "Lead feed <leadfeed@leads.example.com>",
        ["https://crm.example.com"],
    )
