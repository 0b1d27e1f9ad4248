"""One moment as a feed reader shows it: a title, a text, a link. Pure: values in, values out.

Owns the words, the cleaning and the safe links that all three formats share, so that they cannot differ. Knows no
format, no table and no route.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv6Address
from urllib.parse import quote, urlsplit, urlunsplit

from leadfeed_api.feed.schemas import Contact, ContactItem, FeedItem
from leadfeed_api.fields import without_turns

LONGEST_TITLE_PART = 160
KINDS = {"web": "Web", "email": "E-mail", "milestone": "Milestone"}
REASONS = {"owned": "you own this lead", "watched": "it is on your watch list"}

# What XML 1.0 cannot carry (one such character fails the whole document), and the C1 controls it discourages.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SUB_DELIMITERS = "!$&'()*+,;="


@dataclass(frozen=True, slots=True)
class Fact:
    """A labelled line under the description; ``href`` makes its value a link."""

    label: str
    value: str
    href: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """What every format shows of a moment.

    ``title`` is one line of plain text and never empty; ``html`` and ``text`` say the same; ``url`` is an RFC 3986
    address or None; ``occurred_at`` is aware, in UTC.
    """

    guid: str
    title: str
    html: str
    text: str
    url: str | None
    category: str
    occurred_at: datetime


def entry_of(moment: ContactItem, *, contact_details: bool) -> Entry:
    """The entry of one moment. ``contact_details`` False leaves out everything by which to reach the person."""
    item = moment.item
    contact = moment.contact if contact_details else Contact()
    description = line(item.description) or f"{KINDS[item.type]} moment"
    url = web_address(item.url)
    facts = [*_about(item), *_reach(contact)]
    return Entry(
        guid=item.id.urn,
        title=_title(item, description),
        html=_html(description, url, facts),
        text=_text(description, url, facts),
        url=url,
        category=item.type,
        occurred_at=item.occurred_at.astimezone(UTC),
    )


def line(text: str | None) -> str:
    """One line of plain text that XML and JSON both carry; what they cannot is a blank, and runs of blanks are one.

    Empty when nothing in it would be seen.
    """
    written = " ".join(_CONTROLS.sub(" ", without_turns(text or "")).split())
    return written if any(map(str.isprintable, written)) else ""


def web_address(text: str | None) -> str | None:
    """The http or https address in a text, spelled as RFC 3986 wants it; None when the text holds none.

    A user name or password in it is left out: no reader should send one along.
    """
    try:
        parts = urlsplit(line(text))
        host, port = parts.hostname, parts.port
        if parts.scheme not in {"http", "https"} or not host:
            return None
        host = f"[{IPv6Address(host)}]" if ":" in host else _spelled(host, "")
    except ValueError:
        return None
    netloc = host if port is None else f"{host}:{port}"
    path, query, fragment = _spelled(parts.path, "/:@"), _spelled(parts.query, "/:@?"), _spelled(parts.fragment, "/:@?")
    return urlunsplit((parts.scheme, netloc, path, query, fragment))


def _spelled(piece: str, also: str) -> str:
    """A piece of an address, with all it may not hold percent-encoded; what is encoded already stays."""
    return quote(_STRAY_PERCENT.sub("%25", piece), safe=f"%{_SUB_DELIMITERS}{also}")


def _title(item: FeedItem, description: str) -> str:
    star = "★ " if item.lead.starred else ""
    company = _company(item)
    return f"{star}{_person(item)}{f' ({company})' if company else ''}: {_shortened(description)}"


def _shortened(text: str) -> str:
    """Cut between words: titles are lines, and the text holds the whole."""
    if len(text) <= LONGEST_TITLE_PART:
        return text
    return text[:LONGEST_TITLE_PART].rsplit(" ", 1)[0] + "…"


def _person(item: FeedItem) -> str:
    return line(item.lead.name) or "A lead without a name"


def _company(item: FeedItem) -> str:
    return line(item.account.name) if item.account else ""


def _about(item: FeedItem) -> Iterator[Fact]:
    """Who, of which company, what kind, when, and why it is here."""
    role = line(item.lead.title)
    yield Fact("Person", f"{_person(item)}, {role}" if role else _person(item))
    if item.lead.starred:
        yield Fact("Priority", "★ best bet")
    if company := _company(item):
        yield Fact("Company", company)
    yield Fact("Type", KINDS[item.type])
    yield Fact("Time", f"{item.occurred_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC")
    if item.because:
        yield Fact("In your feed because", " and ".join(REASONS[reason] for reason in item.because))
    if doubt := line(item.bot):
        yield Fact("Perhaps a machine", doubt)


def _reach(contact: Contact) -> Iterator[Fact]:
    """How to reach the person, as far as it is known."""
    if email := line(contact.email):
        yield Fact("E-mail", email, _mail_address(email))
    for label, number in (("Phone", contact.phone), ("Mobile", contact.mobile), ("Fax", contact.fax)):
        if shown := line(number):
            yield Fact(label, shown, None if label == "Fax" else _telephone(shown))
    if address := ", ".join(filter(None, map(line, (contact.address or "").splitlines()))):
        yield Fact("Company address", address)
    if company_url := line(contact.url):
        yield Fact("Company URL", company_url, web_address(company_url))


def _mail_address(email: str) -> str | None:
    return f"mailto:{quote(email, safe='@+-._~')}" if re.fullmatch(r"[^@\s]+@[^@\s]+", email) else None


def _telephone(number: str) -> str | None:
    """A link to dial. A number with words in it ("ext. 9") gets none: dialled blindly it would be a wrong one."""
    digits = re.sub(r"[\s().\-/]", "", number)
    return f"tel:{digits}" if re.fullmatch(r"\+?[0-9]{3,20}", digits) else None


def _html(description: str, url: str | None, facts: list[Fact]) -> str:
    """Small HTML that is well-formed XML too: a paragraph and a list."""
    words = html.escape(description)
    first = _anchor(url, words) if url else words
    rows = (f"<li><b>{fact.label}:</b> {_anchor(fact.href, html.escape(fact.value))}</li>" for fact in facts)
    return f"<p>{first}</p><ul>{''.join(rows)}</ul>"


def _anchor(href: str | None, words: str) -> str:
    return f'<a href="{html.escape(href)}">{words}</a>' if href else words


def _text(description: str, url: str | None, facts: list[Fact]) -> str:
    head = [description, url] if url else [description]
    return "\n".join([*head, "", *(f"{fact.label}: {fact.value}" for fact in facts)])
