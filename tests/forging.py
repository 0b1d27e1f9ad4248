"""Tokens made by hand: libraries refuse to write what a forger would.

Owns the JSON Web Token's outer form, and nothing of what ought to be in one.
"""

import base64
import hmac
import json
from collections.abc import Mapping
from typing import Any


def encoded(document: object) -> str:
    """One part of a token."""
    return base64url(json.dumps(document).encode())


def base64url(raw: bytes) -> str:
    """Base64 as tokens have it."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(payload: Mapping[str, Any], secret: str | bytes, hashed: str = "sha256", **header: Any) -> str:
    """A token under a shared secret, of any claims and any header."""
    content = f"{encoded({'alg': 'HS256', 'typ': 'JWT', **header})}.{encoded(payload)}"
    key = secret.encode() if isinstance(secret, str) else secret
    return f"{content}.{base64url(hmac.digest(key, content.encode(), hashed))}"
