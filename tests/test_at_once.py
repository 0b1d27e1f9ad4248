"""What two do at once ends as if one had come after the other: no deadlock, nothing lost, nobody kept waiting."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from leadfeed_api.db.session import Connection, Database
from leadfeed_api.feed.log import appending, keep_entries
from leadfeed_api.feed.paging import NARROWED, Pages
from leadfeed_api.organizations.queries import take_turns
from leadfeed_api.settings import Settings
from leadfeed_api.subscriptions import queries as subscriptions
from leadfeed_api.subscriptions import recipients
from leadfeed_api.subscriptions.delivery.queries import try_again
from leadfeed_api.subscriptions.match import Rule
from statements import BY_A_TEST
from world import Service, World, ok, problem, running_app

pytestmark = pytest.mark.anyio
WAITING = f"""{BY_A_TEST} SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'"""
SET_RETENTION = f"{BY_A_TEST} UPDATE organization SET retention_days = 30 WHERE org_id = $1"
PAUSE = f"{BY_A_TEST} UPDATE subscription SET paused = true WHERE org_id = $1"
SET_ASIDE = f"""{BY_A_TEST}
INSERT INTO mail (org_id, mail_id, recipient_id, kind, state, next_attempt_at, created_at)
SELECT $1, $2, recipient_id, 'moments', 'set_aside', $3, $3 FROM mail_recipient WHERE org_id = $1"""
HOLD = f"""{BY_A_TEST} SELECT FROM mail_recipient r
WHERE r.org_id = $1 AND coalesce(r.user_id, r.address) = $2 FOR NO KEY UPDATE NOWAIT"""
DELETE_LEAD = f"{BY_A_TEST} DELETE FROM lead WHERE org_id = $1 AND lead_id = $2"


@pytest.fixture
async def acme(world: World) -> World:
    await world.people("ana", "bob", leads={"mia": "ana", "leo": "ana"})
    return world


async def until_waiting(database: Database, how_many: int = 1) -> None:
    """Waits until so many wait for a lock."""
    async with asyncio.timeout(10), database.read() as connection:
        while await connection.fetchval(WAITING) < how_many:  # noqa: ASYNC110  the database has no event to wait for
            await asyncio.sleep(0.01)


@asynccontextmanager
async def meanwhile(database: Database, request: Awaitable[Any]) -> AsyncIterator[tuple[Connection, asyncio.Task[Any]]]:
    """A transaction that does something first and ends when ``request`` waits for it."""
    async with database.write() as connection:
        # Not before the transaction has begun: what it does first is done before the request is sent.
        begun = asyncio.Event()

        async def after() -> Any:
            await begun.wait()
            return await request

        asked = asyncio.create_task(after())
        yield connection, asked
        begun.set()
        await until_waiting(database)
        assert not asked.done()


async def read(world: World, *ids: str) -> Any:
    return ok(await world.client.post("/v1/feed/read", headers=world.rep("ana"), json={"ids": list(ids)}))


async def test_marking_waits_for_who_takes_moments_away(acme: World, database: Database) -> None:
    (moment,) = await acme.report(acme.moment("mia"))
    async with appending(database, acme.org_id) as log:
        await log.lock_entries()
        marking = asyncio.create_task(read(acme, moment))
        await until_waiting(database)
        assert not marking.done()
    assert (await marking)["ids"] == [moment]


async def test_marking_and_reporting_do_not_wait_for_each_other(acme: World, database: Database) -> None:
    (moment,) = await acme.report(acme.moment("mia"))
    with suppress(RuntimeError):
        async with asyncio.timeout(10), appending(database, acme.org_id) as log:
            await log.advance(1)
            assert (await read(acme, moment))["ids"] == [moment]
            raise RuntimeError


async def test_who_takes_no_moments_away_does_not_wait_for_who_marks(acme: World, database: Database) -> None:
    machine, ana = acme.machine, acme.rep("ana")
    stranger = {**acme.moment("mia"), "lead_id": "nobody"}
    async with asyncio.timeout(10), database.write() as marking:
        await keep_entries(marking, acme.org_id)
        ok(await acme.client.post("/v1/leads/mia/score", headers=machine, json={"score": 7}))
        assert (await acme.client.put("/v1/watchlist/mia", headers=acme.rep("bob"))).status_code == 204
        await acme.sync(accounts=[{"id": "a", "name": "Initech"}], users=[{"id": "cy", "name": "Cy"}])
        body = {"moments": [acme.moment("mia"), stranger]}
        assert ok(await acme.client.post("/v1/moments", headers=machine, json=body))["rejected"] == 1
    assert len((await acme.client.get("/v1/feed", headers=ana)).json()["items"]) == 1


async def test_reports_do_not_queue_behind_marks(acme: World, database: Database) -> None:
    (moment,) = await acme.report(acme.moment("mia"))
    async with asyncio.timeout(10), database.write() as other_tab:
        await take_turns(other_tab, acme.org_id, "ana")
        marking = [asyncio.create_task(read(acme, moment)) for _ in range(3)]
        await until_waiting(database, 2)
        await acme.report(acme.moment("leo"))
        assert not any(one.done() for one in marking)
    await asyncio.gather(*marking)


