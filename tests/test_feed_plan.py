"""How PostgreSQL finds a page at fifty thousand entries: by the inbox's own key, backward, and no row too many."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from leadfeed_api.db.session import ANY_PLANS
from leadfeed_api.db.tables import Table
from leadfeed_api.feed import queries
from leadfeed_api.feed.entries import (
    ADMIT,
    DELETE_OF_LEAD,
    DELETE_OF_MOMENTS,
    FAN_OUT,
    FORGET_KEPT,
    FORGET_MARKS_OF_LEAD,
    MARK_AGAIN,
    WITHDRAW,
)
from leadfeed_api.feed.filters import Filters, narrow
from leadfeed_api.feed.order import last_change
from leadfeed_api.feed.paging import NEWEST, page_statement
from leadfeed_api.feed.retention import DELETE_MOMENTS, ENDED
from leadfeed_api.ingestion.interpret import Candidate
from leadfeed_api.ingestion.record import INSERT_MOMENTS, Verdict, columns_of
from leadfeed_api.triage.marks import COUNT, COUNTED, LOOKED_AT, MARK, seen_statement
from postgres import clone_database, drop_database
from statements import BY_A_TEST, Statements
from world import World

pytestmark = pytest.mark.anyio

ENTRIES, LEADS, ORG_ID, LATE = 50_000, 1_000, 7, 9
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
MIDDLE = NOW - timedelta(seconds=ENTRIES // 2)
FILL = f"""
INSERT INTO organization (org_id, org, name, position, created_at)
  SELECT n, 'o' || n, 'O', {ENTRIES}, '{NOW}' FROM generate_series(6, 8) n;
INSERT INTO app_user (org_id, user_id, name)
  SELECT o, u, u FROM generate_series(6, 8) o, unnest(ARRAY['ana', 'bob']) u;
INSERT INTO account (org_id, account_id, name)
  SELECT {ORG_ID}, 'a' || n, 'Company ' || n FROM generate_series(0, 99) n;
INSERT INTO lead (org_id, lead_id, name, account_id, owner_id)
  SELECT {ORG_ID}, 'l' || n, 'Person ' || n, 'a' || n % 100, 'ana' FROM generate_series(0, {LEADS - 1}) n;
INSERT INTO watch (org_id, user_id, lead_id, created_at)
  SELECT {ORG_ID}, u, 'l' || n, '{NOW}' FROM generate_series(0, 199) n, unnest(ARRAY['ana', 'bob']) u;
INSERT INTO moment
  (org_id, moment_id, position, source, external_id, lead_id, type, description, occurred_at, recorded_at, watermark)
  SELECT {ORG_ID}, lpad(to_hex(n), 32, '0')::uuid, n, 's', 'm' || n, 'l' || n % {LEADS},
    (ARRAY['web', 'email', 'milestone'])[n % 3 + 1], 'Visited page ' || n,
    '{NOW}'::timestamptz - n * interval '1 s', '{NOW}', '{NOW}'
  FROM generate_series(1, {ENTRIES}) n;
INSERT INTO feed_entry (org_id, user_id, occurred_at, moment_id, lead_id, type, position, live)
  SELECT m.org_id, u, m.occurred_at, m.moment_id, m.lead_id, m.type, m.position, true
  FROM moment m, unnest(ARRAY['ana', 'bob']) u WHERE u = 'ana' OR m.position % 5 = 0;
INSERT INTO feed_change (org_id, user_id, position, kind, lead_id, changed_at)
  SELECT m.org_id, u, m.position, 'lead', m.lead_id, '{NOW}'
  FROM moment m, unnest(ARRAY['ana', 'bob']) u WHERE m.position % 7 = 0;
ANALYZE;
"""
CAME = f"""
INSERT INTO organization (org_id, org, name, position, created_at)
  SELECT {LATE}, 'late', 'O', {ENTRIES}, '{NOW}';
INSERT INTO app_user (org_id, user_id, name) SELECT {LATE}, 'ana', 'ana';
INSERT INTO lead (org_id, lead_id, name) SELECT {LATE}, 'l' || n, 'P' FROM generate_series(1, {5 * LEADS}) n;
INSERT INTO watch (org_id, user_id, lead_id, created_at)
  SELECT {LATE}, 'ana', 'l' || n, '{NOW}' FROM generate_series(1, {LEADS}) n;
