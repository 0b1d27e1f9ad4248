"""The live feed as a client meets it: what comes, in which order, from where."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from leadfeed_api.errors import Unavailable
from leadfeed_api.stream import conversation, delivery, news
from leadfeed_api.stream.events import farewell
from leadfeed_api.stream.replay import History, Piece
from stream_client import Event, following, until
from world import World, ok, problem

pytestmark = pytest.mark.anyio


async def reassign(world: World, lead_id: str, owner_id: str | None) -> None:
    body = {"owner_id": owner_id}
    answer = await world.client.put(f"/v1/leads/{lead_id}/owner", headers=world.machine, json=body)
    assert answer.is_success, answer.text


async def rename(world: World, lead_id: str, name: str) -> None:
    await world.sync(leads=[{"id": lead_id, "name": name}])


def names(events: list[Event]) -> list[tuple[str, str | None]]:
    """Events by name and by what they are about."""
    return [(one.name, one.data.get("reason") or one.data.get("description") or one.data.get("name")) for one in events]


# --- opening -----------------------------------------------------------------------------------------------------


async def test_the_first_byte_is_a_comment_and_comes_at_once(live: World) -> None:
    async with live.client.stream("GET", "/v1/feed/stream", headers=live.rep("ana")) as response:
        first = await anext(response.aiter_bytes())

    assert first.startswith(b": connected\r\n\r\n")
    assert b"retry: " in first
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-accel-buffering"] == "no"
    assert "content-encoding" not in response.headers


async def test_head_answers_with_the_headers_and_opens_nothing(live: World) -> None:
    answer = await live.client.head("/v1/feed/stream", headers=live.rep("ana"))

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert len(live.service.app.state.live.connections) == 0


async def test_without_a_credential_there_is_a_status_and_no_stream(live: World) -> None:
    problem(await live.client.get("/v1/feed/stream"), 401, "not-authenticated")
    problem(await live.client.get("/v1/feed/stream?token=nonsense"), 401, "invalid-token")
    problem(await live.client.get("/v1/feed/stream", headers=live.machine), 403, "user-needed")
    problem(await live.client.get("/v1/feed/stream", headers=live.rep("nobody")), 403, "unknown-user")
    assert (await live.client.head("/v1/feed/stream")).status_code == 401


async def test_a_machine_follows_on_behalf_of_a_user(live: World) -> None:
    headers = {**await live.key_for("read"), "Leadfeed-User": "ana"}
    async with following(live, "ana", headers=headers) as stream:
        await stream.ready()
        (moment_id,) = await live.report(live.moment("l1"))
        assert (await stream.next()).data["id"] == moment_id


# --- stream tokens -----------------------------------------------------------------------------------------------


async def test_a_stream_token_opens_its_users_stream_and_nothing_else(live: World) -> None:
    answer = await live.client.post("/v1/stream-tokens", headers=live.rep("ana"))
    token = ok(answer, 201)["token"]
    assert answer.headers["cache-control"] == "no-store"

    async with following(live, "ana", headers={}, params={"token": token}) as stream:
        await stream.ready()
        (moment_id,) = await live.report(live.moment("l1"))
        assert (await stream.next()).data["id"] == moment_id
    problem(await live.client.get("/v1/feed", headers={"Authorization": f"Bearer {token}"}), 401, "invalid-token")
    problem(await live.client.get(f"/v1/feed/stream?token={live.token('ana')}"), 401, "invalid-token")


async def test_a_stream_token_says_when_it_ends_in_utc(live: World) -> None:
    document = ok(await live.client.post("/v1/stream-tokens", headers=live.rep("ana")), 201)

    assert set(document) == {"token", "expires_at"}
    assert document["expires_at"].endswith("Z")


async def test_a_machine_without_a_user_gets_no_stream_token(live: World) -> None:
    problem(await live.client.post("/v1/stream-tokens", headers=live.machine), 403, "user-needed")


async def test_when_the_credential_ends_the_stream_says_so_and_closes(live: World) -> None:
    short = {"Authorization": f"Bearer {live.token('ana', ttl=timedelta(seconds=3))}"}
    async with following(live, "ana", headers=short) as stream:
        await stream.ready()
        events = await stream.rest()

    assert [(one.name, one.data) for one in events] == [("expired", {"reason": "expired"})]


# --- positions ---------------------------------------------------------------------------------------------------


async def test_a_new_moment_arrives_as_the_page_shows_it(live: World) -> None:
    async with following(live, "ana") as stream:
        await stream.ready()
        await live.report(live.moment("l2"), live.moment("l1", description="Päivää 👋", bot="likely a scanner"))
        event = await stream.next()

    (item,) = (await live.page("ana"))["items"]
    assert (event.name, event.data) == ("moment", item)


async def test_a_page_and_the_stream_at_its_live_cursor_have_no_hole_and_no_repeat(live: World) -> None:
    before = await live.report(live.moment("l1"))
    page = await live.page("ana")
    between = await live.report(live.moment("l1"), live.moment("l1"))

    async with following(live, "ana", at=page["live_cursor"]) as stream:
        replayed = await stream.take(2)
        after = await live.report(live.moment("l1"))
        live_event = await stream.next()

    assert [item["id"] for item in page["items"]] == before
    assert [event.data["id"] for event in [*replayed, live_event]] == between + after
    positions = [event.position for event in [*replayed, live_event]]
    assert positions == sorted(set(positions))


async def test_a_cut_client_resumes_after_the_last_event_it_saw(live: World) -> None:
    async with following(live, "ana") as stream:
        await stream.ready()
        seen = await live.report(live.moment("l1"))
        assert (await stream.next()).data["id"] == seen[0]
        last_id = stream.last_id
    missed = await live.report(live.moment("l1"), live.moment("l2"), live.moment("l1"))

    async with following(live, "ana", at=last_id) as stream:
        assert [one.data["id"] for one in await stream.take(2)] == [missed[0], missed[2]]


async def test_a_client_cut_before_its_first_event_resumes_where_it_began(live: World) -> None:
    async with following(live, "ana") as stream:
        began = await stream.ready()
    (missed,) = await live.report(live.moment("l1"))

    async with following(live, "ana", at=began) as stream:
        assert (await stream.next()).data["id"] == missed


@pytest.mark.parametrize("after", [0, 1], ids=["before it began", "amid the history"])
async def test_what_was_missed_comes_though_the_database_leaves_while_it_is_read(
    live: World, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr(conversation, "DATABASE_PAUSE_S", (0.0, 0.0))
    since = History.since
    left: list[int] = []

    async def leave_once(history: History, position: int) -> AsyncGenerator[Piece, None]:
        sent = 0
        async for piece in since(history, position):
            if sent == after and not left:
                left.append(position)
                raise Unavailable
            sent += 1
            yield piece

    start = (await live.page("ana"))["live_cursor"]
    missed = await live.report(live.moment("l1"), live.moment("l1"))
    monkeypatch.setattr(History, "since", leave_once)
    async with following(live, "ana", at=start) as stream:
        assert [one.data["id"] for one in await stream.take(2)] == missed
        assert left


async def test_a_stream_that_ends_before_its_history_was_read_passes_nothing_over(live: World) -> None:
    start, running = (await live.page("ana"))["live_cursor"], live.service.app.state.live
    missed = await live.report(live.moment("l1"))
    async with AsyncExitStack() as held:
        while not running._reading.locked():
            await held.enter_async_context(running._reading)
        async with following(live, "ana", at=start) as stream:
            (one,) = running.connections.audience(live.org_id).of("ana")
            await until(lambda: not one.behind)
            missed += await live.report(live.moment("l1"))
            await until(lambda: one._waiting)
            one.end(farewell((1, 2)))
            await held.aclose()
            heard = await stream.rest()
    async with following(live, "ana", at=stream.last_id) as stream:
        heard += await stream.take(len(missed) - len(heard))
    assert [event.data["id"] for event in heard] == missed


async def test_the_header_beats_the_query(live: World) -> None:
    old = (await live.page("ana"))["live_cursor"]
    await live.report(live.moment("l1"))
    new = (await live.page("ana"))["live_cursor"]

    async with following(live, "ana", at=new, params={"last_event_id": old}) as stream:
        (later,) = await live.report(live.moment("l1"))
        assert (await stream.next()).data["id"] == later
    async with following(live, "ana", params={"last_event_id": old}) as stream:
        assert len(await stream.take(2)) == 2


async def test_a_long_history_comes_whole_and_in_order(live: World) -> None:
    start = (await live.page("ana"))["live_cursor"]
    ids = await live.report(*(live.moment("l1") for _ in range(350)))
    await rename(live, "l1", "Renamed")
    ids += await live.report(*(live.moment("l1") for _ in range(50)))

    async with following(live, "ana", at=start) as stream:
        events = await stream.take(401)

    assert [one.data["id"] for one in events if one.name == "moment"] == ids
    assert [one.name for one in events].index("lead") == 350
    positions = [one.position for one in events]
    assert positions == sorted(set(positions))


async def test_two_streams_of_one_user_get_the_same(live: World) -> None:
    async with following(live, "ana") as one, following(live, "ana") as other:
        await one.ready()
        await other.ready()
        await live.report(live.moment("l1"), live.moment("l1"))
        assert await one.take(2) == await other.take(2)


async def test_many_followers_get_what_few_get(live: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is read another way when many follow; nothing of that shows."""
    monkeypatch.setattr(news, "PROBES_PER_POSITION", 2)
    reps = [f"rep{n}" for n in range(6)]
    await live.people(*reps, leads={})
    watchers = reps[1:]
    for rep in watchers:
        await live.client.put("/v1/watchlist/l1", headers=live.rep(rep))
    async with AsyncExitStack() as opened:
        streams = {rep: await opened.enter_async_context(following(live, rep)) for rep in ["ana", *reps]}
        for stream in streams.values():
            await stream.ready()

        await live.report(live.moment("l1", description="first"))
        await rename(live, "l1", "Renamed")
        # What she may see is judged when it is sent: she has it before she loses the lead, or not at all.
        before = names(await streams["ana"].take(2))
        await live.report(live.moment("l2"))
        await reassign(live, "l1", "rep0")
        await live.report(live.moment("l1", description="last"))

        owner, *watching = [names(await streams[rep].take(4 if rep in watchers else 2)) for rep in reps]
        before += names(await streams["ana"].take(1))
        pages = {rep: (await live.page(rep))["items"][0] for rep in reps}

    assert before == [("moment", "first"), ("lead", "Renamed"), ("changed", "unassigned")]
    assert owner == [("changed", "assigned"), ("moment", "last")]
    seen = [("moment", "first"), ("lead", "Renamed"), ("lead", "Renamed"), ("moment", "last")]
    assert watching == [seen] * len(watchers)
    assert pages["rep0"]["because"] == ["owned"]
    assert pages["rep1"]["because"] == ["watched"]


