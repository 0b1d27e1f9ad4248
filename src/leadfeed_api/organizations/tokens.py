"""User tokens and stream tokens: JSON Web Tokens, signed and verified (RFC 7519, RFC 8725).

Owns the algorithms and the keys; what claims must be is ``claims``' business. A user token is HS256 under our secret,
or whatever asymmetric algorithm the identity provider's key set says. A stream token is always ours, with an audience
of its own, so that neither passes for the other. Knows no table.
"""

import asyncio
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from jwt.types import Options

from leadfeed_api.errors import ExpiredToken, InvalidToken, Unavailable
from leadfeed_api.organizations.claims import Claims, read_claims
from leadfeed_api.organizations.identity import digest
from leadfeed_api.settings import Settings
from leadfeed_api.telemetry import log

RSA = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
ASYMMETRIC = [*RSA, "ES256", "ES384", "ES512", "EdDSA"]
STREAM_AUDIENCE = "leadfeed-stream"
STREAM_ISSUER = "leadfeed-stream"
_SIGNATURE_ALONE: Options = {
    "verify_aud": False,
    "verify_exp": False,
    "verify_iat": False,
    "verify_iss": False,
    "verify_jti": False,
    "verify_nbf": False,
    "verify_sub": False,
}
_SIGNING = frozenset({"sig", None})  # what a published key is for
REMEMBERED = 20_000  # verified tokens, some 10 MB
_UNFETCHED = "The identity provider's keys cannot be fetched now. Try again shortly."
# What the library raises for a token that is not good, and for one that was made to break its reader.
UNVERIFIABLE = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)


class Tokens:
    """Signs and verifies, by one process's settings."""

    def __init__(self, settings: Settings) -> None:
        self._secret = settings.jwt_secret
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience
        self._stream_ttl = settings.stream_token_ttl
        self._verified: OrderedDict[bytes, Claims] = OrderedDict()
        # The library keeps the key set for 5 minutes: a key that the provider withdraws is refused from then on. For a
        # key that is not in it, it fetches the set anew, unless it did so less than 30 seconds ago.
        self._jwks = _KeySet(settings.jwks_url, timeout=5) if settings.jwks_url else None
        # One thread, and nobody else's: while the provider does not answer, who needs it waits for one and the same
        # question, and whoever does not is not held up.
        self._asking = ThreadPoolExecutor(1, "identity-provider")
        self._not_before = 0.0  # is it asked again, by the clock of ``time.monotonic``

    def for_user(self, org: str, user_id: str, *, role: str, ttl: timedelta) -> tuple[str, datetime]:
        """A signed user token and when it ends. For development and tests: elsewhere the CRM signs its own."""
        return self._sign(org, user_id, role, self._issuer, self._audience, ttl)

    def for_stream(self, org: str, user_id: str, key_hash: bytes | None) -> tuple[str, datetime]:
        """A token good for one user's stream only, and when it ends; ``key_hash`` is that of the key that asked."""
        ttl = timedelta(seconds=self._stream_ttl)
        asked_by = {} if key_hash is None else {"key": key_hash.hex()}
        return self._sign(org, user_id, "rep", STREAM_ISSUER, STREAM_AUDIENCE, ttl, **asked_by)

    async def verify_user(self, token: str) -> Claims:
        """The claims of a user token. Raises ``InvalidToken`` or ``ExpiredToken``."""
        if self._jwks is None:
            return self._verify_ours(token)
        named = _named(token)
        key = self._jwks.held(*named)
        if key is None:
            # Intentional: in a thread, because the client fetches the key set with blocking I/O.
            loop = asyncio.get_running_loop()
            key = await loop.run_in_executor(self._asking, self._published_key, self._jwks, *named)
        return self._users_claims(_signed_claims(token, key, ASYMMETRIC))

    def _users_claims(self, payload: dict[str, Any]) -> Claims:
        return read_claims(payload, issuer=self._issuer, audience=self._audience, now=time.time())

    def _verify_ours(self, token: str) -> Claims:
        """Verified once: neither the token nor our secret changes, so that only its end is asked again."""
        name = digest(token)
        claims = self._verified.get(name)
        if claims is None:
            claims = self._users_claims(_signed_claims(token, self._secret, ["HS256"]))
            self._verified[name] = claims
            if len(self._verified) > REMEMBERED:
                self._verified.popitem(last=False)
        elif claims.expires_at <= time.time():
            del self._verified[name]
            raise ExpiredToken
        return claims

    def verify_stream(self, token: str) -> Claims:
        """The claims of a stream token. Raises ``InvalidToken`` or ``ExpiredToken``."""
        payload = _signed_claims(token, self._secret, ["HS256"])
        claims = read_claims(payload, issuer=STREAM_ISSUER, audience=STREAM_AUDIENCE, now=time.time())
        return replace(claims, key_hash=_key_hash(payload.get("key")))

    def _sign(
        self, org: str, user_id: str, role: str, issuer: str, audience: str, ttl: timedelta, **more: str
    ) -> tuple[str, datetime]:
        issued = datetime.now(UTC).replace(microsecond=0)
        claims = {"sub": user_id, "org": org, "role": role, "iss": issuer, "aud": audience, **more}
        payload = {**claims, "iat": issued, "exp": issued + ttl}
        return jwt.encode(payload, self._secret, algorithm="HS256"), issued + ttl

    def _published_key(self, jwks: "_KeySet", kid: str, algorithm: object) -> jwt.PyJWK:
        began = time.monotonic()
        if began < self._not_before:
            raise Unavailable(_UNFETCHED)
        try:
            jwks.get_jwk_set()  # from memory, mostly; whatever fails here is the provider's fault
        except (jwt.PyJWTError, OSError, ValueError) as error:
            raise self._unfetched(error, began) from error
        try:
            jwks.get_signing_key(kid)  # which fetches the set anew for a key that is not in it
            found = _of_name(jwks.get_jwk_set(), kid, algorithm)
        except jwt.PyJWKClientConnectionError as error:
            raise self._unfetched(error, began) from error
        except UNVERIFIABLE as error:
            raise InvalidToken from error
        if found is None:
            raise InvalidToken
        return found

    def _unfetched(self, error: Exception, began: float) -> Unavailable:
        """Then the provider is left alone for as long as it took to fail."""
        now = time.monotonic()
        self._not_before = now + (now - began)
        log.warning("keys-unfetched", reason=repr(error))
        return Unavailable(_UNFETCHED)


