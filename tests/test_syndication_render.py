"""The feed as RSS, Atom and JSON Feed: valid to the letter, whatever the CRM's texts hold."""

import html
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import feedparser
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from lxml import etree

from feed_grammar import ATOM, text, texts, valid_atom, valid_json_feed, valid_rss
from leadfeed_api.feed.schemas import AccountCard, Contact, ContactItem, FeedItem, LeadCard
from leadfeed_api.syndication.entry import LONGEST_TITLE_PART, entry_of, line, web_address
from leadfeed_api.syndication.render import FeedDocument, Format, render

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
FORMATS: tuple[Format, ...] = ("rss", "atom", "json")
FEED = FeedDocument(
    feed_id=UUID("5f0c1d7e-0000-5000-8000-000000000001"),
    user_name="Rita Rep",
    organization="Globex",
    home_url="https://leads.example.com/panel",
    urls={
        "rss": "https://leads.example.com/feeds/s3cret/rss.xml",
        "atom": "https://leads.example.com/feeds/s3cret/atom.xml",
        "json": "https://leads.example.com/feeds/s3cret/feed.json",
    },
    created_at=NOON - timedelta(days=30),
)
EVERYTHING = Contact(
    email="ana.ruiz@initech.example",
    phone="+34 (91) 555-0101",
    mobile="+34 600 555 102",
    fax="+34 91 555 0103",
    address="Calle Mayor 1\n28013 Madrid",
    url="https://initech.example/",
)


def moment(number: int = 1, contact: Contact | None = None, **changes: Any) -> ContactItem:
    """A moment of Ana Ruiz; `number` tells it apart and dates it, so many minutes before noon."""
    values: dict[str, Any] = {
        "id": UUID(int=number),
        "type": "web",
        "description": "Visited the pricing page 3 times",
        "occurred_at": NOON - timedelta(minutes=number),
        "source": "marketo",
        "lead": LeadCard(id="lead-1", name="Ana Ruiz", title="CTO"),
        "account": AccountCard(id="account-1", name="Initech"),
        "because": ["owned"],
    }
    return ContactItem(item=FeedItem(**values | changes), contact=contact or Contact())


def newest_first(count: int) -> list[ContactItem]:
    return [moment(number) for number in range(1, count + 1)]


def test_rss_keeps_every_rule_of_the_specification_and_the_profile() -> None:
    channel = valid_rss(render(FEED, [moment(1, EVERYTHING, url="https://initech.example/pricing"), moment(2)], "rss"))

    assert text(channel, "title") == "Lead feed of Rita Rep"
    assert text(channel, "link") == "https://leads.example.com/panel"
    assert channel.find(f"{ATOM}link").get("href") == "https://leads.example.com/feeds/s3cret/rss.xml"
    first, second = channel.findall("item")
    assert text(first, "title") == "Ana Ruiz (Initech): Visited the pricing page 3 times"
    assert text(first, "guid") == "urn:uuid:00000000-0000-0000-0000-000000000001"
    assert text(first, "category") == "web"
    assert text(first, "pubDate") == "Mon, 23 Nov 2026 11:59:00 +0000"
    assert text(first, "link") == "https://initech.example/pricing"
    assert second.find("link") is None


def test_atom_keeps_every_rule_of_rfc_4287() -> None:
    feed = valid_atom(render(FEED, [moment(1, EVERYTHING, url="https://initech.example/pricing"), moment(2)], "atom"))

    assert text(feed, f"{ATOM}id") == FEED.feed_id.urn
    assert text(feed, f"{ATOM}author/{ATOM}name") == "Globex"
    first = feed.find(f"{ATOM}entry")
    assert text(first, f"{ATOM}title") == "Ana Ruiz (Initech): Visited the pricing page 3 times"
    assert first.find(f"{ATOM}category").get("term") == "web"
    assert first.find(f"{ATOM}link").get("href") == "https://initech.example/pricing"
    assert text(first, f"{ATOM}updated") == "2026-11-23T11:59:00+00:00"
    (self_link,) = [link for link in feed.findall(f"{ATOM}link") if link.get("rel") == "self"]
    assert self_link.get("href") == FEED.urls["atom"]
    alternates = {
        link.get("type"): link.get("href") for link in feed.findall(f"{ATOM}link") if link.get("rel") == "alternate"
    }
    assert alternates == {
        "application/rss+xml": FEED.urls["rss"],
        "application/feed+json": FEED.urls["json"],
        "text/html": FEED.home_url,
    }