INSERT INTO moment
  (org_id, moment_id, position, source, external_id, lead_id, type, description, occurred_at, recorded_at, watermark)
  SELECT {LATE}, lpad(to_hex(n + {ENTRIES}), 32, '0')::uuid, n, 's', 'm' || n, 'l' || n % 100 + 1, 'web', 'Visited',
    '{NOW}', '{NOW}', '{NOW}'
  FROM generate_series(0, 2000) n;
"""
CAME_ENTRIES = f"""
INSERT INTO feed_entry (org_id, user_id, occurred_at, moment_id, lead_id, type, position, live)
  SELECT m.org_id, 'ana', m.occurred_at, m.moment_id, m.lead_id, m.type, m.position, true
  FROM moment m WHERE m.org_id = {LATE};
"""

OF_ONE_LEAD = f"""
UPDATE moment SET lead_id = 'l0' WHERE org_id = {ORG_ID} AND position % 2 = 0;
UPDATE feed_entry SET lead_id = 'l0' WHERE org_id = {ORG_ID} AND position % 2 = 0;
ANALYZE read_mark;
"""
IN_ORDER = f"""
UPDATE moment SET occurred_at = '{NOW}'::timestamptz + position * interval '1 s',
  watermark = '{NOW}'::timestamptz + position * interval '1 s' WHERE org_id = {ORG_ID};
UPDATE feed_entry SET occurred_at = '{NOW}'::timestamptz + position * interval '1 s', late = false
  WHERE org_id = {ORG_ID};
DELETE FROM feed_change WHERE org_id = {ORG_ID};
ANALYZE moment, feed_entry, feed_change;
"""


@contextmanager
def clone_with(postgres: tuple[str, str], name: str, *statements: str) -> Iterator[str]:
    """A database of its own in which these were executed."""
    dsn = clone_database(*postgres, name)

    async def fill() -> None:
        connection = await asyncpg.connect(dsn)
        for statement in statements:
            await connection.execute(f"{BY_A_TEST} {statement}")
        await connection.close()

    asyncio.run(fill())
    yield dsn
    drop_database(postgres[0], name)


@pytest.fixture(scope="module")
def filled(postgres: tuple[str, str], worker_id: str) -> Iterator[str]:
    """A database with one full inbox among others."""
    with clone_with(postgres, f"{postgres[1]}_plan_{worker_id}", FILL) as dsn:
        yield dsn


@pytest.fixture(scope="module")
def uncounted(postgres: tuple[str, str], worker_id: str) -> Iterator[str]:
    """The same, of which PostgreSQL knows nothing."""
    tables = ("moment", "feed_entry", "lead", "watch")
    left_alone = [f"ALTER TABLE {table} SET (autovacuum_enabled = off)" for table in tables]
    name = f"{postgres[1]}_uncounted_{worker_id}"
    with clone_with(postgres, name, *left_alone, FILL.replace("ANALYZE;", "")) as dsn:
        yield dsn


@pytest.fixture(scope="module")
def heavy(postgres: tuple[str, str], worker_id: str) -> Iterator[str]:
    """The same, had half of all moments become one lead's since PostgreSQL counted them: it expects fifty."""
    tables = ("moment", "feed_entry", "lead", "watch", "read_mark")
    left_alone = [f"ALTER TABLE {table} SET (autovacuum_enabled = off)" for table in tables]
    with clone_with(postgres, f"{postgres[1]}_heavy_{worker_id}", *left_alone, FILL, OF_ONE_LEAD) as dsn:
        yield dsn


@pytest.fixture(scope="module")
def in_order(postgres: tuple[str, str], worker_id: str) -> Iterator[str]:
    """The same, had all of it come in the order of time."""
    with clone_with(postgres, f"{postgres[1]}_in_order_{worker_id}", FILL, IN_ORDER) as dsn:
        yield dsn


