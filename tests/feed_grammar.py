"""What a valid feed is, written down once from the specifications, for tests to hold our documents to.

Three grammars, each only as wide as what we emit, so that anything new has to be looked up before it passes:

* RSS 2.0 with the RSS Advisory Board's best-practice profile (RELAX NG);
* Atom, from RFC 4287 (RELAX NG);
* JSON Feed 1.1 (JSON Schema).

And what a grammar cannot say: unique ids, real calendar dates, addresses that are URIs.
"""

import json
import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import jsonschema_rs
from lxml import etree

ATOM = "{http://www.w3.org/2005/Atom}"
URI = re.compile(
    r"(?:https?://(?:\[[0-9a-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::\d*)?(?:/|$|(?=[?#])))"
    r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*(?:\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?"
    r"(?:#(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?"
)
URN = re.compile(r"urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
RFC_822 = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4}"
    r" \d\d:\d\d:\d\d (?:GMT|\+0000)"
)
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")

_RSS = """
<element name="rss" xmlns="http://relaxng.org/ns/structure/1.0"
         datatypeLibrary="http://www.w3.org/2001/XMLSchema-datatypes">
  <attribute name="version"><value>2.0</value></attribute>
  <element name="channel">
    <interleave>
      <element name="title"><data type="string"><param name="pattern">[^\\n]*\\S[^\\n]*</param></data></element>
      <element name="link"><data type="anyURI"/></element>
      <element name="description"><data type="string"><param name="minLength">1</param></data></element>
      <element name="language"><value>en</value></element>
      <element name="lastBuildDate"><text/></element>
      <element name="docs"><data type="anyURI"/></element>
      <element name="generator"><data type="string"><param name="minLength">1</param></data></element>
      <element name="ttl"><data type="positiveInteger"/></element>
      <element name="link" ns="http://www.w3.org/2005/Atom">
        <attribute name="href"><data type="anyURI"/></attribute>
        <attribute name="rel"><value>self</value></attribute>
        <attribute name="type"><value>application/rss+xml</value></attribute>
      </element>
      <zeroOrMore>
        <element name="item">
          <interleave>
            <element name="title"><data type="string"><param name="pattern">[^\\n]*\\S[^\\n]*</param></data></element>
            <optional><element name="link"><data type="anyURI"/></element></optional>
            <element name="description"><data type="string"><param name="minLength">1</param></data></element>
            <element name="category">
              <choice><value>web</value><value>email</value><value>milestone</value></choice>
            </element>
            <element name="guid"><attribute name="isPermaLink"><value>false</value></attribute><text/></element>
            <element name="pubDate"><text/></element>
          </interleave>
        </element>
      </zeroOrMore>
    </interleave>
  </element>
</element>
"""

_ATOM = """
<element name="feed" ns="http://www.w3.org/2005/Atom" xmlns="http://relaxng.org/ns/structure/1.0"
         datatypeLibrary="http://www.w3.org/2001/XMLSchema-datatypes">
  <attribute name="lang" ns="http://www.w3.org/XML/1998/namespace"><value>en</value></attribute>
  <interleave>
    <element name="id"><data type="anyURI"/></element>
    <element name="title"><data type="string"><param name="pattern">[^\\n]*\\S[^\\n]*</param></data></element>
    <element name="subtitle"><data type="string"><param name="minLength">1</param></data></element>
    <element name="updated"><data type="dateTime"/></element>
    <element name="author">
      <element name="name"><data type="string"><param name="pattern">[^\\n]*\\S[^\\n]*</param></data></element>
    </element>
    <element name="generator"><attribute name="version"/><text/></element>
    <oneOrMore>
      <element name="link">
        <attribute name="href"><data type="anyURI"/></attribute>
        <attribute name="rel"><choice><value>self</value><value>alternate</value></choice></attribute>
        <attribute name="type"><data type="string"><param name="pattern">[a-z]+/[a-z+]+</param></data></attribute>
      </element>
    </oneOrMore>
    <zeroOrMore>
      <element name="entry">
        <interleave>
          <element name="id"><data type="anyURI"/></element>
          <element name="title"><data type="string"><param name="pattern">[^\\n]*\\S[^\\n]*</param></data></element>
          <element name="updated"><data type="dateTime"/></element>
          <element name="published"><data type="dateTime"/></element>
          <element name="content"><attribute name="type"><value>html</value></attribute><text/></element>
          <element name="category"><attribute name="term"><data type="NCName"/></attribute></element>
          <optional><element name="link"><attribute name="href"><data type="anyURI"/></attribute></element></optional>
        </interleave>
      </element>
    </zeroOrMore>
  </interleave>
</element>
"""

