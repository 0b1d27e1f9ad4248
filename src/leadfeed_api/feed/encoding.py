"""The page as bytes, with no object for any item: the one place where speed is bought with a second spelling.

PostgreSQL writes the items, Python closes the page. Fifty items cost 60 µs of PostgreSQL and 30 here; as columns they
were decoded, put into dictionaries and made JSON for 250. The schema stays what is documented and what everyone else
renders; a test holds the two equal, byte by byte.

What PostgreSQL writes has DEL where JSON has a quotation mark, and every text as it is: escaping twenty thousand
characters at once is cheaper than four hundred and fifty texts one by one, and afterwards each DEL becomes its
quotation mark. That needs texts without a DEL of their own, and there are none: no door lets one in (``fields.clean``;
ids and links are printable). Knows the columns of an item, and no table.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

_QUOTE = "\x7f"
_WITH_QUOTES = bytes.maketrans(b"\x7f", b'"')  # one look at each byte: replacing would stop at every seventh
_BOUNDARY = (
    f",{{{_QUOTE}id{_QUOTE}:"  # between two items, and nowhere in one: a lead's id has no comma before its brace
)


def _text(column: str) -> list[str]:
    return [f"'{_QUOTE}'", column, f"'{_QUOTE}'"]


def _text_or_null(column: str) -> list[str]:
    return [f"COALESCE('{_QUOTE}' || {column} || '{_QUOTE}', 'null')"]


def _flag(column: str) -> list[str]:
    return [f"CASE WHEN {column} THEN 'true' ELSE 'false' END"]


def _object(**fields: list[str]) -> list[str]:
    parts, before = [], "{"
    for name, value in fields.items():
        parts += [f"'{before}{_QUOTE}{name}{_QUOTE}:'", *value]
        before = ","
    return [*parts, "'}'"]


def _concat(parts: list[str]) -> str:
    """The parts as one text; literals side by side are one argument."""
    arguments = [""]
    for part in parts:
        if arguments[-1].startswith("'") and part.startswith("'"):
            arguments[-1] = arguments[-1][:-1] + part[1:]
        else:
            arguments.append(part)
    return f"concat({', '.join(arguments[1:])})"


_MOMENT = """replace(to_char(p.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000', '')"""
_LEAD = _object(
    id=_text("p.lead_id"),
    name=_text("p.lead_name"),
    title=_text_or_null("p.title"),
    starred=_flag("p.starred"),
    stars=["p.stars"],
    flames=["p.flames"],
)
_ACCOUNT = _concat(_object(id=_text("p.account_id"), name=_text("p.account_name")))
_BECAUSE = f"""CASE WHEN p.owned AND p.watched THEN '[{_QUOTE}owned{_QUOTE},{_QUOTE}watched{_QUOTE}]'
  WHEN p.owned THEN '[{_QUOTE}owned{_QUOTE}]' WHEN p.watched THEN '[{_QUOTE}watched{_QUOTE}]' ELSE '[]' END"""
# Undecided where it depends on words, which SQL would compare by the database's locale: then the words are written.
_SUBSCRIBED = f"""CASE WHEN p.listening IS NULL THEN 'false' WHEN p.listening = '' THEN 'true'
  ELSE '{_QUOTE}' || p.listening || '{_QUOTE}' END"""
# One item, from a row ``p`` of the feed's columns, in the order of :class:`FeedItem`.
ITEM = _concat(
    _object(
        id=_text("p.moment_id"),
        type=_text("p.type"),
        description=_text("p.description"),
        occurred_at=_text(_MOMENT),
        url=_text_or_null("p.url"),
        source=_text("p.source"),
        lead=_LEAD,
        account=[f"CASE WHEN p.account_id IS NULL THEN 'null' ELSE {_ACCOUNT} END"],
        because=[_BECAUSE],
        subscribed=[_SUBSCRIBED],
        read=_flag("p.read"),
        bot=_text_or_null("p.bot"),
    )
)


class Items:
    """What :data:`ITEM` wrote of several rows, joined by commas, newest first."""

    __slots__ = ("_written",)

    def __init__(self, written: str) -> None:
        self._written = written

    def without_last(self) -> "Items":
        """All but the oldest."""
        return Items(self._written[: max(self._written.rfind(_BOUNDARY), 0)])

    def last(self) -> tuple[datetime, UUID]:
        """When the oldest one's moment was, and which it is."""
        item = orjson.loads(_closed(self._written[self._written.rfind(_BOUNDARY) + 1 :]))
        return datetime.fromisoformat(item["occurred_at"]), UUID(item["id"])

    def json(self) -> bytes:
        """The items as JSON, one after the other."""
        return _closed(self._written)

    def decided(self, holds: Callable[[str, str], bool]) -> bytes:
        """As :meth:`json`, asking ``holds(listening, description)`` of each whose subscription depends on words."""
        items: list[Any] = orjson.loads(b"[%b]" % self.json())
        for item in items:
            if isinstance(item["subscribed"], str):
                item["subscribed"] = holds(item["subscribed"], item["description"])
        return orjson.dumps(items)[1:-1]


def _closed(written: str) -> bytes:
    return orjson.dumps(written)[1:-1].translate(_WITH_QUOTES)


def page_json(items: bytes, next_cursor: str | None, live_cursor: str) -> bytes:
    """What :class:`FeedPage` would be on the wire. Cursors need no escaping."""
    following = b"null" if next_cursor is None else b'"%b"' % next_cursor.encode("ascii")
    return b'{"items":[%b],"next_cursor":%b,"live_cursor":"%b"}' % (items, following, live_cursor.encode("ascii"))
