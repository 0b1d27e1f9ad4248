"""``/v1/watchlist``: the leads I follow."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BeforeValidator, Field

from leadfeed_api.errors import AccountNotFound, LeadNotFound
from leadfeed_api.fields import CrmId, digits
from leadfeed_api.organizations.auth import Data, Reader, Rep
from leadfeed_api.watchlist import membership
from leadfeed_api.watchlist.schemas import WatchIn, Watchlist, WatchResult
from leadfeed_api.wire import LeadId, StrictRoute, refusals

router = APIRouter(prefix="/v1/watchlist", tags=["Watch list"], route_class=StrictRoute)


@router.get("", summary="List the leads I watch", response_description="One page of my watch list.")
async def list_watched(
    who: Reader,
    data: Data,
    limit: Annotated[
        int, Field(ge=1, le=1_000), BeforeValidator(digits), Query(description="Leads on the page.")
    ] = 200,
    after: Annotated[CrmId | None, Query(description="`next_after` of the page before.")] = None,
) -> Watchlist:
    """The leads on my watch list, by id. The list has no size limit."""
    async with data.read() as connection:
        found = await membership.watched(connection, who.org_id, who.user, after=after or "", limit=limit + 1)
    more = len(found) > limit
    return Watchlist(items=found[:limit], next_after=found[limit - 1].lead.id if more else None)


@router.post(
    "",
    summary="Watch several leads, or a whole account",
    response_description="How many are newly watched, and which ids are unknown.",
    responses=refusals(AccountNotFound),
)
async def watch_many(wanted: WatchIn, who: Rep, data: Data) -> WatchResult:
    """Puts the named leads, or all leads the account has now, on my watch list.

    Leads watched already stay watched; ids of no lead of the organisation come back as `unknown`.
    """
    user_id = who.user
    if wanted.account_id is not None:
        done = await membership.watch_account(data, who.org_id, user_id, wanted.account_id)
    else:
        done = await membership.watch_leads(data, who.org_id, user_id, wanted.lead_ids or [])
    return WatchResult(watched=len(done.added), already=done.already, unknown=done.unknown)


@router.put(
    "/{lead_id}",
    summary="Watch a lead",
    response_description="The lead is on my watch list.",
    status_code=204,
    response_class=Response,
    responses=refusals(LeadNotFound),
)
async def watch(lead_id: LeadId, who: Rep, data: Data) -> None:
    """Puts the lead on my watch list, and its moments, past and future, in my feed. Repeating it is harmless."""
    await membership.watch_lead(data, who.org_id, who.user, lead_id)


@router.delete(
    "/{lead_id}",
    summary="Stop watching a lead",
    response_description="The lead is not on my watch list.",
    status_code=204,
    response_class=Response,
)
async def unwatch(lead_id: LeadId, who: Rep, data: Data) -> None:
    """Takes the lead off my watch list, and its moments out of my feed unless I own it. Repeating it is harmless."""
    await membership.unwatch_lead(data, who.org_id, who.user, lead_id)