_JSON_FEED = {
    "type": "object",
    "required": ["version", "title", "items", "feed_url", "home_page_url"],
    "additionalProperties": False,
    "properties": {
        "version": {"const": "https://jsonfeed.org/version/1.1"},
        "title": {"type": "string", "minLength": 1},
        "home_page_url": {"type": "string", "format": "uri"},
        "feed_url": {"type": "string", "format": "uri"},
        "description": {"type": "string", "minLength": 1},
        "language": {"const": "en"},
        "authors": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["name"],
                "additionalProperties": False,
                "properties": {"name": {"type": "string", "minLength": 1}},
            },
        },
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "title", "content_text", "content_html", "date_published", "tags"],
                "additionalProperties": False,
                "properties": {
                    "id": {"type": "string"},
                    "url": {"type": "string", "format": "uri"},
                    "title": {"type": "string", "minLength": 1},
                    "content_text": {"type": "string", "minLength": 1},
                    "content_html": {"type": "string", "minLength": 1},
                    "date_published": {"type": "string", "format": "date-time"},
                    "tags": {"type": "array", "items": {"enum": ["web", "email", "milestone"]}},
                },
            },
        },
    },
}

RSS_GRAMMAR = etree.RelaxNG(etree.fromstring(_RSS))
ATOM_GRAMMAR = etree.RelaxNG(etree.fromstring(_ATOM))
JSON_GRAMMAR = jsonschema_rs.validator_for(_JSON_FEED, validate_formats=True)


def _xml(document: bytes) -> Any:
    assert document.startswith(b"<?xml version='1.0' encoding='UTF-8'?>")
    return etree.fromstring(document, etree.XMLParser(resolve_entities=False, no_network=True))


def text(parent: Any, path: str) -> str:
    """The text of the one element at `path`."""
    (element,) = parent.findall(path)
    return str(element.text)


def texts(parent: Any, path: str) -> list[str]:
    return [str(element.text) for element in parent.findall(path)]


def valid_rss(document: bytes) -> Any:
    """The channel of a document that keeps every rule; an assertion names the rule that was broken."""
    root = _xml(document)
    assert RSS_GRAMMAR.validate(root), RSS_GRAMMAR.error_log
    channel = root.find("channel")
    guids = texts(channel, "item/guid")
    assert len(set(guids)) == len(guids), "a guid is never used twice"
    assert all(map(URN.fullmatch, guids))
    assert all(map(URI.fullmatch, [*texts(channel, "link"), *texts(channel, "item/link")])), "absolute addresses"
    assert URI.fullmatch(channel.find(f"{ATOM}link").get("href"))
    for date in [text(channel, "lastBuildDate"), *texts(channel, "item/pubDate")]:
        assert RFC_822.fullmatch(date), date
        assert parsedate_to_datetime(date).strftime("%a") == date[:3], "the day of the week fits the date"
    return channel


def valid_atom(document: bytes) -> Any:
    """The feed of a document that keeps every rule; an assertion names the rule that was broken."""
    feed = _xml(document)
    assert ATOM_GRAMMAR.validate(feed), ATOM_GRAMMAR.error_log
    ids = texts(feed, f"{ATOM}entry/{ATOM}id")
    assert len(set(ids)) == len(ids)
    assert all(map(URN.fullmatch, [*ids, text(feed, f"{ATOM}id")]))
    links = [(link.get("rel"), link.get("type")) for link in feed.findall(f"{ATOM}link")]
    assert len(set(links)) == len(links), "one alternate a media type (section 4.1.1)"
    assert [relation for relation, _ in links].count("self") == 1
    assert ("self", "application/atom+xml") in links
    assert all(URI.fullmatch(link.get("href")) for link in feed.iter(f"{ATOM}link"))
    for date in feed.iter(f"{ATOM}updated", f"{ATOM}published"):
        assert RFC_3339.fullmatch(date.text)
        assert datetime.fromisoformat(date.text).tzinfo
    return feed


def valid_json_feed(document: bytes) -> dict[str, Any]:
    """The feed of a document that keeps every rule; an assertion names the rule that was broken."""
    feed: dict[str, Any] = json.loads(document.decode("utf-8"))
    JSON_GRAMMAR.validate(feed)
    ids = [item["id"] for item in feed["items"]]
    assert len(set(ids)) == len(ids)
    assert all(map(URN.fullmatch, ids))
    addresses = [feed["home_page_url"], feed["feed_url"], *(item["url"] for item in feed["items"] if "url" in item)]
    assert all(map(URI.fullmatch, addresses))
    assert all(RFC_3339.fullmatch(item["date_published"]) for item in feed["items"])
    return feed