async def test_a_users_tabs_mark_one_after_the_other(acme: World, database: Database) -> None:
    (moment,) = await acme.report(acme.moment("mia"))
    async with meanwhile(database, read(acme, moment)) as (other_tab, marking):
        await take_turns(other_tab, acme.org_id, "ana")
    assert (await marking)["ids"] == [moment]


async def test_whoever_takes_moments_away_is_not_passed_by_those_who_mark_later(
    acme: World, database: Database
) -> None:
    (moment,) = await acme.report(acme.moment("mia"))
    async with database.write() as connection:
        await keep_entries(connection, acme.org_id)
        erasing = asyncio.create_task(acme.client.delete("/v1/leads/mia", headers=acme.machine))
        await until_waiting(database)
        await acme.report(acme.moment("leo"))
        marking = asyncio.create_task(read(acme, moment))
        await until_waiting(database, 2)
    assert (await erasing).status_code == 204
    assert (await marking)["ids"] == []


async def test_settings_that_two_administrators_change_at_once_are_both_changed(
    acme: World, database: Database
) -> None:
    change = acme.client.patch("/v1/settings", headers=acme.machine, json={"rss_enabled": True})
    async with meanwhile(database, change) as (other, changing):
        await other.execute(SET_RETENTION, acme.org_id)

    assert ok(await changing)["retention_days"] == 30
    stored = ok(await acme.client.get("/v1/settings", headers=acme.machine))
    assert (stored["rss_enabled"], stored["retention_days"]) == (True, 30)


async def test_a_lead_that_is_erased_while_it_is_hidden_is_not_there(acme: World, database: Database) -> None:
    hiding = acme.client.put("/v1/leads/mia/hidden", headers=acme.rep("ana"), json={})
    async with meanwhile(database, hiding) as (erasing, asked):
        await erasing.execute(DELETE_LEAD, acme.org_id, "mia")
    problem(await asked, 404, "unknown-lead")


async def test_nobody_stays_subscribed_to_a_lead_that_is_erased_meanwhile(acme: World, database: Database) -> None:
    wanted = subscriptions.Wanted(Rule("lead", "mia"), [], "instant", paused=False)
    erasing = acme.client.delete("/v1/leads/mia", headers=acme.machine)
    async with meanwhile(database, erasing) as (subscribing, erased):
        await subscriptions.insert(subscribing, acme.org_id, "ana", wanted, datetime.now(UTC))

    assert (await erased).status_code == 204
    assert ok(await acme.client.get("/v1/subscriptions", headers=acme.rep("ana")))["items"] == []


async def subscribed(world: World, user: str, **fields: Any) -> Any:
    body = {"match": {"kind": "type", "value": "web"}, **fields}
    return ok(await world.client.post("/v1/subscriptions", headers=world.rep(user), json=body), 201)


async def test_two_changes_of_a_subscription_at_once_are_both_kept(acme: World, database: Database) -> None:
    path = f"/v1/subscriptions/{(await subscribed(acme, 'ana'))['id']}"
    change = acme.client.patch(path, headers=acme.rep("ana"), json={"frequency": "daily"})
    async with meanwhile(database, change) as (other, changing):
        await take_turns(other, acme.org_id, "ana")
        await other.execute(PAUSE, acme.org_id)

    assert (await changing).status_code == 200
    stored = ok(await acme.client.get(path, headers=acme.rep("ana")))
    assert (stored["frequency"], stored["paused"]) == ("daily", True)


async def test_a_subscription_that_is_ended_while_it_is_changed_is_not_there(acme: World, database: Database) -> None:
    made = (await subscribed(acme, "ana"))["id"]
    change = acme.client.patch(
        f"/v1/subscriptions/{made}", headers=acme.rep("ana"), json={"recipients": ["bob@crm.example"]}
    )
    async with meanwhile(database, change) as (other, changing):
        await take_turns(other, acme.org_id, "ana")
        await subscriptions.delete(other, acme.org_id, "ana", UUID(made))
    problem(await changing, 404, "unknown-subscription")


async def test_two_who_subscribe_each_other_at_once_do_not_wait(acme: World, database: Database) -> None:
    async with asyncio.timeout(10), database.write() as ana:
        await take_turns(ana, acme.org_id, "ana")
        await recipients.named(ana, acme.org_id, "ana", ["bob@crm.example"], datetime.now(UTC))
        await subscribed(acme, "bob", recipients=["ana@crm.example"])


async def test_strangers_that_two_requests_name_at_once_are_counted_together(acme: World, database: Database) -> None:
    strangers = [f"p{n}@partner.example" for n in range(recipients.MAX_UNCONFIRMED)]
    body = {"match": {"kind": "type", "value": "web"}, "recipients": ["one@more.example"]}
    one_more = acme.client.post("/v1/subscriptions", headers=acme.rep("ana"), json=body)
    async with meanwhile(database, one_more) as (other, asked):
        await take_turns(other, acme.org_id, "ana")
        await recipients.named(other, acme.org_id, "ana", strangers, datetime.now(UTC))
    problem(await asked, 422, "invalid")


