"""From what callers send to moments worth recording. Pure: values in, values out.

Owns the shapes of a moment on its way in (our own JSON and CloudEvents 1.0) and the verdict on each item that does
not need the database. One bad item never spoils another. Knows neither tables nor routes.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import repeat
from typing import Any, Literal, NamedTuple, TypeGuard

from pydantic import ValidationError

from leadfeed_api.wire import CrmId, Description, Incoming, Instant, Link, OptionalLine, SourceId, instant

MomentType = Literal["web", "email", "milestone"]
_TYPES = {"web", "email", "milestone"}
_BAR = "\u00a6"  # between texts; one that holds it is read by the schema
_REQUIRED = ("source", "external_id", "lead_id", "type", "description")
_PLAIN = {*_REQUIRED, "occurred_at"}
MAX_ITEMS = 1_000
EARLY = timedelta(hours=1)  # how far ahead of our clock a sender's may run
CLOUD_EVENT_TYPE = "leadfeed.moment."


class Candidate(NamedTuple):
    """A moment that is well formed; whether its lead exists and whether it is new, only the database knows.

    Identity is (``source``, ``external_id``). ``occurred_at`` is aware, in UTC.

    Intentional: a tuple, made in a quarter of the time a frozen dataclass takes.
    """

    source: str
    external_id: str
    lead_id: str
    type: str
    description: str
    url: str | None
    bot: str | None
    occurred_at: datetime


_candidate = partial(tuple.__new__, Candidate)  # as its ``_make``, without a call of Python's for each


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an item cannot become a moment: a stable code, where in the item, and what to do."""

    problem: str
    pointer: str
    detail: str


class MomentIn(Incoming):
    """A moment as a caller sends it."""

    source: SourceId
    external_id: SourceId
    lead_id: CrmId
    type: MomentType
    description: Description
    occurred_at: Instant | None = None
    url: Link | None = None
    bot: OptionalLine = None


def interpret(item: object, now: datetime) -> Candidate | Rejection:
    """One item of ``{"moments": [...]}``; a missing ``occurred_at`` is ``now``."""
    return interpret_all([item], now)[0]


def interpret_all(items: Sequence[object], now: datetime) -> Sequence[Candidate | Rejection]:
    """As :func:`interpret`, for each."""
    plain = [item for item in items if _is_plain(item)]
    read = plain and read_plain(plain, now)
    if not read:
        return [_judge(item, now, at=_OWN) for item in items]
    others = iter(read)
    return [next(others) if _is_plain(item) else _judge(item, now, at=_OWN) for item in items]


def read_all_plain(items: Sequence[Any], now: datetime) -> list[Candidate] | None:
    """As :func:`interpret_all` where each is a plain moment, all of whose fields are texts; None where in doubt."""
    if set(map(type, items)) != {dict}:
        return None
    # Each has the fields that are required, or nothing is read; so whoever has no more of them has no other.
    fields = len(items) * len(_REQUIRED) + sum(["occurred_at" in item for item in items])
    return read_plain(items, now) if sum(map(len, items)) == fields else None


def _is_plain(item: object) -> TypeGuard[dict[str, Any]]:
    return type(item) is dict and item.keys() <= _PLAIN


def read_plain(items: Sequence[Mapping[str, Any]], now: datetime) -> list[Candidate] | None:
    """What nearly every batch is, read without the schema, field by field for all at once; None where in doubt.

    Intentional: a second spelling of :class:`MomentIn`, and only of what is beyond doubt: plain text in every field and
    no rare one. 0.4 µs an item, where the schema takes 10. It refuses nothing; what it does not take, the schema
    judges. A property test holds the two together.
    """
    dated = max(map(len, items)) > len(_REQUIRED)  # the one field more that a plain moment may have
    try:
        columns = [[item[field] for item in items] for field in _REQUIRED]
        times = [instant(item["occurred_at"]) if "occurred_at" in item else now for item in items] if dated else None
        sources, external_ids, lead_ids, kinds, descriptions = map(set, columns)  # a batch names few of most of them
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if (
        _are_lines(sources, 256)
        and _are_lines(external_ids, 256)
        and _are_lines(lead_ids, 128)
        and kinds <= _TYPES
        and _are_lines(descriptions, 1_000)
        and _are_clean(descriptions)
        and (times is None or max(times) <= now + EARLY)
    ):
        none = repeat(None)
        return list(map(_candidate, zip(*columns, none, none, times or repeat(now))))  # noqa: B905  endless ones
    return None


