"""``leadfeed retier``, as an operator types it."""

import asyncio
import json

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from leadfeed_api.cli import app
from leadfeed_api.organizations.identity import org_number
from statements import BY_A_TEST

MAKE = f"""{BY_A_TEST} INSERT INTO lead (org_id, lead_id, name, score)
SELECT $1, 'l' || n, 'Lead', n FROM generate_series(1, 100) n"""


@pytest.fixture
def organization(database_url: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """An organisation with a hundred leads, made by commands as an operator would."""
    monkeypatch.setenv("LEADFEED_DATABASE_URL", database_url)
    org = f"retier-{abs(hash(request.node.name)) % 10**9}"
    assert leadfeed("org", "create", org).exit_code == 0

    async def fill() -> None:
        connection = await asyncpg.connect(database_url)
        await connection.execute(MAKE, org_number(org))
        await connection.close()

    asyncio.run(fill())
    return org


def leadfeed(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def test_it_says_what_it_did_and_by_which_cutoffs(organization: str) -> None:
    first = leadfeed("retier", organization)
    assert (first.exit_code, first.stderr) == (0, "")
    assert first.stdout.startswith(f"{organization}: 100 leads, 50 changed tier (")
    assert "One, two, three stars from a score of 51, 81, 96; flames from a rise of –, –, –." in first.stdout

    again = json.loads(leadfeed("retier", organization, "--json").stdout)
    assert (again["org"], again["leads"], again["changed"]) == (organization, 100, 0)
    assert again["stars"] == [51, 81, 96]
    assert again["flames"] == [None, None, None]
    assert again["next_at"].endswith("Z")


def test_an_organisation_that_is_not_there_is_said_to_be_missing() -> None:
    answer = leadfeed("retier", "nobody-of-this-name")
    assert answer.exit_code == 1
    assert "There is no organisation named nobody-of-this-name" in answer.stderr
    assert answer.stdout == ""
