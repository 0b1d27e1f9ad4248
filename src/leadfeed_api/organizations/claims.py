"""What a token says: its claims, each as it must be, or a refusal that names the one that is not.

Pure, and only for tokens whose signature is good: nobody else learns what is wrong with theirs. A refusal never tells
the value. Knows neither keys nor algorithms.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from leadfeed_api.errors import ExpiredToken, InvalidToken
from leadfeed_api.fields import is_identifier
from leadfeed_api.organizations.identity import is_org_name

REQUIRED = ["sub", "org", "iss", "aud", "iat", "exp"]
ROLES = frozenset({"rep", "admin"})
LEEWAY_S = 5  # by which the signer's clock may be ahead
LATEST = 2**63 - 1  # a Unix time; clocks know no later one, and arithmetic with floats fails far beyond
UNKNOWN_ORG = "The claim `org` names no organisation of this service."


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says. ``expires_at`` is a Unix time.

    ``key_hash`` is that of the API key which asked for a stream token: with that key the token ends, too.
    """

    org: str
    user_id: str
    role: str
    expires_at: int
    key_hash: bytes | None = None


def read_claims(payload: Mapping[str, Any], *, issuer: str, audience: str, now: float) -> Claims:
    """The claims of a token for this service. Raises ``InvalidToken`` or ``ExpiredToken``; ``now`` is a Unix time."""
    for claim in REQUIRED:
        _demand(payload.get(claim) is not None, claim, "is missing")
    user_id, org, role = payload["sub"], payload["org"], payload.get("role", "rep")
    _demand(isinstance(user_id, str) and is_identifier(user_id), "sub", "is not 1-128 printable characters")
    if not (isinstance(org, str) and is_org_name(org)):
        raise InvalidToken(UNKNOWN_ORG)
    _demand(isinstance(role, str) and role in ROLES, "role", "is neither `rep` nor `admin`")
    _demand(payload["iss"] == issuer, "iss", "is not the issuer whose tokens this service takes")
    audiences = payload["aud"] if isinstance(payload["aud"], list) else [payload["aud"]]
    _demand(audience in audiences, "aud", "is not this service's")
    for claim in ("iat", "nbf"):
        _demand(_time(claim, payload.get(claim, 0)) <= now + LEEWAY_S, claim, "is in the future")
    expires_at = _time("exp", payload["exp"])
    if expires_at <= now:  # to the second: its streams end then
        raise ExpiredToken
    return Claims(org, user_id, role, expires_at)


def _time(claim: str, value: Any) -> int:
    try:
        seconds = int(value)
    except (ValueError, TypeError, OverflowError):
        seconds = LATEST + 1
    _demand(seconds <= LATEST, claim, "is not a time in seconds since 1970")
    return seconds


def _demand(holds: bool, claim: str, otherwise: str) -> None:
    if not holds:
        raise InvalidToken(f"The claim `{claim}` {otherwise}.")
