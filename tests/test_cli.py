"""The commands, as operators and their scripts run them: what is printed, where, and with which exit code."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import jwt
import pytest
from typer.testing import CliRunner, Result

from addresses import openapi
from instances import instance
from leadfeed_api.cli import app
from leadfeed_api.cli.context import plain_errors
from leadfeed_api.db.embedded import EmbeddedPostgres
from leadfeed_api.db.migrate import migrate
from leadfeed_api.db.revision import NEWEST
from leadfeed_api.db.session import Database
from leadfeed_api.feed import queries
from leadfeed_api.settings import DEVELOPMENT_SECRET, Settings
from neighbours import free_port, pgbouncer, wire
from postgres import clone_database, drop_database
from server_owner import values
from world import Service, World, ok

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, database_url: str) -> pytest.MonkeyPatch:
    """The worker's database, and no setting of the machine's own."""
    for name in [name for name in os.environ if name.startswith("LEADFEED_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LEADFEED_DATABASE_URL", database_url)
    return monkeypatch


@pytest.fixture
def empty_database(postgres: tuple[str, str], worker_id: str) -> Iterator[str]:
    """A database that was never migrated."""
    name = f"never_migrated_{worker_id}_{uuid4().hex[:6]}"
    yield clone_database(postgres[0], "template1", name)
    drop_database(postgres[0], name)


def script(*words: str) -> "subprocess.CompletedProcess[str]":
    """A command as a script runs it, in a process of its own."""
    command = [sys.executable, "-m", "leadfeed_api", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


async def leadfeed(*words: str) -> Result:
    """A command in this process: quicker, and all that most tests need. In a thread, for its event loop is its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, words)


async def said(*words: str, code: int = 1) -> str:
    """The one line on stderr that a command ends with."""
    done = await leadfeed(*words)
    assert (done.exit_code, done.stdout) == (code, ""), done.output
    assert re.fullmatch(r"leadfeed: .+\n", done.stderr), done.stderr
    return done.stderr


def new_org() -> str:
    return f"cli-{uuid4().hex[:12]}"


# --- what scripts rely on ------------------------------------------------------------------------------------------


async def test_a_script_makes_an_organisation_a_key_and_a_token_that_work(service: Service) -> None:
    org = new_org()

    made = await asyncio.to_thread(script, "org", "create", org, "--name", "Acme Ltd", "--json")
    assert (made.returncode, made.stderr) == (0, "")
    first = json.loads(made.stdout)
    assert first.keys() == {"org", "api_key"}
    assert first["org"] == org
    world = World(service, org, first["api_key"])
    await world.people("ana", leads={"l1": "ana"})

    key, token = await asyncio.gather(
        asyncio.to_thread(script, "key", "create", org, "--scope", "ingest, read", "--scope", "sync", "--json"),
        asyncio.to_thread(script, "token", org, "ana", "--json"),
    )
    second = json.loads(key.stdout)
    assert (key.returncode, key.stderr, second.keys()) == (0, "", {"id", "key"})
    listed = ok(await world.client.get("/v1/api-keys", headers=world.machine))["items"]
    assert {one["id"]: one["scopes"] for one in listed}[second["id"]] == ["ingest", "read", "sync"]
    machine = {"Authorization": f"Bearer {second['key']}"}
    ok(await world.client.post("/v1/moments", headers=machine, json={"moments": [world.moment("l1")]}))
    assert (await world.client.get("/v1/settings", headers=machine)).status_code == 403

    third = json.loads(token.stdout)
    assert (token.returncode, third.keys()) == (0, {"token", "expires_at"})
    assert "development secret" in token.stderr
    feed = ok(await world.client.get("/v1/feed", headers={"Authorization": f"Bearer {third['token']}"}))
    assert len(feed["items"]) == 1
    assert third["expires_at"].endswith("Z")
    assert _claims(third["token"])["exp"] == datetime.fromisoformat(third["expires_at"]).timestamp()


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, DEVELOPMENT_SECRET, algorithms=["HS256"], audience="leadfeed")
    return claims


