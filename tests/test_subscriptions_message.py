"""A mail's headers hold what they are given as text, and nothing that anybody wrote becomes a header or a body."""

import base64
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import compat32, default
from email.utils import parseaddr
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from leadfeed_api.fields import clean
from leadfeed_api.subscriptions.letters.letter import Addressee
from leadfeed_api.subscriptions.letters.message import LINE, envelope
from leadfeed_api.subscriptions.letters.render import Links, Rendered

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
LINKS = Links("https://leads.example.com/panel", "https://leads.example.com/mail/t/unsubscribe")
READER = Addressee("nora", "Nora Lind", "nora@crm.example", "en", ZoneInfo("Europe/Paris"), "Acme")
HEADERS = [
    "From", "To", "Subject", "Message-ID", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Auto-Submitted",
    "Precedence", "Date", "MIME-Version", "Content-Type", "Content-Language",
]  # fmt: skip
EVIL = "\r\nReply-To: boss@evil.example\r\nBcc: all@evil.example\r\nContent-Type: text/html\r\n\r\n<h1>Sign in</h1>"
# What a mail program shows as the text above, were it let through as it is.
WORDS = [f"=?utf-8?b?{base64.b64encode(EVIL.encode()).decode()}?=", "=?utf-8?q?=0D=0ABcc:_x@evil.example?="]
texts = st.lists(
    st.sampled_from([*WORDS, " ", "=?", "?=", '"', "\\", "<", ">", ",", "é", "\N{CJK UNIFIED IDEOGRAPH-6F22}" * 40])
    | st.text(max_size=90)
).map("".join)


def sent(name: str, subject: str, *, sender: str = "Lead feed <leads@crm.example>") -> bytes:
    rendered = Rendered(subject, "In text.", "<p>In HTML.</p>")
    return envelope(UUID(int=7), 1, replace(READER, name=name), rendered, LINKS, sender=sender, now=NOW).message


def parsed(message: bytes) -> EmailMessage:
    found = message_from_bytes(message, policy=default)
    assert isinstance(found, EmailMessage)
    return found


def shown(value: str) -> str:
    """A header as mail programs show it: decoded, its lines joined."""
    return str(make_header(decode_header(value.replace("\r\n ", " "))))


@given(texts, texts)
@example(WORDS[0], WORDS[0])
@example(WORDS[1], "Visited " * 40)
def test_what_a_name_or_a_subject_holds_stays_in_its_header(name: str, subject: str) -> None:
    message = sent(name, subject)

    mail = parsed(message)
    assert sorted(mail.keys()) == sorted(HEADERS)
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert [one.addr_spec for one in mail["To"].addresses] == ["nora@crm.example"]
    head = message.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert all(line.isascii() and line.decode().isprintable() and len(line) <= LINE for line in head)


@given(texts.map(clean), texts.map(clean))
def test_a_name_and_a_subject_are_read_as_they_were_written(name: str, subject: str) -> None:
    mail = message_from_bytes(sent(name, subject), policy=compat32)

    assert shown(parseaddr(mail["To"])[0]) == name
    assert shown(mail["Subject"]) == subject


@pytest.mark.parametrize("name", ["Lead feed", "Fil des leads, “Acme”", WORDS[1]])
def test_the_sender_is_named_likewise(name: str) -> None:
    escaped = name.replace('"', "")
    (author,) = parsed(sent("Nora", "Visited", sender=f'"{escaped}" <leads@crm.example>'))["From"].addresses
    assert (author.display_name, author.addr_spec) == (escaped, "leads@crm.example")


def test_one_click_to_stop_is_offered_by_https_only() -> None:
    plain = replace(LINKS, unsubscribe="http://leads.example.com/mail/t/unsubscribe")
    message = envelope(UUID(int=7), 1, READER, Rendered("s", "t", "h"), plain, sender="leads@crm.example", now=NOW)

    mail = parsed(message.message)
    assert mail["List-Unsubscribe"] == f"<{plain.unsubscribe}>"
    assert mail["List-Unsubscribe-Post"] is None


@pytest.mark.parametrize("address", ["nobody", "a@b@c.example", "a b@c.example", "a@b.example\r\nBcc: x@y.example"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the library's own, in its words
        envelope(
            UUID(int=7), 1, replace(READER, address=address), Rendered("s", "t", "h"), LINKS,
            sender="leads@crm.example", now=NOW,
        )  # fmt: skip
