"""The answer to a batch, and what the OpenAPI document says of its body."""

from typing import Any, Literal, get_args
from uuid import UUID

from pydantic import BaseModel, Field

from leadfeed_api.feed.schemas import MomentType
from leadfeed_api.ingestion.interpret import CLOUD_EVENT_TYPE, MAX_ITEMS, MomentIn


class Result(BaseModel):
    """The result for one item of the batch."""

    index: int
    status: Literal["accepted", "duplicate", "rejected"]
    id: UUID | None = Field(None, description="The moment's id; for a duplicate, the id stored first.")
    problem: str | None = Field(
        None, description="A stable code, such as `unknown-lead`; docs/reporting.md lists them."
    )
    pointer: str | None = Field(None, description="JSON pointer to the fault in the body.")
    header: str | None = Field(
        None, description="In place of a pointer, for a CloudEvent in binary mode: such as `ce-id`."
    )
    detail: str | None = None


class BatchResult(BaseModel):
    """One result per item, in order. Accepted moments are on disk."""

    accepted: int
    duplicates: int
    rejected: int
    results: list[Result]


_MOMENT = {
    "source": "marketo",
    "external_id": "mg-1029",
    "lead_id": "00Q8d000004",
    "type": "web",
    "description": "Visited the pricing page 3 times",
    "occurred_at": "2026-11-23T09:12:00Z",
}
_CLOUD_EVENT = {
    "specversion": "1.0",
    "id": "mg-1029",
    "source": "marketo",
    "type": "leadfeed.moment.web",
    "subject": "00Q8d000004",
    "time": "2026-11-23T09:12:00Z",
    "data": {"description": "Visited the pricing page 3 times"},
}
_OWN = MomentIn.model_json_schema()
_CLOUD_EVENT_SCHEMA = {
    "type": "object",
    "description": "A CloudEvent 1.0; other attributes and extensions are ignored.",
    "required": ["specversion", "id", "source", "type", "subject"],
    "anyOf": [{"required": ["data"]}, {"required": ["data_base64"]}],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1, "maxLength": 256},
        "source": {
            "type": "string",
            "description": "With `id` it is the moment's identity.",
            "minLength": 1,
            "maxLength": 256,
        },
        "type": {"enum": [CLOUD_EVENT_TYPE + moment for moment in get_args(MomentType)]},
        "subject": {"type": "string", "description": "The lead's id.", "minLength": 1, "maxLength": 128},
        "time": {"type": "string", "format": "date-time", "description": "When it happened; left out: now."},
        "data": {
            "type": "object",
            "required": ["description"],
            "properties": {name: _OWN["properties"][name] for name in ("description", "url", "bot")},
        },
        "data_base64": {
            "type": "string",
            "contentEncoding": "base64",
            "description": "In place of `data`: the same as JSON in base64.",
        },
    },
}
REQUEST_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "additionalProperties": False,
                "required": ["moments"],
                "properties": {
                    "moments": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": MAX_ITEMS,
                        "items": _OWN,
                    }
                },
            },
            "examples": {"one": {"summary": "One moment", "value": {"moments": [_MOMENT]}}},
        },
        "application/cloudevents+json": {
            "schema": _CLOUD_EVENT_SCHEMA,
            "examples": {"one": {"summary": "One event", "value": _CLOUD_EVENT}},
        },
        "application/cloudevents-batch+json": {
            "schema": {"type": "array", "minItems": 1, "maxItems": MAX_ITEMS, "items": _CLOUD_EVENT_SCHEMA},
            "examples": {"one": {"summary": "A batch of one", "value": [_CLOUD_EVENT]}},
        },
    },
}
_MESSAGE = {
    "type": "track",
    "event": "Email Link Clicked",
    "messageId": "segment-test-message-1029",
    "userId": "00Q8d000004",
    "timestamp": "2026-11-23T09:12:00.276Z",
    "properties": {"email_subject": "Your trial", "link_url": "https://example.com/pricing"},
}
_MESSAGE_SCHEMA = {
    "type": "object",
    "description": "A message of Segment's spec; what is not named here is ignored.",
    "required": ["type", "messageId"],
    "properties": {
        "type": {"type": "string", "description": "`page`, `screen` or `track`; others are no moments."},
        "event": {"type": "string", "description": "Of a `track` call: what happened."},
        "name": {"type": "string", "description": "Of a page or a screen."},
        "messageId": {"type": "string", "minLength": 1, "maxLength": 256},
        "userId": {"type": "string", "description": "The lead's id, unless `lead_id_at` says that it is elsewhere."},
        "timestamp": {"type": "string", "format": "date-time", "description": "When it happened; left out: now."},
        "properties": {"type": "object"},
        "context": {"type": "object"},
    },
}
_MESSAGES_SCHEMA = {"type": "array", "minItems": 1, "maxItems": MAX_ITEMS, "items": _MESSAGE_SCHEMA}
MESSAGES_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "anyOf": [
                    _MESSAGE_SCHEMA,
                    _MESSAGES_SCHEMA,
                    {"type": "object", "required": ["batch"], "properties": {"batch": _MESSAGES_SCHEMA}},
                ]
            },
            "examples": {"one": {"summary": "One message", "value": _MESSAGE}},
        }
    },
}
EXAMPLE_ANSWER = {
    "accepted": 1,
    "duplicates": 0,
    "rejected": 1,
    "results": [
        {"index": 0, "status": "accepted", "id": "019ab1de-8c3e-7d4b-9f0a-2b6f2f1f8a01"},
        {
            "index": 1,
            "status": "rejected",
            "problem": "unknown-lead",
            "pointer": "/moments/1/lead_id",
            "detail": "no lead has this id",
        },
    ],
}
