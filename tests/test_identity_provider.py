"""User tokens that an identity provider signs: a real key set over HTTP, rotated, withdrawn, away, and nonsense."""

import asyncio
import json
import threading
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from forging import signed
from leadfeed_api.settings import DEVELOPMENT_SECRET, Settings
from world import World, ok, problem, running_app

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Key:
    """A key of the provider's: what it signs with, and what it publishes."""

    kid: str
    algorithm: str
    private: Any

    @property
    def public(self) -> dict[str, Any]:
        """As a member of a key set."""
        kinds: dict[str, Any] = {"RS": RSAAlgorithm, "PS": RSAAlgorithm, "ES": ECAlgorithm, "Ed": OKPAlgorithm}
        shown: dict[str, Any] = kinds[self.algorithm[:2]].to_jwk(self.private.public_key(), as_dict=True)
        return {**shown, "kid": self.kid, "use": "sig", "alg": self.algorithm}

    @property
    def pem(self) -> bytes:
        """As a file: what a forger takes for a shared secret."""
        pem: bytes = self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem

    def token(self, world: World, kid: object = ..., **changed: Any) -> dict[str, str]:
        """Headers with a token for Ana; ``changed`` are claims."""
        claims = {name: value for name, value in {**good_claims(world), **changed}.items() if value is not None}
        headers = {"kid": self.kid if kid is ... else kid}
        return bearer(jwt.encode(claims, self.private, algorithm=self.algorithm, headers=headers))


def good_claims(world: World) -> dict[str, Any]:
    now = int(datetime.now(UTC).timestamp())
    return {"sub": "ana", "org": world.org, "iss": "https://id.example", "aud": "leads", "iat": now, "exp": now + 600}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


RSA = Key("rsa-1", "RS256", rsa.generate_private_key(public_exponent=65_537, key_size=2_048))
OTHER_RSA = Key("rsa-2", "PS256", rsa.generate_private_key(public_exponent=65_537, key_size=2_048))
EC = Key("ec-1", "ES256", ec.generate_private_key(ec.SECP256R1()))
ED = Key("ed-1", "EdDSA", ed25519.Ed25519PrivateKey.generate())


@dataclass
class Provider:
    """Publishes a key set, and counts who asks."""

    url: str = ""
    answer: bytes = b""
    status: int = 200
    asked: list[str] = field(default_factory=list)
    may_answer: threading.Event = field(default_factory=threading.Event)

    def publish(self, *keys: Key) -> None:
        self.answer = json.dumps({"keys": [key.public for key in keys]}).encode()