class _KeySet(jwt.PyJWKClient):
    """The provider's key set, in which every key says what it signs with."""

    def fetch_data(self) -> dict[str, Any]:
        """The set as published, but with an RSA key that names no algorithm (RFC 7517, 4.4) once for each of its kind.

        The library would take it for one of RS256.
        """
        published: dict[str, Any] = super().fetch_data()
        return {"keys": [one for key in published["keys"] for one in _by_algorithm(key)]}

    def held(self, kid: str, algorithm: object) -> jwt.PyJWK | None:
        """The key of a name, if it is in memory: whoever has a token by it need not wait for the provider.

        For an instant the library holds a new set as published, so one that is not here is to be looked for there.
        """
        held = None if self.jwk_set_cache is None else self.jwk_set_cache.get()
        return None if held is None else _of_name(held, kid, algorithm)


def _by_algorithm(key: Any) -> list[Any]:
    if isinstance(key, dict) and key.get("kty") == "RSA" and not key.get("alg"):
        return [{**key, "alg": algorithm} for algorithm in RSA]
    return [key]


def _of_name(keys: jwt.PyJWKSet, kid: str, algorithm: object) -> jwt.PyJWK | None:
    named = (key for key in keys if key.key_id == kid and key.algorithm_name == algorithm)
    return next((key for key in named if key.public_key_use in _SIGNING), None)


def _named(token: str) -> tuple[str, object]:
    """The key and the algorithm that a token names."""
    try:
        header = jwt.get_unverified_header(token)
    except UNVERIFIABLE as error:
        raise InvalidToken from error
    kid = header.get("kid")
    if not kid:
        raise InvalidToken
    return kid, header.get("alg")


def _signed_claims(token: str, key: Any, algorithms: list[str]) -> dict[str, Any]:
    """The claims under a good signature, whatever they are. Raises ``InvalidToken``, which says no more than that."""
    try:
        return jwt.decode(token, key, algorithms=algorithms, options=_SIGNATURE_ALONE)
    except UNVERIFIABLE as error:
        raise InvalidToken from error


def _key_hash(claim: object) -> bytes | None:
    if claim is None:
        return None
    try:
        return bytes.fromhex(str(claim))
    except ValueError as error:
        raise InvalidToken from error
