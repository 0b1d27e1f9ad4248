"""From what callers send to moments worth recording. Pure: values in, values out.

Owns the shapes of a moment on its way in (our own JSON and CloudEvents 1.0) and the verdict on each item that does
not need the database. One bad item never spoils another. Knows neither tables nor routes.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import compress, repeat
from typing import Annotated, Any, NamedTuple
from unicodedata import is_normalized

import msgspec
from pydantic import Field, ValidationError

from leadfeed_api.faults import pointer_to, unknown, why
from leadfeed_api.feed.schemas import MomentType
from leadfeed_api.fields import CrmId, Description, Incoming, Instant, Link, OptionalLine, SourceId, instant

_BAR = "\u00a6"  # between texts; one that holds it is read by the schema
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

    source: SourceId = Field(description="Which system noticed it. With `external_id` it is the moment's identity.")
    external_id: SourceId = Field(description="Its id there: what it is known by when it is sent again.")
    lead_id: CrmId = Field(description="The lead's id in the CRM, which has sent the lead before.")
    type: MomentType = Field(description="What kind of moment it is.")
    description: Description = Field(
        description="One line, as it is shown; control characters and runs of blanks become one blank each."
    )
    occurred_at: Instant | None = Field(
        None, description="When it happened, from 1970 to an hour ahead; null or left out: now."
    )
    url: Link | None = Field(None, description="Where the description leads to, http or https.")
    bot: OptionalLine = Field(
        None,
        description="Why it was likely a machine, in at most 500 characters, such as `likely a mail scanner`: the feed "
        "shows it, and nobody is mailed.",
    )


class PlainMoment(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """What nearly every moment is: no rare field, and no text that is too short or too long."""

    source: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    external_id: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    lead_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    type: MomentType
    description: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]
    occurred_at: str | None = None


_PLAIN = frozenset(PlainMoment.__struct_fields__)


def interpret(item: object, now: datetime) -> Candidate | Rejection:
    """One item of ``{"moments": [...]}``; a missing ``occurred_at`` is ``now``."""
    return interpret_all([item], now)[0]


def interpret_all(items: Sequence[object], now: datetime) -> Sequence[Candidate | Rejection]:
    """As :func:`interpret`, for each."""
    plain = [_is_plain(item) for item in items]
    read = _read_among(items, plain, now)
    if not read:
        return [judge(item, now, at=_OWN) for item in items]
    others = iter(read)
    return [next(others) if easy else judge(item, now, at=_OWN) for item, easy in zip(items, plain, strict=True)]


def _is_plain(item: object) -> bool:
    return type(item) is dict and item.keys() <= _PLAIN


def _read_among(items: Sequence[object], plain: Sequence[bool], now: datetime) -> list[Candidate] | None:
    try:
        return read_plain(msgspec.convert(list(compress(items, plain)), list[PlainMoment]), now)
    except (msgspec.ValidationError, UnicodeEncodeError):  # the latter of half a character
        return None


def read_plain(items: Sequence[PlainMoment], now: datetime, *, printable: bool = False) -> list[Candidate] | None:
    """What nearly every batch is, read without the schema, field by field for all at once; None where in doubt.

    ``printable``: the caller knows already that no text holds a character that is not, or is not composed.

    Intentional: a second spelling of :class:`MomentIn`, and only of what is beyond doubt: plain text in every field and
    no rare one. It refuses nothing; what it does not take, the schema judges, in many times as long. A property test
    holds the two together.
    """
    sources = [one.source for one in items]
    external_ids = [one.external_id for one in items]
    lead_ids = [one.lead_id for one in items]
    types = [one.type for one in items]
    descriptions = [one.description for one in items]
    different = set(descriptions)  # a batch names few of most of them
    if not _are_clean(different):
        return None
    if not printable and not _is_plain_text("".join(different.union(sources, external_ids, lead_ids))):
        return None
    try:
        times = _times([one.occurred_at for one in items], now)
    except (ValueError, OverflowError):
        return None
    none = repeat(None)
    columns = (sources, external_ids, lead_ids, types, descriptions, none, none, times)
    return list(map(_candidate, zip(*columns)))  # noqa: B905  endless ones


def _times(said: Sequence[str | None], now: datetime) -> Iterable[datetime]:
    """When each occurred. Raises ``ValueError`` or ``OverflowError`` where one is no such time, or too far ahead."""
    if said.count(None) == len(said):
        return repeat(now)
    times = [now if text is None else instant(text) for text in said]
    if max(times) > now + EARLY:
        raise ValueError("more than one hour in the future")
    return times


def _is_plain_text(text: str) -> bool:
    """Whether it is printable and composed; False where in doubt."""
    return text.isprintable() and is_normalized("NFC", text)


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
    attributes = {field: event.get(name) for field, name in _ATTRIBUTES.items()}
    item = {
        **{field: value for field, value in attributes.items() if value is not None},  # null is as good as left out
        "type": kind.removeprefix(CLOUD_EVENT_TYPE),
        **{field: data[field] for field in _DATA if field in data},
    }
    return judge(item, now, at=_CLOUD_EVENT)


_OWN: Mapping[str, str] = {}
_ATTRIBUTES = {"source": "source", "external_id": "id", "lead_id": "subject", "occurred_at": "time"}
_DATA = ("description", "url", "bot")
_CLOUD_EVENT: Mapping[str, str] = {
    **{field: f"/{name}" for field, name in _ATTRIBUTES.items()},
    **{field: f"/data/{field}" for field in _DATA},
}


def judge(item: object, now: datetime, *, at: Mapping[str, str]) -> Candidate | Rejection:
    """An item with the fields of :class:`MomentIn`; ``at`` has the pointers of fields that stood elsewhere."""
    try:
        moment = MomentIn.model_validate(item)
    except ValidationError as error:
        return _rejection(error.errors(include_url=False, include_input=False)[0], at)
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
    if error["type"] == "extra_forbidden":
        return Rejection("unknown-field", pointer_to(field), unknown("field", MomentIn.model_fields))
    return Rejection(f"invalid-{field.replace('_', '-')}", at.get(field, f"/{field}"), why(error))
