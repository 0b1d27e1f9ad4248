"""``/v1/feed/read``, ``/v1/feed/unread`` and ``/v1/mutes``: what I have dealt with, and what I want no news of."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from leadfeed_api.errors import Invalid, LeadNotFound
from leadfeed_api.feed.cursor import Positions, read_place
from leadfeed_api.feed.narrowing import FeedFilters, cursor_binding
from leadfeed_api.feed.schemas import MomentType
from leadfeed_api.organizations.auth import Configured, Data, Reader, Rep
from leadfeed_api.organizations.identity import Caller
from leadfeed_api.triage import marks, mutes
from leadfeed_api.triage.marks import Seen
from leadfeed_api.triage.schemas import Marked, MuteIn, Mutes, ReadIn, UnreadCount, UnreadIn
from leadfeed_api.wire import LeadId, StrictRoute, refusals

router = APIRouter(prefix="/v1", tags=["Triage"], route_class=StrictRoute)
Kind = Annotated[MomentType, Path(description="The type of moment.")]


@router.post("/feed/read", summary="Mark moments read", response_description="What was marked.")
async def mark_read(
    wanted: ReadIn, filters: Annotated[FeedFilters, Query()], who: Rep, data: Data, configured: Configured
) -> Marked:
    """Marks moments read, by their ids or by how far I have read.

    `up_to` with a page's `next_cursor` marks what that page and the newer pages showed, as far as it was there when the
    first of them was read; with a page's `live_cursor`, everything that was there when the page was read. What has
    arrived since stays unread. With a filtered page's cursor send the same filters: only what passes them is marked. A
    `next_cursor` is refused without them, a `live_cursor` marks the whole feed then. Reading the feed marks nothing by
    itself.
    """
    user_id = who.user
    if wanted.ids is not None:
        return _told(await marks.mark(data, who.org_id, user_id, wanted.ids, read=True))
    seen = _seen(configured.signing_key, who, filters, wanted.up_to or "")
    return _told(await marks.mark_seen(data, who.org_id, user_id, seen, datetime.now(UTC)))


@router.post("/feed/unread", summary="Mark moments unread", response_description="What was marked.")
async def mark_unread(wanted: UnreadIn, who: Rep, data: Data) -> Marked:
    """Marks moments unread. To undo a mark, send the `ids` that `POST /v1/feed/read` returned."""
    return _told(await marks.mark(data, who.org_id, who.user, wanted.ids, read=False))


@router.get("/feed/unread", summary="Count what is unread", response_description="The counts.")
async def count_unread(who: Reader, data: Data) -> UnreadCount:
    """How many moments are unread, and how many are hidden because I muted them. Cheap enough to poll."""
    async with data.read() as connection:
        unread, hidden = await marks.count(connection, who.org_id, who.user, datetime.now(UTC))
    return UnreadCount(unread=unread, hidden=hidden, counted=marks.COUNTED)


@router.get("/mutes", summary="List what I muted", response_description="Everything muted now.")
async def list_mutes(who: Reader, data: Data) -> Mutes:
    """The people and types muted now. `GET /v1/feed` leaves their moments out (`muted=show` includes them).

    The stream sends their moments all the same: a client that shows it should hide them by this list.
    """
    user_id, now = who.user, datetime.now(UTC)
    async with data.read() as connection:
        leads = await mutes.muted_leads(connection, who.org_id, user_id, now)
        types = await mutes.muted_types(connection, who.org_id, user_id, now)
    return Mutes(leads=leads, types=types)


@router.put(
    "/mutes/leads/{lead_id}",
    summary="Mute a person",
    response_description="The person is muted.",
    status_code=204,
    response_class=Response,
    responses=refusals(LeadNotFound),
)
async def mute_person(lead_id: LeadId, wanted: MuteIn, who: Rep, data: Data) -> None:
    """Hides a person's moments in my feed until the given time. Nothing is lost: `muted=show` includes them."""
    async with data.write() as connection:
        await mutes.mute_lead(connection, who.org_id, who.user, lead_id, _ahead(wanted))


@router.delete(
    "/mutes/leads/{lead_id}",
    summary="Unmute a person",
    response_description="The person is not muted.",
    status_code=204,
    response_class=Response,
)
async def unmute_person(lead_id: LeadId, who: Rep, data: Data) -> None:
    """Shows a person's moments in my feed again. Repeating it is harmless."""
    async with data.write() as connection:
        await mutes.unmute_lead(connection, who.org_id, who.user, lead_id)


@router.put(
    "/mutes/types/{type}",
    summary="Mute a type",
    response_description="The type is muted.",
    status_code=204,
    response_class=Response,
)
async def mute_type(type: Kind, wanted: MuteIn, who: Rep, data: Data) -> None:  # noqa: A002  named for the address
    """Hides moments of a type in my feed until the given time. Nothing is lost: `muted=show` includes them."""
    async with data.write() as connection:
        await mutes.mute_type(connection, who.org_id, who.user, type, _ahead(wanted))


@router.delete(
    "/mutes/types/{type}",
    summary="Unmute a type",
    response_description="The type is not muted.",
    status_code=204,
    response_class=Response,
)
async def unmute_type(type: Kind, who: Rep, data: Data) -> None:  # noqa: A002  named for the address
    """Shows moments of a type in my feed again. Repeating it is harmless."""
    async with data.write() as connection:
        await mutes.unmute_type(connection, who.org_id, who.user, type)


def _seen(key: bytes, who: Caller, filters: FeedFilters, up_to: str) -> Seen:
    """What a cursor says its reader has been shown. Raises ``InvalidCursor``."""
    narrowed = filters.filters
    position = Positions(key, who.org_id, who.user).read(up_to)
    if position is not None:
        return Seen(narrowed, position)
    place = read_place(key, cursor_binding(who, narrowed), up_to)
    return Seen(narrowed, place.seen, (place.occurred_at, place.moment_id))


def _ahead(wanted: MuteIn) -> datetime | None:
    if wanted.until is not None and wanted.until <= datetime.now(UTC):
        raise Invalid(errors=[{"pointer": "/until", "detail": "must be in the future"}])
    return wanted.until


def _told(changed: list[UUID]) -> Marked:
    return Marked(changed=len(changed), ids=changed if len(changed) <= marks.LISTED else None)