async def waiting_for(
    first: str, second: str, world: World, database: Database, request: Coroutine[Any, Any, Any]
) -> Any:
    """The answer to a request that had to wait for one recipient, and kept nobody from the second one meanwhile."""
    async with database.write() as other:
        await other.execute(HOLD, world.org_id, first)
        asked = asyncio.create_task(request)
        await until_waiting(database)
        await other.execute(HOLD, world.org_id, second)
    return ok(await asked)


async def test_two_who_share_an_address_stop_their_mails_at_once(acme: World, database: Database) -> None:
    await acme.sync(users=[{"id": user, "email": "team@crm.example"} for user in ("ana", "bob")])
    for user in ("ana", "bob"):
        await subscribed(acme, user)
    stop = acme.client.patch("/v1/mail-preferences", headers=acme.rep("bob"), json={"unsubscribed": True})
    assert (await waiting_for("ana", "bob", acme, database, stop))["unsubscribed"]


async def test_whoever_takes_their_stopping_back_by_subscribing_waits_for_nobody_in_a_ring(
    acme: World, database: Database
) -> None:
    await subscribed(acme, "ana")
    made = await subscribed(acme, "bob")
    ok(await acme.client.patch("/v1/mail-preferences", headers=acme.rep("bob"), json={"unsubscribed": True}))
    both = {"recipients": ["bob@crm.example", "ana@crm.example"]}
    change = acme.client.patch(f"/v1/subscriptions/{made['id']}", headers=acme.rep("bob"), json=both)
    assert (await waiting_for("ana", "bob", acme, database, change))["deliveries"][0]["status"] == "active"


async def test_whoever_names_an_address_outside_again_waits_for_nobody_in_a_ring(
    acme: World, database: Database
) -> None:
    await subscribed(acme, "ana")
    made = await subscribed(acme, "ana", recipients=["pat@partner.example"])
    both = {"recipients": ["pat@partner.example", "ana@crm.example"]}
    change = acme.client.patch(f"/v1/subscriptions/{made['id']}", headers=acme.rep("ana"), json=both)
    named = await waiting_for("ana", "pat@partner.example", acme, database, change)
    assert named["recipients"] == both["recipients"]


async def test_of_two_mails_that_are_tried_again_at_once_one_is_on_its_way(acme: World, database: Database) -> None:
    await subscribed(acme, "ana")
    one, two = uuid4(), uuid4()
    async with database.write() as connection:
        for mail in (one, two):
            await connection.execute(SET_ASIDE, acme.org_id, mail, datetime.now(UTC))
    again = acme.client.post(f"/v1/outbox/{two}/retry", headers=acme.machine)
    async with meanwhile(database, again) as (other, asked):
        assert await try_again(other, acme.org_id, one, datetime.now(UTC))
    problem(await asked, 404, "unknown-mail")


async def test_an_organisation_that_changes_much_leaves_connections_to_the_others(
    settings: Settings, database: Database
) -> None:
    async with running_app(settings.model_copy(update={"pool_size": 3})) as service:
        acme, other = await service.new_world(), await service.new_world()
        await acme.people("ana", "bob", leads={f"l{n}": "ana" for n in range(6)})
        await other.people("eva", leads={"x": "eva"})
        await other.report(other.moment("x"))
        async with appending(database, acme.org_id) as log:
            await log.lock()
            assigning = [
                asyncio.create_task(
                    acme.client.put(f"/v1/leads/l{n}/owner", headers=acme.machine, json={"owner_id": "bob"})
                )
                for n in range(6)
            ]
            await until_waiting(database, 2)

            assert len(await other.feed("eva")) == 1
            assert not any(one.done() for one in assigning)
        assert {(await one).status_code for one in assigning} == {204}


async def test_whoever_searches_much_leaves_connections_to_the_other_organisations(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search may read a whole inbox, and there are only so many connections."""
    acme, other = await service.new_world(), await service.new_world()
    for one in (acme, other):
        await one.people("ana", leads={"mia": "ana"})
        await one.report(one.moment("mia"))
    searching, most, seen = 0, 0, asyncio.Event()
    find = Pages._find

    async def slow(pages: Pages, org_id: int, *asked: Any) -> Any:
        nonlocal searching, most
        if org_id != acme.org_id:
            return await find(pages, org_id, *asked)
        searching += 1
        most = max(most, searching)
        async with pages._data.read():  # has a connection until the other's page was seen
            await seen.wait()
        searching -= 1
        return await find(pages, org_id, *asked)

    monkeypatch.setattr(Pages, "_find", slow)
    searches = [asyncio.create_task(acme.page("ana", q="visited")) for _ in range(30)]
    async with asyncio.timeout(10):
        while not searching:  # noqa: ASYNC110  nobody is told
            await asyncio.sleep(0)
        assert len((await other.page("ana", q="visited"))["items"]) == 1
        assert len((await other.page("ana"))["items"]) == 1
    seen.set()
    assert [len(page["items"]) for page in await asyncio.gather(*searches)] == [1] * 30
    assert most == NARROWED
