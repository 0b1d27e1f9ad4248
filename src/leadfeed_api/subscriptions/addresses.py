"""What may stand after "To:". Pure.

Owns which texts are e-mail addresses here: ASCII only, as every mail server takes them; an international domain in its
``xn--`` form. Nothing that could break out of a header or a command is among them.
"""

import re

from leadfeed_api.fields import DOMAIN

_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{DOMAIN}", re.ASCII | re.IGNORECASE)


def mail_address(text: str | None) -> str | None:
    """The address without blanks around it, or None when it is none. Two that differ only in case are one."""
    address = (text or "").strip()
    local, _, _ = address.partition("@")
    fits = len(address) <= 254 and len(local) <= 64
    return address if fits and _ADDRESS.fullmatch(address) else None


def domain_of(address: str) -> str:
    """What stands after the @, in lower case."""
    return address.rpartition("@")[2].lower()


def domain_allowed(address: str, allowed: list[str]) -> bool:
    """Whether mail may go there: to a listed domain or one below it; an empty list allows all."""
    domain = domain_of(address)
    return not allowed or any(domain == one or domain.endswith("." + one) for one in allowed)
