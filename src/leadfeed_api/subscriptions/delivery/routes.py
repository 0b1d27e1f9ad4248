"""``/v1/outbox``: what an administrator sees of the mails on their way, and can do about those set aside."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, Response

from leadfeed_api.errors import MailNotFound
from leadfeed_api.organizations.auth import Administrator, Data
from leadfeed_api.subscriptions.delivery import queries
from leadfeed_api.subscriptions.delivery.schemas import Outbox, SetAside
from leadfeed_api.wire import StrictRoute

router = APIRouter(prefix="/v1/outbox", tags=["Administration"], route_class=StrictRoute)


@router.get("", summary="Show mails on their way and set aside")
async def show_outbox(who: Administrator, data: Data) -> Outbox:
    """How many mails of the organisation are on their way, since when, and which were set aside and why."""
    async with data.read() as connection:
        queued, oldest_at = await queries.on_their_way(connection, who.org_id)
        aside = await queries.set_aside(connection, who.org_id)
    return Outbox(queued=queued, oldest_at=oldest_at, set_aside=[SetAside(**one) for one in aside])


@router.post(
    "/{mail_id}/retry",
    summary="Try a mail again that was set aside",
    status_code=204,
    response_class=Response,
    responses={404: {"description": "No such mail was set aside, or its recipient has one on its way."}},
)
async def retry_mail(mail_id: UUID, who: Administrator, data: Data) -> None:
    """Puts it back among those on their way, composed as things are by then."""
    async with data.write() as connection:
        if not await queries.try_again(connection, who.org_id, mail_id, datetime.now(UTC)):
            raise MailNotFound