@pytest.fixture
def provider() -> Iterator[Provider]:
    """An identity provider on loopback."""
    found = Provider()
    found.may_answer.set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            found.may_answer.wait(30)
            self.send_response(found.status)
            self.send_header("Content-Length", str(len(found.answer)))
            self.end_headers()
            self.wfile.write(found.answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@asynccontextmanager
async def trusting(settings: Settings, provider: Provider) -> AsyncIterator[World]:
    """An organisation of a service that takes this provider's tokens."""
    told = {"jwks_url": f"{provider.url}/keys", "jwt_issuer": "https://id.example", "jwt_audience": "leads"}
    async with running_app(settings.model_copy(update=told)) as service:
        world = await service.new_world()
        await world.people("ana", leads={"l1": "ana"})
        yield world


async def status(world: World, headers: dict[str, str]) -> int:
    """How a request for the feed ends."""
    answer = await world.client.get("/v1/feed", headers=headers)
    if answer.status_code == 401:
        problem(answer, 401, "invalid-token")
        assert "invalid_token" in answer.headers["www-authenticate"]
    return answer.status_code


async def test_tokens_of_every_kind_of_published_key_are_taken_after_one_look_at_the_set(
    settings: Settings, provider: Provider
) -> None:
    provider.publish(RSA, OTHER_RSA, EC, ED)
    async with trusting(settings, provider) as world:
        for key in (RSA, OTHER_RSA, EC, ED):
            assert await status(world, key.token(world)) == 200
        ok(await world.client.get("/v1/settings", headers=RSA.token(world, role="admin")))
    assert provider.asked == ["/keys"]


async def test_a_key_that_names_no_algorithm_is_good_for_every_one_of_its_kind_and_others_for_their_own(
    settings: Settings, provider: Provider
) -> None:
    anonymous = [{name: value for name, value in key.public.items() if name != "alg"} for key in (OTHER_RSA, EC, ED)]
    provider.answer = json.dumps({"keys": [RSA.public, *anonymous]}).encode()
    async with trusting(settings, provider) as world:
        for algorithm in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"):
            assert await status(world, replace(OTHER_RSA, algorithm=algorithm).token(world)) == 200, algorithm
            own = 200 if algorithm == RSA.algorithm else 401
            assert await status(world, replace(RSA, algorithm=algorithm).token(world)) == own, algorithm
        for key in (EC, ED):
            assert await status(world, key.token(world)) == 200


async def test_tokens_that_the_provider_did_not_sign_are_refused(settings: Settings, provider: Provider) -> None:
    provider.publish(RSA, EC)
    async with trusting(settings, provider) as world:
        claims = good_claims(world)
        own, _ = world.service.app.state.tokens.for_user(world.org, "ana", role="rep", ttl=timedelta(hours=1))
        forged = [
            OTHER_RSA.token(world),
            OTHER_RSA.token(world, kid="rsa-1"),
            RSA.token(world, kid="ec-1"),
            RSA.token(world, kid="unheard-of"),
            RSA.token(world, kid="x" * 3_000),
            RSA.token(world, kid=""),
            RSA.token(world, iss="https://elsewhere.example"),
            RSA.token(world, aud="others"),
            RSA.token(world, exp=None),
            RSA.token(world, sub=None),
            bearer(own),
            bearer(signed(claims, json.dumps(RSA.public), kid="rsa-1")),
            bearer(signed(claims, RSA.pem, kid="rsa-1")),
            bearer(signed(claims, DEVELOPMENT_SECRET, kid="rsa-1")),
            bearer(signed(claims, "", alg="none", kid="rsa-1")),
            bearer(signed(claims, "", kid=None)),
            bearer(signed(claims, "", kid=["rsa-1"])),
        ]
        assert [await status(world, headers) for headers in forged] == [401] * len(forged)
        assert await status(world, RSA.token(world)) == 200


async def test_a_secret_among_the_published_keys_signs_nothing(settings: Settings, provider: Provider) -> None:
    secret = b"as long as such a secret has to be, and published"
    shared = {"kty": "oct", "k": urlsafe_b64encode(secret).decode().rstrip("="), "kid": "shared", "alg": "HS256"}
    provider.answer = json.dumps({"keys": [RSA.public, shared]}).encode()
    async with trusting(settings, provider) as world:
        forged = jwt.encode(good_claims(world), secret, algorithm="HS256", headers={"kid": "shared"})
        assert await status(world, bearer(forged)) == 401
        assert await status(world, RSA.token(world)) == 200


async def test_a_token_cannot_name_the_place_of_its_own_key(settings: Settings, provider: Provider) -> None:
    provider.publish(RSA)
    async with trusting(settings, provider) as world:
        claims = good_claims(world)
        for header in ({"jku": f"{provider.url}/mine"}, {"x5u": f"{provider.url}/mine"}, {"jwk": OTHER_RSA.public}):
            forged = jwt.encode(claims, OTHER_RSA.private, algorithm="RS256", headers={**header, "kid": "rsa-2"})
            assert await status(world, bearer(forged)) == 401
    assert set(provider.asked) == {"/keys"}


async def test_strangers_cannot_make_us_ask_the_provider_again_and_again(
    settings: Settings, provider: Provider
) -> None:
    provider.publish(RSA)
    async with trusting(settings, provider) as world:
        for n in range(10):
            assert await status(world, OTHER_RSA.token(world, kid=f"unheard-of-{n}")) == 401
    assert len(provider.asked) <= 2


async def test_a_new_key_is_found_and_a_withdrawn_one_is_refused_in_time(
    settings: Settings, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr("jwt.jwk_set_cache.time", clock)
    monkeypatch.setattr("jwt.jwks_client.time", clock)
    provider.publish(RSA)
    async with trusting(settings, provider) as world:
        assert await status(world, RSA.token(world)) == 200
        provider.publish(EC)
        now += 29
        assert await status(world, EC.token(world)) == 401, "the provider is asked more often than the documents say"
        now += 2
        assert await status(world, EC.token(world)) == 200, "a new key waits longer than half a minute"
        now += 301
        assert await status(world, RSA.token(world)) == 401, "a withdrawn key is good for more than five minutes"


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b"{}", b'{"keys": []}', b'{"keys": 5}', b'{"keys": [{}]}'])
async def test_a_provider_that_answers_nonsense_is_503_to_try_again(
    settings: Settings, provider: Provider, answer: bytes
) -> None:
    provider.answer = answer
    async with trusting(settings, provider) as world:
        refusal = await world.client.get("/v1/feed", headers=RSA.token(world))
        problem(refusal, 503, "unavailable")
        assert refusal.headers["retry-after"]
        provider.publish(RSA)
        async with asyncio.timeout(10):
            while (again := await status(world, RSA.token(world))) == 503:  # noqa: ASYNC110  nobody is told
                await asyncio.sleep(0.005)  # it is left alone for as long as it took to fail
        assert again == 200


