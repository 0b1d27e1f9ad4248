"""Subscriptions and mail preferences on the wire."""

import re
from datetime import datetime
from typing import Annotated, Any, Self, get_args
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    Strict,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from leadfeed_api.feed.schemas import MomentType
from leadfeed_api.feed.words import words_of
from leadfeed_api.fields import Flag, Incoming, TimeZone, clean, example, is_identifier
from leadfeed_api.subscriptions.addresses import mail_address
from leadfeed_api.subscriptions.digest import Frequency
from leadfeed_api.subscriptions.letters.wording import LanguageCode
from leadfeed_api.subscriptions.match import Kind, Scope
from leadfeed_api.subscriptions.recipients import Standing

MAX_RECIPIENTS = 10
_ID = "019ab1de-8c3e-7d4b-9f0a-2b6f2f1f8a01"
_CLOCK = re.compile(r"^([01]\d|2[0-3]):(00|15|30|45)$")
_SUBSCRIPTION: dict[str, Any] = {
    "id": _ID,
    "match": {"kind": "description", "value": "pricing"},
    "label": None,
    "scope": "owned",
    "recipients": ["nora@crm.example"],
    "deliveries": [{"address": "nora@crm.example", "status": "active", "reason": None}],
    "frequency": "instant",
    "paused": False,
    "created_at": "2026-11-23T09:12:00Z",
}
FREQUENCY = Field(
    description="`instant`: within 30 s; `hourly`: on the hour; `daily`: once a day, at the recipient's hour."
)
SCOPE = Field(description="Where a type or a description matches: among leads I own, or in my whole feed.")


def _address(value: object) -> object:
    if isinstance(value, str) and mail_address(value) is None:
        raise PydanticCustomError("address", "expected an e-mail address in ASCII, like nora@crm.example")
    return value.strip() if isinstance(value, str) else value


def _clock(value: object) -> object:
    if isinstance(value, str) and not _CLOCK.fullmatch(value):
        raise PydanticCustomError("clock", "expected a time on the quarter hour, like 20:00 or 06:45")
    return value


MailAddress = Annotated[
    str, Strict(), BeforeValidator(_address), WithJsonSchema({"type": "string", "format": "email", "maxLength": 254})
]
Clock = Annotated[str, Strict(), BeforeValidator(_clock), WithJsonSchema({"type": "string", "pattern": _CLOCK.pattern})]
Recipients = Annotated[list[MailAddress], Field(max_length=MAX_RECIPIENTS)]


class Match(Incoming):
    """Which moments match: those of one lead, one account or one type, or with these words in the description."""

    kind: Kind
    value: Annotated[str, Strict(), Field(min_length=1, max_length=200)]

    @field_validator("value")
    @classmethod
    def _of_its_kind(cls, value: str, about: ValidationInfo) -> str:
        kind = about.data.get("kind")
        if kind in {"lead", "account"} and not is_identifier(value):
            raise PydanticCustomError("identifier", "expected 1-128 printable characters")
        if kind == "type" and value not in get_args(MomentType):
            raise PydanticCustomError("moment_type", "expected web, email or milestone")
        if kind == "description":
            value = clean(value)
            if not words_of(value):
                raise PydanticCustomError("words", "must contain at least one word of letters or digits")
        return value


class SubscriptionIn(Incoming):
    """Which moments to mail, to whom, and how often."""

    model_config = example(
        match={"kind": "description", "value": "pricing"},
        recipients=["nora@crm.example"],
        frequency="instant",
        paused=False,
    )

    match: Match
    recipients: Recipients = Field(
        default_factory=list,
        description="Default: my own address. The owner of an outside address must confirm it first.",
    )
    frequency: Frequency = Field("instant", description=FREQUENCY.description)
    scope: Scope = Field("owned", description=SCOPE.description)
    paused: Flag = False


class SubscriptionPatch(Incoming):
    """Changes to a subscription. A field that is left out or null keeps its value."""

    model_config = example(frequency="daily")

    match: Match | None = None
    recipients: Recipients | None = Field(
        None, description="Replaces all recipients; an empty list means my own address."
    )
    frequency: Frequency | None = None
    scope: Scope | None = None
    paused: Flag | None = Field(
        None, description="`false` resumes it, and retries addresses that a mail server refused."
    )


class MatchOut(BaseModel):
    """Which moments match."""

    kind: Kind
    value: str


class Delivery(BaseModel):
    """Whether one recipient is mailed; ``reason`` says in words why not."""

    address: str | None
    status: Standing
    reason: str | None


class SubscriptionOut(BaseModel):
    """A subscription of mine."""

    model_config = example(**_SUBSCRIPTION)

    id: UUID
    match: MatchOut
    label: str | None = Field(description="The name of the lead or account that it matches; else null.")
    scope: Scope = SCOPE
    recipients: list[str] = Field(description="The current addresses; a user's address follows the CRM.")
    deliveries: list[Delivery] = Field(description="The same recipients, and whether each is mailed.")
    frequency: Frequency = FREQUENCY
    paused: bool
    created_at: datetime


class Subscriptions(BaseModel):
    """All my subscriptions, oldest first."""

    model_config = example(items=[_SUBSCRIPTION])

    items: list[SubscriptionOut]


class MailPreferences(BaseModel):
    """How I am mailed."""

    model_config = example(
        address="nora@crm.example",
        status="active",
        reason=None,
        language="en",
        time_zone="Europe/Paris",
        daily_hour=8,
        quiet_from="20:00",
        quiet_until="07:00",
        daily_cap=30,
        unsubscribed=False,
    )

    address: str | None = Field(description="My address, as the CRM knows it.")
    status: Standing
    reason: str | None
    language: LanguageCode
    time_zone: str
    daily_hour: int = Field(description="The hour of the daily digest, in my time zone.")
    quiet_from: str | None = Field(description="When quiet hours, without mail, begin in my time zone; null: none.")
    quiet_until: str | None = Field(description="When quiet hours end; null: none.")
    daily_cap: int = Field(
        description="Instant and hourly mails per day, at most; what exceeds it waits for the daily digest."
    )
    unsubscribed: bool = Field(description="I get no mail about moments, whoever subscribed me.")


class MailPreferencesPatch(Incoming):
    """Changes to my mail preferences. A field left out keeps its value.

    Null sets `language` and `time_zone` back to the CRM's and ends quiet hours; the others it leaves as they are.
    """

    model_config = example(time_zone="Europe/Paris", quiet_from="20:00", quiet_until="07:00")

    language: LanguageCode | None = None
    time_zone: TimeZone | None = None
    daily_hour: Annotated[int, Strict(), Field(ge=0, le=23)] | None = None
    quiet_from: Clock | None = None
    quiet_until: Clock | None = None
    daily_cap: Annotated[int, Strict(), Field(ge=1, le=200)] | None = None
    unsubscribed: Flag | None = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        given = {"quiet_from", "quiet_until"} & self.model_fields_set
        if given and (len(given) == 1 or (self.quiet_from is None) != (self.quiet_until is None)):
            raise PydanticCustomError("quiet_hours", "give quiet_from and quiet_until together")
        if self.quiet_from is not None and self.quiet_from == self.quiet_until:
            raise PydanticCustomError("quiet_hours", "quiet hours must begin and end at different times")
        return self
