"""Names, numbers and secrets: functions and value types behind "who is asking".

Owns how an organisation's number comes from its name, how secrets look and how they are hashed.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Literal, get_args

from leadfeed_api.errors import NoUser

Scope = Literal["ingest", "sync", "read", "admin"]
SCOPES: frozenset[str] = frozenset(get_args(Scope))
KEY_PREFIX = "lfk_"
_ORG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking, and how far they reach.

    ``user_id`` is None for an API key that speaks for no user; ``org`` is empty then. ``key_hash`` is the SHA-256 of
    the API key they came with, None for a token; when the key is revoked their streams end. ``expires_at`` is a Unix
    time, None for keys.
    """

    org_id: int
    org: str
    user_id: str | None
    scopes: frozenset[str]
    key_hash: bytes | None = None
    expires_at: int | None = None

    @property
    def user(self) -> str:
        """The user's id, where a guard of what is ``own`` has let in nobody without one. Raises ``NoUser``."""
        if self.user_id is None:
            raise NoUser
        return self.user_id

    def may(self, scope: Scope) -> bool:
        """Whether the credential reaches ``scope``; admin reaches everything."""
        return scope in self.scopes or "admin" in self.scopes


def is_org_name(name: str) -> bool:
    """Whether ``name`` can name an organisation: 1-63 of a-z, 0-9 and inner hyphens; it fits URLs and shells."""
    return bool(_ORG.fullmatch(name))


def org_number(name: str) -> int:
    """The organisation's number: 63 bits of its name's SHA-256.

    Derived, so that a token's ``org`` claim routes a query without a look-up, and no sequence is needed. Two names
    with one number are refused when the second is created.
    """
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) >> 1


def new_api_key() -> str:
    """A fresh key with 256 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """What is stored of a secret: its SHA-256. Enough for secrets that are random themselves."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
