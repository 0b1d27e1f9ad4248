"""Who is asking: the one place that reads credentials, as dependencies for routes.

* ``Reader`` reads one user's things: a user token, or a key of scope ``read`` with ``Leadfeed-User``;
* ``Rep`` also changes them: a user token, or a key of scope ``admin`` with ``Leadfeed-User``;
* ``Ingester``, ``Syncer`` and ``Administrator`` hold the scope of that name, as a key or as a user of role ``admin``.

Every one of them is checked against the database, so that what was revoked is refused at once. Two are not, for routes
that look the user up in a statement of their own, and ``admit`` them by that: ``Claimant`` is a ``Reader`` whose user
nobody has looked up yet, and ``StreamClaimant`` one who may also come with a stream token in the query, because
EventSource cannot set headers.

What each needs is said where its guard is made, near the end; the OpenAPI document reads it there.

All dependencies are coroutines, also those that await nothing: a plain function would be sent to a thread.
"""

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Query, Request
from fastapi.security.utils import get_authorization_scheme_param

from leadfeed_api.db.session import Database
from leadfeed_api.errors import InvalidToken, NotAuthenticated, UnknownUser, UserDisabled
from leadfeed_api.fields import is_identifier
from leadfeed_api.organizations import queries
from leadfeed_api.organizations.claims import UNKNOWN_ORG, Claims
from leadfeed_api.organizations.identity import KEY_PREFIX, Caller, Scope, digest, org_number
from leadfeed_api.organizations.needs import Need
from leadfeed_api.organizations.tokens import Tokens
from leadfeed_api.settings import Settings

ON_BEHALF_OF = "leadfeed-user"
UNKNOWN_BY_KEY = (
    "The organisation has no such user. Send the user by `POST /v1/sync` first, or check that `Leadfeed-User` is the "
    "user's id in the CRM."
)


async def database(request: Request) -> Database:
    """The process's database."""
    opened: Database = request.app.state.database
    return opened


async def settings(request: Request) -> Settings:
    """The process's settings."""
    frozen: Settings = request.app.state.settings
    return frozen


async def tokens(request: Request) -> Tokens:
    """The process's signer and verifier."""
    signer: Tokens = request.app.state.tokens
    return signer


Data = Annotated[Database, Depends(database)]
Configured = Annotated[Settings, Depends(settings)]
Signer = Annotated[Tokens, Depends(tokens)]


async def caller(request: Request, data: Data, signer: Signer) -> Caller:
    """Whoever the Authorization header names. Raises ``NotAuthenticated``, ``InvalidToken`` or ``ExpiredToken``."""
    credential = _credential(request)
    if credential.startswith(KEY_PREFIX):
        return await _caller_by_key(data, digest(credential), _on_behalf_of(request))
    return await _caller_by_claims(data, await signer.verify_user(credential))


def _credential(request: Request) -> str:
    scheme, credential = get_authorization_scheme_param(request.headers.get("authorization"))
    if not credential or scheme.lower() != "bearer":
        raise NotAuthenticated
    return credential


def _claiming(claims: Claims, scopes: frozenset[Scope]) -> Caller:
    return Caller(org_number(claims.org), claims.org, claims.user_id, scopes, claims.key_hash, claims.expires_at)


def admit(who: Caller, org: str | None, active: bool | None) -> None:
    """Refuses a claimant by what is stored: the organisation's name, and whether the user is active (None: unknown).

    Raises ``InvalidToken``, ``UnknownUser`` or ``UserDisabled``.
    """
    if org != who.org:
        raise InvalidToken(UNKNOWN_ORG)
    _admit(active)


def _scopes(claims: Claims) -> frozenset[Scope]:
    return frozenset({"admin"} if claims.role == "admin" else {"read"})


def _on_behalf_of(request: Request) -> str | None:
    """The header's text as UTF-8, which a CRM's ids may need; headers themselves know only Latin-1."""
    named = request.headers.get(ON_BEHALF_OF)
    return named and named.encode("latin-1").decode("utf-8", "replace")


