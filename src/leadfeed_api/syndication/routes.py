"""``/v1/feed-link``, where a user gets and ends the secret address, and ``/feeds/…``, where readers follow it.

Owns the order of the questions a reader's request is asked: is the link good, has anything changed, and only then
what the feed holds. Knows no SQL, and of formats only their names and media types.
"""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import NAMESPACE_URL, uuid5

from fastapi import APIRouter, Path, Request, Response
from starlette.routing import Route

from leadfeed_api import __version__
from leadfeed_api.db.session import Connection, Database
from leadfeed_api.errors import FeedNotFound, NotFound, RssDisabled
from leadfeed_api.feed import queries
from leadfeed_api.organizations.auth import Configured, Data, Rep
from leadfeed_api.organizations.queries import settings_of
from leadfeed_api.syndication import links
from leadfeed_api.syndication.entry import web_address
from leadfeed_api.syndication.example import example
from leadfeed_api.syndication.freshness import entity_tag, http_date, tag_matches, unmodified_since
from leadfeed_api.syndication.links import Link, Owner, OwnLink, Polls, Whose
from leadfeed_api.syndication.render import MEDIA_TYPES, FeedDocument, Format, render
from leadfeed_api.syndication.rendered import Rendered
from leadfeed_api.syndication.schemas import FeedLink, FeedLinkPatch
from leadfeed_api.wire import StrictRoute, refusals

router = APIRouter(tags=["Feeds for readers"], route_class=StrictRoute)

FILES: dict[Format, str] = {"rss": "rss.xml", "atom": "atom.xml", "json": "feed.json"}
FORMS = {file: form for form, file in FILES.items()}
CONTENT_TYPES: dict[Format, str] = {
    "rss": f"{MEDIA_TYPES['rss']}; charset=utf-8",
    "atom": f"{MEDIA_TYPES['atom']}; charset=utf-8",
    "json": MEDIA_TYPES["json"],  # JSON is UTF-8 by definition, and its media types have no such parameter
}
# The address is a secret: no page a reader shows may pass it on, and no search engine may keep what it leads to.
SECRECY = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}
# Kept by the reader alone, and asked for again each time: a moment is worth a call while it is fresh.
CACHING = {"Cache-Control": "private, no-cache", "Vary": "Accept-Encoding"}

_RSS_OFF = refusals(RssDisabled)


@router.get(
    "/v1/feed-link", summary="Show my feed link", response_description="The addresses of my feed.", responses=_RSS_OFF
)
async def show_feed_link(who: Rep, data: Data, configured: Configured, response: Response) -> FeedLink:
    """The secret addresses of my feed, for feed readers. Created on first use; valid until rotated or deleted."""
    owner = Owner(who.org_id, who.user, configured.signing_key)
    async with data.write() as connection:
        await _demand_rss(connection, owner)
        link = await links.show_or_create(connection, owner, datetime.now(UTC))
    return _shown(link, configured.base_url, response)


@router.patch(
    "/v1/feed-link",
    summary="Change what my feed link shows",
    response_description="The feed link after the change.",
    responses=_RSS_OFF,
)
async def change_feed_link(
    change: FeedLinkPatch, who: Rep, data: Data, configured: Configured, response: Response
) -> FeedLink:
    """Shows or hides the contact details of people and companies in the feed. The addresses stay the same."""
    owner = Owner(who.org_id, who.user, configured.signing_key)
    async with data.write() as connection:
        await _demand_rss(connection, owner)
        link = await links.set_contact_details(connection, owner, change.contact_details, datetime.now(UTC))
    return _shown(link, configured.base_url, response)


