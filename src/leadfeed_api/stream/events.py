"""What goes over the wire, as bytes (WHATWG HTML, section 9.2): values in, bytes out.

An event is a line with its id, which is one user's, before a body, which all who are told the same share.
"""

import random

from pydantic import BaseModel
from sse_starlette.event import ServerSentEvent

from leadfeed_api.feed.queries import ChangeEvent
from leadfeed_api.feed.schemas import FeedItem
from leadfeed_api.stream.schemas import ChangedEvent, ExpiredEvent, LeadEvent, ResetEvent, ResetReason

# A comment without the empty line that ends an event: nothing but a sign of life, to whatever parser.
HEARTBEAT = b":\r\n"
RECONNECT_MS = (1_000, 3_000)  # how long a client is told to wait after a cut: anywhere in between


def opening(first_id: str | None) -> bytes:
    """The first bytes: a comment, how long to wait after a cut, and where the stream starts if the client did not say.

    The waiting time ends no event of its own, because some clients would report an empty one.
    """
    start = b"" if first_id is None else b"id: %b\r\n\r\n" % first_id.encode()
    return ServerSentEvent(comment="connected").encode() + _retry(RECONNECT_MS) + start


def farewell(wait_ms: tuple[int, int]) -> bytes:
    """The last bytes of a stream that may be resumed anywhere in ``wait_ms`` from now."""
    return b": goodbye\r\n" + _retry(wait_ms)


def _retry(wait_ms: tuple[int, int]) -> bytes:
    return b"retry: %d\r\n" % random.randint(*wait_ms)  # noqa: S311  to spread clients, not to keep secrets


def moment(item: FeedItem) -> bytes:
    """The body of ``moment``."""
    return _body("moment", item)


def reset(reason: ResetReason) -> bytes:
    """The body of ``reset``."""
    return _body("reset", ResetEvent(reason=reason))


def expired(*, revoked: bool) -> bytes:
    """The whole of ``expired``, which has no id: nothing of the feed happened."""
    return _body("expired", ExpiredEvent(reason="revoked" if revoked else "expired"))


def change(event: ChangeEvent) -> bytes | None:
    """The body for a change; None for a card that is not the user's to see any more, which a later event says."""
    if event.kind == "reset":
        return reset("many-changes")
    if event.kind == "lead":
        if event.lead is None:
            return None
        return _body("lead", LeadEvent.model_construct(**event.lead.model_dump(), account=event.account))
    return _body("changed", ChangedEvent.model_construct(reason=event.kind, lead_id=event.lead_id or ""))


def _body(event: str, data: BaseModel) -> bytes:
    return ServerSentEvent(data.model_dump_json(), event=event).encode()