async def _caller_by_key(data: Database, key_hash: bytes, user_id: str | None) -> Caller:
    """The holder of a key, perhaps on behalf of a user. Raises ``InvalidToken``, or what is wrong with the user."""
    async with data.read() as connection:
        found = await queries.find_key(connection, key_hash)
        if found is None:
            raise InvalidToken
        org_id, scopes = found
        org = ""  # nobody asks for it of a key that speaks for no user
        if user_id is not None:
            org = await queries.organization_name(connection, org_id) or ""
            # What is no id the database might not even take as a question.
            active = (await queries.standing(connection, org, user_id))[1] if is_identifier(user_id) else None
            if active is None:
                raise UnknownUser(UNKNOWN_BY_KEY)
            _admit(active)
    return Caller(org_id, org, user_id, frozenset(scopes), key_hash)


async def _caller_by_claims(data: Database, claims: Claims) -> Caller:
    """The user a verified token names; a user whom the organisation does not know has no ``user_id``."""
    async with data.read() as connection:
        exists, active = await queries.standing(connection, claims.org, claims.user_id)
    if not exists:
        raise InvalidToken(UNKNOWN_ORG)
    if active is False:
        raise UserDisabled
    return replace(_claiming(claims, _scopes(claims)), user_id=claims.user_id if active else None)


def _admit(active: bool | None) -> None:
    if active is None:
        raise UnknownUser
    if not active:
        raise UserDisabled


async def anyone(request: Request, data: Data, signer: Signer) -> Caller:
    """As :func:`caller`, found once for a request: a route with a body asks before reading it, and again after."""
    if "caller" not in request.scope:
        request.scope["caller"] = await caller(request, data, signer)
    found: Caller = request.scope["caller"]
    return found


Anyone = Annotated[Caller, Depends(anyone)]


async def _claimant(need: Need, request: Request, data: Data, signer: Signer) -> Caller:
    credential = _credential(request)
    if credential.startswith(KEY_PREFIX):
        return need.demand(await caller(request, data, signer))
    claims = await signer.verify_user(credential)
    return _claiming(claims, _scopes(claims))


class Guard(Need):
    """A dependency that lets in whoever meets the need."""

    async def __call__(self, who: Anyone) -> Caller:
        """The caller. Raises what is wrong with their credential or their reach."""
        return self.demand(who)


class ClaimantGuard(Need):
    """As :class:`Guard`, but for a user token's standing, which the route must pass to ``admit``."""

    async def __call__(self, request: Request, data: Data, signer: Signer) -> Caller:
        """A caller by a key, or whoever a user token names."""
        return await _claimant(self, request, data, signer)


class StreamGuard(Need):
    """As :class:`ClaimantGuard`, also for whoever a stream token names."""

    async def __call__(
        self,
        request: Request,
        data: Data,
        signer: Signer,
        token: Annotated[str | None, Query(description="A stream token, in place of the Authorization header.")] = None,
    ) -> Caller:
        """A caller by a key, or whoever a token names."""
        if token is None:
            return await _claimant(self, request, data, signer)
        return _claiming(signer.verify_stream(token), frozenset({"read"}))


reader = Guard("read", own=True)
claimant = ClaimantGuard("read", own=True)
stream_claimant = StreamGuard("read", own=True, stream=True)
rep = Guard("admin", own=True)
ingester = Guard("ingest")
syncer = Guard("sync")
administrator = Guard("admin")

Reader = Annotated[Caller, Depends(reader)]
Claimant = Annotated[Caller, Depends(claimant)]
StreamClaimant = Annotated[Caller, Depends(stream_claimant)]
Rep = Annotated[Caller, Depends(rep)]
Ingester = Annotated[Caller, Depends(ingester)]
Syncer = Annotated[Caller, Depends(syncer)]
Administrator = Annotated[Caller, Depends(administrator)]