def test_json_feed_keeps_every_rule_of_version_1_1() -> None:
    feed = valid_json_feed(
        render(FEED, [moment(1, EVERYTHING, url="https://initech.example/pricing"), moment(2)], "json")
    )

    assert feed["feed_url"] == FEED.urls["json"]
    first, second = feed["items"]
    assert first["title"] == "Ana Ruiz (Initech): Visited the pricing page 3 times"
    assert first["date_published"] == "2026-11-23T11:59:00Z"
    assert first["tags"] == ["web"]
    assert first["url"] == "https://initech.example/pricing"
    assert "url" not in second


@pytest.mark.parametrize("form", FORMATS)
def test_entries_stay_newest_first(form: Format) -> None:
    assert guids(render(FEED, newest_first(50), form), form) == [UUID(int=number).urn for number in range(1, 51)]


@pytest.mark.parametrize("form", FORMATS)
def test_same_moments_give_the_same_bytes_at_any_time(form: Format) -> None:
    assert render(FEED, newest_first(3), form) == render(FEED, newest_first(3), form)


def test_feed_is_dated_by_its_newest_moment_even_if_it_does_not_come_first() -> None:
    items = [moment(9), moment(2), moment(5)]

    assert text(valid_rss(render(FEED, items, "rss")), "lastBuildDate") == "Mon, 23 Nov 2026 11:58:00 +0000"
    assert text(valid_atom(render(FEED, items, "atom")), f"{ATOM}updated") == "2026-11-23T11:58:00+00:00"


def test_empty_feed_is_valid_and_dated_by_its_link() -> None:
    assert text(valid_rss(render(FEED, [], "rss")), "lastBuildDate") == "Sat, 24 Oct 2026 12:00:00 +0000"
    assert text(valid_atom(render(FEED, [], "atom")), f"{ATOM}updated") == "2026-10-24T12:00:00+00:00"
    assert valid_json_feed(render(FEED, [], "json"))["items"] == []


def test_times_of_any_zone_are_written_in_utc() -> None:
    item = moment(occurred_at=datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=2))))

    assert text(valid_rss(render(FEED, [item], "rss")), "item/pubDate") == "Wed, 31 Dec 2025 22:30:00 +0000"
    assert valid_json_feed(render(FEED, [item], "json"))["items"][0]["date_published"] == "2025-12-31T22:30:00Z"
    assert "Time: 2025-12-31 22:30 UTC" in content_text(item)


def test_starred_person_bears_a_star() -> None:
    starred = moment(lead=LeadCard(id="lead-1", name="Ana Ruiz", starred=True))

    assert title_of(starred) == "★ Ana Ruiz (Initech): Visited the pricing page 3 times"
    assert "Priority: ★ best bet" in content_text(starred)
    assert all("★".encode() in render(FEED, [starred], form) for form in FORMATS), "in UTF-8, not escaped"
    assert "★" not in title_of(moment()) + content_text(moment())


def test_person_without_a_company_needs_no_brackets() -> None:
    assert title_of(moment(account=None)) == "Ana Ruiz: Visited the pricing page 3 times"


