"""The envelopes moments come in: our own batch, CloudEvents 1.0 structured, binary and batched, Segment's messages.

Owns which items a body holds and where in the body each stands. What an item means is ``interpret``'s, and what a
message of a source's own means that source's.
"""

import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec

from leadfeed_api.errors import Invalid
from leadfeed_api.faults import pointer_to
from leadfeed_api.ingestion.interpret import (
    MAX_ITEMS,
    Candidate,
    PlainMoment,
    Rejection,
    interpret_all,
    interpret_cloud_event,
    read_plain,
)
from leadfeed_api.ingestion.sources.segment import Forwarding, moment_from
from leadfeed_api.wire import demand_unencoded, json_document, media_type, of_another_type, strict_json


@dataclass(frozen=True, slots=True)
class Batch:
    """What a body held: one judged item each.

    ``above`` is the JSON pointer of the array they stand in; None where one item is the whole body.
    """

    items: Sequence[Candidate | Rejection]
    above: str | None
    lead_pointer: str  # of the lead's id in an item
    in_headers: bool = False  # of the one item, all but its data

    def place(self, index: int, pointer: str) -> dict[str, str]:
        """Where in the request a part of an item stands: a JSON pointer into the body, or a header's name."""
        if self.in_headers:
            inside = pointer.removeprefix("/data")
            return {"header": f"ce-{pointer[1:]}"} if inside == pointer else {"pointer": inside}
        return {"pointer": pointer if self.above is None else f"{self.above}/{index}{pointer}"}


def open_envelope(headers: Mapping[str, str], body: bytes, now: datetime) -> Batch:
    """The items in a body, by its content type.

    Raises ``UnsupportedMediaType``, ``InvalidBody`` (no JSON) or ``Invalid`` (JSON, but no batch).
    """
    demand_unencoded(headers)
    kind = media_type(headers)
    if kind == "application/cloudevents+json":
        return _events([_with_data(_event(json_document(body)))], None, now)
    if kind == "application/cloudevents-batch+json":
        return _events([_with_data(event) for event in _items(json_document(body), "")], "", now)
    if kind == "application/json" and "ce-specversion" in headers:
        return _events([_binary(headers, json_document(body))], None, now, in_headers=True)
    if kind == "application/json":
        return _plain(body, now) or _own(json_document(body), now)
    raise of_another_type("application/json", "application/cloudevents+json", "application/cloudevents-batch+json")


def open_messages(document: Any, said: Forwarding, now: datetime) -> Batch:
    """Segment's messages: one, an array of them, or ``{"batch": [...]}``. Raises ``Invalid``."""
    if isinstance(document, list):
        messages, above = _items(document, ""), ""
    elif isinstance(document, dict) and "batch" in document:
        messages, above = _items(document["batch"], "/batch"), "/batch"
    elif isinstance(document, dict) and "type" in document:
        messages, above = [document], None
    else:
        expected = 'expected a message with its type, an array of messages, or {"batch": [...]}'
        raise Invalid(errors=[{"pointer": "", "detail": expected}])
    return Batch([moment_from(message, said, now) for message in messages], above, said.lead_id_at)


class _PlainBatch(msgspec.Struct, forbid_unknown_fields=True):
    moments: Annotated[list[PlainMoment], msgspec.Meta(min_length=1, max_length=MAX_ITEMS)]


_plain_batch = msgspec.json.Decoder(_PlainBatch)


def _plain(body: bytes, now: datetime) -> Batch | None:
    """What nearly every body is, checked while it is parsed: a batch of plain moments. None where in doubt.

    The fast parser keeps the last of two equal keys and says nothing. But where no character is escaped, each text has
    two quotation marks, and nothing else has: more of them than the texts that were found need are a key named twice.
    """
    if b"\\" in body:
        return None
    try:
        items = _plain_batch.decode(body).moments
    except msgspec.DecodeError:
        return None
    if body.count(b'"') != 2 * (1 + sum([10 if item.occurred_at is None else 12 for item in items])):
        return None
    # Unescaped, so no text holds one of the characters that JSON has escaped.
    printable = body.isascii() and b"\x7f" not in body
    candidates = read_plain(items, now, printable=printable)
    return None if candidates is None else Batch(candidates, "/moments", "/lead_id")


def _own(document: Any, now: datetime) -> Batch:
    if not isinstance(document, dict) or "moments" not in document:
        raise Invalid(errors=[{"pointer": "/moments", "detail": 'expected {"moments": [...]}'}])
    if len(document) > 1:
        strange = next(name for name in document if name != "moments")
        raise Invalid(errors=[{"pointer": pointer_to(strange), "detail": "unknown field beside moments"}])
    return Batch(interpret_all(_items(document["moments"], "/moments"), now), "/moments", "/lead_id")


def _events(events: Sequence[Any], above: str | None, now: datetime, *, in_headers: bool = False) -> Batch:
    return Batch([interpret_cloud_event(event, now) for event in events], above, "/subject", in_headers)


def _event(document: Any) -> Any:
    if not isinstance(document, dict):
        raise Invalid(errors=[{"pointer": "", "detail": "expected one CloudEvent"}])
    return document


def _with_data(event: Any) -> Any:
    """An event with its data, also where that came as base64 (CloudEvents' JSON format 1.0.2, section 3.1.1)."""
    if not isinstance(event, dict) or "data" in event or "data_base64" not in event:
        return event
    try:
        return {**event, "data": strict_json(b64decode(event["data_base64"], validate=True))}
    except (TypeError, ValueError):
        return event


def _items(found: Any, pointer: str) -> list[Any]:
    if not isinstance(found, list) or not 1 <= len(found) <= MAX_ITEMS:
        raise Invalid(errors=[{"pointer": pointer, "detail": f"expected an array of 1-{MAX_ITEMS:,} items"}])
    return found


def _binary(headers: Mapping[str, str], data: Any) -> dict[str, Any]:
    """The event whose attributes are ``ce-`` headers, and whose data is the body."""
    attributes = {name.removeprefix("ce-"): _attribute(value) for name, value in headers.items() if name[:3] == "ce-"}
    return {**attributes, "data": data}


def _attribute(value: str) -> str:
    """A header's value, unquoted and percent-decoded once (CloudEvents' HTTP binding 1.0.2, section 3.1.3.2).

    What is no percent-encoded UTF-8 becomes half a character, which no attribute may hold: two such ids are not one.
    """
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    return unquote(re.sub("%(?![0-9A-Fa-f]{2})", "%ff", value), errors="surrogateescape")
