"""The links in a mail that need no login: what their tokens hold and how they are proven. Pure.

A token names the organisation and the recipient, and bears a tag that only the recipient's own secret can make, one a
purpose: a link to unsubscribe confirms nothing. It also bears a mark of the address that it was mailed to: whoever has
a user's old mailbox learns nothing of the new one, and stops nothing there. Tokens never end by themselves: a link in
an old mail has to work. Those written before there were marks are shorter, and are meant for any address.
"""

import base64
import hmac
import struct
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

Purpose = Literal["unsubscribe", "confirm"]
SECRET_BYTES = 16
_BODY = struct.Struct(">Q16s")
_TAG_BYTES = 16
_MARK_BYTES = 8
_MARKED = "of an address"  # in the tag, so that a token without its mark is no token


@dataclass(frozen=True, slots=True)
class Claim:
    """Whom a token says it is about; believed only once :func:`proves` says so."""

    org_id: int
    recipient_id: UUID
    tag: bytes
    mark: bytes  # of the address it was mailed to; empty where none is named


def write_token(org_id: int, recipient_id: UUID, secret: bytes, purpose: Purpose, address: str) -> str:
    """64 URL-safe characters."""
    raw = _BODY.pack(org_id, recipient_id.bytes) + _tag(secret, purpose, _MARKED) + _mark(secret, address)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def read_token(token: str) -> Claim | None:
    """What a token claims; None for any other text."""
    try:
        raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), b"-_", validate=True)
        org_id, recipient = _BODY.unpack(raw[: _BODY.size])
    except (ValueError, struct.error):
        return None
    tag, mark = raw[_BODY.size :][:_TAG_BYTES], raw[_BODY.size + _TAG_BYTES :]
    if len(tag) != _TAG_BYTES or len(mark) not in {0, _MARK_BYTES} or org_id >= 1 << 63:
        return None
    return Claim(org_id, UUID(bytes=recipient), tag, mark)


def proves(claim: Claim, secret: bytes, purpose: Purpose) -> bool:
    """Whether whoever wrote the token knew the recipient's secret and meant this purpose."""
    return hmac.compare_digest(claim.tag, _tag(secret, purpose, _MARKED) if claim.mark else _tag(secret, purpose))


def mailed_to(claim: Claim, secret: bytes, address: str) -> bool:
    """Whether the link was mailed to this address, however it is written; also where it does not say."""
    return not claim.mark or hmac.compare_digest(claim.mark, _mark(secret, address))


def _tag(secret: bytes, *said: str) -> bytes:
    return hmac.digest(secret, "\n".join(said).encode(), "sha256")[:_TAG_BYTES]


def _mark(secret: bytes, address: str) -> bytes:
    return _tag(secret, "address", address.lower())[:_MARK_BYTES]