async def test_without_json_the_secret_alone_is_on_stdout() -> None:
    org = new_org()
    assert re.fullmatch(r"lfk_[\w-]{43}\n", (await leadfeed("org", "create", org)).stdout)
    assert re.fullmatch(r"lfk_[\w-]{43}\n", (await leadfeed("key", "create", org, "--scope", "read")).stdout)
    token = (await leadfeed("token", org, "ana")).stdout
    assert token.endswith("\n")
    assert _claims(token.strip())["sub"] == "ana"


async def test_a_misspelled_setting_is_told_and_another_systems_name_is_not(environment: pytest.MonkeyPatch) -> None:
    for name in ("LEADFEED_JWTSECRET", "leadfeed_cors_origin", "LEADFEED_SERVICE_HOST", "LEADFEED_PORT_8000_TCP"):
        environment.setenv(name, "whatever")
    done = await leadfeed("org", "create", new_org())
    assert done.exit_code == 0
    assert done.stderr.splitlines() == [
        "leadfeed: LEADFEED_CORS_ORIGIN is not a setting and does nothing. LEADFEED_CORS_ORIGINS is one.",
        "leadfeed: LEADFEED_JWTSECRET is not a setting and does nothing. LEADFEED_JWT_SECRET is one.",
    ]


@pytest.mark.parametrize(
    ("ttl", "seconds"), [("90s", 90), ("30m", 1_800), ("1h", 3_600), ("3600", 3_600), ("7d", 604_800)]
)
async def test_a_token_lives_as_long_as_it_is_told(ttl: str, seconds: int) -> None:
    claims = _claims((await leadfeed("token", "acme", "ana", "--role", "admin", "--ttl", ttl)).stdout.strip())
    assert (claims["exp"] - claims["iat"], claims["role"], claims["org"]) == (seconds, "admin", "acme")
    assert abs(claims["iat"] - datetime.now(UTC).timestamp()) < 60