async def test_a_provider_that_is_away_is_503_and_keys_of_machines_still_work(
    settings: Settings, provider: Provider
) -> None:
    provider.status = 500
    async with trusting(settings, provider) as world:
        problem(await world.client.get("/v1/feed", headers=RSA.token(world)), 503, "unavailable")
        ok(await world.client.get("/v1/feed", headers={**world.machine, "Leadfeed-User": "ana"}))


async def test_a_provider_that_does_not_answer_is_asked_once_and_holds_up_nobody_who_does_not_need_it(
    settings: Settings, provider: Provider
) -> None:
    provider.status = 500
    provider.may_answer.clear()
    async with trusting(settings, provider) as world:
        asking = [asyncio.create_task(world.client.get("/v1/feed", headers=RSA.token(world))) for _ in range(40)]
        async with asyncio.timeout(10):
            while not provider.asked:  # noqa: ASYNC110  it is asked by a thread
                await asyncio.sleep(0.005)
        ok(await world.client.get("/v1/feed", headers={**world.machine, "Leadfeed-User": "ana"}))
        assert (await world.client.get("/metrics")).status_code == 200, "what else is done in threads has threads"
        assert not any(task.done() for task in asking)
        await asyncio.sleep(0.2)  # it took long to fail
        provider.may_answer.set()
        for task in asking:
            problem(await task, 503, "unavailable")
    assert provider.asked == ["/keys"]


async def test_a_key_in_memory_is_good_while_the_provider_is_asked_for_a_strangers(
    settings: Settings, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr("jwt.jwks_client.time", SimpleNamespace(monotonic=lambda: now))
    provider.publish(RSA)
    async with trusting(settings, provider) as world:
        assert await status(world, RSA.token(world)) == 200
        now += 31  # a key that is not among them is looked for anew
        provider.status = 500
        provider.may_answer.clear()
        stranger = asyncio.create_task(status(world, OTHER_RSA.token(world, kid="unheard-of")))
        async with asyncio.timeout(10):
            while len(provider.asked) < 2:  # noqa: ASYNC110  it is asked by a thread
                await asyncio.sleep(0.005)
        assert await status(world, RSA.token(world)) == 200
        assert not stranger.done()
        provider.may_answer.set()
        assert await stranger == 503
        assert await status(world, RSA.token(world)) == 200, "the provider's failure is not this token's"


async def test_stream_tokens_stay_ours(settings: Settings, provider: Provider) -> None:
    provider.publish(RSA)
    async with trusting(settings, provider) as world:
        made = ok(await world.client.post("/v1/stream-tokens", headers=RSA.token(world)), 201)
        assert (await world.client.head("/v1/feed/stream", params={"token": made["token"]})).status_code == 200
