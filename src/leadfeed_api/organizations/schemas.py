"""Settings and API keys on the wire."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from leadfeed_api.wire import Flag, Incoming, Name

KeyScope = Literal["ingest", "sync", "read", "admin"]


class OrganizationSettings(BaseModel):
    """What an administrator may set for the organisation."""

    rss_enabled: bool = Field(description="Feeds for readers (RSS, Atom, JSON Feed); off at first.")
    tiers: dict[str, object] = Field(description="How scores become stars and flames; empty means the defaults.")
    retention_days: int = Field(description="How long moments are kept.")
    mail_enabled: bool = Field(description="Subscriptions by e-mail.")


class OrganizationSettingsPatch(Incoming):
    """What to change; what is left out stays."""

    rss_enabled: Flag | None = None
    retention_days: Annotated[int, Field(ge=1, le=3_650)] | None = None
    mail_enabled: Flag | None = None


class ApiKeyIn(Incoming):
    """A key to make."""

    name: Name
    scopes: Annotated[list[KeyScope], Field(min_length=1, max_length=4)]


class ApiKeyOut(BaseModel):
    """A key, without its secret; ``hint`` is the secret's last four characters."""

    id: UUID
    name: str
    hint: str
    scopes: list[KeyScope]
    created_at: datetime


class ApiKeyCreated(ApiKeyOut):
    """A key just made: the only time the secret is shown."""

    key: str


class ApiKeys(BaseModel):
    """The organisation's keys."""

    items: list[ApiKeyOut]
