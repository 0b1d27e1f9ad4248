"""What a CRM sends of its people, and the verdicts it gets back.

On an upsert a field left out keeps its value, and null clears it, but for ``name`` and ``active``, which keep theirs.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from leadfeed_api.best_bets.schemas import Score
from leadfeed_api.fields import CrmId, Flag, Incoming, Name, OptionalLine, TimeZone, Website, example
from leadfeed_api.organizations.tier_settings import Tier

_NAME = Field(None, description="Needed when the record is new; null keeps what is stored.")
Kind = Literal["users", "accounts", "leads"]
Effect = Literal["created", "updated", "unchanged"]
LanguageTag = Annotated[
    str, Field(max_length=35, pattern=r"^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*$", description="Such as `fr` or `fr-CA`.")
]


class UserIn(Incoming):
    """Somebody with a feed. ``active: false`` ends their access and their streams; mail speaks their language."""

    id: CrmId = Field(description="The user's id in the CRM: the `sub` of their tokens.")
    name: Name | None = _NAME
    email: OptionalLine = Field(None, description="Where they are mailed; at most 500 characters.")
    language: LanguageTag | None = Field(None, description="Of their mail, such as `fr-CA`; null: English.")
    time_zone: TimeZone | None = Field(None, description="Whose hours their mail keeps; null: the organisation's.")
    active: Flag | None = Field(None, description="True for a new user; null keeps what is stored.")


class AccountIn(Incoming):
    """A company."""

    id: CrmId = Field(description="The account's id in the CRM.")
    name: Name | None = _NAME
    url: Website | None = Field(None, description="http or https; `www.initech.example` is taken as https.")
    address: OptionalLine = Field(None, description="In one line of at most 500 characters.")


class LeadIn(Incoming):
    """A person."""

    id: CrmId = Field(description="The lead's id in the CRM.")
    name: Name | None = _NAME
    title: OptionalLine = Field(None, description="What they are, such as `CTO`; at most 500 characters.")
    account_id: CrmId | None = Field(None, description="The account they belong to, sent before or in the same body.")
    owner_id: CrmId | None = Field(None, description="The user whose lead it is, sent before or in the same body.")
    email: OptionalLine = None
    phone: OptionalLine = None
    mobile: OptionalLine = None
    fax: OptionalLine = None
    score: Score | None = Field(None, description="How promising, on any scale: stars and flames come from it.")
    stars: Tier | None = Field(None, description="The CRM's own stars for this lead; they replace those computed here.")
    flames: Tier | None = Field(None, description="The CRM's own flames; likewise.")
    starred: Flag | None = Field(None, description="The CRM's own decision whether the lead is a best bet; likewise.")


class OwnerIn(Incoming):
    """The lead's new owner."""

    model_config = example(owner_id="u-17")

    owner_id: CrmId | None = Field(description="The user's id; null: nobody owns the lead.")


class SyncResult(BaseModel):
    """The verdict on one record."""

    kind: Kind
    index: int = Field(description="Its place in the array of its kind.")
    id: str | None = Field(None, description="The record's id, if it could be read.")
    status: Literal["accepted", "rejected"]
    change: Effect | None = Field(None, description="What accepting it did.")
    problem: str | None = Field(None, description="A stable code, such as `unknown-account` or `invalid-email`.")
    pointer: str | None = Field(None, description="JSON pointer to the fault in the body.")
    detail: str | None = None


class SyncAnswer(BaseModel):
    """One verdict per record: users, accounts, leads, each in the order they came."""

    model_config = example(
        accepted=2,
        rejected=1,
        results=[
            {"kind": "users", "index": 0, "id": "u-17", "status": "accepted", "change": "created"},
            {"kind": "accounts", "index": 0, "id": "a-3", "status": "accepted", "change": "unchanged"},
            {
                "kind": "leads",
                "index": 0,
                "id": "00Q8d000004",
                "status": "rejected",
                "problem": "unknown-user",
                "pointer": "/leads/0/owner_id",
                "detail": "is not known to this organisation; send it first",
            },
        ],
    )

    accepted: int = Field(description="How many records are stored as sent.")
    rejected: int
    results: list[SyncResult]


MAX_RECORDS = 1_000
EXAMPLE = {
    "users": [{"id": "u-17", "name": "Nora Lind", "email": "nora@crm.example"}],
    "accounts": [
        {"id": "a-3", "name": "Initech", "url": "https://initech.example", "address": "4120 Freidrich Ln, Austin"}
    ],
    "leads": [
        {
            "id": "00Q8d000004",
            "name": "Ana Ruiz",
            "title": "CTO",
            "account_id": "a-3",
            "owner_id": "u-17",
            "email": "ana.ruiz@initech.example",
            "phone": "+1 512 555 0142",
            "score": 71,
        }
    ],
}


def _records(model: type[BaseModel]) -> dict[str, Any]:
    return {"type": "array", "maxItems": MAX_RECORDS, "items": model.model_json_schema()}


REQUEST_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "additionalProperties": False,
                "properties": {"users": _records(UserIn), "accounts": _records(AccountIn), "leads": _records(LeadIn)},
            },
            "examples": {"one": {"summary": "One of each", "value": EXAMPLE}},
        }
    },
}