def _are_lines(values: AbstractSet[object], longest: int) -> TypeGuard[AbstractSet[str]]:
    """Whether each is a line of printable text, taken exactly as it is."""
    if set(map(type, values)) != {str}:
        return False
    texts: AbstractSet[str] = values  # type: ignore[assignment]
    lengths = set(map(len, texts))
    return 0 not in lengths and max(lengths) <= longest and "".join(texts).isprintable()


def _are_clean(texts: AbstractSet[str]) -> bool:
    """Whether each begins and ends with no blank, and has no two together; False where in doubt."""
    whole = _BAR + _BAR.join(texts) + _BAR
    return whole.count(_BAR) == len(texts) + 1 and not any(blanks in whole for blanks in ("  ", f"{_BAR} ", f" {_BAR}"))


def interpret_cloud_event(event: object, now: datetime) -> Candidate | Rejection:
    """One CloudEvent 1.0 in JSON form: ``type`` ``leadfeed.moment.web|email|milestone``, ``subject`` the lead's id.

    ``data`` holds ``description`` and optionally ``url`` and ``bot``; what else it or the envelope carries is ignored.
    """
    if not isinstance(event, Mapping):
        return Rejection("invalid-moment", "", "expected a JSON object")
    if event.get("specversion") != "1.0":
        return Rejection("invalid-specversion", "/specversion", 'expected "1.0"')
    kind = event.get("type")
    if not isinstance(kind, str) or not kind.startswith(CLOUD_EVENT_TYPE):
        return Rejection("invalid-type", "/type", f"expected {CLOUD_EVENT_TYPE}web, …email or …milestone")
    data = event.get("data")
    if not isinstance(data, Mapping):
        return Rejection("invalid-description", "/data", "expected a JSON object with a description")
    item = {
        "source": event.get("source"),
        "external_id": event.get("id"),
        "lead_id": event.get("subject"),
        "type": kind.removeprefix(CLOUD_EVENT_TYPE),
        "occurred_at": event.get("time"),
        **{field: data[field] for field in ("description", "url", "bot") if field in data},
    }
    return _judge(item, now, at=_CLOUD_EVENT)


_OWN: Mapping[str, str] = {}
_CLOUD_EVENT: Mapping[str, str] = {
    "external_id": "/id",
    "lead_id": "/subject",
    "occurred_at": "/time",
    "description": "/data/description",
    "url": "/data/url",
    "bot": "/data/bot",
}


def _judge(item: object, now: datetime, *, at: Mapping[str, str]) -> Candidate | Rejection:
    try:
        moment = MomentIn.model_validate(item)
    except ValidationError as error:
        return _rejection(error.errors(include_url=False, include_input=False, include_context=False)[0], at)
    occurred_at = moment.occurred_at or now
    if occurred_at > now + EARLY:
        pointer = at.get("occurred_at", "/occurred_at")
        return Rejection("invalid-occurred-at", pointer, "more than one hour in the future")
    return Candidate(
        moment.source,
        moment.external_id,
        moment.lead_id,
        moment.type,
        moment.description,
        moment.url,
        moment.bot,
        occurred_at,
    )


def _rejection(error: Mapping[str, Any], at: Mapping[str, str]) -> Rejection:
    location: Sequence[str | int] = error["loc"]
    if not location:
        return Rejection("invalid-moment", "", "expected a JSON object")
    field = str(location[0])
    if error["type"] in {"unexpected_keyword_argument", "extra_forbidden"}:
        # Intentional: the pointer stops at the item, because the unknown field's name is the caller's text.
        return Rejection("unknown-field", "", "a field is not one of a moment's")
    detail = "is required" if error["type"].startswith("missing") else str(error["msg"])
    return Rejection(f"invalid-{field.replace('_', '-')}", at.get(field, f"/{field}"), detail)
