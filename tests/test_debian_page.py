"""docs/debian.md, run as it stands: its nginx before real instances; its settings and units read by the service."""

import asyncio
import os
import re
import ssl
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from typer.main import get_command

from clients import figure, plain_client
from instances import Instance, instance, instances, world_at
from leadfeed_api.cli import app as commands
from leadfeed_api.settings import Settings
from mail_server import self_signed
from mail_workers import until
from neighbours import accepts, free_port, program
from stream_client import Stream
from tools import needs
from world import World, ok, problem

pytestmark = pytest.mark.anyio

# What the page says to change for a service below a path.
BELOW_A_PATH = {
    "location / {": "location /leads/ {",
    "proxy_pass http://leadfeed;": "proxy_pass http://leadfeed/;",
    "= /metrics": "= /leads/metrics",
}
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
async def nginx(folder: Path, ports: Sequence[int], changed: Mapping[str, str]) -> AsyncIterator[httpx2.AsyncClient]:
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
            **changed,
        },
    )
    kept = "".join(
        f"{what}_temp_path {folder}/{what};\n" for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;\n"
        f"events {{ }}\nhttp {{\naccess_log {folder}/accesses;\n{kept}{site}}}\n"
    )
    with program([str(needs("nginx")), "-p", str(folder), "-c", str(configuration), "-e", f"{folder}/errors"]):
        await accepts(port)
        trust = ssl.create_default_context(cafile=trusted)
        async with httpx2.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=trust, timeout=15) as client:
            yield client


@asynccontextmanager
async def behind_nginx(
    settings: Settings, folder: Path, *, changed: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[World, list[Instance], httpx2.AsyncClient]]:
    """A world on two instances, and a client that reaches them through nginx."""
    async with AsyncExitStack() as opened:
        both = await opened.enter_async_context(instances(settings, 2))
        ports = [urlsplit(one.base_url).port or 0 for one in both]
        world = await opened.enter_async_context(world_at(settings, both[0].base_url))
        await world.people("ana", leads={"l1": "ana"})
        yield world, both, await opened.enter_async_context(nginx(folder, ports, changed or {}))


async def report(world: World, client: httpx2.AsyncClient, *, below: str = "") -> httpx2.Response:
    """The answer to one moment."""
    return await client.post(f"{below}/v1/moments", headers=world.machine, json={"moments": [world.moment("l1")]})


async def test_through_the_page_s_nginx_streams_flow_and_bodies_are_bounded_by_the_service(
    settings: Settings, tmp_path: Path
) -> None:
    async with behind_nginx(settings, tmp_path) as (world, _, client):
        await a_stream_flows(world, client)
        assert len(ok(await client.get("/v1/feed", headers=world.rep("ana")))["items"]) == 3
        too_long = await client.post(
            "/v1/moments", headers={**world.machine, "Content-Type": "application/json"}, content=b" " * 4_500_000
        )
        problem(too_long, 413, "body-too-large")
        assert (await client.get("/metrics")).status_code == 403
        accesses = tmp_path / "accesses"
        await until(lambda: "GET /metrics" in accesses.read_text())
        assert "/v1/" not in accesses.read_text(), "an address may hold a secret"


async def a_stream_flows(world: World, client: httpx2.AsyncClient, *, below: str = "") -> None:
    """Fails where an event does not come before the next is reported."""
    async with client.sse(f"{below}/v1/feed/stream", headers=world.rep("ana")) as source:
        stream = Stream(source, None)
        await stream.ready()
        for _ in range(3):
            (result,) = ok(await report(world, client, below=below))["results"]
            assert (await stream.next()).data["id"] == result["id"]


async def test_below_a_path_streams_flow_and_the_panel_and_what_it_loads_are_found(
    settings: Settings, tmp_path: Path
) -> None:
    said = "the two locations are `/leads/`, with `proxy_pass http://leadfeed/;`, and `= /leads/metrics`"
    assert said in " ".join(PAGE.split())
    async with behind_nginx(settings, tmp_path, changed=BELOW_A_PATH) as (world, _, client):
        await a_stream_flows(world, client, below="/leads")

        page = await client.get("/leads/panel")
        loaded = re.findall(r'(?:href|src)="([^":]+)"', page.text)
        assert loaded
        for address in loaded:
            assert (await client.get(page.url.join(address))).status_code == 200, address
        assert (await client.get("/leads/metrics")).status_code == 403


async def test_in_a_restart_of_one_instance_after_the_other_whoever_sends_again_is_taken(
    settings: Settings, tmp_path: Path
) -> None:
    async with behind_nginx(settings, tmp_path) as (world, both, client), AsyncExitStack() as opened:
        ended, answers = asyncio.Event(), list[int]()

        async def reporting() -> None:
            while not ended.is_set():
                moment = {"moments": [world.moment("l1")]}
                for _ in range(2):  # one on its way to an instance that ends may be a 502: nginx sends no POST again
                    answer = await client.post("/v1/moments", headers=world.machine, json=moment)
                    if answer.status_code != 502:
                        break
                answers.append(answer.status_code)

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


def test_the_settings_of_the_page_are_settings_and_make_a_service(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in os.environ:
        if name.startswith("LEADFEED_"):
            monkeypatch.delenv(name)
    (tmp_path / "settings").write_text(block("sh", "LEADFEED_DATABASE_URL="))
    command = with_ours(
        block("sh", "#!/bin/sh"), {"/etc/leadfeed.env": f"{tmp_path}/settings", "/opt/leadfeed/bin/leadfeed": "env"}
    )
    said = subprocess.run(["sh", "-c", command], check=True, capture_output=True, text=True).stdout
    given = dict(re.findall(r"^(LEADFEED_\w+)=(.*)$", said, re.MULTILINE))
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    known = {f"LEADFEED_{name.upper()}" for name in Settings.model_fields}
    settings = Settings()

    assert given.keys() <= known
    assert (settings.mail_from, settings.cors_origins) == (
        "Lead feed <leadfeed@leads.example.com>",
        ["https://crm.example.com"],
    )


def test_the_units_of_the_page_start_commands_of_the_service(tmp_path: Path) -> None:
    unit, mail = tmp_path / "unit", tmp_path / "mail"
    unit.write_text(block("ini", "[Unit]\nDescription=Lead feed on port %i"))
    make_mail = with_ours(
        block("sh", "sed 's/on port"),
        {
            "/etc/systemd/system/leadfeed@.service": str(unit),
            "sudo tee /etc/systemd/system/leadfeed-mail.service": f"tee {mail}",
        },
    )
    subprocess.run(["sh", "-c", make_mail], check=True, stdout=subprocess.DEVNULL)

    started = re.findall(r"^ExecStart=/opt/leadfeed/bin/leadfeed (.+)$", PAGE + mail.read_text(), re.MULTILINE)

    assert started == ["serve --port %i", "check %i", "deliver"]
    for words in started:
        parsed(words.replace("%i", "8000").split())


def parsed(words: list[str]) -> None:
    """Fails where the command would not take these words."""
    group: Any = get_command(commands)
    context = group.make_context("leadfeed", list(words))
    name, command, rest = group.resolve_command(context, list(words))
    command.make_context(name, rest, parent=context)


def test_the_service_s_home_is_where_its_units_let_it_look() -> None:
    """Below /home the driver, which looks for certificates there, is refused, and with it every connection."""
    unit = block("ini", "[Unit]\nDescription=Lead feed on port %i")
    (state,) = re.findall(r"^StateDirectory=(.+)$", unit, re.MULTILINE)
    assert "ProtectHome=true" in unit
    assert f"--home-dir /var/lib/{state} " in block("sh", "sudo apt install")
