"""Settings and API keys on the wire."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from leadfeed_api.organizations.mail_settings import LeadUrl, MailDomains
from leadfeed_api.organizations.tier_settings import Tiers, TiersPatch
from leadfeed_api.wire import Flag, Incoming, Link, Name, TimeZone, example

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

    rss_enabled: bool = Field(description="Feeds for readers (RSS, Atom, JSON Feed); off at first.")
    tiers: Tiers = Field(description="How scores become stars and flames; what was never set is the default.")
    time_zone: str = Field(description="Where the organisation's days begin and end; UTC at first.")
    retention_days: int = Field(
        description="For how many days a moment is kept after it was recorded; in the night after, it goes for good."
    )
    mail_enabled: bool = Field(description="Subscriptions by e-mail.")
    mail_domains: list[str] = Field(description="Mail goes to these domains and those below; empty: to any.")
    lead_url: str | None = Field(description="Where mails link a person to; null: only to the panel.")
    panel_url: str | None = Field(
        description="Where mails and feeds link their reader to; null: to this service's own `/panel`."
    )


class OrganizationSettingsPatch(Incoming):
    """What to change; what is left out stays."""

    model_config = example(rss_enabled=True)

    rss_enabled: Flag | None = None
    tiers: TiersPatch | None = Field(
        None,
        description="What it names is replaced, the rest stays. Try it out with `POST /v1/settings/tiers/preview`.",
    )
    time_zone: TimeZone | None = None
    retention_days: Annotated[int, Field(ge=1, le=3_650)] | None = Field(
        None, description="Fewer than before: what is older goes for good, within the hour."
    )
    mail_enabled: Flag | None = None
    mail_domains: MailDomains | None = None
    lead_url: LeadUrl | None = None
    panel_url: Link | None = Field(
        None,
        description="The page of your CRM that shows the panel: mails and feeds link there. null: to `/panel` of this"
        " service, which shows nothing to somebody who has no token.",
    )


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
