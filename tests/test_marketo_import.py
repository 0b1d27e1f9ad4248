"""``leadfeed import marketo``: files in, feeds filled, and a summary that hides nothing."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from leadfeed_api.cli import app
from leadfeed_api.cli.marketo import BATCH, import_exports
from leadfeed_api.cli.marketo_tally import Tally
from leadfeed_api.db.session import Database
from leadfeed_api.ingestion.sources.marketo import MarketoExport
from leadfeed_api.ingestion.sources.marketo_types import packaged_types
from world import World, ok

pytestmark = pytest.mark.anyio

FLAT = "activity_date,activity_type_id,id,lead_id,primary_attribute_value,link\n"
LEADS = "id,email,firstName,lastName,company,leadScore,externalSalesPersonId,externalCompanyId\n"


def write(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.write_text("".join(f"{line.rstrip()}\n" for line in lines))
    return path


def opened_mail(number: int, lead_id: str, mail: str = "News") -> str:
    return f"2026-11-20 10:00:{number % 60:02d}.000,10,{number},{lead_id},{mail},"


async def run(
    database: Database, world: World, *files: Path, create_missing_leads: bool = False, seen: list[int] | None = None
) -> Tally:
    with ExitStack() as stack:
        exports = [
            stack.enter_context(MarketoExport(path, packaged_types(), datetime(2026, 11, 23, 12, tzinfo=UTC)))
            for path in files
        ]
        progress: list[int] = [] if seen is None else seen
        return await import_exports(
            database,
            world.org_id,
            exports,
            lambda export: progress.append(export.bytes_read),
            create_missing_leads=create_missing_leads,
        )


async def test_activities_of_known_leads_appear_in_their_owners_feed(
    database: Database, world: World, tmp_path: Path
) -> None:
    await world.people("nora", leads={"1124755": "nora"})
    clicks = write(
        tmp_path,
        "clicks.csv",
        FLAT,
        "2026-11-20 08:05:11.000,11,58851192,1124755,Invite 3,https://initech.example/",
        "2026-11-20 08:05:10.000,7,58851191,1124755,Invite 3,",
    )
    tally = await run(database, world, clicks)
    assert (tally.accepted, dict(tally.skipped)) == (1, {"Email Delivered": 1})
    [item] = await world.feed("nora")
    assert (item["type"], item["description"], item["url"], item["source"], item["occurred_at"]) == (
        "email",
        "Clicked a link in “Invite 3”",
        "https://initech.example/",
        "marketo",
        "2026-11-20T08:05:11Z",
    )


async def test_reading_the_same_file_again_changes_nothing(database: Database, world: World, tmp_path: Path) -> None:
    await world.people("nora", leads={"7": "nora"})
    opens = write(tmp_path, "opens.csv", FLAT, *(opened_mail(number, "7") for number in range(1, 4)))
    assert (await run(database, world, opens)).accepted == 3
    again = await run(database, world, opens)
    assert (again.accepted, again.duplicates) == (0, 3)
    assert len(await world.feed("nora")) == 3


async def test_moments_of_unknown_leads_are_left_out_and_named(
    database: Database, world: World, tmp_path: Path
) -> None:
    await world.people("nora", leads={"7": "nora"})
    rows = [opened_mail(number, str(100 + number % 8)) for number in range(1, 20)]
    tally = await run(database, world, write(tmp_path, "opens.csv", FLAT, opened_mail(99, "7"), *rows))
    assert (tally.accepted, tally.rejected["unknown-lead"], len(tally.unknown_leads)) == (1, 19, 8)
    assert "8 leads are unknown to this organisation" in tally.as_text()
    assert "101, 102, 103, 104, 105, …" in tally.as_text()
    assert "--create-missing-leads" in tally.as_text()
    assert tally.as_dict()["unknown_leads"] == {"leads": 8, "first": ["101", "102", "103", "104", "105"]}


def test_one_lead_is_spoken_of_as_one() -> None:
    text = Tally(unowned=1, unknown_leads={"101": 3}).as_text()
    assert "1 new lead has no owner: nobody sees it until someone owns or watches it." in text
    assert "1 lead is unknown to this organisation, so its moments were left out: 101" in text


async def test_missing_leads_are_made_when_asked_for(database: Database, world: World, tmp_path: Path) -> None:
    await world.people("nora", leads={"7": "nora"})
    opens = write(tmp_path, "opens.csv", FLAT, *(opened_mail(number, str(7 + number % 3)) for number in range(1, 10)))
    tally = await run(database, world, opens, create_missing_leads=True)
    assert (tally.accepted, tally.leads_made, tally.rejected.total(), tally.unknown_leads) == (9, 2, 0, {})
    assert "2 new leads have no owner" in tally.as_text()
    ok(await world.client.post("/v1/watchlist", headers=world.rep("nora"), json={"lead_ids": ["8", "9"]}))
    names = {item["lead"]["name"] for item in await world.feed("nora")}
    assert names == {"7", "Marketo lead 8", "Marketo lead 9"}


async def test_leads_come_with_company_owner_and_score(database: Database, world: World, tmp_path: Path) -> None:
    await world.sync(users=[{"id": "nora", "name": "Nora", "email": "nora@crm.example"}])
    leads = write(tmp_path, "leads.csv", LEADS, "7,ana@initech.example,Ana,Ruiz,Initech,42,nora,")
    opens = write(tmp_path, "opens.csv", FLAT, opened_mail(1, "7"))
    tally = await run(database, world, leads, opens)
    assert (dict(tally.leads), tally.accepted) == ({"created": 1}, 1)
    assert "no owner" not in tally.as_text()
    [item] = await world.feed("nora")
    assert (item["lead"]["name"], item["account"]["name"], item["because"]) == ("Ana Ruiz", "Initech", ["owned"])


async def test_what_the_crm_knows_better_is_kept(database: Database, world: World, tmp_path: Path) -> None:
    await world.people("nora", leads={"7": "nora"})
    await world.sync(leads=[{"id": "7", "name": "Ana Ruiz", "title": "CTO"}])
    await world.report(world.moment("7"))
    leads = write(tmp_path, "leads.csv", "id,email,first_name,last_name\n", "7,ana@initech.example,,")
    assert dict((await run(database, world, leads)).leads) == {"updated": 1}
    assert dict((await run(database, world, leads)).leads) == {"unchanged": 1}
    [item] = await world.feed("nora")
    assert (item["lead"]["name"], item["lead"]["title"], item["account"]["name"]) == ("Ana Ruiz", "CTO", "Acme")


async def test_what_a_file_cannot_know_does_not_keep_its_leads_out(
    database: Database, world: World, tmp_path: Path
) -> None:
    leads = write(
        tmp_path,
        "leads.csv",
        LEADS,
        "1,a@b.example,,,,,stranger,c-9",
        "2,,,,,,stranger,c-9",
        "3,,Bo,Lund,,,,c-9",
        f"4,,{'x' * 300},,,,,",
        "3,bo@b.example,,,Globex,,,c-9",
        f"{'9' * 200},,Cy,,,,,",
    )
    tally = await run(database, world, leads)
    assert dict(tally.leads) == {"created": 3}
    assert dict(tally.leads_rejected) == {"invalid-name": 1, "invalid-id": 1}
    assert tally.unknown_owners == 2
    opens = write(tmp_path, "opens.csv", FLAT, *(opened_mail(number, str(number)) for number in (1, 2, 3)))
    assert (await run(database, world, opens)).accepted == 3
    await world.sync(users=[{"id": "nora", "name": "Nora"}])
    ok(await world.client.post("/v1/watchlist", headers=world.rep("nora"), json={"lead_ids": ["1", "2", "3"]}))
    seen = {(item["lead"]["name"], item["account"]["name"]) for item in await world.feed("nora")}
    assert seen == {("a@b.example", "Globex"), ("Marketo lead 2", "Globex"), ("Bo Lund", "Globex")}


async def test_a_company_known_by_its_id_alone_is_named_by_it(database: Database, world: World, tmp_path: Path) -> None:
    await world.sync(users=[{"id": "nora", "name": "Nora"}])
    leads = write(tmp_path, "leads.csv", LEADS, "1,,Ana,,,,nora,c-1", "2,,Bo,,,,nora,c-1", "3,,Cy,,,,nora,c-2")
    assert dict((await run(database, world, leads)).leads) == {"created": 3}
    await world.report(*(world.moment(lead) for lead in ("1", "2", "3")))
    assert {item["account"]["name"] for item in await world.feed("nora")} == {"c-1", "c-2"}


async def test_a_company_longer_than_an_account_holds_is_shortened_and_keeps_its_leads(
    database: Database, world: World, tmp_path: Path
) -> None:
    await world.sync(users=[{"id": "nora", "name": "Nora"}])
    long, street = "Initech " + "x" * 222, "y" * 600
    leads = write(
        tmp_path,
        "leads.csv",
        "id,firstName,company,billingStreet,externalSalesPersonId\n",
        f"1,Ana,{long},1 Main St,nora",
        f"2,Bo,Globex,{street},nora",
        f"3,Cy,{long}z,,nora",
    )
    tally = await run(database, world, leads)
    assert (dict(tally.leads), tally.leads_rejected.total()) == ({"created": 3}, 0)
    await world.report(*(world.moment(lead) for lead in ("1", "2", "3")))
    accounts = [item["account"] for item in await world.feed("nora")]
    shown = long[:199] + "…"
    assert sorted(account["name"] for account in accounts) == ["Globex", shown, shown]
    assert len({account["id"] for account in accounts}) == 3, "one company of two that begin alike"


async def test_large_files_go_in_batches_and_progress_is_seen(database: Database, world: World, tmp_path: Path) -> None:
    await world.people("nora", leads={"7": "nora"})
    opens = write(tmp_path, "opens.csv", FLAT, *(opened_mail(number, "7") for number in range(2 * BATCH + 1)))
    seen: list[int] = []
    tally = await run(database, world, opens, seen=seen)
    assert tally.accepted == 2 * BATCH + 1
    assert len(seen) == 3
    assert 0 < seen[0] < seen[1] < seen[2] == opens.stat().st_size


async def test_progress_is_seen_even_where_nothing_is_stored(database: Database, world: World, tmp_path: Path) -> None:
    seen: list[int] = []
    rows = (f"2026-11-20 10:00:00,7,{number},7,," for number in range(BATCH + 1))
    tally = await run(database, world, write(tmp_path, "delivered.csv", FLAT, *rows), seen=seen)
    assert tally.skipped == {"Email Delivered": BATCH + 1}
    assert len(seen) == 2
    assert seen[0] < seen[1]


async def test_rows_that_cannot_be_read_are_shown_with_file_and_line(
    database: Database, world: World, tmp_path: Path
) -> None:
    await world.people("nora", leads={"7": "nora"})
    rows = [opened_mail(1, "7"), *("yesterday,10,2,7,," for _ in range(7))]
    tally = await run(database, world, write(tmp_path, "opens.csv", FLAT, *rows))
    assert (tally.accepted, tally.unreadable, len(tally.unreadable_first)) == (1, 7, 5)
    assert "opens.csv, line 3: the time cannot be read" in tally.as_text()


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def org(monkeypatch: pytest.MonkeyPatch, database_url: str) -> str:
    """An organisation made by the command, on this worker's database."""
    monkeypatch.setenv("LEADFEED_DATABASE_URL", database_url)
    name = f"org-{uuid4().hex[:12]}"
    assert command("org", "create", name).exit_code == 0
    return name


