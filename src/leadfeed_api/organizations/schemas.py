"""Settings and API keys on the wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from leadfeed_api.fields import Flag, Incoming, Link, Name, TimeZone, example
from leadfeed_api.organizations.identity import Scope
from leadfeed_api.organizations.mail_settings import LeadUrl, MailDomains
from leadfeed_api.organizations.tier_settings import Tiers, TiersPatch

_KEY = {
    "id": "019ab1de-8c3e-7d4b-9f0a-2b6f2f1f8a01",
    "name": "web tracking",
    "hint": "x7Qk",
    "scopes": ["ingest"],
    "created_at": "2026-11-20T08:00:00Z",
}


class OrganizationSettings(BaseModel):
    """The organisation's settings."""

    model_config = example(
        rss_enabled=True,
        tiers=Tiers().model_dump(exclude_none=True),
        time_zone="Europe/Paris",
        retention_days=760,
        mail_enabled=True,
        mail_domains=["crm.example"],
        lead_url="https://crm.example/leads/{lead_id}",
        panel_url="https://crm.example/lead-feed",
    )

    rss_enabled: bool = Field(description="Feeds for readers (RSS, Atom, JSON Feed); off by default.")
    tiers: Tiers = Field(description="How scores become stars and flames, defaults included.")
    time_zone: str = Field(description="Decides where the organisation's days begin and end; UTC by default.")
    retention_days: int = Field(
        description="How many days a moment is kept after it was recorded; the night after, it is deleted for good."
    )
    mail_enabled: bool = Field(description="Subscriptions by e-mail.")
    mail_domains: list[str] = Field(description="Mail goes only to these domains and their subdomains; empty: to any.")
    lead_url: str | None = Field(description="Where mails link to for a lead; null: to the panel.")
    panel_url: str | None = Field(description="Where mails and feeds link to; null: to this service's own `/panel`.")


class OrganizationSettingsPatch(Incoming):
    """Changes to the settings. A field left out keeps its value; so does null, but for `lead_url` and `panel_url`."""

    model_config = example(rss_enabled=True)

    rss_enabled: Flag | None = None
    tiers: TiersPatch | None = Field(
        None,
        description="Replaces what it names and keeps the rest. Preview it with `POST /v1/settings/tiers/preview`.",
    )
    time_zone: TimeZone | None = None
    retention_days: Annotated[int, Field(ge=1, le=3_650)] | None = Field(
        None, description="A lower number deletes what is older for good, within the hour."
    )
    mail_enabled: Flag | None = None
    mail_domains: MailDomains | None = None
    lead_url: LeadUrl | None = Field(
        None, description="Where mails link to for a lead; `{lead_id}` stands for its id. Null: to the panel."
    )
    panel_url: Link | None = Field(
        None,
        description="The page of your CRM that shows the panel: mails and feeds link there. Null: to this service's "
        "own `/panel`, which shows nothing without a token.",
    )


class ApiKeyIn(Incoming):
    """A key to create."""

    model_config = example(name="web tracking", scopes=["ingest"])

    name: Name = Field("API", description="What the key is for.")
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=4)]


class ApiKeyOut(BaseModel):
    """A key, without its secret; ``hint`` is the secret's last four characters."""

    id: UUID
    name: str
    hint: str
    scopes: list[Scope]
    created_at: datetime


class ApiKeyCreated(ApiKeyOut):
    """A new key: the only time its secret is shown."""

    model_config = example(**_KEY, key="lfk_…")

    key: str = Field(description="The secret: send it as `Authorization: Bearer`.")


class ApiKeys(BaseModel):
    """The organisation's keys."""

    model_config = example(items=[_KEY])

    items: list[ApiKeyOut]
