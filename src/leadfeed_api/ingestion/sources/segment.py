"""Messages as Segment, and what speaks its language as RudderStack does, forward them: each may be a moment.

A page or a screen is a web moment, an email opened or clicked an email moment, anything else that was tracked a
milestone. Owns the names that Segment's spec gives a message's fields and its semantic email events. Says of every
other message that it is no moment. Knows no envelope and no request.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from leadfeed_api.feed.schemas import MomentType
from leadfeed_api.fields import Closed, SourceId
from leadfeed_api.ingestion.interpret import Candidate, Rejection, judge
from leadfeed_api.ingestion.sources.marketo_types import ActivityTypes, packaged_types
from leadfeed_api.ingestion.sources.phrasing import first_link, first_readable

LONGEST = 2_001  # characters of a text that are looked at: one more than a link may have
JsonPointer = Annotated[str, Field(pattern=r"^(/([^~/]|~[01])+)+$", max_length=200)]


class Forwarding(Closed):
    """What the address that messages are forwarded to says about all of them."""

    source: SourceId = Field("segment", description="The moments' `source`; with a `messageId` it is one's identity.")
    type: MomentType | None = Field(
        None,
        description="The kind of all moments; left out: page and screen are web, opens and clicks email, others "
        "milestone.",
    )
    lead_id_at: JsonPointer = Field(
        "/userId", description="JSON pointer to the lead's id in each message, such as `/context/traits/crm_id`."
    )


class _Kind(NamedTuple):
    moment: MomentType
    texts: Sequence[str]  # the first whose {attributes} are all readable is the description
    activity: int  # Marketo's number of the same thing, by which its table of scanners tells an open from a click


_CALLS = {
    "page": _Kind("web", ("Visited “{name}”", "Visited “{title}”", "Visited “{url}”", "Visited the website"), 1),
    "screen": _Kind("web", ("Opened “{name}” in the app", "Used the app"), 1),
}
_EMAIL_EVENTS = {
    "Email Opened": _Kind("email", ("Opened “{email_subject}”", "Opened an email"), 10),
    "Email Link Clicked": _Kind("email", ("Clicked a link in “{email_subject}”", "Clicked a link in an email"), 11),
}
_TRACKED = _Kind("milestone", ("{description}", "{event}: {title}", "{event}"), 0)
# What became of a mail is no news of the person, here as in what comes from Marketo.
_NO_NEWS = frozenset({"Email Bounced", "Email Delivered", "Email Marked as Spam", "Unsubscribed"})
_LINKS = ("link_url", "url", "page_url")
_NO_MOMENT = "only page, screen and track are moments, and of track not what became of a mail"


def moment_from(message: object, said: Forwarding, now: datetime) -> Candidate | Rejection:
    """The moment of a message; one without a time happened ``now``."""
    if not isinstance(message, Mapping):
        return Rejection("invalid-moment", "", "expected a JSON object")
    kind = _kind(message)
    if kind is None:
        return Rejection("no-moment", "/type", _NO_MOMENT)
    attributes = _attributes(message)
    item = {
        "source": said.source,
        "external_id": message.get("messageId"),
        "lead_id": _id(_at(message, said.lead_id_at)),
        "type": said.type or kind.moment,
        "description": first_readable(kind.texts, attributes) or message.get("event"),
        "occurred_at": message.get("timestamp") or message.get("originalTimestamp"),
        "url": first_link(_LINKS, attributes),
        "bot": _types().bot(kind.activity, {"user_agent": attributes.get("user_agent", "")}),
    }
    return judge({field: value for field, value in item.items() if value is not None}, now, at=_places(said.lead_id_at))


def _kind(message: Mapping[str, Any]) -> _Kind | None:
    call, event = message.get("type"), message.get("event")
    if call != "track":
        return _CALLS.get(call) if isinstance(call, str) else None
    if not isinstance(event, str):
        return _TRACKED
    return None if event in _NO_NEWS else _EMAIL_EVENTS.get(event, _TRACKED)


def _attributes(message: Mapping[str, Any]) -> Mapping[str, str]:
    """The texts that a message has to say, by name: its properties, and what stands beside them."""
    found = {
        **_object(message, "properties"),
        "name": message.get("name") or _object(message, "properties").get("name"),
        "event": message.get("event"),
        "page_url": _at(message, "/context/page/url"),
        "user_agent": _at(message, "/context/userAgent"),
    }
    return {name: value[:LONGEST] for name, value in found.items() if isinstance(value, str)}


def _object(message: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = message.get(name)
    return found if isinstance(found, Mapping) else {}


def _at(message: object, pointer: str) -> object:
    """What stands there; None for nothing. Of arrays it looks into none."""
    found = message
    for name in pointer.split("/")[1:]:
        found = found.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found


def _id(found: object) -> object:
    """An id; some send a number for one that consists of digits."""
    return str(found) if type(found) is int else found


def _places(lead_id_at: str) -> Mapping[str, str]:
    """Where in a message each field comes from."""
    return {
        "external_id": "/messageId",
        "lead_id": lead_id_at,
        "description": "/event",
        "occurred_at": "/timestamp",
    }


@cache
def _types() -> ActivityTypes:
    return packaged_types()
