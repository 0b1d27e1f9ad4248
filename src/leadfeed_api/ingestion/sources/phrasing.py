"""What a source's values say to a sales rep: the first text that can be filled in, the first link that is one.

Shared by the sources; knows none of their formats.
"""

import re
from collections.abc import Iterable, Mapping

from pydantic import TypeAdapter, ValidationError

from leadfeed_api.fields import Link, clean

LONGEST_DESCRIPTION = 1_000
FIELD = re.compile(r"\{(\w+)\}")
_LINK: TypeAdapter[str] = TypeAdapter(Link)
_WEB_ADDRESS = re.compile(r"^https?://(?:www\.)?([^\s?#]+)[?#]?\S*$", re.IGNORECASE)
# What a person cannot read: hex digests, UUIDs, numbers of records, or several of these joined ("<program>.<asset>").
_OPAQUE_PART = re.compile(r"[0-9a-f]{16,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4,}", re.IGNORECASE)


def first_readable(texts: Iterable[str], attributes: Mapping[str, str]) -> str | None:
    """The first text whose ``{attributes}`` are all readable, as one clean line of at most 1,000 characters."""
    filled = (_filled(text, attributes) for text in texts)
    return next((shortened(clean(text)) for text in filled if text is not None), None)


def first_link(names: Iterable[str], attributes: Mapping[str, str]) -> str | None:
    """The first of these attributes that is a link a moment can hold."""
    for name in names:
        try:
            return _LINK.validate_python(attributes.get(name, ""))
        except ValidationError:
            continue
    return None


def presentable(value: str | None) -> str | None:
    """A value as a person would want to read it, or None: web addresses lose scheme and query, digests are nothing.

    Exports for analysis often carry hashed names: “Opened c855f365…” tells a rep less than “Opened an email”.
    """
    text = clean(value or "")
    address = _WEB_ADDRESS.match(text)
    if address:
        return address[1].rstrip("/")
    readable = any(part and not _OPAQUE_PART.fullmatch(part) for part in re.split(r"[.\s]+", text))
    return text if readable else None


def shortened(text: str, longest: int = LONGEST_DESCRIPTION) -> str:
    """At most so many characters; what is cut ends in “…”."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _filled(text: str, attributes: Mapping[str, str]) -> str | None:
    values: dict[str, str] = {}
    for field in FIELD.findall(text):
        value = presentable(attributes.get(field))
        if value is None:
            return None
        values[field] = value
    return FIELD.sub(lambda found: values[found[1]], text)