@asynccontextmanager
async def tried(dsn: str, mode: str = "auto") -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A transaction of which nothing stays; ``mode`` is how PostgreSQL plans prepared statements."""
    connection = await asyncpg.connect(dsn, server_settings={"plan_cache_mode": mode, "jit": "off"})
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()


async def explain(dsn: str, mode: str, statement: str, *parameters: object) -> dict[str, Any]:
    """The plan that was run, with what it touched; ``mode`` is how PostgreSQL plans prepared statements."""
    connection = await asyncpg.connect(dsn, server_settings={"plan_cache_mode": mode, "jit": "off"})
    try:
        return await explain_on(connection, statement, *parameters)
    finally:
        await connection.close()


async def explain_on(
    connection: "asyncpg.Connection[asyncpg.Record]", statement: str, *parameters: object, meanwhile: str = ""
) -> dict[str, Any]:
    """Prepared and executed, because a statement that is explained as it is has a plan for these very parameters.

    Where something happens ``meanwhile``, a plan that is kept is from before it.
    """
    types = [one.name for one in (await connection.prepare(f"{BY_A_TEST} {statement}")).get_parameters()]
    values = [
        await connection.fetchval(f"{BY_A_TEST} SELECT quote_nullable($1::{of})", value)
        for of, value in zip(types, parameters, strict=True)
    ]
    await connection.execute(f"{BY_A_TEST} PREPARE explained ({', '.join(types)}) AS {statement}")
    if meanwhile:
        await connection.execute(f"{BY_A_TEST} EXECUTE explained ({', '.join(values)})")
        await connection.execute(f"{BY_A_TEST} {meanwhile}")
    explaining = f"{BY_A_TEST} EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE explained ({', '.join(values)})"
    shown = await connection.fetchval(explaining)
    await connection.execute(f"{BY_A_TEST} DEALLOCATE explained")
    plan: dict[str, Any] = json.loads(shown)[0]["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's steps, from the top."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def rows_of(node: dict[str, Any]) -> float:
    """How many rows a step gave, and how many it looked at in vain."""
    rows: float = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    return rows


PAGES = {
    "the first page": ({}, None, 50),
    "the largest page": ({}, None, 200),
    "a page in the middle": ({}, (MIDDLE, UUID(int=ENTRIES // 2)), 50),
    "a page near the end": ({}, (NOW - timedelta(seconds=ENTRIES - 100), UUID(int=ENTRIES)), 50),
    "what I own": ({"scope": "owned"}, None, 50),
    "muted shown": ({"muted": "show"}, None, 50),
    "until an instant": ({"until": MIDDLE}, None, 50),
}


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("name", PAGES)
async def test_a_page_walks_the_inbox_backward_by_its_key_and_reads_no_more_than_it_shows(
    filled: str, mode: str, name: str
) -> None:
    filters, after, limit = PAGES[name]
    conditions, parameters = narrow(Filters(**filters), NOW)  # type: ignore[arg-type]
    at = after or NEWEST
    plan = await explain(filled, mode, page_statement(conditions, limit), ORG_ID, "ana", *at, *parameters)
    for_a_page(plan, limit)


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan", "auto"])
async def test_several_pages_are_walked_alike_by_one_statement(filled: str, mode: str) -> None:
    conditions, parameters = narrow(Filters(), NOW)
    statement = page_statement(conditions, 50, several=True)
    asked = ["ana", "bob", "ana"], [NEWEST[0], NEWEST[0], MIDDLE], [NEWEST[1]] * 3
    for_a_page(await explain(filled, mode, statement, ORG_ID, *asked, *parameters), 50, pages=3)


def for_a_page(plan: dict[str, Any], limit: int, pages: int = 1) -> None:
    """Nothing is read beyond so many pages."""
    (inbox,) = [node for node in nodes(plan) if node.get("Relation Name") == "feed_entry"]
    assert (inbox["Node Type"], inbox["Index Name"], inbox["Scan Direction"]) == (
        "Index Scan",
        "feed_entry_pkey",
        "Backward",
    )
    assert "org_id" in inbox["Index Cond"]
    assert "user_id" in inbox["Index Cond"]
    assert "ROW(occurred_at, moment_id) <" in inbox["Index Cond"].replace("e.", "")
    limit, most = limit + 1, (limit + 1) * pages
    assert rows_of(inbox) <= most, "entries were read that are not shown"
    for node in nodes(plan):
        if "Sort" in node["Node Type"]:
            assert node["Actual Rows"] <= limit, "more than the page was sorted"
        if node.get("Relation Name") in {"moment", "lead"}:
            assert rows_of(node) <= most, f"{node['Relation Name']} was read beyond the page"
        assert node["Node Type"] != "Seq Scan" or node["Relation Name"] not in {"moment", "lead", "feed_entry"}


LEADS_PAGES = {"newest": NEWEST, "older": (MIDDLE, UUID(int=ENTRIES // 2))}


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("after", LEADS_PAGES)
@pytest.mark.parametrize("type_", [None, "web"])
async def test_a_leads_page_walks_its_moments_backward_and_reads_no_more_than_it_shows(
    filled: str, mode: str, after: str, type_: str | None
) -> None:
    """Of fifty moments a lead has, and of other leads none; those of other types are looked at in vain."""
    conditions, parameters = narrow(Filters(lead_id="l5", types=(type_,) if type_ else ()), NOW)
    at = LEADS_PAGES[after]
    plan = await explain(filled, mode, page_statement(conditions, 9), ORG_ID, "ana", *at, *parameters)
    walked, shown = [node for node in nodes(plan) if node.get("Relation Name") == "moment"]
    (inbox,) = [node for node in nodes(plan) if node.get("Relation Name") == "feed_entry"]
    assert (walked["Index Name"], walked["Scan Direction"]) == ("moment_by_lead", "Backward")
    assert (shown["Index Name"], rows_of(shown)) == ("moment_pkey", 10 if type_ is None or after == "newest" else 9)
    assert inbox["Index Name"] == "feed_entry_pkey"
    assert rows_of(walked) == rows_of(inbox)
    assert rows_of(walked) == 10 if type_ is None else rows_of(walked) <= 31


@pytest.mark.parametrize("mode", ["auto", "force_generic_plan"])
@pytest.mark.parametrize(
    ("statement", "parameters"),
    [(WITHDRAW, (["bob"], ["l5"])), (DELETE_OF_LEAD, ("l5", ["ana", "bob"]))],
    ids=["withdraw", "erase"],
)
async def test_a_lead_leaves_an_inbox_by_its_moments_alone(
    filled: str, mode: str, statement: str, parameters: tuple[object, ...]
) -> None:
    async with tried(filled, mode) as connection:
        await connection.execute(f"{BY_A_TEST} DELETE FROM watch WHERE user_id = 'bob'")
        plan = await explain_on(connection, statement, ORG_ID, *parameters)

    (moments,) = [node for node in nodes(plan) if node.get("Relation Name") == "moment"]
    assert (moments["Index Name"], rows_of(moments)) == ("moment_by_lead", 50)
    (inbox,) = [node for node in nodes(plan) if node.get("Index Name", "").startswith("feed_entry")]
    assert inbox["Index Name"] == "feed_entry_pkey"


@pytest.mark.parametrize("mode", ["auto", "force_generic_plan"])
async def test_what_is_past_its_retention_is_found_and_deleted_by_key(filled: str, mode: str) -> None:
    ended = await explain(filled, mode, ENDED, ORG_ID, UUID(int=31), 20)
    (moments,) = [node for node in nodes(ended) if node.get("Relation Name") == "moment"]
    assert (moments["Index Name"], rows_of(moments)) == ("moment_pkey", 20)

    async with tried(filled, mode) as connection:
        plan = await explain_on(connection, DELETE_OF_MOMENTS, ORG_ID, [UUID(int=n) for n in range(1, 31)])
    (inbox,) = [node for node in nodes(plan) if node.get("Index Name", "").startswith("feed_entry")]
    assert (inbox["Index Name"], rows_of(inbox)) == ("feed_entry_pkey", 36)  # all of ana's; and every fifth is bob's
    read: Counter[str] = Counter()
    for node in nodes(plan):
        read[node.get("Relation Name", "")] += int(rows_of(node))
    assert read["moment"] == 30
    assert read["lead"] <= 36


@pytest.mark.parametrize("what", ["withdraw", "erase", "admit", "purge", "seen"])
async def test_a_change_in_an_organisation_that_nobody_counted_reads_no_more_than_it_is_about(
    filled: str, what: str
) -> None:
    """Not all of an inbox again for each moment: that took seconds to minutes, and under the organisation's lock."""
    seen, parameters = narrow(Filters(), NOW)
    statement, *about = {
        "withdraw": (WITHDRAW, ["ana"], ["l5"]),
        "erase": (DELETE_OF_LEAD, "l5", ["ana"]),
        "admit": (ADMIT, ["ana"], ["l5"], [ENTRIES]),
        "purge": (DELETE_OF_MOMENTS, [UUID(int=ENTRIES + n) for n in range(20)]),
        "seen": (seen_statement(seen), "ana", ENTRIES, *parameters),
    }[what]
    async with tried(filled) as connection:
        await connection.execute(f"{BY_A_TEST} {CAME} {CAME_ENTRIES}")
        await connection.execute(f"{BY_A_TEST} DELETE FROM watch WHERE org_id = {LATE} AND lead_id = 'l5'")
        await connection.execute(ANY_PLANS)
        plan = await explain_on(connection, statement, LATE, *about)

    read = sum(rows_of(node) for node in nodes(plan) if node.get("Relation Name") in {"moment", "feed_entry"})
    # What I have seen is of all moments: the tables are read once, perhaps, but not once for each.
    assert read <= (4 * ENTRIES if what == "seen" else 3 * 21)


