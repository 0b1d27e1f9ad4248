"""A rendered mail as the bytes that travel: headers, text and HTML (RFC 5322, MIME). Pure.

Owns the headers. What a name holds cannot leave its header: it was cleaned of controls, and is encoded here. Not by the
library's message, which reads an encoded word in a text it is given as what the word stands for, line breaks and all.
"""

from dataclasses import dataclass
from datetime import datetime
from email.errors import HeaderParseError
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr, quote
from uuid import UUID

from leadfeed_api.fields import clean
from leadfeed_api.subscriptions.letters.letter import Addressee
from leadfeed_api.subscriptions.letters.render import Links, Rendered

LINE = 998  # bytes of one line at most, without its end (RFC 5322, 2.1.1)
_WIDTH = 76  # and how many there should be
_FOLD = "\r\n "


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message ready for a carrier. ``name`` is the same at every attempt, and so is the Message-ID made from it."""

    name: str
    sender: str
    recipient: str
    message: bytes


def envelope(
    mail_id: UUID, org_id: int, reader: Addressee, rendered: Rendered, links: Links, *, sender: str, now: datetime
) -> Envelope:
    """The message, from ``sender`` (``Name <address>``) to the reader.

    Raises ``ValueError`` for a sender or a reader that no header can name.
    """
    sender_name, sender_address = parseaddr(sender)
    domain = sender_address.rpartition("@")[2]
    content = EmailMessage(policy=SMTP)
    content["Date"] = format_datetime(now)
    content.set_content(rendered.text, cte="quoted-printable")
    content.add_alternative(rendered.html, subtype="html", cte="quoted-printable")
    content["Content-Language"] = reader.language  # last: whatever describes content moves into the parts
    # These by hand: folded by the library, a long URL would become an encoded word, and no link any more.
    headers = {
        "From": _mailbox("From", sender_name, sender_address),
        "To": _mailbox("To", reader.name, reader.address),
        "Subject": _encoded("Subject", clean(rendered.subject)),
        "Message-ID": f"<{mail_id}@{domain}>",
        "List-Id": f"<{org_id:x}.leadfeed.{domain}>",
        "List-Unsubscribe": f"<{links.unsubscribe}>",
        "Auto-Submitted": "auto-generated",
        "Precedence": "bulk",
    }
    if links.unsubscribe.startswith("https:"):  # one click is offered by https alone (RFC 8058, 3.1)
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    head = b"".join(_line(name, value) for name, value in headers.items())
    return Envelope(str(mail_id), sender_address, reader.address, head + content.as_bytes())


def _mailbox(header: str, name: str, address: str) -> str:
    """``name <address>``; an address that is none raises ``ValueError``."""
    try:
        address = Address(addr_spec=address).addr_spec
    except HeaderParseError as error:
        raise ValueError(str(error)) from error
    name = clean(name)
    if not name:
        return address
    spoken = f'"{quote(name)}"' if _is_plain(name) else _encoded(header, name)
    return f"{spoken}{_FOLD if len(header) + len(spoken) + len(address) > _WIDTH else ' '}<{address}>"


def _encoded(header: str, text: str) -> str:
    """The text as it is, or as encoded words; over several lines where it is long."""
    charset = "us-ascii" if _is_plain(text) else "utf-8"
    return Header(text, charset, header_name=header, maxlinelen=_WIDTH).encode(linesep="\r\n")


def _is_plain(text: str) -> bool:
    """Whether it needs no encoding, and nobody can take a part of it for encoded."""
    return text.isascii() and "=?" not in text


def _line(name: str, value: str) -> bytes:
    lines = f"{name}: {value}".split(_FOLD)
    if any(len(line) > LINE or not line.isascii() or not line.isprintable() for line in lines):
        raise ValueError(f"the header {name} cannot be written")
    return _FOLD.join(lines).encode("ascii") + b"\r\n"
