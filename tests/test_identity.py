"""Who is asking: user tokens with every way to forge one, API keys, and what is said of them."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
import time_machine
from structlog.testing import capture_logs

from forging import base64url, encoded, signed
from leadfeed_api.errors import ExpiredToken, InvalidToken
from leadfeed_api.organizations.tokens import Tokens
from leadfeed_api.settings import DEVELOPMENT_SECRET, Settings
from world import World, ok, problem, running_app

pytestmark = pytest.mark.anyio


@pytest.fixture
async def acme(world: World) -> World:
    await world.people("ana", "bob", leads={"l1": "ana", "l2": "bob"})
    return world


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def claims(world: World, **changed: Any) -> dict[str, Any]:
    """Good claims, but for what is changed; None leaves one out."""
    now = int(datetime.now(UTC).timestamp())
    good = {"sub": "ana", "org": world.org, "role": "rep", "iss": "leadfeed", "aud": "leadfeed"}
    whole = {**good, "iat": now, "exp": now + 600, **changed}
    return {name: value for name, value in whole.items() if value is not None}


def sign(payload: Mapping[str, Any], **header: Any) -> str:
    """A token under our secret."""
    return signed(payload, DEVELOPMENT_SECRET, **header)


async def ask(world: World, headers: Mapping[str, str], path: str = "/v1/feed") -> httpx2.Response:
    return await world.client.get(path, headers=dict(headers))


async def refused(world: World, token: str, code: str = "invalid-token") -> dict[str, Any]:
    """The refusal of a credential."""
    answer = await ask(world, bearer(token))
    document = problem(answer, 401, code)
    assert answer.headers["www-authenticate"] == 'Bearer realm="leadfeed", error="invalid_token"'
    assert len(token) < 12 or token not in answer.text
    return document


# --- user tokens ---------------------------------------------------------------------------------------------------


async def test_a_good_token_opens_its_users_feed_and_no_other(acme: World) -> None:
    await acme.report(acme.moment("l1"), acme.moment("l2"))
    answer = ok(await ask(acme, bearer(sign(claims(acme)))))
    assert [item["lead"]["id"] for item in answer["items"]] == ["l1"]
    assert ok(await ask(acme, {"Authorization": f"bearer {sign(claims(acme))}"}))["items"] == answer["items"]


NOT_AS_THEY_MUST_BE: list[dict[str, Any]] = [
    {"exp": None}, {"iat": None}, {"sub": None}, {"aud": None}, {"iss": None}, {"org": None},
    {"iss": "somebody-else"}, {"iss": ["leadfeed"]}, {"iss": ""}, {"iss": 5},
    {"aud": "somebody-else"}, {"aud": []}, {"aud": {}}, {"aud": [[]]}, {"aud": 5},
    {"aud": "leadfeed-stream", "iss": "leadfeed-stream"},
    {"exp": "soon"}, {"exp": [1]}, {"exp": {}}, {"exp": float("inf")}, {"exp": float("nan")},
    {"exp": 2**63}, {"exp": 10**400},
    {"iat": "now"}, {"iat": 10**11}, {"iat": float("inf")}, {"nbf": 10**11}, {"nbf": "then"}, {"nbf": float("inf")},
    {"sub": 7}, {"sub": ""}, {"sub": "x" * 129}, {"sub": "a\x00"}, {"sub": "\ud800"}, {"sub": ["ana"]},
    {"org": 7}, {"org": "nobody-knows-it"}, {"org": ""}, {"org": "ACME"}, {"org": "a" * 64}, {"org": ["x"]},
    {"role": "root"}, {"role": ["admin"]}, {"role": {}}, {"role": 1}, {"role": True},
]  # fmt: skip


async def test_a_well_signed_token_is_told_which_claim_is_not_as_it_must_be_and_never_its_value(
    acme: World, subtests: pytest.Subtests
) -> None:
    for changed in NOT_AS_THEY_MUST_BE:
        with subtests.test(str(changed)), capture_logs() as lines:
            detail = (await refused(acme, sign(claims(acme, **changed))))["detail"]
            assert re.findall(r"^The claim `(\w+)` (?:is|names) ", detail) in [[claim] for claim in changed]
            assert not any(isinstance(value, str) and value and value in detail for value in changed.values())
            assert [line["reason"] for line in lines if line["event"] == "request"] == [detail]


async def test_a_token_whose_signature_is_not_good_is_told_nothing_of_its_claims(acme: World) -> None:
    for changed in ({}, *NOT_AS_THEY_MUST_BE, {"exp": 1}):
        forged = signed(claims(acme, **changed), "another secret that is long enough to be one")
        assert (await refused(acme, forged))["detail"] == InvalidToken().detail


async def test_a_token_that_has_expired_says_so(acme: World) -> None:
    now = int(datetime.now(UTC).timestamp())
    await refused(acme, sign(claims(acme, exp=now - 60)), "expired-token")
    await refused(acme, sign(claims(acme, exp=-1)), "expired-token")
    await refused(acme, sign(claims(acme, exp=now)), "expired-token")


async def test_a_token_of_a_clock_that_is_a_little_ahead_is_taken(acme: World) -> None:
    ahead = int(datetime.now(UTC).timestamp()) + 5
    ok(await ask(acme, bearer(sign(claims(acme, iat=ahead, nbf=ahead)))))


async def test_a_token_that_was_good_a_moment_ago_is_refused_once_it_has_expired() -> None:
    tokens = Tokens(Settings())
    with time_machine.travel(datetime(2026, 11, 23, 9, tzinfo=UTC), tick=False) as clock:
        token, _ = tokens.for_user("acme", "ana", role="rep", ttl=timedelta(seconds=60))
        for _ in range(2):
            assert (await tokens.verify_user(token)).user_id == "ana"
        clock.shift(59)
        assert (await tokens.verify_user(token)).user_id == "ana"
        clock.shift(1)
        for _ in range(2):
            with pytest.raises(ExpiredToken):
                await tokens.verify_user(token)


async def test_a_token_that_was_not_signed_by_us_is_refused(acme: World) -> None:
    good = sign(claims(acme))
    header, payload, signature = good.split(".")
    administrator = encoded(claims(acme, role="admin"))
    algorithms: list[object] = ["none", "None", "nOnE", "", None, [], 5]
    unsigned = [f"{encoded({'alg': one, 'typ': 'JWT'})}.{payload}." for one in [*algorithms, "HS256"]]
    for token in (
        *unsigned,
        *(token + signature for token in unsigned[:-1]),
        signed(claims(acme), "another secret that is long enough to be one"),
        signed(claims(acme), ""),
        signed(claims(acme), DEVELOPMENT_SECRET, hashed="sha512", alg="HS512"),
        sign(claims(acme), alg="RS256"),
        sign(claims(acme), crit=["unheard"], unheard=1),
        f"{header}.{administrator}.{signature}",
        f"{header}.{payload}",
        good[:-4],
        good + "AAAA",
        f"{good}.{signature}",
    ):
        await refused(acme, token)


@pytest.mark.parametrize(
    "token",
    ["x", "..", "a.b.c", "é", "\x00", "lfk_", "lfk_nobody", "null", "e30.e30.", "=" * 300, "x" * 50_000, "[" * 20_000],
    ids=lambda token: repr(token[:8]),
)
async def test_a_credential_that_is_nothing_is_refused(acme: World, token: str) -> None:
    answer = await acme.client.get("/v1/feed", headers=[(b"Authorization", b"Bearer " + token.encode())])
    problem(answer, 401, "invalid-token")


@pytest.mark.parametrize("part", ["header", "payload"])
async def test_a_token_nested_to_break_its_reader_is_refused(acme: World, part: str) -> None:
    deep = base64url(b'{"alg": ' + b"[" * 20_000)
    header, payload, signature = sign(claims(acme)).split(".")
    await refused(acme, f"{deep}.{payload}.{signature}" if part == "header" else f"{header}.{deep}.{signature}")


async def test_no_credential_and_another_scheme_are_asked_for_one(acme: World) -> None:
    for headers in ({}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Basic YW5hOmFuYQ=="}):
        answer = await ask(acme, headers)
        problem(answer, 401, "not-authenticated")
        assert answer.headers["www-authenticate"] == 'Bearer realm="leadfeed"'


async def test_an_unknown_user_is_told_so_and_a_disabled_one_is_shut_out(acme: World) -> None:
    assert "`sub`" in problem(await ask(acme, acme.rep("stranger")), 403, "unknown-user")["detail"]
    await acme.sync(users=[{"id": "ana", "active": False}])
    problem(await ask(acme, acme.rep("ana")), 403, "user-disabled")
    problem(await ask(acme, bearer(acme.token("ana", role="admin")), "/v1/settings"), 403, "user-disabled")
    problem(await ask(acme, {**acme.machine, "Leadfeed-User": "ana"}), 403, "user-disabled")


async def test_a_key_speaks_for_nobody_who_is_switched_off(world: World) -> None:
    await world.people("ana", leads={})
    await world.sync(users=[{"id": "ana", "active": False}])
    for address in ("/v1/feed", "/v1/watchlist"):
        answer = await world.client.get(address, headers={**world.machine, "Leadfeed-User": "ana"})
        problem(answer, 403, "user-disabled")


async def test_an_administrator_need_not_be_a_user_to_administer(acme: World) -> None:
    ok(await ask(acme, bearer(acme.token("it-department", role="admin")), "/v1/settings"))
    problem(await ask(acme, bearer(acme.token("it-department", role="admin"))), 403, "unknown-user")


async def test_a_token_without_a_role_is_a_reps(acme: World) -> None:
    token = sign(claims(acme, role=None))
    ok(await ask(acme, bearer(token)))
    problem(await ask(acme, bearer(token), "/v1/settings"), 403, "insufficient-scope")


async def test_a_stream_token_is_no_user_token_and_a_user_token_no_stream_token(acme: World) -> None:
    stream = ok(await acme.client.post("/v1/stream-tokens", headers=acme.rep("ana")), 201)["token"]
    await refused(acme, stream)
    problem(await acme.client.post("/v1/stream-tokens", headers=bearer(stream)), 401, "invalid-token")
    for token in (acme.token("ana"), acme.key, "", "x", stream[:-3]):
        problem(await acme.client.get("/v1/feed/stream", params={"token": token}), 401, "invalid-token")
    assert (await acme.client.head("/v1/feed/stream", params={"token": stream})).status_code == 200


async def test_tokens_of_one_organisations_user_open_nothing_in_another(acme: World) -> None:
    other = await acme.service.new_world()
    await other.people("ana", leads={"theirs": "ana"})
    await other.report(other.moment("theirs"))
    assert (await acme.page("ana"))["items"] == []
    assert [item["lead"]["id"] for item in (await other.page("ana"))["items"]] == ["theirs"]


# --- API keys ------------------------------------------------------------------------------------------------------


async def test_a_key_is_shown_once_and_listed_without_its_secret(acme: World) -> None:
    made = ok(
        await acme.client.post(
            "/v1/api-keys", headers=acme.machine, json={"name": "tracking", "scopes": ["sync", "ingest", "sync"]}
        ),
        201,
    )
    assert made["key"].startswith("lfk_")
    assert len(made["key"]) >= 40
    assert (made["scopes"], made["hint"]) == (["ingest", "sync"], made["key"][-4:])
    listed = await ask(acme, acme.machine, "/v1/api-keys")
    assert made["key"] not in listed.text
    assert {**made, "key": None} in [{**one, "key": None} for one in ok(listed)["items"]]
    async with acme.service.app.state.database.read() as connection:
        stored = await connection.fetch("/* by a test */ SELECT k::text FROM api_key k WHERE org_id = $1", acme.org_id)
    assert not any(secret[4:] in str(row) for row in stored for secret in (made["key"], acme.key))


async def test_a_key_needs_no_name_as_on_the_command_line(acme: World) -> None:
    made = ok(await acme.client.post("/v1/api-keys", headers=acme.machine, json={"scopes": ["ingest"]}), 201)

    assert made["name"] == "API"
    assert (made["id"], "API") in [
        (one["id"], one["name"]) for one in ok(await ask(acme, acme.machine, "/v1/api-keys"))["items"]
    ]


async def test_a_revoked_key_is_refused_at_once_everywhere(acme: World, settings: Settings) -> None:
    made = ok(
        await acme.client.post("/v1/api-keys", headers=acme.machine, json={"name": "x", "scopes": ["admin"]}), 201
    )
    async with running_app(settings) as elsewhere:
        for client in (acme.client, elsewhere.client):
            ok(await client.get("/v1/settings", headers=bearer(made["key"])))
        deleted = await acme.client.delete(f"/v1/api-keys/{made['id']}", headers=bearer(made["key"]))
        assert deleted.status_code == 204
        for client in (acme.client, elsewhere.client):
            problem(await client.get("/v1/settings", headers=bearer(made["key"])), 401, "invalid-token")
    listed = ok(await ask(acme, acme.machine, "/v1/api-keys"))
    assert made["id"] not in {one["id"] for one in listed["items"]}
    for key_id in (made["id"], str(uuid4())):
        answer = await acme.client.delete(f"/v1/api-keys/{key_id}", headers=acme.machine)
        problem(answer, 404, "unknown-api-key")


async def test_a_key_speaks_for_a_user_by_a_header_which_a_users_own_token_ignores(acme: World) -> None:
    await acme.sync(users=[{"id": "zoë ☺", "name": "Zoë"}])
    await acme.sync(leads=[{"id": "l3", "name": "L3", "owner_id": "zoë ☺"}])
    await acme.report(acme.moment("l1"), acme.moment("l2"), acme.moment("l3"))
    key = await acme.key_for("read")

    async def leads_of(headers: Mapping[bytes, bytes]) -> list[str]:
        answer = ok(await acme.client.get("/v1/feed", headers=dict(headers)))
        return [item["lead"]["id"] for item in answer["items"]]

    machine = {b"Authorization": key["Authorization"].encode()}
    assert await leads_of({**machine, b"Leadfeed-User": b"ana"}) == ["l1"]
    assert await leads_of({**machine, b"Leadfeed-User": "zoë ☺".encode()}) == ["l3"]
    ana = {b"Authorization": f"Bearer {acme.token('ana', role='admin')}".encode()}
    assert await leads_of({**ana, b"Leadfeed-User": b"bob"}) == ["l1"]
    problem(await ask(acme, key), 403, "user-needed")
    for stranger in ("nobody", "", "x" * 200):
        refusal = problem(await ask(acme, {**key, "Leadfeed-User": stranger}), 403, "unknown-user")
        assert "check that `Leadfeed-User` is" in refusal["detail"]
        assert "token" not in refusal["detail"]
