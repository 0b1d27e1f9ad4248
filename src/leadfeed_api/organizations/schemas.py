"""Settings and API keys on the wire."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from leadfeed_api.wire import Flag, Incoming, Name, example

KeyScope = Literal["ingest", "sync", "read", "admin"]
_KEY = {
    "id": "019ab1de-8c3e-7d4b-9f0a-2b6f2f1f8a01",
    "name": "web tracking",
    "hint": "x7Qk",
    "scopes": ["ingest"],
    "created_at": "2026-11-20T08:00:00Z",
}


class OrganizationSettings(BaseModel):
    """What an administrator may set for the organisation."""

    model_config = example(rss_enabled=True, tiers={}, retention_days=760, mail_enabled=True)

    rss_enabled: bool = Field(description="Feeds for readers (RSS, Atom, JSON Feed); off at first.")
    tiers: dict[str, object] = Field(description="How scores become stars and flames; empty means the defaults.")
    retention_days: int = Field(description="How long moments are kept.")
    mail_enabled: bool = Field(description="Subscriptions by e-mail.")


class OrganizationSettingsPatch(Incoming):
    """What to change; what is left out stays."""

    model_config = example(rss_enabled=True)

    rss_enabled: Flag | None = None
    retention_days: Annotated[int, Field(ge=1, le=3_650)] | None = None
    mail_enabled: Flag | None = None


class ApiKeyIn(Incoming):
    """A key to make."""

    model_config = example(name="web tracking", scopes=["ingest"])

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

    model_config = example(**_KEY, key="lfk_…")

    key: str


class ApiKeys(BaseModel):
    """The organisation's keys."""

    model_config = example(items=[_KEY])

    items: list[ApiKeyOut]
