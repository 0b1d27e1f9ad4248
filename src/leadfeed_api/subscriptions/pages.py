"""``/mail/…``: the pages behind a mail's links. GET shows what a button would do; only its POST does it (RFC 8058).

Scanners follow every link of a mail, so nothing here happens by GET, HEAD or OPTIONS; and the one click that mail
programs offer is a POST without cookie, login or page. The token is the secret: see ``links``.
"""

from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute

from leadfeed_api.errors import MailLinkNotFound
from leadfeed_api.organizations.auth import Data
from leadfeed_api.subscriptions import consent
from leadfeed_api.subscriptions.letters import render
from leadfeed_api.subscriptions.letters.wording import LANGUAGES
from leadfeed_api.wire import refusals


class ForPeople(APIRoute):
    """A link that was cut is followed by somebody in a browser: they are told so by a page, programs by a problem.

    One to a former address is no error: what it would stop is stopped.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The usual handler, with that."""
        usual = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await usual(request)
            except consent.MailedElsewhere as elsewhere:
                return _page(render.notice("elsewhere", LANGUAGES[elsewhere.language]))
            except MailLinkNotFound:
                if "text/html" not in request.headers.get("accept", ""):
                    raise
                language = LANGUAGES["fr" if request.headers.get("accept-language", "").startswith("fr") else "en"]
                return _page(render.notice("lost", language), status=404)

        return handle


router = APIRouter(prefix="/mail", tags=["Subscriptions"], default_response_class=HTMLResponse, route_class=ForPeople)
Token = Annotated[str, Path(description="The secret of the link, from the mail.")]
# Shown once, to one person: nothing on the way may keep it, and no page may pass its address on.
HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
    ),
}
_LOST = refusals(MailLinkNotFound)
_LOST[404]["content"] = {"text/html": {"schema": {"type": "string"}}}  # for people; programs get the problem


@router.get(
    "/{token}/unsubscribe",
    summary="Show the unsubscribe page",
    response_description="The page.",
    responses=_LOST,
)
async def show_unsubscribe(token: Token, data: Data) -> Response:
    """A page with a button to unsubscribe. Opening it changes nothing."""
    async with data.read() as connection:
        owner = await consent.owner_of(connection, token, "unsubscribe")
    if owner.recipient.unsubscribed:
        return _page(render.page(owner.recipient.addressee, "stopped", "resubscribe", "page_again_button"))
    name = "refuse" if owner.recipient.standing == "pending" else "stop"
    return _page(render.page(owner.recipient.addressee, name, "unsubscribe", f"page_{name}_button"))


@router.post(
    "/{token}/unsubscribe",
    summary="Unsubscribe",
    response_description="A page that says so, with a button to undo it.",
    responses=_LOST,
)
async def unsubscribe(token: Token, data: Data) -> Response:
    """Ends all mail about moments to this address. The body is ignored; repeating it is harmless."""
    async with data.write() as connection:
        owner = await consent.owner_of(connection, token, "unsubscribe")
        await consent.unsubscribe(connection, owner.org_id, owner.recipient, datetime.now(UTC))
    return _page(render.page(owner.recipient.addressee, "stopped", "resubscribe", "page_again_button"))


@router.post(
    "/{token}/resubscribe",
    summary="Undo unsubscribing",
    response_description="A page that says so.",
    responses=_LOST,
)
async def resubscribe(token: Token, data: Data) -> Response:
    """The address's subscriptions apply again, from now on."""
    async with data.write() as connection:
        owner = await consent.owner_of(connection, token, "unsubscribe")
        await consent.resubscribe(connection, owner.org_id, owner.recipient)
        owner = await consent.owner_of(connection, token, "unsubscribe")
    name = "waits" if owner.recipient.standing == "pending" else "again"
    return _page(render.page(owner.recipient.addressee, name, None))


@router.get(
    "/{token}/resubscribe",
    summary="Show the page after undoing, loaded again",
    response_description="The page.",
    responses=_LOST,
)
async def show_resubscribe(token: Token, data: Data) -> Response:
    """What the link to unsubscribe shows. Opening it changes nothing."""
    return await show_unsubscribe(token, data)


@router.get(
    "/{token}/confirm",
    summary="Show the confirmation page",
    response_description="The page.",
    responses=_LOST,
)
async def show_confirm(token: Token, data: Data) -> Response:
    """A page with a button, for the owner of an address outside the organisation. Opening it changes nothing."""
    async with data.read() as connection:
        owner = await consent.owner_of(connection, token, "confirm")
    if owner.recipient.standing == "active":
        return _page(render.page(owner.recipient.addressee, "confirmed", None))
    return _page(render.page(owner.recipient.addressee, "confirm", "confirm", "page_confirm_button"))


@router.post(
    "/{token}/confirm",
    summary="Agree to be mailed",
    response_description="A page that says so.",
    responses=_LOST,
)
async def confirm(token: Token, data: Data) -> Response:
    """Confirms the address as its owner. Repeating it is harmless."""
    async with data.write() as connection:
        owner = await consent.owner_of(connection, token, "confirm")
        await consent.confirm(connection, owner.org_id, owner.recipient, datetime.now(UTC))
    return _page(render.page(owner.recipient.addressee, "confirmed", None))


@router.api_route("/{cut:path}", methods=["GET", "POST"], include_in_schema=False)
async def lead_nowhere(cut: str) -> Response:
    """Any other link that begins like one of a mail: its end is missing, or has something behind it."""
    raise MailLinkNotFound


def _page(html: str, *, status: int = 200) -> HTMLResponse:
    return HTMLResponse(html, status, headers=dict(HEADERS))
