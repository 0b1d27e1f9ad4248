"""What may come in, and how it is read: strict JSON, clean text, ids, instants, links.

Owns the rules every request body shares, so that each feature states only its own fields:

* a body is one JSON document in UTF-8 without a byte-order mark, keys unique, no NaN or Infinity;
* text is cleaned, not refused: control characters and unpaired surrogates become blanks, runs of blanks become one;
* ids are 1-128 printable characters, taken exactly as they come;
* an instant is RFC 3339 with an offset, between 1970 and 9999; a link is http or https.

Knows no table and no route.
"""

import json
import math
import re
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, WithJsonSchema
from pydantic_core import PydanticCustomError

from leadfeed_api.errors import InvalidBody, UnsupportedMediaType

MAX_BODY_BYTES = 4 * 1024 * 1024
_CONTROLS = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+")
_RFC3339 = re.compile(r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
    except UnicodeDecodeError as error:
        raise json.JSONDecodeError("the body is not UTF-8", "", error.start) from None
    if text.startswith("\ufeff"):
        raise json.JSONDecodeError("the body starts with a byte-order mark", "", 0)
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite, parse_int=_int)
    except RecursionError:
        raise json.JSONDecodeError("the body is nested too deeply", "", 0) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise json.JSONDecodeError("an object names one key twice", "", 0)
    return document


def _refuse(_: str) -> float:
    raise json.JSONDecodeError("NaN and Infinity are not JSON", "", 0)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise json.JSONDecodeError("a number is too large", "", 0)
    return number


def _int(digits: str) -> int | float:
    """Intentional: digits beyond 64 bits are read like any large number, so that its field can refuse it by itself."""
    return int(digits) if len(digits) <= 20 else _finite(digits)


class StrictRequest(Request):
    """A request whose JSON body is read by :func:`strict_json`."""

    async def json(self) -> Any:
        """The body as Python values."""
        return strict_json(await self.body())


class StrictRoute(APIRoute):
    """A route that reads its body the strict way: ``APIRouter(route_class=StrictRoute)``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The usual handler, given a :class:`StrictRequest`."""
        handle = super().get_route_handler()

        async def strictly(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return strictly


def clean(text: str) -> str:
    """One line that any database, feed and terminal can hold: controls and unpaired surrogates become single blanks."""
    return _CONTROLS.sub(" ", text).strip()


def _line(longest: int) -> Callable[[object], object]:
    def cleaned(value: object) -> object:
        if not isinstance(value, str):
            return value
        text = clean(value)
        if len(text) > longest:
            raise PydanticCustomError("too_long", "at most {longest} characters", {"longest": longest})
        return text

    return cleaned


def _required(value: object) -> object:
    if value == "":
        raise PydanticCustomError("empty", "must hold at least one visible character")
    return value


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


def _identifier(longest: int) -> Callable[[object], object]:
    def checked(value: object) -> object:
        if isinstance(value, str) and not (1 <= len(value) <= longest and value.isprintable()):
            raise PydanticCustomError("identifier", "1-{longest} printable characters", {"longest": longest})
        return value

    return checked


def instant(text: str) -> datetime:
    """The moment in UTC that an RFC 3339 text names. Raises ``ValueError``."""
    if not _RFC3339.match(text):
        raise ValueError("not RFC 3339")
    when = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.upper())).astimezone(UTC)
    if when < _EPOCH:
        raise ValueError("before 1970")
    return when


def _instant(value: object) -> object:
    if isinstance(value, str):
        try:
            return instant(value)
        except (ValueError, OverflowError):
            pass
    raise PydanticCustomError("instant", "expected RFC 3339 with an offset, from 1970 on, like 2026-11-23T09:12:00Z")


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
Flag = Annotated[bool, Strict()]


async def json_body(request: Request) -> Any:
    """The JSON document in a request's body, for routes that judge it item by item.

    Raises ``UnsupportedMediaType`` for another content type, ``InvalidBody`` for what is no strict JSON.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType("The content type is not one this address takes: application/json.")
    try:
        return strict_json(await request.body())
    except json.JSONDecodeError as error:
        raise InvalidBody(f"The body cannot be read: {error.msg}.") from None