async def test_an_hour_and_a_rep_are_what_a_token_is_for_by_default(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LEADFEED_JWT_SECRET", DEVELOPMENT_SECRET + "!")
    done = await leadfeed("token", "acme", "ana")
    claims = jwt.decode(done.stdout.strip(), DEVELOPMENT_SECRET + "!", algorithms=["HS256"], audience="leadfeed")
    assert (claims["exp"] - claims["iat"], claims["role"]) == (3_600, "rep")
    assert done.stderr == "", "the development secret was not in use"


@pytest.mark.parametrize("group", [(), ("org",), ("key",), ("import",)])
async def test_help_lists_every_command_with_a_whole_sentence(group: tuple[str, ...]) -> None:
    _, listed = (await leadfeed(*group, "--help")).stdout.split("Commands:\n")
    sentences = [line.split(maxsplit=1)[1] for line in listed.splitlines() if line.strip()]
    assert sentences
    assert all(sentence.endswith(".") and not sentence.endswith("...") for sentence in sentences), listed


async def test_the_version_is_said_with_the_schema_that_it_needs() -> None:
    done = await leadfeed("--version")
    assert (done.exit_code, done.stdout) == (0, f"leadfeed {version('leadfeed-api')}, schema {NEWEST}\n")


async def test_openapi_prints_the_document_without_a_database(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("LEADFEED_DATABASE_URL")
    done = await asyncio.to_thread(script, "openapi")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == json.loads(json.dumps(openapi()))


# --- what is said when something is wrong --------------------------------------------------------------------------


async def test_a_wrong_word_is_answered_in_one_line() -> None:
    org = new_org()
    await leadfeed("org", "create", org)
    assert f"An organisation named {org} already exists" in await said("org", "create", org)
    for name in ("Acme", "-acme", "a_b", "a" * 64, "é", "", "nl\n", "\udcff"):
        assert "1-63 of a-z, 0-9 and inner hyphens" in await said("org", "create", "--", name)
        assert "1-63 of a-z, 0-9 and inner hyphens" in await said("token", "--", name, "ana")
        assert "1-63 of a-z, 0-9 and inner hyphens" in await said("check", "--", name)
    for making in (("org", "create", new_org()), ("key", "create", org, "--scope=read")):
        for label in ("", " ", "\udcff", "\u200b"):
            assert "must contain at least one visible character" in await said(*making, f"--name={label}")
        assert "must have at most 200 characters" in await said(*making, f"--name={'x' * 201}")
    for scope in ("root", "read,root"):
        assert "no such scope: root" in await said("key", "create", org, "--scope", scope)
    for words in (("key", "create", "nobody", "--scope", "read"), ("check", "nobody")):
        assert "There is no organisation named nobody. Create it with `leadfeed org create nobody`" in await said(
            *words
        )
    for ttl in ("0s", "1w", "", "1.5h", "h", "-1h", "1 h", "9999999d"):
        assert "90s, 30m, 1h, 7d" in await said("token", org, "ana", f"--ttl={ttl}")
    for user in ("", "a\x00b", "x" * 129):
        assert "1-128 printable characters" in await said("token", org, user)


@pytest.mark.parametrize("words", [("key", "create", "acme"), ("token", "acme", "ana", "--role", "king"), ("fly",)])
async def test_a_wrong_usage_ends_with_code_2_and_what_was_expected(words: tuple[str, ...]) -> None:
    done = await leadfeed(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Usage:" in done.stderr


async def test_a_setting_that_is_not_valid_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LEADFEED_DATABASE_URL", "mysql://db.example/secret-name")
    line = await said("check", "acme", code=2)
    assert "LEADFEED_DATABASE_URL: expected a URL like postgresql://" in line
    assert "secret-name" not in line


@pytest.mark.parametrize(
    "words", [("serve", "--host", "192.0.2.1"), ("serve", "--host", ""), ("demo", "--port", "70000")]
)
async def test_an_unsafe_or_impossible_combination_does_not_start(words: tuple[str, ...]) -> None:
    reason = "LEADFEED_PORT: must be at most 65,535" if "demo" in words else "LEADFEED_JWT_SECRET"
    assert reason in await said(*words, code=2)


@pytest.mark.parametrize("words", [("org", "create", "acme"), ("check", "acme"), ("migrate",), ("serve",)])
async def test_a_database_that_cannot_be_reached_is_said_to_be(
    environment: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    environment.setenv("LEADFEED_DATABASE_URL", f"postgresql://ana:pa55word@127.0.0.1:{free_port()}/leads")
    line = await said(*words)
    assert "the database cannot be used" in line
    assert "pa55word" not in line


@pytest.mark.parametrize("words", [("check", "acme"), ("migrate",)])
async def test_a_database_that_takes_no_connections_is_said_to_be(
    environment: pytest.MonkeyPatch, postgres: tuple[str, str], words: tuple[str, ...]
) -> None:
    server, template = postgres
    environment.setenv("LEADFEED_DATABASE_URL", urlsplit(server)._replace(path=f"/{template}").geturl())
    line = await said(*words)
    assert "the database cannot be used" in line
    assert "not currently accepting connections" in line


@pytest.mark.parametrize("words", [("check", "acme"), ("migrate",)])
async def test_a_database_that_is_not_there_is_said_to_be(
    environment: pytest.MonkeyPatch, database_url: str, words: tuple[str, ...]
) -> None:
    environment.setenv("LEADFEED_DATABASE_URL", database_url.replace("/leadfeed_template", "/no_such_template"))
    line = await said(*words)
    assert "the database cannot be used" in line
    assert "does not exist" in line


async def test_a_database_that_may_not_be_used_is_said_to_be(
    environment: pytest.MonkeyPatch, empty_database: str
) -> None:
    for url, why in {
        re.sub("//[^@]*@", "//no_such_role@", empty_database): "no_such_role",
        f"{empty_database}&default_transaction_read_only=on": "read-only",
        f"{empty_database}&search_path=pg_catalog": "permission denied",
    }.items():
        environment.setenv("LEADFEED_DATABASE_URL", url)
        line = await said("migrate")
        assert "the database cannot be used" in line
        assert why in line


async def test_what_stands_between_a_command_and_its_database_is_said_to(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def garbled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)
        writer.write(b"S")  # TLS it shall be
        await reader.read(65_536)
        writer.write(b"which this is not")
        writer.close()

    environment.setenv("HOME", str(tmp_path))  # in which there is no certificate
    async with await asyncio.start_server(garbled, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for url, why in {
            f"postgresql://ana@localhost:{free_port()}/leads": "Connect call failed",
            f"postgresql://ana@/leads?host={tmp_path}": "No such file",
            f"postgresql://ana@127.0.0.1:{port}/leads?sslmode=require": "SSL",
            f"postgresql://ana@127.0.0.1:{port}/leads?sslmode=verify-full": "root certificate",
        }.items():
            environment.setenv("LEADFEED_DATABASE_URL", url)
            for words in (("check", "acme"), ("migrate",)):
                line = await said(*words)
                assert "the database cannot be used: connecting failed" in line
                assert why in line


def test_what_fails_elsewhere_is_not_said_to_be_the_database() -> None:
    @plain_errors
    def broken() -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        broken()


async def test_a_database_that_cannot_do_it_now_is_said_to_be_in_words_that_suit_a_command(
    environment: pytest.MonkeyPatch, database: Database, database_url: str
) -> None:
    environment.setenv("LEADFEED_DATABASE_URL", f"{database_url}&default_transaction_read_only=on")
    lines = [await said("org", "create", new_org())]
    environment.setenv("LEADFEED_DATABASE_URL", f"{database_url}&lock_timeout=50")
    async with database.write() as connection:
        await connection.execute("/* by a test */ LOCK TABLE organization IN ACCESS EXCLUSIVE MODE")
        lines.append(await said("org", "create", new_org()))
    for line, why in zip(lines, ("read-only", "lock timeout"), strict=True):
        assert "the database cannot be used: " in line
        assert why in line
        assert line.endswith("run the command again.\n")


async def test_behind_a_transaction_pooler_every_command_works_with_a_direct_connection_beside_it(
    environment: pytest.MonkeyPatch, empty_database: str
) -> None:
    environment.setenv("LEADFEED_LISTEN_URL", empty_database)
    # Migrating goes past the pooler, which would mix up what it prepares: there is none yet.
    environment.setenv("LEADFEED_DATABASE_URL", f"postgresql://ana@127.0.0.1:{free_port()}/leads")
    assert (await leadfeed("migrate")).exit_code == 0
    async with pgbouncer(empty_database) as pooled:
        environment.setenv("LEADFEED_DATABASE_URL", pooled)
        for words in (("org", "create", "acme"), ("check", "acme")):
            done = await leadfeed(*words)
            assert (done.exit_code, done.stderr) == (0, ""), words
        async with instance(Settings(database_url=pooled, listen_url=empty_database, night_shift=False)):
            pass  # it is ready
        environment.delenv("LEADFEED_LISTEN_URL")
        # A migrator would leave its lock on the pooler's connection, and the next one would wait for that.
        for command in ("check acme", "migrate"):
            assert "behind a transaction pooler LEADFEED_LISTEN_URL has to be set" in await said(*command.split())


async def test_a_service_of_several_workers_of_which_one_cannot_start_fails(
    environment: pytest.MonkeyPatch, database_url: str
) -> None:
    async with wire(database_url, at_most=1) as (_, through_wire):  # enough for the look before the workers start
        environment.setenv("LEADFEED_DATABASE_URL", through_wire)
        done = await asyncio.to_thread(script, "serve", "--workers", "2", "--port", str(free_port()))
    assert done.returncode == 3
    assert "workers-cannot-start" in done.stderr


async def test_a_database_that_was_never_migrated_is_sent_to_migrate_and_then_works(
    environment: pytest.MonkeyPatch, empty_database: str
) -> None:
    environment.setenv("LEADFEED_DATABASE_URL", empty_database)
    for words in (("org", "create", "acme"), ("key", "create", "acme", "--scope", "read"), ("check", "acme")):
        assert "Run `leadfeed migrate`" in await said(*words)
    demo = await asyncio.to_thread(script, "demo", "--port", str(free_port()))
    assert (demo.returncode, demo.stdout) == (1, "")
    assert re.fullmatch(r"leadfeed: .+ Run `leadfeed migrate`\.\n", demo.stderr), demo.stderr
    for _ in range(2):
        done = await leadfeed("migrate")
        assert (done.exit_code, done.stderr) == (0, "")
        assert re.fullmatch(r"The schema is at revision \d{4}\.\n", done.stdout)
    done = await leadfeed("migrate", "--json")
    assert re.fullmatch(r"\d{4}", json.loads(done.stdout)["revision"])
    assert (await leadfeed("org", "create", "acme")).exit_code == 0


# --- the inbox's proof ---------------------------------------------------------------------------------------------


async def test_check_takes_as_long_as_it_needs_whatever_limits_the_database_has(
    environment: pytest.MonkeyPatch, world: World, database: Database, database_url: str
) -> None:
    """It takes longer than they allow, for it waits."""
    limits = "".join(f"&{name}=100" for name in ("statement_timeout", "lock_timeout", "transaction_timeout"))
    async with database.read() as connection:
        if not await connection.fetchval("SELECT 1 FROM pg_settings WHERE name = 'transaction_timeout'"):
            limits = limits.replace("&transaction_timeout=100", "")
    environment.setenv("LEADFEED_DATABASE_URL", f"{database_url}{limits}")
    waiting = """/* by a test */ SELECT pg_sleep(0.01), count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND now() > query_start + '300 ms'"""
    async with database.write() as connection, asyncio.timeout(20):
        await connection.execute("/* by a test */ LOCK TABLE feed_entry IN ACCESS EXCLUSIVE MODE")
        checking = asyncio.create_task(leadfeed("check", world.org))
        async with database.read() as watcher:
            while not await watcher.fetchval(waiting, column=1) and not checking.done():
                pass
    assert (await checking).exit_code == 0, (await checking).stderr


async def test_check_finds_what_was_tampered_with_and_repairs_it(world: World) -> None:
    await world.people("ana", "bob", leads={"l1": "ana", "l2": "bob"})
    await world.report(*(world.moment(lead) for lead in ("l1", "l1", "l2")))
    feeds = await world.feed("ana"), await world.feed("bob")

    async def check(*options: str) -> tuple[int, dict[str, Any]]:
        done = await leadfeed("check", world.org, "--json", *options)
        return done.exit_code, json.loads(done.stdout)

    sound = {"org": world.org, "entries": 3, "missing": 0, "surplus": 0, "repaired": False, "misplaced": 0}
    assert await check() == (0, sound)
    assert await check("--repair") == (0, sound)

    async with world.service.app.state.database.write() as connection:
        where = "WHERE org_id = $1 AND user_id = 'ana'"
        await connection.execute(
            f"/* by a test */ DELETE FROM feed_entry {where} AND moment_id = $2", world.org_id, feeds[0][0]["id"]
        )
        await connection.execute(
            f"/* by a test */ UPDATE feed_entry SET user_id = 'bob' {where} AND moment_id = $2",
            world.org_id,
            feeds[0][1]["id"],
        )
    tampered = {**sound, "entries": 2, "missing": 2, "surplus": 1}
    assert await check() == (1, tampered)
    assert "2 entries, 2 missing, 1 surplus.\n" in (await leadfeed("check", world.org)).stdout
    assert await check("--repair") == (0, {**tampered, "repaired": True})
    assert await check() == (0, sound)
    assert (await world.feed("ana"), await world.feed("bob")) == feeds
    async with world.service.app.state.database.read() as connection:
        told = await queries.changes_since(connection, world.org_id, ["ana", "bob"], 0, 10**9)
    assert sorted((one.user_id, one.kind) for one in told)[-1:] == [("bob", "reset")]
    assert ("ana", "reset") in {(one.user_id, one.kind) for one in told}


# --- the embedded server -------------------------------------------------------------------------------------------


async def test_a_command_attaches_to_the_running_server_of_its_folder_or_starts_it_for_as_long_as_it_takes(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.delenv("LEADFEED_DATABASE_URL")
    environment.setenv("LEADFEED_DATA_DIR", str(tmp_path))
    assert (await leadfeed("org", "create", "alone")).exit_code == 0

    with EmbeddedPostgres(tmp_path) as server:
        await asyncio.to_thread(migrate, server.dsn)
        assert (await leadfeed("key", "create", "alone", "--scope", "read")).exit_code == 0
        assert "is already running" in await said("serve")

        await asyncio.to_thread(values, server.dsn, "UPDATE alembic_version SET version_num = '9999'")
        assert (await leadfeed("key", "create", "alone", "--scope", "read")).exit_code == 0, "gone back by one version"
        assert "A newer version of leadfeed has migrated this database" in await said("migrate")


def test_a_command_that_serves_nothing_loads_nothing_to_serve_with() -> None:
    program = "import sys, leadfeed_api.cli; print(*sorted({'fastapi', 'sqlalchemy', 'alembic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
