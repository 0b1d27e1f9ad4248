"""Where a page of best bets ends, as opaque text. Pure: values in, values out."""

import math
import struct
from typing import NamedTuple

from leadfeed_api.errors import InvalidCursor
from leadfeed_api.feed.cursor import sealed, unsealed

_VERSION = 1
_HEAD = struct.Struct(">BBBd")  # version, flames, stars, score; the lead's id follows
_PURPOSE = b"best bets"


class Place(NamedTuple):
    """Where a lead stands in the order; a missing score is minus infinity."""

    flames: int
    stars: int
    score: float
    lead_id: str


def write_place(key: bytes, binding: str, place: Place) -> str:
    """The cursor of the page that follows this place; ``binding`` says whose and of which choice."""
    head = _HEAD.pack(_VERSION, place.flames, place.stars, place.score)
    return sealed(key, _PURPOSE, binding, head + place.lead_id.encode())


def read_place(key: bytes, binding: str, cursor: str) -> Place:
    """The place that ``cursor`` follows. Raises ``InvalidCursor``."""
    body = unsealed(key, _PURPOSE, binding, cursor)
    if len(body) <= _HEAD.size:
        raise InvalidCursor
    version, flames, stars, score = _HEAD.unpack_from(body)
    if version != _VERSION or math.isnan(score):
        raise InvalidCursor
    return Place(flames, stars, score, body[_HEAD.size :].decode())
