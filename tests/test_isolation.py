"""Organisations are apart: whatever of another's is asked for looks exactly like what never existed."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from addresses import Operation, operations, property_names
from stream_client import following
from world import Service, World, ok, problem

pytestmark = pytest.mark.anyio

# What the names in the API stand for: a kind of thing that belongs to an organisation, or (None) a plain value.
KIND_OF_NAME: Mapping[str, str | None] = {
    "lead_id": "lead", "lead_ids": "lead", "after": "lead", "account_id": "account", "owner_id": "user",
    "key_id": "key", "subscription_id": "subscription", "mail_id": "mail", "token": "token", "cursor": "cursor",
    "up_to": "cursor", "ids": "moment", "last_event_id": "position", "last-event-id": "position",
    "external_id": "external", "id": "record", "value": "matched", "recipients": "address",
    "Leadfeed-User": "user", "messageId": "external", "userId": "lead",
    **dict.fromkeys((
        "accounts", "active", "address", "at_least", "batch", "bot", "contact_details", "context", "daily_cap",
        "daily_hour", "days", "description", "email", "event", "fax", "flames", "frequency", "hidden", "hide_days",
        "kind", "language", "lead_id_at", "lead_url", "leads", "limit", "mail_domains", "mail_enabled", "match",
        "method", "mobile", "moments", "muted", "name", "occurred_at", "panel_url", "paused", "phone", "properties",
        "q", "quiet_from", "quiet_until", "retention_days", "rss_enabled", "scope", "scopes", "score", "since",
        "source", "starred", "starred_from", "stars", "tiers", "time_zone", "timestamp", "title", "top_percent", "type",
        "unsubscribed", "until", "url", "users", "window_days",
    )),
}  # fmt: skip

# Bodies that name things, each thing as <kind>; an operation whose body can name one must stand here.
_MOMENT = {"source": "<source>", "external_id": "<external>", "lead_id": "<lead>", "type": "web", "description": "Seen"}
BODIES: Mapping[str, list[Any]] = {
    "POST /v1/moments": [{"moments": [_MOMENT]}],
    "POST /v1/moments/segment": [
        {"type": "track", "event": "Seen", "messageId": "<external>", "userId": "<lead>"},
    ],
    "POST /v1/sync": [
        {"leads": [{"id": "own lead", "owner_id": "<user>"}]},
        {"leads": [{"id": "own lead", "account_id": "<account>"}]},
        {"leads": [{"id": "<lead>", "title": "VP"}]},
        {"accounts": [{"id": "<account>", "url": None}]},
        {"users": [{"id": "<user>", "email": None}]},
        {"users": [{"id": "<user>", "name": "Somebody"}]},
        {"accounts": [{"id": "<account>", "name": "Some company"}]},
        {"leads": [{"id": "<lead>", "name": "Some person", "account_id": "<account>", "owner_id": "<user>"}]},
    ],
    "PUT /v1/leads/{lead_id}/owner": [{"owner_id": "<user>"}],
    "POST /v1/watchlist": [{"lead_ids": ["<lead>"]}, {"account_id": "<account>"}],
    "POST /v1/feed/read": [{"ids": ["<moment>"]}, {"up_to": "<cursor>"}, {"up_to": "<position>"}],
    "POST /v1/feed/unread": [{"ids": ["<moment>"]}],
    "POST /v1/subscriptions": [
        {"match": {"kind": "lead", "value": "<lead>"}},
        {"match": {"kind": "account", "value": "<account>"}},
        {"match": {"kind": "type", "value": "web"}, "recipients": ["<address>"]},
    ],
    "PATCH /v1/subscriptions/{subscription_id}": [
        {"paused": True},
        {"match": {"kind": "lead", "value": "<lead>"}},
        {"recipients": ["<address>"]},
    ],
}
PLAIN_BODIES: Mapping[str, Any] = {
    "POST /v1/leads/{lead_id}/score": {"score": 5},
    "PUT /v1/leads/{lead_id}/hidden": {"days": 3},
}
SET_ASIDE = """
/* by a test */ UPDATE mail SET state = 'set_aside', finished_at = created_at, reason = 'a test' WHERE org_id = $1
"""
SECRETS = ("Zenobia", "Umbrella", "Secret description", "theirs.example")  # words that only the other's things bear
OF_EACH_ANSWER = {"x-request-id", "content-length"}
VARIABLE = {
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}": "<uuid>",
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z": "<time>",
}


@dataclass(frozen=True)
class Things:
    """Of each kind one of ours, one of theirs, and one that never was: the last two alike but for what they name."""

    own: Mapping[str, str]
    theirs: Mapping[str, str]
    never: Mapping[str, str]


@dataclass(frozen=True)
class Worlds:
    """Two organisations, and what belongs to whom."""

    ours: World
    theirs: World
    things: Things


async def furnish(world: World, prefix: str, *, company: str, person: str, words: str) -> dict[str, str]:
    """Everything an organisation can have, of each kind one; returns what names it. Both have a rep called Ana."""
    user, lead, account = f"{prefix} user", f"{prefix} lead", f"{prefix} account"
    domain = company.split(maxsplit=1)[0].lower()
    await world.sync(
        users=[{"id": "ana", "name": "Ana", "email": f"ana@{domain}"}, {"id": user, "name": person}],
        accounts=[{"id": account, "name": company, "url": f"https://{domain}/"}],
        leads=[
            {"id": lead, "name": person, "account_id": account, "owner_id": "ana", "email": f"lead@{domain}"},
            {"id": f"{lead} 2", "name": person, "account_id": account, "owner_id": user},
        ],
    )
    moments = [
        {**world.moment(lead, description=words), "source": f"{prefix} source", "external_id": f"{prefix} moment {n}"}
        for n in range(3)
    ]
    ids = await world.report(*moments)
    ana, machine, client = world.rep("ana"), world.machine, world.client
    ok(await client.patch("/v1/settings", headers=machine, json={"rss_enabled": True}))
    assert (await client.put(f"/v1/watchlist/{lead} 2", headers=ana)).status_code == 204
    assert (await client.put(f"/v1/mutes/leads/{lead} 2", headers=ana, json={})).status_code == 204
    assert (await client.put(f"/v1/leads/{lead}/hidden", headers=ana, json={})).is_success
    link = ok(await client.get("/v1/feed-link", headers=ana))["rss"].split("/")[-2]
    address = f"mate@{domain}"
    wanted = {"match": {"kind": "lead", "value": lead}, "recipients": [address]}
    subscription = ok(await client.post("/v1/subscriptions", headers=ana, json=wanted), 201)
    key = ok(await client.post("/v1/api-keys", headers=machine, json={"name": words, "scopes": ["read"]}), 201)
    page = await world.page("ana", limit=1)
    return {
        "user": user, "lead": lead, "account": account, "moment": ids[0], "source": f"{prefix} source",
        "external": f"{prefix} moment 0", "token": link, "subscription": subscription["id"], "address": address,
        "key": key["id"], "cursor": page["next_cursor"], "position": page["live_cursor"],
        "mail": await set_aside_mail(world),
    }  # fmt: skip


async def set_aside_mail(world: World) -> str:
    """The confirmation that was to go to an outside address, set aside as by a failing mail server."""
    async with world.service.app.state.database.write() as connection:
        await connection.execute(SET_ASIDE, world.org_id)
    (mail, *_) = ok(await world.client.get("/v1/outbox", headers=world.machine))["set_aside"]
    mail_id: str = mail["id"]
    return mail_id


@pytest.fixture
async def worlds(service: Service) -> Worlds:
    ours, theirs = await service.new_world(), await service.new_world()
    own = await furnish(ours, "own", company="initech.example Inc", person="Ana Ruiz", words="Visited pricing")
    their = await furnish(
        theirs, "their", company="theirs.example Umbrella", person="Zenobia", words="Secret description"
    )
    # A link opens its feed to whoever has it. Closed by its administrator, it must look like none that ever was.
    ok(await theirs.client.patch("/v1/settings", headers=theirs.machine, json={"rss_enabled": False}))
    never = {
        kind: str(uuid4()) if kind in {"moment", "subscription", "key", "mail"} else thing.replace("their", "theix")
        for kind, thing in their.items()
    }
    never |= {kind: their[kind][:-1] + ("A" if their[kind][-1] != "A" else "B") for kind in ("token", "cursor")}
    never["position"] = f"AAAAAAAA-{their['position'].rpartition('-')[2]}"
    never["address"] = "mate@never0.example"
    return Worlds(ours, theirs, Things(own, their, never))


def kinds_in(value: object) -> set[str]:
    return set(re.findall(r"<(\w+)>", json.dumps(value)))


def filled(value: object, things: Mapping[str, str]) -> Any:
    """A template with its <kinds> replaced."""
    return json.loads(re.sub(r"<(\w+)>", lambda found: things[found[1]], json.dumps(value)))


@dataclass(frozen=True)
class Attempt:
    """One request in which one kind of thing is somebody else's."""

    path: str
    query: Mapping[str, str]
    body: Any

    def kinds(self) -> set[str]:
        return kinds_in([self.path, dict(self.query), self.body])