def imported(org: str, *arguments: str | Path) -> dict[str, object]:
    result = command("import", "marketo", org, "--json", *arguments)
    assert result.exit_code == 0, result.output
    document: dict[str, object] = json.loads(result.stdout)
    return document


def test_the_command_takes_leads_first_whatever_the_order_of_files(org: str, tmp_path: Path) -> None:
    opens = write(tmp_path, "a.csv", FLAT, opened_mail(1, "7"), opened_mail(2, "8"))
    leads = write(tmp_path, "b.csv", "id,email\n", "7,ana@initech.example")
    document = imported(org, opens, leads)
    assert document == {
        "org": org,
        "accepted": 1,
        "duplicates": 0,
        "rejected": 1,
        "problems": {"unknown-lead": 1},
        "skipped": {},
        "unreadable": {"rows": 0, "first": []},
        "leads": {
            "created": 1,
            "updated": 0,
            "unchanged": 0,
            "rejected": 0,
            "problems": {},
            "without_known_owner": 0,
            "without_owner": 1,
        },
        "unknown_leads": {"leads": 1, "first": ["8"]},
    }


def test_the_command_tells_people_what_it_did(org: str, tmp_path: Path) -> None:
    opens = write(tmp_path, "a.csv", FLAT, opened_mail(1, "7"), "2026-11-20 10:00:00,32,5,7,,", "?,10,6,7,,")
    result = command("import", "marketo", org, opens, "--create-missing-leads")
    assert result.exit_code == 0
    assert result.stderr == ""
    for line in ("1  recorded", "0  recorded before", "1  created", "1  Merge Leads", "1  rows", "a.csv, line 4"):
        assert line in result.stdout


