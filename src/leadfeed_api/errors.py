"""What can go wrong, as one tree.

Owns the codes, statuses and messages that callers meet, and the document that each is (RFC 9457). Knows nothing of who
raises them, nor of the response that ``problems`` makes of one.

::

    Problem
    ├── InternalError 500
    ├── BadRequest 400 ──────────── InvalidCursor · InvalidBody · CrossOrigin
    ├── NotAuthenticated 401 ────── InvalidToken ── ExpiredToken
    ├── Forbidden 403 ───────────── InsufficientScope · UnknownUser · UserDisabled · NoUser · RssDisabled · NotTheOwner
    │                                MailDisabled
    ├── NotFound 404 ────────────── LeadNotFound · AccountNotFound · KeyNotFound · FeedNotFound
    │                                SubscriptionNotFound · MailNotFound · MailLinkNotFound
    ├── MethodNotAllowed 405
    ├── BodyTooSlow 408
    ├── Conflict 409 ────────────── SubscriptionLimit
    ├── BodyTooLarge 413
    ├── UnsupportedMediaType 415
    ├── Invalid 422 ─────────────── UnknownOwner
    ├── TooMany 429
    └── Unavailable 503 ─────────── Busy

The docstring of a class is its message: the title is the first sentence, ``detail`` is the whole.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypedDict


class Fault(TypedDict, total=False):
    """One thing wrong in a request: where (a JSON pointer or a parameter's name) and why."""

    pointer: str
    parameter: str
    header: str
    code: str
    detail: str


class Problem(Exception):
    """Something went wrong."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal-error"
    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.detail = detail or " ".join((type(self).__doc__ or "").split())
        self.errors = list(errors)
        self.response_headers = {**self.headers, **(headers or {})}
        super().__init__(self.detail)

    @classmethod
    def title(cls) -> str:
        """The first sentence of the class's docstring, without its full stop."""
        text = " ".join((cls.__doc__ or "").split())
        return re.split(r"(?<=[^.])[.:](?:\s|$)", text, maxsplit=1)[0]

    def document(self, *, instance: str, request_id: str | None) -> bytes:
        """What leaves as ``application/problem+json``: always valid ASCII. ``instance`` is the address, as a URI."""
        said: dict[str, Any] = {
            "type": f"/problems/{self.code}",
            "title": self.title(),
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "request_id": request_id,
        }
        if self.errors:
            said["errors"] = self.errors
        return json.dumps(said).encode("ascii")


class InternalError(Problem):
    """The service failed. The request id identifies the failure in the operator's log."""

    # Nobody knows in what state the failure left it, the request's body half read perhaps.
    headers: ClassVar[Mapping[str, str]] = {"Connection": "close"}


class BadRequest(Problem):
    """The request cannot be read."""

    status = 400
    code = "bad-request"


class InvalidBody(BadRequest):
    """The body is not what this address accepts. It must be one JSON document in UTF-8 with unique keys."""

    code = "invalid-body"


class InvalidCursor(BadRequest):
    """The cursor is not valid here.

    Use `next_cursor` as it came, with the same user and the same filters, or start again without one.
    """

    code = "invalid-cursor"


class CrossOrigin(BadRequest):
    """Pages of this origin may not do this.

    The service's operator can allow an origin: by naming it in `LEADFEED_CORS_ORIGINS`, like https://crm.example.com.
    """

    code = "cross-origin"


class NotAuthenticated(Problem):
    """Credentials are needed. Send `Authorization: Bearer` with a user token or an API key."""

    status = 401
    code = "not-authenticated"
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": 'Bearer realm="leadfeed"'}


class InvalidToken(NotAuthenticated):
    """The credential is not valid. It is malformed, unknown, revoked, or signed with another secret or key."""

    code = "invalid-token"
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": 'Bearer realm="leadfeed", error="invalid_token"'}


class ExpiredToken(InvalidToken):
    """The credential has expired. Get a new one."""

    code = "expired-token"


class Forbidden(Problem):
    """This is not allowed."""

    status = 403
    code = "forbidden"


class InsufficientScope(Forbidden):
    """The credential lacks the required scope.

    It is valid, but lacks the scope or the role that this address asks for.
    """

    code = "insufficient-scope"
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": 'Bearer realm="leadfeed", error="insufficient_scope"'}


class UnknownUser(Forbidden):
    """The organisation has no such user.

    Send the user by `POST /v1/sync` first, or check that the token's `sub` is the user's id in the CRM.
    """

    code = "unknown-user"


class UserDisabled(Forbidden):
    """The user is disabled in this organisation. The CRM can enable them again by `POST /v1/sync`."""

    code = "user-disabled"


class NoUser(Forbidden):
    """This address belongs to one user.

    Use a user token, or name the user in the `Leadfeed-User` header beside the API key.
    """

    code = "user-needed"


class RssDisabled(Forbidden):
    """Feeds for readers are switched off in this organisation.

    An administrator can switch them on: `PATCH /v1/settings` with `{"rss_enabled": true}`.
    """

    code = "rss-disabled"


class MailDisabled(Forbidden):
    """Subscriptions by e-mail are switched off in this organisation.

    An administrator can switch them on: `PATCH /v1/settings` with `{"mail_enabled": true}`.
    """

    code = "mail-disabled"


class NotTheOwner(Forbidden):
    """The lead is somebody else's. Only its owner may hide it."""

    code = "not-owner"


class NotFound(Problem):
    """No such resource."""

    status = 404
    code = "not-found"


class LeadNotFound(NotFound):
    """There is no such lead."""

    code = "unknown-lead"


class AccountNotFound(NotFound):
    """There is no such account."""

    code = "unknown-account"


class KeyNotFound(NotFound):
    """There is no such API key."""

    code = "unknown-api-key"


class FeedNotFound(NotFound):
    """There is no such feed. The link is unknown, was rotated or deleted, or feeds for readers are switched off."""

    code = "unknown-feed"


class SubscriptionNotFound(NotFound):
    """There is no such subscription."""

    code = "unknown-subscription"


class MailNotFound(NotFound):
    """There is no such mail among those set aside."""

    code = "unknown-mail"


class MailLinkNotFound(NotFound):
    """This link does not work. It was cut off or changed; copy the whole link from the mail."""

    code = "unknown-mail-link"


class MethodNotAllowed(Problem):
    """This address does not support that method. The Allow header lists those it does."""

    status = 405
    code = "method-not-allowed"


class BodyTooSlow(Problem):
    """The body did not arrive in time. Send smaller batches, or all of it at once."""

    status = 408
    code = "body-too-slow"


class Conflict(Problem):
    """The request conflicts with what is stored."""

    status = 409
    code = "conflict"


class SubscriptionLimit(Conflict):
    """The user has reached the limit of subscriptions. Delete one that is no longer needed, then try again."""

    code = "subscription-limit"


class BodyTooLarge(Problem):
    """The body is too large. One request may hold at most 4 MB: send smaller batches."""

    status = 413
    code = "body-too-large"


class UnsupportedMediaType(Problem):
    """This address does not accept that content type."""

    status = 415
    code = "unsupported-media-type"


class Invalid(Problem):
    """The request contains invalid values. `errors` says which, and why."""

    status = 422
    code = "invalid"


class UnknownOwner(Invalid):
    """The owner is not a user of this organisation. Send the user by `POST /v1/sync` first."""

    code = "unknown-user"


class TooMany(Problem):
    """There are too many requests or connections. Wait as long as Retry-After says."""

    status = 429
    code = "too-many"
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "5"}


class Unavailable(Problem):
    """The service cannot answer now.

    What was asked may have been done all the same, or in part: ask again after the time in Retry-After.
    """

    status = 503
    code = "unavailable"
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "2"}


class Busy(Unavailable):
    """The service cannot answer now. Something it needs is in use: ask again after the time in Retry-After."""


class Misconfigured(Exception):
    """The settings contradict each other or are unsafe: the message says which, and what to do."""