def attempts(operation: Operation) -> Iterator[Attempt]:
    """Every way to name things in a request of this operation."""
    path = operation.path
    for name in operation.names("path"):
        kind = KIND_OF_NAME[name]
        path = path.replace(f"{{{name}}}", f"<{kind}>" if kind else "web")
    plain = PLAIN_BODIES.get(str(operation), {} if operation.body_schema() is not None else None)
    bodies = BODIES.get(str(operation), [plain])
    for body in bodies:
        yield Attempt(path, {}, body)
    for name in operation.names("query"):
        if KIND_OF_NAME[name]:
            yield Attempt(path, {name: f"<{KIND_OF_NAME[name]}>"}, bodies[-1])


def names_things(operation: Operation) -> bool:
    return any(attempt.kinds() for attempt in attempts(operation))


def test_it_is_said_of_every_name_in_the_api_what_it_stands_for() -> None:
    for operation in operations():
        names = {name for place in ("path", "query", "header") for name in operation.names(place)}
        in_body = property_names(operation.body_schema() or {})
        assert names | in_body <= KIND_OF_NAME.keys(), str(operation)
        if any(KIND_OF_NAME[name] for name in in_body):
            named = kinds_in(BODIES.get(str(operation), []))
            wanted = {KIND_OF_NAME[name] for name in in_body} - {None, "record", "matched"}
            assert wanted <= named, f"{operation} has no body that names {wanted - named}"