async def test_each_of_very_many_followers_is_told_once(live: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are told volley by volley; who was told by the first is not told again by the next."""
    monkeypatch.setattr(delivery, "VOLLEY", 2)
    async with AsyncExitStack() as opened:
        streams = [await opened.enter_async_context(following(live, "ana")) for _ in range(5)]
        for stream in streams:
            await stream.ready()
        told = []
        for _ in range(3):
            told += await live.report(live.moment("l1"))
        assert [[one.data["id"] for one in await stream.take(3)] for stream in streams] == [told] * 5


async def test_a_muted_persons_moments_come_on_the_stream_and_to_readers_though_no_page_shows_them(
    live: World,
) -> None:
    rep = live.rep("ana")
    ok(await live.client.patch("/v1/settings", headers=live.machine, json={"rss_enabled": True}))
    reader = ok(await live.client.get("/v1/feed-link", headers=rep))["json"].split("/feeds/")[1]
    await live.client.put("/v1/mutes/leads/l1", headers=rep, json={})
    async with following(live, "ana") as stream:
        await stream.ready()
        (muted,) = await live.report(live.moment("l1"))
        assert (await stream.next()).data["id"] == muted

    assert [item["id"] for item in ok(await live.client.get(f"/feeds/{reader}"))["items"]] == [f"urn:uuid:{muted}"]
    assert await live.feed("ana") == []
    assert [item["id"] for item in await live.feed("ana", muted="show")] == [muted]