@router.post(
    "/v1/feed-link/rotate",
    summary="Replace my feed link",
    response_description="The new addresses.",
    responses=_RSS_OFF,
)
async def rotate_feed_link(who: Rep, data: Data, configured: Configured, response: Response) -> FeedLink:
    """Creates new addresses. The old ones stop working at once: they answer 404."""
    owner = Owner(who.org_id, who.user, configured.signing_key)
    async with data.write() as connection:
        await _demand_rss(connection, owner)
        link = await links.rotate(connection, owner, datetime.now(UTC))
    return _shown(link, configured.base_url, response)


@router.delete(
    "/v1/feed-link",
    summary="Delete my feed link",
    response_description="The addresses are deleted.",
    status_code=204,
    response_class=Response,
    responses=_RSS_OFF,
)
async def delete_feed_link(who: Rep, data: Data, configured: Configured) -> None:
    """Deletes the addresses: they answer 404 at once. Repeating it is harmless; showing the link creates new ones."""
    owner = Owner(who.org_id, who.user, configured.signing_key)
    async with data.write() as connection:
        await _demand_rss(connection, owner)
        await links.delete(connection, owner)


async def _demand_rss(connection: Connection, owner: Owner) -> None:
    if not (await settings_of(connection, owner.org_id))["rss_enabled"]:
        raise RssDisabled


def _shown(link: OwnLink, base_url: str, response: Response) -> FeedLink:
    response.headers.update({"Cache-Control": "no-store", **SECRECY})
    urls = _urls(base_url, link.token)
    return FeedLink(
        rss=urls["rss"],
        atom=urls["atom"],
        json_feed=urls["json"],
        contact_details=link.contact_details,
        created_at=link.created_at,
    )


def _urls(base_url: str, token: str) -> dict[Format, str]:
    return {form: f"{base_url}/feeds/{token}/{file}" for form, file in FILES.items()}


Token = Annotated[str, Path(description="The secret part of the link, from `GET /v1/feed-link`.")]


def _documented(form: Format, name: str) -> dict[str, Any]:
    """What the OpenAPI document says of a feed; HEAD answers as GET does, without the body."""
    content = {"schema": {"type": "object" if form == "json" else "string"}, "example": example(form)}
    headers = {
        "ETag": {"description": "Send it back as `If-None-Match`.", "schema": {"type": "string"}},
        "Last-Modified": {"description": "When the feed last changed.", "schema": {"type": "string"}},
        "Cache-Control": {"description": "`private, no-cache`", "schema": {"type": "string"}},
    }
    return {
        "summary": f"Read a feed as {name}",
        "response_class": Response,
        "responses": {
            200: {"description": f"The feed: {name}.", "content": {MEDIA_TYPES[form]: content}, "headers": headers},
            304: {"description": "Nothing has changed since the `ETag` or date sent. No body."},
            404: {
                "description": "The link is unknown, rotated or deleted, or feeds for readers are off (`unknown-feed`)."
            },
        },
    }


# Each address is registered twice. What serves it is ``express`` below: one plain route, for which no dependency is
# solved and nothing validated, so that a 304 costs half. These three document it, and get what that route leaves them:
# an encoded slash where a token should be.
@router.get("/feeds/{token}/rss.xml", **_documented("rss", "RSS 2.0"))
async def read_rss(token: Token, request: Request) -> Response:
    """The newest 50 moments of one user's feed, muted ones too. Needs no sign-in: the address is the secret.

    Poll it with `If-None-Match`: while nothing has changed, the answer is 304. HEAD answers like GET, without the body.
    """
    return await _serve(token, "rss", request)


@router.get("/feeds/{token}/atom.xml", **_documented("atom", "Atom (RFC 4287)"))
async def read_atom(token: Token, request: Request) -> Response:
    """The same feed as Atom; polling works as for RSS."""
    return await _serve(token, "atom", request)


@router.get("/feeds/{token}/feed.json", **_documented("json", "JSON Feed 1.1"))
async def read_json_feed(token: Token, request: Request) -> Response:
    """The same feed as JSON Feed; polling works as for RSS."""
    return await _serve(token, "json", request)


