"""What may come in, and how it is read: strict JSON, clean text, ids, instants, links.

Owns the rules every request body shares, so that each feature states only its own fields:

* a body is one JSON document in UTF-8 without a byte-order mark, keys unique, no NaN or Infinity by name;
* text is cleaned, not refused: control characters and unpaired surrogates become blanks, runs of blanks become one;
* ids are 1-128 printable characters, taken exactly as they come;
* an instant is RFC 3339 with an offset, between 1970 and 9999; a link is http or https.

Knows no table and no route.
"""

import asyncio
import json
import re
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.message import Message as EmailMessage
from functools import cache, lru_cache
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit
from zoneinfo import available_timezones

from fastapi import Depends, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, WithJsonSchema
from pydantic_core import PydanticCustomError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leadfeed_api.errors import Invalid, InvalidBody, UnsupportedMediaType

MAX_BODY_BYTES = 4 * 1024 * 1024
BODY_SECONDS = 30.0  # for a whole body to arrive: 4 MB at 1.1 Mbit/s
_CONTROLS = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+")
_TURNS = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
_RFC3339 = re.compile(r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime.max.replace(tzinfo=UTC)


def example(**values: Any) -> ConfigDict:
    """A model's configuration that shows one example of it in the OpenAPI document."""
    return ConfigDict(json_schema_extra={"examples": [values]})


class Incoming(BaseModel):
    """What callers send: unknown fields are refused, nothing is coerced, and it does not change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def strict_json(body: bytes) -> Any:
    """One JSON document, read the strict way.

    Raises ``json.JSONDecodeError`` with what is wrong, never echoing the body.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise _NotStrict("the body is not UTF-8") from None
    if text.startswith("\ufeff"):
        raise _NotStrict("the body starts with a byte-order mark")
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse, parse_int=_int)
    except RecursionError:
        raise _NotStrict("the body is nested too deeply") from None
    except _NotStrict:
        raise
    except json.JSONDecodeError as error:
        raise _NotStrict(f"it is not JSON at line {error.lineno}, column {error.colno}") from None


class _NotStrict(json.JSONDecodeError):
    def __init__(self, reason: str) -> None:
        super().__init__(reason, "", 0)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise _NotStrict("an object names one key twice")
    return document


def _refuse(_: str) -> float:
    raise _NotStrict("NaN and Infinity are not JSON")


def _int(digits: str) -> int | float:
    """Intentional: digits beyond 64 bits are read like any large number, so that its field can refuse it by itself.

    So is 1e400, which is JSON: it becomes an infinity, which no field takes.
    """
    return int(digits) if len(digits) <= 20 else float(digits)


def media_type(headers: Mapping[str, str]) -> str:
    """The content type without its parameters, in small letters; empty for none, and for a charset other than UTF-8."""
    return _media_type(headers.get("content-type", ""))


@lru_cache(maxsize=64)  # of a few that nearly everybody sends; taking one apart is 50 µs
def _media_type(content_type: str) -> str:
    message = EmailMessage()
    message["content-type"] = content_type
    charset = str(message.get_param("charset", "utf-8")).lower()
    return message.get_content_type() if message["content-type"] and charset in {"utf-8", "utf8", "us-ascii"} else ""


def demand_unencoded(headers: Mapping[str, str]) -> None:
    """Raises ``UnsupportedMediaType`` for a body that is said to be compressed (RFC 9110, section 8.4)."""
    if "content-encoding" in headers and headers["content-encoding"].strip().lower() not in {"identity", ""}:
        raise UnsupportedMediaType(
            "The body is compressed, which no address takes: send it as it is.", headers={"Accept-Encoding": "identity"}
        )


def demand_json(headers: Mapping[str, str]) -> None:
    """Raises ``UnsupportedMediaType`` unless the body is said to be JSON, and not compressed."""
    demand_unencoded(headers)
    if media_type(headers) != "application/json":
        raise UnsupportedMediaType("This address accepts only application/json.")


def announced_length(headers: Mapping[str, str]) -> int | None:
    """How many bytes a body is said to have; None where nothing is said, or no number."""
    length = headers.get("content-length", "")
    return int(length[:20]) if length.isdecimal() else None


