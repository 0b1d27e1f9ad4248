"""What a value that comes in may be: clean text, ids, instants, links; and what all models of bodies have in common.

Owns the rules of single values, so that each feature states only its own fields:

* text is cleaned, not refused: control characters and unpaired surrogates become blanks, runs of blanks become one;
* ids are 1-128 printable characters, taken exactly as they come;
* an instant is RFC 3339 with an offset, between 1970 and 9999;
* a link is http or https; a company's website may leave https:// out.

Pure: knows no request.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated, Any
from unicodedata import normalize
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

_CONTROLS = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+")
_TURNS = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
_RFC3339 = re.compile(r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
DOMAIN = rf"(?:{_LABEL}\.)*{_LABEL}"  # a regular expression; in small letters, ASCII
_BARE = re.compile(r"[\w-]+(?:\.[\w-]+)+(?::\d+)?(?![^/?#])")  # a host of several labels, and what may follow it
_FLOOD = 100  # fields; nothing that is sent has as many
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime.max.replace(tzinfo=UTC)


def example(**values: Any) -> ConfigDict:
    """A model's configuration that shows one example of it in the OpenAPI document."""
    return ConfigDict(json_schema_extra={"examples": [values]})


class Closed(BaseModel):
    """What takes no field but its own, and does not change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_a_flood(cls, given: Any) -> Any:
        """One of very many unknown fields is enough: an error for each of 4 MB of them takes five seconds."""
        if not isinstance(given, dict) or len(given) <= _FLOOD:
            return given
        known = cls.model_fields
        strange = next(name for name in given if name not in known)
        return {name: given[name] for name in (*known, strange) if name in given}


class Incoming(Closed):
    """What callers send as JSON: nothing is coerced."""

    model_config = ConfigDict(strict=True)


class Outgoing(BaseModel):
    """What leaves the service: immutable, in the order it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def clean(text: str) -> str:
    """One line that any database, feed and terminal can hold: controls and unpaired surrogates become single blanks.

    Composed (NFC), as most write and all search: an "é" of two characters is found by one of one, and the other way.
    """
    return normalize("NFC", _CONTROLS.sub(" ", text).strip())


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


def is_identifier(text: str, longest: int = 128) -> bool:
    """Whether a text can be an id; those that the CRM chooses have at most 128 characters."""
    return 1 <= len(text) <= longest and text.isprintable()


def _identifier(longest: int) -> Callable[[object], object]:
    def checked(value: object) -> object:
        if isinstance(value, str) and not is_identifier(value, longest):
            raise PydanticCustomError("identifier", "expected 1-{longest} printable characters", {"longest": longest})
        return value

    return checked


def digits(value: object) -> object:
    """A number in a query, as it came. Raises where it is more than digits."""
    if isinstance(value, str) and not (value.isascii() and value.isdecimal()):
        raise PydanticCustomError("digits", "expected a whole number")
    return value


def instant(text: str) -> datetime:
    """The moment in UTC that an RFC 3339 text names. Raises ``ValueError``."""
    if not _RFC3339.match(text):
        raise ValueError("not RFC 3339")
    try:
        when = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.upper())).astimezone(UTC)
    except ValueError:
        when = _leap_second(text)
    if when < EPOCH:
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


def _website(value: object) -> object:
    """A company's address as people write it: without a scheme, where a host is meant, it is https."""
    bare = isinstance(value, str) and _BARE.match(value.strip())
    return _link(f"https://{str(value).strip()}" if bare else value)


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones()) - {"localtime", "Factory"}  # a machine's own, and none


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
Website = Annotated[str, Strict(), BeforeValidator(_website), WithJsonSchema({**_TEXT, "maxLength": 2_000})]
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
# In a query everything is text: digits alone, where the library would also take "1_0".
Count = Annotated[int, BeforeValidator(digits)]
