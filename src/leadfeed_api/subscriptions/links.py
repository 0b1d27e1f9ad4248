"""The links in a mail that need no login: what their tokens hold and how they are proven. Pure.

A token names the organisation and the recipient, and bears a tag that only the recipient's own secret can make, one a
purpose: a link to unsubscribe confirms nothing. Tokens never end by themselves: a link in an old mail has to work.
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


@dataclass(frozen=True, slots=True)
class Claim:
    """Whom a token says it is about; believed only once :func:`proves` says so."""

    org_id: int
    recipient_id: UUID
    tag: bytes


def write_token(org_id: int, recipient_id: UUID, secret: bytes, purpose: Purpose) -> str:
    """54 URL-safe characters."""
    raw = _BODY.pack(org_id, recipient_id.bytes) + _tag(secret, purpose)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def read_token(token: str) -> Claim | None:
    """What a token claims; None for any other text."""
    try:
        raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), b"-_", validate=True)
        org_id, recipient = _BODY.unpack(raw[: _BODY.size])
    except (ValueError, struct.error):
        return None
    if len(raw) != _BODY.size + _TAG_BYTES or org_id >= 1 << 63:
        return None
    return Claim(org_id, UUID(bytes=recipient), raw[_BODY.size :])


def proves(claim: Claim, secret: bytes, purpose: Purpose) -> bool:
    """Whether whoever wrote the token knew the recipient's secret and meant this purpose."""
    return hmac.compare_digest(claim.tag, _tag(secret, purpose))


def _tag(secret: bytes, purpose: Purpose) -> bytes:
    return hmac.digest(secret, purpose.encode(), "sha256")[:_TAG_BYTES]
