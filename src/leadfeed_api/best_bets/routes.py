"""Best bets over HTTP: the list, hiding, scores one by one, and the tiers before and after they are set."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from leadfeed_api.best_bets import hiding, lease, preview, queries, scoring
from leadfeed_api.best_bets.cursor import read_place, write_place
from leadfeed_api.best_bets.cutoffs import window_opens
from leadfeed_api.best_bets.queries import Choice
from leadfeed_api.best_bets.schemas import BestBets, Hidden, HideIn, LeadScore, ScoreIn, Tiering, TiersPreview
from leadfeed_api.errors import InvalidCursor, LeadNotFound, NotTheOwner
from leadfeed_api.feed.cursor import Cursor
from leadfeed_api.fields import Closed, Count
from leadfeed_api.organizations.auth import Administrator, Configured, Data, Reader, Rep, Syncer
from leadfeed_api.organizations.tier_settings import TiersPatch
from leadfeed_api.wire import LeadId, StrictRoute, refusals

router = APIRouter(prefix="/v1", tags=["Best bets"], route_class=StrictRoute)
USUAL = HideIn(days=None)  # no body: for as long as the organisation is used to


class BestBetsQuery(Closed):
    """Which page of which leads."""

    scope: Literal["owned", "feed"] = Field(
        "owned", description="`owned`: the leads I own; `feed`: also those I watch."
    )
    starred: bool = Field(False, description="Only best bets: leads at or above the organisation's cut-off.")
    hidden: bool = Field(False, description="`true`: only the leads I hid; `false`: all others.")
    limit: Count = Field(50, ge=1, le=200, description="Leads on the page.")
    cursor: Cursor | None = Field(None, description="`next_cursor` of the page before, with the same filters.")


@router.get(
    "/best-bets",
    summary="List my leads by priority",
    response_description="One page of my leads, highest priority first.",
    responses={
        200: {"headers": {"Link": {"description": '`rel="next"`: the next page.', "schema": {"type": "string"}}}},
        **refusals(InvalidCursor),
    },
)
async def list_best_bets(
    query: Annotated[BestBetsQuery, Query()],
    who: Reader,
    data: Data,
    configured: Configured,
    request: Request,
    response: Response,
) -> BestBets:
    """The leads I own (with `scope=feed` also those I watch) by priority: flames first, stars second, score third.

    Follow `next_cursor` (or the `Link` header) to the very end; there is no cap. A lead whose priority changes while
    you page may appear twice or not at all. Leads I hid are left out; `hidden=true` lists them instead.
    """
    now, choice = datetime.now(UTC), Choice(query.scope, query.starred, query.hidden)
    key, binding = configured.signing_key, f"{who.org_id}\n{who.user_id}\n{choice}"
    after = None if query.cursor is None else read_place(key, binding, query.cursor)
    async with data.read() as connection:
        rules, today = await scoring.rules_now(connection, who.org_id, now)
        opens = window_opens(today, rules.window_days)
        items, last = await queries.by_priority(
            connection, who.org_id, who.user, choice, now=now, opens=opens, after=after, limit=query.limit
        )
    next_cursor = None if last is None else write_place(key, binding, last)
    if next_cursor is not None:
        kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        url = f"{configured.base_url}/v1/best-bets?{urlencode([*kept, ('cursor', next_cursor)])}"
        response.headers["Link"] = f'<{url}>; rel="next"'
    return BestBets.model_construct(items=items, next_cursor=next_cursor)


@router.put(
    "/leads/{lead_id}/hidden",
    summary="Hide a best bet",
    response_description="Until when the lead is hidden.",
    responses=refusals(NotTheOwner, LeadNotFound),
)
async def hide_best_bet(lead_id: LeadId, who: Rep, data: Data, wanted: HideIn = USUAL) -> Hidden:
    """Hides one of my leads from my best bets for `days` days; repeating the call restarts the period.

    The feed still shows the lead.
    """
    async with data.write() as connection:
        return await hiding.hide(connection, who.org_id, who.user, lead_id, wanted.days, datetime.now(UTC))


@router.delete(
    "/leads/{lead_id}/hidden",
    summary="Show a hidden best bet again",
    response_description="The lead is not hidden.",
    status_code=204,
    response_class=Response,
)
async def show_best_bet(lead_id: LeadId, who: Rep, data: Data) -> None:
    """Shows the lead among my best bets again, at once. Repeating it is harmless."""
    async with data.write() as connection:
        await hiding.show(connection, who.org_id, who.user, lead_id)


@router.post(
    "/leads/{lead_id}/score",
    summary="Set a lead's score",
    response_description="The lead's score, stars and flames.",
    responses=refusals(LeadNotFound),
)
async def set_score(lead_id: LeadId, wanted: ScoreIn, who: Syncer, data: Data) -> LeadScore:
    """Stores the score and sets the lead's stars and flames at once, by the cut-offs of the last re-tiering.

    Open feeds are told if what they show of the lead changes. For systems that push changes one by one;
    `POST /v1/sync` takes 1,000 at a time.
    """
    return await scoring.set_score(data, who.org_id, lead_id, wanted.score)


@router.post(
    "/settings/tiers/preview",
    summary="Preview tiers before they are set",
    response_description="Leads per tier, under the previewed tiers.",
)
async def preview_tiers(change: TiersPatch, who: Administrator, data: Data) -> TiersPreview:
    """How many leads would get how many stars and flames if `tiers` were changed like this.

    Takes what `PATCH /v1/settings` takes as `tiers`; send `{}` for the tiers in effect. Nothing is stored.
    """
    async with data.read() as connection:
        return await preview.preview(connection, who.org_id, change, datetime.now(UTC))


@router.get(
    "/settings/tiers",
    summary="Show the state of re-tiering",
    response_description="The last run, the next one, and the cut-offs.",
)
async def show_tiering(who: Administrator, data: Data) -> Tiering:
    """When leads were last re-tiered, when they will be next, and the cut-offs that apply to new scores meanwhile."""
    async with data.read() as connection:
        return await preview.standing(connection, who.org_id)


@router.post(
    "/settings/tiers/retier",
    summary="Re-tier now",
    response_description="Re-tiering is due now; the body is its state.",
    status_code=202,
)
async def retier_now(who: Administrator, data: Data) -> Tiering:
    """Starts the nightly re-tiering within seconds. `GET /v1/settings/tiers` shows when it is done.

    One that is under way comes to its end first, and is followed by another.
    """
    async with data.write() as connection:
        await lease.make_due(connection, who.org_id, datetime.now(UTC))
        return await preview.standing(connection, who.org_id)
