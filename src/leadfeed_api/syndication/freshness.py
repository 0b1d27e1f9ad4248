"""Whether what a reader has is still what we would send: conditional requests by RFC 9110, section 13. Pure.

Owns the entity tag and the rules of 304. Knows nothing of feeds.
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

# An entity tag, weak or strong; the opaque part (in quotes) is what weak comparison compares.
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def entity_tag(*parts: object) -> str:
    """A tag that differs when any of the parts does.

    Weak, because it is made of what the document says and not of its bytes: a proxy may compress them.
    """
    return f'W/"{hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]}"'


def http_date(when: datetime) -> str:
    """An instant as HTTP writes it, to the second."""
    return format_datetime(when.astimezone(UTC), usegmt=True)


def tag_matches(if_none_match: Sequence[str], tag: str) -> bool:
    """Whether one of the tags in the header's lines is ours, compared weakly; ``*`` is any."""
    if any(line.strip() == "*" for line in if_none_match):
        return True
    opaque = tag.removeprefix("W/")
    return any(found == opaque for line in if_none_match for found in _TAG.findall(line))


def unmodified_since(if_modified_since: Sequence[str], last_modified: datetime) -> bool:
    """Whether nothing changed since the header's date. A date that cannot be read, or several, count as none."""
    if len(if_modified_since) != 1:
        return False
    try:
        date = parsedate_to_datetime(if_modified_since[0])
    except (ValueError, OverflowError):
        return False
    known = date.replace(tzinfo=date.tzinfo or UTC)
    return last_modified.replace(microsecond=0) <= known