# A position is answered in the stream, which has a test of its own. Sync goes last: it makes those things ours.
NAMING = sorted(
    (one for one in operations() if one.path != "/v1/feed/stream" and names_things(one)),
    key=lambda one: one.path == "/v1/sync",
)


async def test_another_organisations_things_look_like_none_that_ever_were(
    worlds: Worlds, subtests: pytest.Subtests
) -> None:
    ours = worlds.ours
    before = await everything_of(worlds.theirs)
    assert len(NAMING) >= 20
    for operation in NAMING:
        with subtests.test(str(operation)):
            for attempt in attempts(operation):
                for kind in sorted(attempt.kinds()):
                    await tell_apart(worlds, operation, attempt, kind, {**ours.machine, "Leadfeed-User": "ana"})
                    await tell_apart(worlds, operation, attempt, kind, ours.rep("ana"))
                    await tell_apart(
                        worlds, operation, attempt, kind, {"Authorization": f"Bearer {ours.token('ana', role='admin')}"}
                    )
    assert await everything_of(worlds.theirs) == before, "something of the other organisation was changed"


async def tell_apart(
    worlds: Worlds, operation: Operation, attempt: Attempt, kind: str, headers: Mapping[str, str]
) -> None:
    """Fails if a caller of ours can tell a thing of theirs from one that never was."""
    ours, things = worlds.ours, worlds.things
    got = await ask(ours, operation, attempt, {**things.own, kind: things.theirs[kind]}, headers)
    wanted = await ask(ours, operation, attempt, {**things.own, kind: things.never[kind]}, headers)
    assert comparable(got, things.theirs[kind]) == comparable(wanted, things.never[kind]), f"{kind} in {attempt}"
    assert got.status_code < 500


async def ask(
    world: World, operation: Operation, attempt: Attempt, things: Mapping[str, str], headers: Mapping[str, str]
) -> httpx2.Response:
    return await world.client.request(
        operation.method,
        filled(attempt.path, things),
        params=filled(dict(attempt.query), things),
        json=filled(attempt.body, things) if attempt.body is not None else None,
        headers=dict(headers),
    )


def comparable(answer: httpx2.Response, thing: str) -> str:
    """All that a caller sees, but for the thing they named themselves and what differs between any two answers."""
    text = answer.text
    if answer.headers.get("content-type") == "application/problem+json":
        document = answer.json()
        text = json.dumps({name: document[name] for name in document if name not in {"request_id", "instance"}})
    headers = [f"{name}: {value}" for name, value in answer.headers.items() if name not in OF_EACH_ANSWER]
    seen = "\n".join([str(answer.status_code), *headers, text]).replace(thing, "<thing>")
    assert not any(secret in seen for secret in SECRETS), seen
    for pattern, name in VARIABLE.items():
        seen = re.sub(pattern, name, seen)
    return seen


