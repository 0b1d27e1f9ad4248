"""What a caller may narrow the feed to: the query parameters that page and marks share.

Owns their names and limits, and the text a page cursor is bound to. Knows no SQL.
"""

from functools import cached_property
from typing import Literal

from pydantic import Field

from leadfeed_api.feed.filters import Filters
from leadfeed_api.feed.schemas import MomentType
from leadfeed_api.fields import Closed, CrmId, Instant, Name
from leadfeed_api.organizations.identity import Caller


class FeedFilters(Closed):
    """Which part of my feed."""

    type: list[MomentType] = Field(
        default_factory=list, max_length=3, description="Only moments of this type; repeat it for several."
    )
    scope: Literal["all", "owned", "watched"] = Field(
        "all", description="`owned`: only leads I own; `watched`: only leads I watch."
    )
    lead_id: CrmId | None = Field(None, description="Only moments of this lead.")
    account_id: CrmId | None = Field(None, description="Only moments of this account's leads.")
    starred: bool | None = Field(None, description="`true`: only best bets; `false`: only other leads.")
    since: Instant | None = Field(None, description="Only moments at or after this time (RFC 3339).")
    until: Instant | None = Field(None, description="Only moments before this time (RFC 3339).")
    q: Name | None = Field(
        None,
        description="Text in the description, or in the person's name or title, or the company's name; in any case.",
    )
    muted: Literal["hide", "show", "only"] = Field(
        "hide", description="Muted moments: `hide` them, `show` them too, or show `only` them."
    )

    @cached_property
    def filters(self) -> Filters:
        """What narrows the feed, as the queries take it."""
        return Filters(
            types=tuple(sorted(set(self.type))),
            scope=self.scope,
            lead_id=self.lead_id,
            account_id=self.account_id,
            starred=self.starred,
            since=self.since,
            until=self.until,
            words=self.q,
            muted=self.muted,
        )


def cursor_binding(who: Caller, filters: Filters) -> str:
    """Whose cursor it is, and under which filters: what its signature covers besides itself."""
    return f"{who.org_id}\n{who.user}\n{filters}"
