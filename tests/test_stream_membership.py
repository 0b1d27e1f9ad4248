"""Who may see what, on the wire: leads that come and go, people who are renamed, and what may no longer be shown."""

import pytest

from leadfeed_api.feed import queries
from leadfeed_api.stream import news
from stream_client import Event, following
from world import World

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["few follow", "many follow"])
async def live(live: World, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> World:
    """The same; the log is read either of the two ways."""
    monkeypatch.setattr(news, "PROBES_PER_POSITION", 10**6 if request.param == "few follow" else 0)
    return live


async def reassign(world: World, lead_id: str, owner_id: str | None) -> None:
    body = {"owner_id": owner_id}
    answer = await world.client.put(f"/v1/leads/{lead_id}/owner", headers=world.machine, json=body)
    assert answer.is_success, answer.text


async def watch(world: World, user_id: str, lead_id: str) -> None:
    assert (await world.client.put(f"/v1/watchlist/{lead_id}", headers=world.rep(user_id))).status_code == 204


async def unwatch(world: World, user_id: str, lead_id: str) -> None:
    assert (await world.client.delete(f"/v1/watchlist/{lead_id}", headers=world.rep(user_id))).status_code == 204


def summary(event: Event) -> tuple[str, str]:
    """An event by its name and what it says."""
    data = event.data
    return event.name, data.get("reason") or data.get("description") or data["name"]


async def now(world: World, user_id: str) -> str:
    """The position a user's page is at."""
    cursor: str = (await world.page(user_id))["live_cursor"]
    return cursor


async def test_a_lead_that_comes_and_goes_is_told_with_the_reason(live: World) -> None:
    async with following(live, "ana") as stream:
        await stream.ready()
        await watch(live, "ana", "l2")
        await unwatch(live, "ana", "l2")
        await reassign(live, "l2", "ana")
        await reassign(live, "l2", None)
        await live.client.delete("/v1/leads/l1", headers=live.machine)
        events = await stream.take(5)

    assert [(one.name, one.data) for one in events] == [
        ("changed", {"reason": "watched", "lead_id": "l2"}),
        ("changed", {"reason": "unwatched", "lead_id": "l2"}),
        ("changed", {"reason": "assigned", "lead_id": "l2"}),
        ("changed", {"reason": "unassigned", "lead_id": "l2"}),
        ("changed", {"reason": "erased", "lead_id": "l1"}),
    ]


async def test_a_renamed_person_and_a_renamed_company_are_told_to_those_who_see_them(live: World) -> None:
    async with following(live, "ana") as ana, following(live, "bob") as bob:
        await ana.ready()
        await bob.ready()
        await live.sync(leads=[{"id": "l1", "name": "Ana Ruiz", "title": "CTO"}])
        await live.sync(accounts=[{"id": "acme", "name": "Acme & Sons"}])
        events = await ana.take(2)
        (of_bob,) = await bob.take(1)

    card = {"id": "l1", "name": "Ana Ruiz", "title": "CTO", "starred": False, "stars": 0, "flames": 0}
    assert [one.name for one in events] == ["lead", "lead"]
    # A card is as of sending: the first may already know the company's new name.
    assert {**events[0].data, "account": None} == {**card, "account": None}
    assert events[1].data == {**card, "account": {"id": "acme", "name": "Acme & Sons"}}
    assert (of_bob.data["id"], of_bob.data["account"]["name"]) == ("l2", "Acme & Sons")


async def test_a_person_without_a_company_has_none(live: World) -> None:
    async with following(live, "ana") as stream:
        await stream.ready()
        await live.sync(leads=[{"id": "l1", "name": "Freelance", "account_id": None}])
        assert (await stream.next()).data["account"] is None


async def test_moments_of_a_lead_lost_while_away_are_not_replayed(live: World) -> None:
    start = await now(live, "ana")
    await live.report(live.moment("l1", description="not for ana any more"))
    await reassign(live, "l1", "bob")
    await live.report(live.moment("l1", description="never hers"))

    async with following(live, "ana", at=start) as stream:
        event = await stream.next()
        await reassign(live, "l2", "ana")
        then = await stream.next()

    assert summary(event) == ("changed", "unassigned")
    assert (summary(then), then.data["lead_id"]) == (("changed", "assigned"), "l2")


async def test_a_card_that_changed_after_the_lead_was_lost_is_not_shown_by_an_older_event(live: World) -> None:
    start = await now(live, "ana")
    await live.sync(leads=[{"id": "l1", "name": "Seen by ana"}])
    await reassign(live, "l1", "bob")
    await live.sync(leads=[{"id": "l1", "name": "Secret"}])

    async with following(live, "ana", at=start) as stream:
        assert summary(await stream.next()) == ("changed", "unassigned")


async def test_a_card_is_shown_to_nobody_because_somebody_else_watches_the_lead(live: World) -> None:
    await live.sync(leads=[{"id": "l1", "name": "Seen by ana"}])
    await reassign(live, "l1", None)
    await watch(live, "bob", "l1")
    await live.sync(leads=[{"id": "l1", "name": "Secret"}])

    async with live.service.app.state.database.read() as connection:
        reached, _ = await queries.reach(connection, live.org_id)
        found = await news.for_followers(connection, live.org_id, ["ana", "bob"], 0, reached)

    assert {user for one in found if b"Secret" in one.body for user in one.user_ids} == {"bob"}
    assert [one for one in found if b"unassigned" in one.body and list(one.user_ids) == ["ana"]]


async def test_nothing_of_an_erased_person_is_replayed_but_that_they_are_gone(live: World) -> None:
    start = await now(live, "ana")
    await live.report(live.moment("l1"))
    await live.sync(leads=[{"id": "l1", "name": "To be forgotten"}])
    await live.client.delete("/v1/leads/l1", headers=live.machine)

    async with following(live, "ana", at=start) as stream:
        await live.people(leads={"l3": "ana"})
        events = await stream.take(2)

    assert [summary(one) for one in events] == [("changed", "erased"), ("changed", "assigned")]


async def test_a_lead_kept_by_watching_goes_on_after_it_was_reassigned(live: World) -> None:
    await watch(live, "ana", "l1")
    async with following(live, "ana") as stream:
        await stream.ready()
        await reassign(live, "l1", "bob")
        (moment_id,) = await live.report(live.moment("l1"))
        lost, moment = await stream.take(2)

    assert summary(lost) == ("changed", "unassigned")
    assert (moment.data["id"], moment.data["because"]) == (moment_id, ["watched"])


async def test_the_past_of_a_lead_that_was_won_is_not_sent_as_news(live: World) -> None:
    await live.report(*(live.moment("l2") for _ in range(3)))
    async with following(live, "ana") as stream:
        await stream.ready()
        await reassign(live, "l2", "ana")
        await live.report(live.moment("l2", description="new"))
        events = await stream.take(2)

    assert [summary(one) for one in events] == [("changed", "assigned"), ("moment", "new")]
    assert len(await live.feed("ana")) == 4


async def test_nothing_of_another_user_or_another_organisation_arrives(live: World) -> None:
    other = await live.service.new_world()
    await other.people("ana", leads={"l1": "ana"})
    async with following(live, "ana") as stream:
        await stream.ready()
        await other.report(other.moment("l1"))
        await live.report(live.moment("l2"))
        (mine,) = await live.report(live.moment("l1"))
        assert (await stream.next()).data["id"] == mine
