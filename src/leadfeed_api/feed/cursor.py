"""Where a page ends and where a stream stands, as opaque text. Pure: values in, values out.

A page cursor is bound to one user and one set of filters by a signature, so that a forged, foreign or cut one is
refused. A stream position is bound to one user by a tag; the position itself is no secret, and forging one that the log
has come to only replays one's own past.
"""

import base64
import hmac
import struct
from datetime import datetime, timedelta
from typing import Annotated, NamedTuple
from uuid import UUID

from pydantic import AfterValidator

from leadfeed_api.errors import InvalidCursor
from leadfeed_api.fields import EPOCH

_VERSION = 2
_BODY = struct.Struct(">Bq16sQ")  # version, microseconds since 1970, moment id, position
_SEAL_BYTES = 12
_TAG_BYTES = 6
_MICROSECOND = timedelta(microseconds=1)
_POSITION_DIGITS = 18  # below 2^63
_LONGEST = 1_000  # characters; one that names a lead of 128 takes 714


def _not_too_long(text: str) -> str:
    if len(text) > _LONGEST:
        raise InvalidCursor
    return text


# Intentional: no limit that the schema states. One that is too long is forged like any other, and refused as such.
Cursor = Annotated[str, AfterValidator(_not_too_long)]


class Place(NamedTuple):
    """Where a page ended: at this item. ``seen`` is the log's position when the first page was read."""

    occurred_at: datetime
    moment_id: UUID
    seen: int


def write_place(key: bytes, binding: str, place: Place) -> str:
    """The cursor of the page that goes on there; ``binding`` says whose and under which filters."""
    body = _BODY.pack(_VERSION, (place.occurred_at - EPOCH) // _MICROSECOND, place.moment_id.bytes, place.seen)
    return sealed(key, b"page", binding, body)


def read_place(key: bytes, binding: str, cursor: str) -> Place:
    """Where ``cursor`` stands. Raises ``InvalidCursor``."""
    body = unsealed(key, b"page", binding, cursor)
    if len(body) != _BODY.size:
        raise InvalidCursor
    version, microseconds, moment, seen = _BODY.unpack(body)
    if version != _VERSION:
        raise InvalidCursor
    return Place(EPOCH + microseconds * _MICROSECOND, UUID(bytes=moment), seen)


def sealed(key: bytes, purpose: bytes, binding: str, body: bytes) -> str:
    """``body`` as text that only this key can have made, for this purpose and binding."""
    return _text(body + _seal(key, purpose, binding, body, _SEAL_BYTES))


def unsealed(key: bytes, purpose: bytes, binding: str, text: str) -> bytes:
    """What :func:`sealed` made text of. Raises ``InvalidCursor`` for anything else."""
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True)
    except ValueError as error:
        raise InvalidCursor from error
    body, seal = raw[:-_SEAL_BYTES], raw[-_SEAL_BYTES:]
    if _text(raw) != text or not hmac.compare_digest(seal, _seal(key, purpose, binding, body, _SEAL_BYTES)):
        raise InvalidCursor
    return body


class Positions:
    """One user's stream positions: ``<tag>-<position>``, such as ``q3Zx0a1b-1042``; fit for an event's id."""

    def __init__(self, key: bytes, org_id: int, user_id: str) -> None:
        self._prefix = _text(_seal(key, b"stream", f"{org_id}\n{user_id}", b"", _TAG_BYTES)) + "-"

    def write(self, position: int) -> str:
        """The id of the event at ``position``."""
        return f"{self._prefix}{position}"

    def read(self, text: str) -> int | None:
        """The position behind an id; None for one that is malformed or not this user's."""
        digits = text.removeprefix(self._prefix)
        if digits == text or not digits.isascii() or not digits.isdigit() or len(digits) > _POSITION_DIGITS:
            return None
        return int(digits)


def _seal(key: bytes, purpose: bytes, binding: str, body: bytes, length: int) -> bytes:
    message = b"\n".join((purpose, binding.encode("utf-8", "surrogatepass"), body))
    return hmac.digest(key, message, "sha256")[:length]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
