"""The feed as RSS 2.0, Atom (RFC 4287) and JSON Feed 1.1. Pure: a feed and its moments in, bytes out.

The same feed and moments always give the same bytes: no clock is read here. Knows neither where the moments come from
nor how the bytes travel.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, assert_never
from uuid import UUID

from feedgen.feed import FeedGenerator

from leadfeed_api import __version__
from leadfeed_api.feed.schemas import ContactItem
from leadfeed_api.syndication.entry import Entry, entry_of, line

Format = Literal["rss", "atom", "json"]

MEDIA_TYPES: Mapping[Format, str] = {
    "rss": "application/rss+xml",
    "atom": "application/atom+xml",
    "json": "application/feed+json",
}
MINUTES_BETWEEN_POLLS = 5  # RSS's ttl: moments are worth a call while fresh, and an unchanged feed costs one 304


@dataclass(frozen=True, slots=True)
class FeedDocument:
    """What a feed says of itself.

    ``feed_id`` stays when the link is rotated; ``urls`` are the absolute addresses of the three formats, ``home_url``
    that of the page for people; ``created_at`` (aware) dates a feed which has no moment yet.
    """

    feed_id: UUID
    user_name: str
    organization: str
    home_url: str
    urls: Mapping[Format, str]
    created_at: datetime
    contact_details: bool = True

    @property
    def title(self) -> str:
        """One line, never empty."""
        return f"Lead feed of {line(self.user_name)}".removesuffix(" of ")

    @property
    def description(self) -> str:
        """One sentence."""
        return f"What the leads that {line(self.user_name) or 'the user'} owns or watches did last, newest first."

    @property
    def author(self) -> str:
        """Who publishes it: the organisation. Atom demands a name."""
        return line(self.organization) or "Lead feed"


def render(feed: FeedDocument, items: Sequence[ContactItem], form: Format) -> bytes:
    """One document in UTF-8, its entries in the order of ``items`` (newest first)."""
    entries = [entry_of(item, contact_details=feed.contact_details) for item in items]
    match form:
        case "rss":
            document: bytes = _generator(feed, entries, form).rss_str()
        case "atom":
            document = _generator(feed, entries, form).atom_str()
        case "json":
            document = json.dumps(_json_feed(feed, entries), ensure_ascii=False, separators=(",", ":")).encode()
        case _:
            assert_never(form)
    return document


def last_updated(feed: FeedDocument, entries: Sequence[Entry]) -> datetime:
    """When the feed changed last, for its readers: its newest moment, or when the link was made."""
    return max((entry.occurred_at for entry in entries), default=feed.created_at.astimezone(UTC))


def _generator(feed: FeedDocument, entries: Sequence[Entry], form: Format) -> FeedGenerator:
    """The feed in feedgen's terms, which serve RSS and Atom alike.

    feedgen formats dates by switching the process's locale for an instant, so this belongs on one thread: the event
    loop's.
    """
    generator = FeedGenerator()
    generator.id(feed.feed_id.urn)
    generator.title(feed.title)
    generator.description(feed.description)
    generator.author(name=feed.author)
    generator.language("en")
    generator.ttl(MINUTES_BETWEEN_POLLS)
    generator.generator("leadfeed-api", version=__version__)
    # Without this feedgen dates the document now, and no two renderings would be alike.
    generator.updated(last_updated(feed, entries).replace(microsecond=0))
    generator.link(href=feed.urls[form], rel="self", type=MEDIA_TYPES[form])
    for other in MEDIA_TYPES:
        if other != form:
            generator.link(href=feed.urls[other], rel="alternate", type=MEDIA_TYPES[other])
    # The page for people comes last: feedgen takes the last link for RSS's channel, some readers for Atom's.
    generator.link(href=feed.home_url, rel="alternate", type="text/html")
    for entry in entries:
        _add(generator, entry)
    return generator


def _add(generator: FeedGenerator, entry: Entry) -> None:
    added = generator.add_entry(order="append")  # its default turns the feed upside down
    added.id(entry.guid)  # also RSS's guid, with isPermaLink="false"
    added.title(entry.title)
    added.content(entry.html, type="html")  # also RSS's description
    added.category(term=entry.category)
    added.published(entry.occurred_at)
    added.updated(entry.occurred_at)
    if entry.url:
        added.link(href=entry.url, rel="alternate")


def _json_feed(feed: FeedDocument, entries: Sequence[Entry]) -> dict[str, Any]:
    return {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": feed.home_url,
        "feed_url": feed.urls["json"],
        "description": feed.description,
        "language": "en",
        "authors": [{"name": feed.author}],
        "items": [_json_item(entry) for entry in entries],
    }


def _json_item(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.guid,
        **({"url": entry.url} if entry.url else {}),
        "title": entry.title,
        "content_html": entry.html,
        "content_text": entry.text,
        "date_published": entry.occurred_at.isoformat().replace("+00:00", "Z"),
        "tags": [entry.category],
    }