def test_text_says_who_where_what_when_and_why() -> None:
    item = moment(because=["owned", "watched"], bot="likely a mail scanner", type="email")

    assert content_text(item).splitlines() == [
        "Visited the pricing page 3 times",
        "",
        "Person: Ana Ruiz, CTO",
        "Company: Initech",
        "Type: E-mail",
        "Time: 2026-11-23 11:59 UTC",
        "In your feed because: you own this lead and it is on your watch list",
        "Perhaps a machine: likely a mail scanner",
    ]


def test_text_carries_every_contact_detail_that_is_known() -> None:
    lines = content_text(moment(contact=EVERYTHING)).splitlines()

    assert lines[-6:] == [
        "E-mail: ana.ruiz@initech.example",
        "Phone: +34 (91) 555-0101",
        "Mobile: +34 600 555 102",
        "Fax: +34 91 555 0103",
        "Company address: Calle Mayor 1, 28013 Madrid",
        "Company URL: https://initech.example/",
    ]


def test_contact_details_can_be_dialled_mailed_and_opened() -> None:
    links = etree.fromstring(f"<div>{content_html(moment(contact=EVERYTHING))}</div>").xpath("//a/@href")

    assert links == [
        "mailto:ana.ruiz@initech.example",
        "tel:+34915550101",
        "tel:+34600555102",
        "https://initech.example/",
    ]


def test_an_address_writes_to_itself_alone_and_says_nothing_more() -> None:
    odd = moment(contact=Contact(email="ana?bcc=eve&subject=%41@initech.example"))

    (link,) = etree.fromstring(f"<div>{content_html(odd)}</div>").xpath("//a/@href")

    assert link == "mailto:ana%3Fbcc%3Deve%26subject%3D%2541@initech.example"


@pytest.mark.parametrize("number", ["555 0101 ext. 9", "ask reception", "0", "+", "javascript:alert(1)"])
def test_number_that_cannot_be_dialled_as_it_stands_gets_no_link(number: str) -> None:
    assert "<a" not in content_html(moment(contact=Contact(phone=number)))


@pytest.mark.parametrize("field", ["email", "phone", "mobile", "fax", "address", "url"])
@pytest.mark.parametrize("form", FORMATS)
def test_link_without_contact_details_shows_none(form: Format, field: str) -> None:
    item = moment(contact=EVERYTHING)
    private = replace(FEED, contact_details=False)
    value = getattr(EVERYTHING, field).splitlines()[0]

    assert value in render(FEED, [item], form).decode()
    assert value not in render(private, [item], form).decode()


def test_long_description_is_cut_between_words_in_the_title_and_whole_in_the_text() -> None:
    description = "words " * 160 + "last"
    title = title_of(moment(description=description))

    assert title.endswith(" words…")
    assert len(title) < len("Ana Ruiz (Initech): ") + LONGEST_TITLE_PART + 2
    assert content_text(moment(description=description)).splitlines()[0] == description


@pytest.mark.parametrize(
    ("written", "spelled"),
    [
        ("https://example.com", "https://example.com"),
        ("HTTPS://Example.com/Preise für Größen?q=a b#c d", "https://example.com/Preise%20f%C3%BCr%20Gr%C3%B6%C3%9Fen?q=a%20b#c%20d"),
        ("http://example.com/100%?a=%41&b=%zz", "http://example.com/100%25?a=%41&b=%25zz"),
        ("http://user:secret@example.com:8080/", "http://example.com:8080/"),
        ("http://[::1]:80/[x]", "http://[::1]:80/%5Bx%5D"),
        ("http://bücher.example/", "http://b%C3%BCcher.example/"),
        ("www.example.com", None),
        ("javascript:alert(1)", None),
        ("javascript://example.com/%0aalert(1)", None),
        ("ftp://example.com/", None),
        ("http://", None),
        ("http://[::1", None),
        ("http://[x]/", None),
        ("http://example.com:port/", None),
        ("http://example.com:99999/", None),
        ("", None),
        (None, None),
    ],
)  # fmt: skip
def test_address_is_spelled_as_a_uri_or_left_out(written: str | None, spelled: str | None) -> None:
    assert web_address(written) == spelled