async def read_feed_file(request: Request) -> Response:
    """Any of the three, for GET and HEAD."""
    request.scope["route"] = express  # for the metrics, as the framework does for its own
    form = FORMS.get(request.path_params["file"])
    if form is None:
        raise NotFound
    return await _serve(request.path_params["token"], form, request)


express = Route("/feeds/{token}/{file}", read_feed_file, methods=["GET", "HEAD"], include_in_schema=False)


async def _serve(token: str, form: Format, request: Request) -> Response:
    """The document, or 304 without having looked at the feed's contents."""
    data: Database = request.app.state.database
    rendered: Rendered = request.app.state.rendered
    base_url: str = request.app.state.settings.base_url
    if_none_match = request.headers.getlist("if-none-match")
    # Read before the contents: if something arrives in between, the next poll shows it again rather than never.
    link = await _find(token, request)
    if link is None:
        raise FeedNotFound(headers=SECRECY)
    tag = _tag(link, form, base_url)
    if tag_matches(if_none_match, tag):
        return _unchanged(tag)
    if_modified_since = request.headers.getlist("if-modified-since")
    modified = await links.last_modified(data, link, entity_tag(*_made_of(link, base_url)), datetime.now(UTC))
    if not if_none_match and unmodified_since(if_modified_since, modified):
        return _unchanged(tag)
    document = rendered.find((link.token_hash, form), tag)
    if document is None:
        async with data.read() as connection:
            items = await queries.newest_with_contacts(connection, link.org_id, link.user_id)
        document = render(_feed(link, _urls(base_url, token), base_url), items, form)
        rendered.keep((link.token_hash, form), tag, document)
    return _document(document, form, tag, modified)


async def _find(token: str, request: Request) -> Link | None:
    whose: Whose = request.app.state.whose
    polls: Polls = request.app.state.polls
    token_hash = links.hash_of(token)
    if token_hash is None:
        return None
    owner = await whose.find(request.app.state.database, token_hash)
    if owner is None:
        return None
    org_id, user_id = owner
    return await polls.find(org_id, (user_id, token_hash))


def _tag(link: Link, form: Format, base_url: str) -> str:
    return entity_tag(form, *_made_of(link, base_url))


def _made_of(link: Link, base_url: str) -> tuple[object, ...]:
    """Everything that the document is made of, by name or by position.

    What lies before the horizon is no longer in the log, so there the position alone would not tell whether a reader
    has seen it. The price: a feed in which nothing happens is sent in full once whenever the log is trimmed.
    """
    seen = max(link.position, link.horizon)
    about = (link.token_hash, link.contact_details, link.user_name, link.organization, link.panel_url)
    return __version__, base_url, seen, *about


def _feed(link: Link, urls: dict[Format, str], base_url: str) -> FeedDocument:
    return FeedDocument(
        feed_id=uuid5(NAMESPACE_URL, f"leadfeed:{link.org_id}:{link.user_id}"),
        user_name=link.user_name,
        organization=link.organization,
        home_url=web_address(link.panel_url) or f"{base_url}/panel",
        urls=urls,
        created_at=link.created_at,
        contact_details=link.contact_details,
    )


_UNCHANGED = [(name.lower().encode(), value.encode()) for name, value in {**CACHING, **SECRECY}.items()]


def _unchanged(tag: str) -> Response:
    response = Response(status_code=304)
    response.raw_headers = [(b"etag", tag.encode("ascii")), *_UNCHANGED]
    return response


def _document(document: bytes, form: Format, tag: str, modified: datetime) -> Response:
    """To HEAD the server sends the same, and keeps the body to itself."""
    headers = {
        "ETag": tag,
        "Last-Modified": http_date(min(modified, datetime.now(UTC))),
        "Content-Type": CONTENT_TYPES[form],
        "X-Content-Type-Options": "nosniff",
        **CACHING,
        **SECRECY,
    }
    return Response(document, headers=headers)
