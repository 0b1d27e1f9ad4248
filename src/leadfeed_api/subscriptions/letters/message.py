"""A rendered mail as the bytes that travel: headers, text and HTML (RFC 5322, MIME). Pure.

Owns the headers. What a name holds cannot leave its header: it was cleaned of controls, and is encoded here.
"""

from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from uuid import UUID

from leadfeed_api.subscriptions.letters.letter import Addressee
from leadfeed_api.subscriptions.letters.render import Links, Rendered
from leadfeed_api.wire import clean

LINE = 998  # bytes of one line at most, without its end (RFC 5322, 2.1.1)


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
    content["From"] = Address(clean(sender_name), addr_spec=sender_address)
    content["To"] = Address(clean(reader.name), addr_spec=reader.address)
    content["Subject"] = clean(rendered.subject)
    content["Date"] = format_datetime(now)
    content.set_content(rendered.text, cte="quoted-printable")
    content.add_alternative(rendered.html, subtype="html", cte="quoted-printable")
    content["Content-Language"] = reader.language  # last: whatever describes content moves into the parts
    # These by hand: folded by the library, a long URL would become an encoded word, and no link any more.
    fixed = {
        "Message-ID": f"<{mail_id}@{domain}>",
        "List-Id": f"<{org_id:x}.leadfeed.{domain}>",
        "List-Unsubscribe": f"<{links.unsubscribe}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Auto-Submitted": "auto-generated",
        "Precedence": "bulk",
    }
    head = b"".join(_line(name, value) for name, value in fixed.items())
    return Envelope(str(mail_id), sender_address, reader.address, head + content.as_bytes())


def _line(name: str, value: str) -> bytes:
    line = f"{name}: {value}".encode("ascii")
    if len(line) > LINE or not line.isascii() or any(byte < 0x20 for byte in line):
        raise ValueError(f"the header {name} cannot be written")
    return line + b"\r\n"