def test_markup_in_a_text_is_text() -> None:
    item = moment(description='<script>alert("1")</script> & ]]> <b>', contact=Contact(address="<img src=x>"))
    body = content_html(item)

    assert etree.fromstring(f"<div>{body}</div>").xpath("//script|//img|//b[text()='']") == []
    assert text(valid_rss(render(FEED, [item], "rss")), "item/description") == body
    assert title_of(item) == 'Ana Ruiz (Initech): <script>alert("1")</script> & ]]> <b>'


def test_name_cannot_turn_the_rest_of_the_line_around() -> None:
    assert line("Ana\u202e ziuR\u2066 \u061cأنا") == "Ana ziuR \u061cأنا"


def test_texts_that_are_nothing_but_refuse_leave_no_hole() -> None:
    blank = "\x00\x1b \ud800"
    item = moment(
        lead=LeadCard.model_construct(id="lead-1", name=blank, title=blank, starred=False),
        account=AccountCard.model_construct(id="account-1", name=blank),
        description="\x07",
    )
    feed = FeedDocument(
        **{name: getattr(FEED, name) for name in FEED.__slots__} | {"user_name": "", "organization": ""}
    )

    assert title_of(item) == "A lead without a name: Web moment"
    unseen = LeadCard.model_construct(id="lead-1", name="\u200b", title=None, starred=False)
    assert title_of(moment(lead=unseen)).startswith("A lead without a name")
    assert text(valid_rss(render(feed, [item], "rss")), "title") == "Lead feed"
    assert text(valid_atom(render(feed, [item], "atom")), f"{ATOM}author/{ATOM}name") == "Lead feed"


AWKWARD = [
    *map(chr, range(33)),
    *"\x7f\x85\x9f\u2028\u202e\u2067\ufdd0\ufeff\ufffe\uffff\ud83d\ude00\U0001f600\U0001ffff&<>\"'%★",
]
ANY_TEXT = st.one_of(
    st.text(st.characters(exclude_categories=()) | st.sampled_from(AWKWARD), max_size=40),
    st.sampled_from(AWKWARD).map("a{}b".format),
    st.sampled_from(["]]>", "&amp;", "<!--", "a" * 300, "مرحبا \u202eabc", "https://x/\ud800?\x00", "👩‍👩‍👧" * 50]),
)
OPTIONAL = st.none() | ANY_TEXT


@pytest.mark.parametrize("character", AWKWARD, ids=ascii)
def test_awkward_character_spoils_no_document(character: str) -> None:
    item = moment()
    spoilt = ContactItem.model_construct(
        item=FeedItem.model_construct(**{**dict(item.item), "description": f"a{character}b"}),
        contact=Contact.model_construct(email=character, phone=character, mobile=character, address=character),
    )

    assert text(valid_rss(render(FEED, [spoilt], "rss")), "item/title").startswith("Ana Ruiz (Initech): a")
    assert text(valid_atom(render(FEED, [spoilt], "atom")), f"{ATOM}entry/{ATOM}title").endswith("b")
    assert len(valid_json_feed(render(FEED, [spoilt], "json"))["items"]) == 1