def test_an_operators_types_are_used(org: str, tmp_path: Path) -> None:
    types = tmp_path / "types.toml"
    types.write_text('[activity.32]\nmoment = "milestone"\ndescriptions = ["Was merged with another record"]\n')
    merges = write(tmp_path, "a.csv", FLAT, "2026-11-20 10:00:00,32,5,7,,")
    assert imported(org, merges, "--create-missing-leads", "--types", types)["accepted"] == 1


@pytest.mark.parametrize("names", [("absent.csv",), ("good.csv", "other.csv"), ("good.csv", ".")])
def test_one_wrong_file_stops_the_import_before_anything_is_stored(
    org: str, tmp_path: Path, names: Sequence[str]
) -> None:
    good = write(tmp_path, "good.csv", FLAT, opened_mail(1, "7"))
    write(tmp_path, "other.csv", "name,age", "Ana,3")
    result = command("import", "marketo", org, "--create-missing-leads", *(tmp_path / name for name in names))
    assert result.exit_code == 1
    assert str(tmp_path / names[-1]) in result.stderr
    assert result.stderr.count("\n") == 1
    assert imported(org, good, "--create-missing-leads")["duplicates"] == 0


def test_types_that_cannot_be_used_and_unknown_organisations_are_one_line(org: str, tmp_path: Path) -> None:
    good = write(tmp_path, "good.csv", FLAT, opened_mail(1, "7"))
    for arguments in ((org, good, "--types", tmp_path / "absent.toml"), ("nobody-here", good)):
        result = command("import", "marketo", *arguments)
        assert result.exit_code == 1
        assert result.stderr.startswith("leadfeed: ")
        assert result.stderr.count("\n") == 1


def test_the_exit_code_says_when_not_a_row_could_be_read(org: str, tmp_path: Path) -> None:
    hopeless = write(tmp_path, "a.csv", FLAT, "?,10,1,7,,", "?,10,2,7,,")
    assert command("import", "marketo", org, hopeless).exit_code == 1
    quiet_day = write(tmp_path, "b.csv", FLAT)
    assert command("import", "marketo", org, quiet_day).exit_code == 0