async def everything_of(world: World) -> dict[str, Any]:
    """All that an organisation's people see of it."""
    seen: dict[str, Any] = {}
    for operation in operations():
        if operation.method == "GET" and operation.needs_credential and not operation.names("path"):
            if operation.path in {"/v1/feed/stream", "/v1/feed-link"}:
                continue
            for headers in (world.rep("ana"), world.rep("their user"), world.machine):
                answer = await world.client.get(operation.path, headers=headers)
                document = answer.json()
                seen[f"{operation} {len(seen)}"] = {**document, "request_id": None}
    return seen


async def test_nothing_that_an_organisation_can_list_holds_anything_of_another(worlds: Worlds) -> None:
    ours = worlds.ours
    listed = 0
    for operation in operations():
        if operation.method == "GET" and operation.needs_credential and operation.path != "/v1/feed/stream":
            for headers in (ours.rep("ana"), {**ours.machine, "Leadfeed-User": "ana"}):
                answer = await ours.client.get(filled(operation.address(), {}), headers=headers)
                assert not any(secret in answer.text for secret in SECRETS), str(operation)
                listed += answer.is_success
    assert listed >= 10
    for form in ("rss.xml", "atom.xml", "feed.json"):
        feed = await ours.client.get(f"/feeds/{worlds.things.own['token']}/{form}")
        assert feed.status_code == 200
        assert not any(secret in feed.text for secret in SECRETS)


async def test_a_machine_cannot_speak_for_another_organisations_user(worlds: Worlds) -> None:
    ours, things = worlds.ours, worlds.things
    spoken_for = [one for one in operations() if "Leadfeed-User" in one.names("header")]
    assert len(spoken_for) >= 20
    for operation in spoken_for:
        body: dict[str, str] | None = None if operation.body_schema() is None else {}
        answers = [
            await ours.client.request(
                operation.method, operation.address(), headers={**ours.machine, "Leadfeed-User": user}, json=body
            )
            for user in (things.theirs["user"], things.never["user"])
        ]
        assert comparable(answers[0], "their user") == comparable(answers[1], "theix user"), str(operation)
        problem(answers[0], 403, "unknown-user")


async def test_switching_rss_on_for_ourselves_opens_no_link_of_theirs(worlds: Worlds) -> None:
    ok(await worlds.ours.client.patch("/v1/settings", headers=worlds.ours.machine, json={"rss_enabled": True}))
    for form in ("rss.xml", "atom.xml", "feed.json"):
        gone = await worlds.ours.client.get(f"/feeds/{worlds.things.theirs['token']}/{form}")
        problem(gone, 404, "unknown-feed")


async def test_another_organisations_cursor_is_refused_though_its_user_has_the_same_id(service: Service) -> None:
    ours, theirs = await service.new_world(), await service.new_world()
    for world in (ours, theirs):
        await world.people("ana", leads={"l1": "ana", "l2": "ana"})
        await world.report(world.moment("l1"), world.moment("l2"))
    for address in ("/v1/feed", "/v1/best-bets"):
        page = ok(await theirs.client.get(address, headers=theirs.rep("ana"), params={"limit": 1}))
        for world, status in ((theirs, 200), (ours, 400)):
            query = {"limit": "1", "cursor": page["next_cursor"]}
            answer = await world.client.get(address, headers=world.rep("ana"), params=query)
            assert answer.status_code == status
    up_to = {"up_to": (await theirs.page("ana", limit=1))["next_cursor"]}
    answer = await ours.client.post("/v1/feed/read", headers=ours.rep("ana"), json=up_to)
    problem(answer, 400, "invalid-cursor")


async def test_another_organisations_position_is_reset_like_one_that_never_was(server: Service) -> None:
    ours, theirs = await server.new_world(), await server.new_world()
    for world in (ours, theirs):
        await world.people("ana", leads={"l1": "ana"})
        await world.report(world.moment("l1"))
    position = (await theirs.page("ana"))["live_cursor"]
    told = []
    for at in (position, f"AAAAAAAA-{position.rpartition('-')[2]}"):
        async with following(ours, "ana", at) as stream:
            told.append(await stream.next())
    assert told[0] == told[1]
    assert told[0].name == "reset"