ANY_MOMENT = st.builds(
    ContactItem.model_construct,
    item=st.builds(
        FeedItem.model_construct,
        id=st.uuids(),
        type=st.sampled_from(["web", "email", "milestone"]),
        description=ANY_TEXT,
        occurred_at=st.datetimes(
            min_value=datetime(1970, 1, 1),  # noqa: DTZ001  Hypothesis wants naive bounds
            max_value=datetime(9999, 12, 30),  # noqa: DTZ001
            timezones=st.just(UTC),
        ),
        url=OPTIONAL | ANY_TEXT.map("http://".__add__) | ANY_TEXT.map("https://example.com/".__add__),
        source=ANY_TEXT,
        lead=st.builds(
            LeadCard.model_construct, id=ANY_TEXT, name=ANY_TEXT, title=OPTIONAL, starred=st.booleans(),
        ),
        account=st.none() | st.builds(AccountCard.model_construct, id=ANY_TEXT, name=ANY_TEXT),
        because=st.lists(st.sampled_from(["owned", "watched"]), unique=True),
        bot=OPTIONAL,
    ),
    contact=st.builds(
        Contact.model_construct,
        email=OPTIONAL, phone=OPTIONAL, mobile=OPTIONAL, fax=OPTIONAL, address=OPTIONAL, url=OPTIONAL,
    ),
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    user_name=ANY_TEXT,
    organization=ANY_TEXT,
    items=st.lists(ANY_MOMENT, max_size=4, unique_by=lambda drawn: drawn.item.id),
)
@example(user_name="]]>\ud800", organization="\x00", items=[moment(description="😀\u200d🚀 &#0; ]]>")])
def test_any_text_gives_three_valid_documents_of_the_same_moments(
    user_name: str, organization: str, items: list[ContactItem]
) -> None:
    feed = replace(FEED, user_name=user_name, organization=organization)

    documents = {form: render(feed, items, form) for form in FORMATS}

    channel, atom, json_feed = (
        valid_rss(documents["rss"]),
        valid_atom(documents["atom"]),
        valid_json_feed(documents["json"]),
    )
    expected = [drawn.item.id.urn for drawn in items]
    assert all(guids(document, form) == expected for form, document in documents.items())
    titles = [entry["title"] for entry in json_feed["items"]]
    assert texts(channel, "item/title") == texts(atom, f"{ATOM}entry/{ATOM}title") == titles
    bodies = [entry["content_html"] for entry in json_feed["items"]]
    assert texts(channel, "item/description") == texts(atom, f"{ATOM}entry/{ATOM}content") == bodies
    for entry in json_feed["items"]:
        spoken = " ".join(etree.fromstring(f"<div>{entry['content_html']}</div>").itertext())
        assert squeezed(entry["content_text"].replace(entry.get("url", "\n"), "")) == squeezed(spoken)


@pytest.mark.parametrize("form", ["rss", "atom"])
def test_feedparser_finds_nothing_to_complain_about(form: Format) -> None:
    awkward = moment(2, description="Q&A <live> 😀 ]]>", lead=LeadCard(id="l", name="Zoë O'Neill", starred=True))
    parsed = feedparser.parse(render(FEED, [moment(1, EVERYTHING), awkward], form))

    assert parsed.bozo is False
    assert parsed.version == {"rss": "rss20", "atom": "atom10"}[form]
    assert parsed.feed.title == "Lead feed of Rita Rep"
    assert parsed.feed.link == FEED.home_url
    assert [entry.id for entry in parsed.entries] == [UUID(int=1).urn, UUID(int=2).urn]
    assert parsed.entries[0].tags[0].term == "web"
    assert parsed.entries[0].published_parsed[:5] == (2026, 11, 23, 11, 59)
    assert parsed.entries[1].title.startswith("★ Zoë O'Neill (Initech): Q&A")
    assert "mailto:ana.ruiz@initech.example" in parsed.entries[0].summary


def guids(document: bytes, form: Format) -> list[str]:
    if form == "rss":
        return texts(valid_rss(document), "item/guid")
    if form == "atom":
        return texts(valid_atom(document), f"{ATOM}entry/{ATOM}id")
    return [str(item["id"]) for item in valid_json_feed(document)["items"]]


def title_of(item: ContactItem) -> str:
    return entry_of(item, contact_details=True).title


def content_text(item: ContactItem) -> str:
    return entry_of(item, contact_details=True).text


def content_html(item: ContactItem) -> str:
    return entry_of(item, contact_details=True).html


def squeezed(words: str) -> str:
    return "".join(html.unescape(words).split())