MARKED = f"""
INSERT INTO read_mark (org_id, user_id, moment_id)
  SELECT {ORG_ID}, u, lpad(to_hex(2 * n), 32, '0')::uuid
  FROM generate_series(1, 200) n, unnest(ARRAY['ana', 'bob']) u;
"""


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize(
    "what", ["mark again", "forget", "erase", "seen", "seen of those I own", "seen of these words"]
)
async def test_a_lead_that_has_half_of_all_moments_is_not_read_again_for_each_of_them(
    heavy: str, mode: str, what: str
) -> None:
    """That took a minute, in which nobody's moments came in. PostgreSQL mostly knows of marks that there are none."""
    coming = (["ana"], ["l0"])
    marks: dict[str, tuple[str, tuple[object, ...]]] = {
        "mark again": (MARK_AGAIN, coming),
        "forget": (FORGET_KEPT, coming),
        "erase": (FORGET_MARKS_OF_LEAD, ("l0",)),
    }
    if what in marks:
        statement, about = marks[what]
    else:
        owned, words = ("owned" if "own" in what else "all"), ("visited" if "words" in what else None)
        conditions, parameters = narrow(Filters(scope=owned, words=words), NOW)  # type: ignore[arg-type]
        statement, about = seen_statement(conditions), ("ana", 400, *parameters)
    async with tried(heavy, mode) as connection:
        plan = await explain_on(connection, statement, ORG_ID, *about, meanwhile=MARKED if what in marks else "")
    read: Counter[str] = Counter()
    for node in nodes(plan):
        read[node.get("Relation Name", "")] += int(rows_of(node))
    assert read["moment"] <= (ENTRIES // 2 if what == "erase" else 400)  # the moments are erased, too
    assert read["read_mark"] <= 800
    assert read["feed_entry"] <= (2 * ENTRIES if "seen" in what else 400)


MARKS_OF_ALL = f"""
INSERT INTO read_mark (org_id, user_id, moment_id)
  SELECT {ORG_ID}, 'ana', lpad(to_hex(n), 32, '0')::uuid FROM generate_series(1, {ENTRIES}) n;
"""


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_whoever_erases_a_lead_looks_no_moment_up_for_each_read_mark_there_is(uncounted: str, mode: str) -> None:
    async with tried(uncounted, mode) as connection:
        await connection.execute(f"{BY_A_TEST} {MARKS_OF_ALL}")
        plan = await explain_on(connection, FORGET_MARKS_OF_LEAD, ORG_ID, "l5")
    (moments,) = [node for node in nodes(plan) if node.get("Relation Name") == "moment"]
    assert (moments["Index Name"], rows_of(moments), moments["Actual Loops"]) == ("moment_by_lead", 50, 1)


@pytest.mark.parametrize("what", ["mark", "purge", "purged"])
async def test_moments_and_their_entries_are_found_by_their_keys_in_tables_that_nobody_counted(
    uncounted: str, what: str
) -> None:
    """Neither by all of an inbox, nor by an index whose rows begin otherwise: as few, but all of it is gone through."""
    some = [UUID(int=n) for n in range(1, 21)]
    changes: dict[str, tuple[Any, ...]] = {
        "mark": (MARK, "ana", some, True),
        "purge": (DELETE_OF_MOMENTS, some),
        "purged": (DELETE_MOMENTS, some),
    }
    async with tried(uncounted) as connection:
        await connection.execute(ANY_PLANS)
        plan = await explain_on(connection, changes[what][0], ORG_ID, *changes[what][1:])
    used = [(one["Relation Name"], one["Index Name"], one["Index Cond"]) for one in nodes(plan) if "Index Name" in one]
    moments = [(index, condition) for table, index, condition in used if table == "moment"]
    inboxes = [(index, condition) for table, index, condition in used if table == "feed_entry"]
    assert moments == [("moment_pkey", "((org_id = $1) AND (moment_id = x.moment_id))")]
    for by, condition in inboxes:
        assert by == "feed_entry_pkey"
        assert all(f"{part} =" in condition for part in ("user_id", "occurred_at", "moment_id")), condition
    assert bool(inboxes) == (what != "purged")


async def test_whatever_changes_feeds_is_planned_for_any_organisation(world: World, statements: Statements) -> None:
    await world.people("ana", leads={"l1": "ana", "l2": None})
    (moment,) = await world.report(world.moment("l1"))
    rep = world.rep("ana")
    for method, path, body in (
        ("PUT", "/v1/watchlist/l2", None),
        ("DELETE", "/v1/watchlist/l2", None),
        ("POST", "/v1/feed/read", {"ids": [moment]}),
    ):
        statements.executed.clear()
        answer = await world.client.request(method, path, headers=rep, json=body)
        assert answer.is_success, answer.text
        assert ANY_PLANS in statements.executed, path


async def test_leads_whose_scores_change_too_move_by_plans_for_any_organisation(
    world: World, statements: Statements
) -> None:
    await world.people("ana", "bob", leads={"l1": "ana"})
    statements.executed.clear()
    await world.sync(leads=[{"id": "l1", "name": "L", "owner_id": "bob", "score": 7}])
    modes = [text for text in statements.executed if text == WITHDRAW or "plan_cache_mode" in text]
    assert modes[modes.index(WITHDRAW) - 1] == ANY_PLANS


async def test_a_batch_for_an_organisation_that_nobody_counted_reads_no_more_than_it_names(filled: str) -> None:
    """Of its moments none, and each lead once, however many it has."""
    async with tried(filled) as connection:
        await connection.execute(f"{BY_A_TEST} {CAME}")
        await connection.execute(ANY_PLANS)
        batch = [Candidate("s", f"m{n}", f"l{n}", "web", "Visited", None, None, NOW) for n in range(1, 21)]
        verdicts = [Verdict("accepted", str(UUID(int=n))) for n in range(20)]
        columns = columns_of(batch, verdicts)
        written = await explain_on(connection, INSERT_MOMENTS, LATE, ENTRIES, *columns, NOW)
        spread = await explain_on(connection, FAN_OUT, LATE, ENTRIES, *columns.for_inboxes(NOW))

    assert (written["Conflict Arbiter Indexes"], written["Conflicting Tuples"]) == (["moment_by_identity"], 20)
    for plan, others in ((written, ["ModifyTable"]), (spread, [])):
        read = [one for one in nodes(plan) if one.get("Relation Name") == "moment"]
        assert [one["Node Type"] for one in read if one["Node Type"] != "Index Scan"] == others
        (watermark,) = [one for one in read if one["Node Type"] == "Index Scan"]
        assert (watermark["Index Name"], rows_of(watermark)) == ("moment_by_position", 1)
    for plan in (written, spread):
        assert [rows_of(one) for one in nodes(plan) if one.get("Relation Name") == "lead"] == [20]
    assert sum(rows_of(one) for one in nodes(spread) if one.get("Relation Name") == "watch") == 20


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_what_readers_poll_is_found_by_index_too(filled: str, mode: str) -> None:
    newest = await explain(filled, mode, queries.NEWEST_WITH_CONTACTS, ORG_ID, "ana")
    (inbox,) = [node for node in nodes(newest) if node.get("Relation Name") == "feed_entry"]
    assert (inbox["Index Name"], rows_of(inbox)) == ("feed_entry_pkey", 50)

    version = await explain(filled, mode, f"SELECT {last_change('$2')}", ORG_ID, "ana")
    touched = [node for node in nodes(version) if "Relation Name" in node]
    assert {node["Node Type"] for node in touched} <= {"Index Only Scan", "Index Scan"}
    assert sum(map(rows_of, touched)) <= 3

    since = await explain(filled, mode, queries.MOMENTS_SINCE, ORG_ID, ["ana", "bob"], ENTRIES - 10, ENTRIES)
    late, in_order = [node for node in nodes(since) if node.get("Relation Name") == "feed_entry"]
    assert (late["Index Name"], rows_of(late)) == ("feed_entry_late", 12)
    assert (in_order["Index Name"], rows_of(in_order)) == ("feed_entry_pkey", 0)


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_what_came_in_the_order_of_time_is_found_by_the_inboxs_key_and_nothing_else_is_read(
    in_order: str, mode: str
) -> None:
    """What came in a stretch, where one ends, and what changed last."""
    asked = (
        (queries.MOMENTS_SINCE, (["ana"], 100, 120), 20),
        (queries.END_OF_PIECE, ("ana", 100, 20), 20),
        (f"SELECT {last_change('$2')}", ("ana",), 1),
    )
    for text, values, rows in asked:
        plan = await explain(in_order, mode, text, ORG_ID, *values)
        read = [node for node in nodes(plan) if node.get("Relation Name") == "feed_entry"]
        by_key = [node for node in read if node["Index Name"] == "feed_entry_pkey"]
        assert sum(map(rows_of, by_key)) == rows + (rows > 1), "and the one at the instant after which is asked"
        assert sum(rows_of(node) for node in read if node not in by_key) == 0
        for node in nodes(plan):
            if node.get("Relation Name") == "moment" and node.get("Index Name") == "moment_by_position":
                assert rows_of(node) <= 1


async def test_no_orm_object_and_no_statement_of_sqlalchemy_is_in_a_page(world: World) -> None:
    await world.people("ana", leads={"l1": "ana"})
    await world.report(world.moment("l1"))
    seen: list[object] = []
    listened = ((Table, "load"), (Table, "init"), (Engine, "before_execute"), (Engine, "do_connect"))

    def note(*about: object) -> None:
        seen.append(about)

    for target, name in listened:
        event.listen(target, name, note, **({"propagate": True} if target is Table else {}))
    try:
        assert len((await world.page("ana"))["items"]) == 1
        assert seen == []
        next(iter(Table.registry.mappers)).class_()
        assert len(seen) == 1, "an object would go unnoticed"
    finally:
        for target, name in listened:
            event.remove(target, name, note)


MUTED = f"""
INSERT INTO muted_type (org_id, user_id, type)
  SELECT {ORG_ID}, 'ana', t FROM unnest(ARRAY['web', 'email', 'milestone']) t;
"""


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("muted", [False, True], ids=["", "everything muted"])
async def test_what_is_unread_is_counted_among_the_newest_even_where_everything_is_muted(
    filled: str, mode: str, *, muted: bool
) -> None:
    async with tried(filled, mode) as connection:
        await connection.execute(f"{BY_A_TEST} {MUTED if muted else 'SELECT'}")
        plan = await explain_on(connection, COUNT, ORG_ID, "ana", NOW)
    inbox = [node for node in nodes(plan) if node.get("Relation Name") == "feed_entry"]
    assert {(node["Index Name"], node["Scan Direction"]) for node in inbox} == {("feed_entry_pkey", "Backward")}
    assert sum(map(rows_of, inbox)) == COUNTED + (LOOKED_AT if muted else COUNTED)


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_a_page_is_as_cheap_where_all_moments_are_of_one_type(filled: str, mode: str) -> None:
    """PostgreSQL expects a filter by unknown mutes to leave nothing there, and would rather sort the whole inbox."""
    async with tried(filled, mode) as connection:
        await connection.execute("/* by a test */ DELETE FROM feed_entry WHERE type <> 'web'; ANALYZE feed_entry")
        conditions, parameters = narrow(Filters(), NOW)
        plan = await explain_on(connection, page_statement(conditions, 50), ORG_ID, "ana", *NEWEST, *parameters)

    (inbox,) = [node for node in nodes(plan) if node.get("Relation Name") == "feed_entry"]
    assert rows_of(inbox) == 51