class BoundedBodies:
    """Pure ASGI middleware: a body has at most ``limit`` bytes and arrives within ``seconds``; else 413 or 408.

    Refused where the body is read, so that the refusal leaves as a problem like any other.
    """

    def __init__(self, app: ASGIApp, *, limit: int = MAX_BODY_BYTES, seconds: float = BODY_SECONDS) -> None:
        self.app = app
        self.limit = limit
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on, with a watch on the body."""
        if scope["type"] == "http" and _has_a_body(scope):
            receive = self._watched(scope, receive)
        await self.app(scope, receive, send)

    def _watched(self, scope: Scope, receive: Receive) -> Receive:
        deadline = asyncio.get_running_loop().time() + self.seconds
        announced = announced_length(Headers(scope=scope)) or 0
        size, whole = 0, False

        async def watched() -> Message:
            nonlocal size, whole
            if whole:
                return await receive()
            if announced > self.limit:
                raise HTTPException(413)
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, headers={"Connection": "close"}) from None
            size += len(message.get("body", b""))
            if size > self.limit:
                raise HTTPException(413)
            whole = not message.get("more_body", False)
            return message

        return watched


def _has_a_body(scope: Scope) -> bool:
    """Whether a body was announced; HTTP/1.1 has no other (RFC 9112, section 6.3)."""
    return any(name in {b"content-length", b"transfer-encoding"} for name, _ in scope["headers"])


class StrictRequest(Request):
    """A request whose JSON body is read by :func:`strict_json`."""

    async def json(self) -> Any:
        """The body as Python values."""
        return strict_json(await self.body())


class StrictRoute(APIRoute):
    """A route that reads its body the strict way, and ids in its path as they are: ``APIRouter(route_class=…)``.

    Who is asking is asked first: nobody reads a stranger's body, nor tells them what is wrong with it.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The usual handler, given a :class:`StrictRequest`."""
        handle = super().get_route_handler()
        enter = self._dependencies_alone()
        known = _query_names(self.dependant) if self.path.startswith("/v1/") else None

        async def strictly(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            unknown = known is not None and not known.issuperset(strict.query_params)
            if unknown or self.body_field is not None:
                await enter(strict)
            if unknown:
                raise Invalid(errors=[{"detail": "unknown query parameter"}])
            if self.body_field is not None and await strict.body():
                demand_json(strict.headers)
            return await handle(strict)

        return strictly

    def _dependencies_alone(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """A handler that solves what the route depends on and no more; the framework itself reads the body first."""
        asked = [Depends(one.call) for one in self.dependant.dependencies]
        return APIRoute(self.path, _nothing, dependencies=asked).get_route_handler()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As usual, except that an encoded slash belongs to the id it stands in and not to the path around it."""
        encoded: bytes = scope.get("raw_path") or b""
        if b"%2f" not in encoded.lower():
            return super().matches(scope)
        match, found = super().matches({**scope, "path": encoded.decode("latin-1")})
        if match is not Match.NONE:
            found["path_params"] = {name: unquote(value) for name, value in found["path_params"].items()}
        return match, found


async def _nothing() -> Response:
    return Response()


def _query_names(dependant: Dependant) -> frozenset[str] | None:
    """What a query may name; None where a model reads it, which refuses the rest by itself."""
    names: set[str] = set()
    for one in (dependant, *dependant.dependencies):
        for parameter in one.query_params:
            kind = parameter.field_info.annotation
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                return None
            names.add(parameter.alias)
    return frozenset(names)


def clean(text: str) -> str:
    """One line that any database, feed and terminal can hold: controls and unpaired surrogates become single blanks."""
    return _CONTROLS.sub(" ", text).strip()


def without_turns(text: str) -> str:
    """Without the marks by which a name could turn the rest of its line around; right-to-left scripts need none."""
    return _TURNS.sub("", text)


def _line(longest: int) -> Callable[[object], object]:
    def cleaned(value: object) -> object:
        if not isinstance(value, str):
            return value
        text = clean(value)
        if len(text) > longest:
            raise PydanticCustomError("long_line", "must have at most {longest} characters", {"longest": longest})
        return text

    return cleaned


def _shows(text: str) -> bool:
    """Whether a cleaned text has a character to see: not only joiners, marks of direction and the like.

    These stay where they stand between others: emoji are joined by them, and Persian is written with them.
    """
    return any(character.isprintable() and character != " " for character in text)


def _required(value: object) -> object:
    if isinstance(value, str) and not _shows(value):
        raise PydanticCustomError("empty", "must contain at least one visible character")
    return value


def _empty_is_none(value: object) -> object:
    return None if isinstance(value, str) and not _shows(value) else value


def _identifier(longest: int) -> Callable[[object], object]:
    def checked(value: object) -> object:
        if isinstance(value, str) and not (1 <= len(value) <= longest and value.isprintable()):
            raise PydanticCustomError("identifier", "expected 1-{longest} printable characters", {"longest": longest})
        return value

    return checked


def instant(text: str) -> datetime:
    """The moment in UTC that an RFC 3339 text names. Raises ``ValueError``."""
    if not _RFC3339.match(text):
        raise ValueError("not RFC 3339")
    try:
        when = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.upper())).astimezone(UTC)
    except ValueError:
        when = _leap_second(text)
    if when < _EPOCH:
        raise ValueError("before 1970")
    return when


def _leap_second(text: str) -> datetime:
    """A day's second 60 in UTC is the next day's first, as it is to every clock that counts like POSIX.

    Raises ``ValueError`` for any other time.
    """
    if text[16:19] != ":60":
        raise ValueError("no such time")
    when = instant(f"{text[:16]}:59{text[19:]}") + timedelta(seconds=1)
    if (when.hour, when.minute, when.second) != (0, 0, 0):
        raise ValueError("no leap second")
    return when


def _instant(value: object) -> object:
    """Intentional: without the last microsecond there is, which the database's driver takes for infinity."""
    if isinstance(value, str):
        with suppress(ValueError, OverflowError):
            if (when := instant(value)) < _END:
                return when
    raise PydanticCustomError(
        "instant", "expected RFC 3339 with an offset, from 1970 to the end of 9999, like 2026-11-23T09:12:00Z"
    )


def _link(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = value.strip()
    try:
        parts = urlsplit(text)
        sane = parts.scheme.lower() in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sane = False
    if not sane or len(text) > 2_000 or not text.isprintable() or re.search(r'[\s<>"\\]', text):
        raise PydanticCustomError("link", "expected an http or https URL of at most 2,000 characters")
    return text


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _time_zone(value: object) -> object:
    if isinstance(value, str) and value not in _time_zones():
        raise PydanticCustomError("time_zone", "expected the name of a time zone, like Europe/Paris")
    return value


_TEXT = {"type": "string"}
CrmId = Annotated[
    str, Strict(), BeforeValidator(_identifier(128)), WithJsonSchema({**_TEXT, "minLength": 1, "maxLength": 128})
]
SourceId = Annotated[
    str, Strict(), BeforeValidator(_identifier(256)), WithJsonSchema({**_TEXT, "minLength": 1, "maxLength": 256})
]
Instant = Annotated[datetime, BeforeValidator(_instant), WithJsonSchema({**_TEXT, "format": "date-time"})]
Link = Annotated[str, Strict(), BeforeValidator(_link), WithJsonSchema({**_TEXT, "format": "uri", "maxLength": 2_000})]
Name = Annotated[
    str,
    Strict(),
    BeforeValidator(_required),
    BeforeValidator(_line(200)),
    WithJsonSchema({**_TEXT, "minLength": 1, "maxLength": 200}),
]
Description = Annotated[
    str,
    Strict(),
    BeforeValidator(_required),
    BeforeValidator(_line(1_000)),
    WithJsonSchema({**_TEXT, "minLength": 1, "maxLength": 1_000}),
]
OptionalLine = Annotated[
    str | None,
    BeforeValidator(_empty_is_none),
    BeforeValidator(_line(500)),
    Field(description="One line; at most 500 characters."),
]
TimeZone = Annotated[
    str, Strict(), BeforeValidator(_time_zone), WithJsonSchema({**_TEXT, "examples": ["Europe/Paris"], "maxLength": 64})
]
Flag = Annotated[bool, Strict()]


async def json_body(request: Request) -> Any:
    """The JSON document in a request's body, for routes that judge it item by item.

    Raises ``UnsupportedMediaType`` for another content type, ``InvalidBody`` for what is no strict JSON.
    """
    demand_json(request.headers)
    try:
        return strict_json(await request.body())
    except json.JSONDecodeError as error:
        raise InvalidBody(f"The body cannot be read: {error.msg}.") from None
