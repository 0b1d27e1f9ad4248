"""The CRM's addresses: bulk sync, ownership, erasure."""

from fastapi import APIRouter, Request, Response

from leadfeed_api.errors import LeadNotFound
from leadfeed_api.organizations.auth import Data, Syncer
from leadfeed_api.people import ownership
from leadfeed_api.people.schemas import REQUEST_BODY, OwnerIn, SyncAnswer
from leadfeed_api.people.sync import sync
from leadfeed_api.wire import LeadId, StrictRoute, json_body, refusals

router = APIRouter(prefix="/v1", tags=["People"], route_class=StrictRoute)


@router.post(
    "/sync",
    summary="Send users, accounts and leads",
    response_description="One verdict per record.",
    openapi_extra={"requestBody": REQUEST_BODY},
    response_model_exclude_none=True,
)
async def sync_records(request: Request, who: Syncer, data: Data) -> SyncAnswer:
    """Creates or updates up to 1,000 records of each kind, with a verdict on each.

    Users are stored before accounts, and accounts before leads, so one body may hold records that refer to each
    other. A field left out keeps its value; null clears it, but `name` and `active` keep theirs. A lead with a new
    `owner_id` changes feeds at once.
    """
    return await sync(data, who.org_id, await json_body(request))


@router.put(
    "/leads/{lead_id}/owner",
    summary="Reassign a lead",
    response_description="The lead has its new owner.",
    status_code=204,
    response_class=Response,
    responses=refusals(LeadNotFound),
)
async def assign_owner(lead_id: LeadId, wanted: OwnerIn, who: Syncer, data: Data) -> None:
    """Sets the lead's owner; `null`: nobody. The previous owner's feed loses the lead unless they watch it."""
    await ownership.assign(data, who.org_id, lead_id, wanted.owner_id)


@router.delete(
    "/leads/{lead_id}",
    summary="Erase a person",
    response_description="The lead is erased.",
    status_code=204,
    response_class=Response,
    responses=refusals(LeadNotFound),
)
async def erase_lead(lead_id: LeadId, who: Syncer, data: Data) -> None:
    """Deletes the lead, its moments, and every trace of them in feeds and watch lists. This cannot be undone."""
    await ownership.erase(data, who.org_id, lead_id)
