"""``/v1/outbox``: what an administrator sees of the mails on their way, and can do about those set aside."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Response

from leadfeed_api.errors import MailNotFound
from leadfeed_api.organizations.auth import Administrator, Data
from leadfeed_api.subscriptions.delivery import queries
from leadfeed_api.subscriptions.delivery.schemas import Outbox, SetAside
from leadfeed_api.wire import StrictRoute, otherwise

router = APIRouter(prefix="/v1/outbox", tags=["Administration"], route_class=StrictRoute)
MailId = Annotated[UUID, otherwise(MailNotFound), Path(description="The mail's id, from `GET /v1/outbox`.")]


@router.get("", summary="Show queued and set-aside mails", response_description="The queue, and the mails set aside.")
async def show_outbox(who: Administrator, data: Data) -> Outbox:
    """How many of the organisation's mails are queued, since when, and which were set aside and why."""
    async with data.read() as connection:
        queued, oldest_at = await queries.on_their_way(connection, who.org_id)
        aside = await queries.set_aside(connection, who.org_id)
    return Outbox(queued=queued, oldest_at=oldest_at, set_aside=[SetAside(**one) for one in aside])


@router.post(
    "/{mail_id}/retry",
    summary="Retry a mail that was set aside",
    response_description="The mail is queued again.",
    status_code=204,
    response_class=Response,
    responses={404: {"description": "No such mail was set aside, or its recipient has one queued (`unknown-mail`)."}},
)
async def retry_mail(mail_id: MailId, who: Administrator, data: Data) -> None:
    """Queues the mail again; it is composed anew when sent."""
    async with data.write() as connection:
        if not await queries.try_again(connection, who.org_id, mail_id, datetime.now(UTC)):
            raise MailNotFound
