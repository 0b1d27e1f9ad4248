"""What a mail server's "no" is about: the address, this message, or neither (RFC 5321, RFC 3463). Pure.

Owns the reading of codes. Few servers mean an address by every 550, and most say by a second, enhanced code what they
mean: so a server that will not serve us at all does not cost each user their address.
"""

import re
from typing import Literal

Blame = Literal["address", "message", "nobody", "server"]
Stage = Literal["recipient", "message"]

_ENHANCED = re.compile(r"5\.(\d{1,3})\.(\d{1,3})\b")
# Not about any mail: an unknown command, a wrong order, no mail taken here, and whatever wants us to log in.
_SERVER = {500, 502, 503, 504, 521, 530, 534, 535, 538}
_ADDRESS = {550, 551, 553, 556}
# The mail system, the protocol, the content, policy: "relaying denied" is a 550 5.7.1.
_NOT_THE_ADDRESS = {"3", "5", "6", "7"}
_OURS_OR_PASSING = {("1", "7"), ("1", "8"), ("2", "2")}  # the sender's address, twice; a mailbox that is full


def blame(code: int, answer: str, stage: Stage) -> Blame:
    """Whom an answer of 400 or more blames: "nobody" may say yes later, "server" says no to whatever is sent."""
    if code >= 500 and _names_address(code, answer, stage):
        return "address"
    if code == 421 or code in _SERVER:
        return "server"
    if code < 500:
        return "nobody"
    return "message" if stage == "message" else "nobody"


def _names_address(code: int, answer: str, stage: Stage) -> bool:
    # A recipient who was taken already is not meant by the code alone: many filters say a bare 550 to a message.
    by_code = code in _ADDRESS and stage == "recipient"
    found = _ENHANCED.match(answer.strip())
    if found is None:
        return by_code
    subject, detail = found.groups()
    if subject in _NOT_THE_ADDRESS or (subject, detail) in _OURS_OR_PASSING:
        return False
    return by_code or subject in {"1", "2"}
