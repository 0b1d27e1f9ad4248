"""How an organisation's settings about mail look: the domains mail may go to, where a lead's record is.

Owns their shapes, which the door checks and ``subscriptions`` relies on. Knows nothing of who is mailed.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, Strict, WithJsonSchema
from pydantic_core import PydanticCustomError

from leadfeed_api.fields import DOMAIN, Link

_DOMAIN = re.compile(DOMAIN, re.ASCII)


def _domain(value: object) -> object:
    if not isinstance(value, str):
        return value
    domain = value.strip().lower().removeprefix("@")
    if len(domain) > 253 or not _DOMAIN.fullmatch(domain):
        raise PydanticCustomError("domain", "expected a domain like crm.example (international ones as xn--…)")
    return domain


def _with_lead_id(value: str) -> str:
    if value.count("{lead_id}") != 1 or re.search(r"[{}]", value.replace("{lead_id}", "")):
        raise PydanticCustomError("lead_url", "expected a URL that contains {lead_id} once, and no other braces")
    return value


MailDomains = Annotated[
    list[Annotated[str, Strict(), BeforeValidator(_domain)]],
    Field(max_length=100, description="Mail goes only to these domains and their subdomains; empty: to any."),
]
LeadUrl = Annotated[
    Link,
    AfterValidator(_with_lead_id),
    WithJsonSchema(
        {
            "type": "string",
            "format": "uri-template",
            "maxLength": 2_000,
            "examples": ["https://crm.example/leads/{lead_id}"],
        }
    ),
]
