"""One row of a Marketo export: an activity becomes a moment, a lead becomes what sync takes.

Owns the names Marketo gives its columns and attributes, its ways to write a time, and the identity of an activity.
Rows come with their names in snake_case and without missing cells; knows nothing of files.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from leadfeed_api.fields import Website, clean
from leadfeed_api.ingestion.interpret import Candidate, interpret
from leadfeed_api.ingestion.sources.marketo_types import ActivityType, ActivityTypes
from leadfeed_api.ingestion.sources.phrasing import first_link, shortened

SOURCE = "marketo"
Row = Mapping[str, str]
_WEBSITE: TypeAdapter[str] = TypeAdapter(Website)
_TIME = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)[T ](?P<time>\d\d:\d\d:\d\d(?:\.\d{1,9})?) ?"
    r"(?:(?P<sign>[+-])(?P<hours>\d\d)(?::?(?P<minutes>\d\d))?|Z|UTC|GMT)?",
    re.ASCII | re.IGNORECASE,
)
# What each field of a lead may be called: REST API, warehouse and the export of the user interface.
_NAMES = {
    "email": ("email", "email_address"),
    "title": ("title", "job_title"),
    "phone": ("phone", "phone_number"),
    "mobile": ("mobile_phone", "mobile_phone_number"),
    "fax": ("fax", "fax_number"),
    "score": ("lead_score", "person_score", "score"),
    "owner_id": ("external_sales_person_id",),
}
_COMPANY = ("company", "company_name")
_ADDRESS = (
    ("billing_street", "address"),
    ("billing_postal_code", "postal_code"),
    ("billing_city", "city"),
    ("billing_state", "state"),
    ("billing_country", "country"),
)
# What sync takes of an account. Marketo's company holds 255 characters, its street more than 500.
_LONGEST_NAME = 200
_LONGEST_ADDRESS = 500


class UnreadableRow(Exception):
    """A row cannot be read; the message says why, without quoting it."""


@dataclass(frozen=True, slots=True)
class LeadRecord:
    """A person, and their company if named: the fields that ``POST /v1/sync`` takes, missing ones left out.

    ``stand_in`` is for a new lead without a name: a feed must show something a rep recognises.
    """

    lead: Mapping[str, str | float]
    account: Mapping[str, str] | None
    stand_in: str


def snake_case(name: str) -> str:
    """``marketoGUID``, ``Client IP Address`` -> ``marketo_guid``, ``client_ip_address``."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"\W+|_+", "_", parted).strip("_").lower()


def activity_number(row: Row) -> int:
    """The type of an activity. Raises :class:`UnreadableRow`."""
    number = row.get("activity_type_id", "")
    if not (number.isascii() and number.isdecimal() and len(number) <= 9):
        raise UnreadableRow("the activity type is not a number")
    return int(number)


def moment_from(row: Row, number: int, types: ActivityTypes, now: datetime) -> Candidate:
    """The moment of an activity whose type is one; judged by the same rules as a moment sent over HTTP.

    Raises :class:`UnreadableRow`.
    """
    kind = types.by_id[number]
    attributes = {**_attributes(row.get("attributes")), **row}
    lead_id = _id(row, "lead_id")
    if not lead_id:
        raise UnreadableRow("the activity names no lead")
    moment = kind.moment_of(attributes)
    if moment is None:
        raise UnreadableRow("the moment's type is not web, email or milestone")
    judged = interpret(
        {
            "source": SOURCE,
            "external_id": _identity(row),
            "lead_id": lead_id,
            "type": moment,
            "description": kind.describe(attributes),
            "occurred_at": _occurred_at(kind, attributes),
            "url": first_link(kind.url, attributes),
            "bot": types.bot(number, attributes),
        },
        now,
    )
    if isinstance(judged, Candidate):
        return judged
    raise UnreadableRow(f"{judged.pointer.removeprefix('/')}: {judged.detail}")


def lead_from(row: Row) -> LeadRecord:
    """The lead of a row. Raises :class:`UnreadableRow`."""
    lead_id = _id(row, "id")
    if not lead_id:
        raise UnreadableRow("the lead has no id")
    lead: dict[str, str | float] = {"id": lead_id}
    for field, names in _NAMES.items():
        value = _first(row, names)
        if value:
            lead[field] = value
    name = _name(row)
    if name:
        lead["name"] = name
    if "score" in lead:
        lead["score"] = _number(str(lead["score"]))
    account = _account(row)
    if account:
        lead["account_id"] = account["id"]
    return LeadRecord(lead, account, name or str(lead.get("email", "")) or unnamed_lead(lead_id))


def unnamed_lead(lead_id: str) -> str:
    """What to call a lead of whom only Marketo's id is known."""
    return f"Marketo lead {lead_id}"


def timestamp(text: str) -> str | None:
    """RFC 3339 from the ways Marketo and warehouses write a time; without a zone it is UTC. None if it is no time.

    ``2023-01-16T23:32:19Z``, ``2014-09-17T22:31:49+0000``, ``2020-04-30 08:05:11.000``; a bare day is no time.
    """
    found = _TIME.fullmatch(text.strip())
    if not found:
        return None
    zone = f"{found['sign']}{found['hours']}:{found['minutes'] or '00'}" if found["sign"] else "Z"
    return f"{found['day']}T{found['time']}{zone}"


def _occurred_at(kind: ActivityType, attributes: Row) -> str:
    for name in kind.occurred_at:
        read = timestamp(attributes.get(name, ""))
        if read:
            return read
    raise UnreadableRow("the time cannot be read")


def _identity(row: Row) -> str:
    """Marketo's GUID, else its id, else a digest of the row, so that reading a file twice records nothing twice.

    Intentional: GUID and id share one space. Where both exist and a GUID is a number, it is the same number as the
    id, so an activity keeps its identity whether it came by bulk extract or by a warehouse.
    """
    known = _id(row, "marketo_guid") or _id(row, "id")
    if known:
        return known
    return "row-" + hashlib.sha256(json.dumps(sorted(row.items())).encode()).hexdigest()[:40]


def _attributes(cell: str | None) -> dict[str, str]:
    """The JSON of an ``attributes`` cell: an object, or REST's list of ``{"name", "value"}``; missing ones left out."""
    if not cell:
        return {}
    try:
        read: Any = json.loads(cell)
        pairs = read.items() if isinstance(read, dict) else [(entry["name"], entry.get("value")) for entry in read]
        return {snake_case(str(name)): _text(value) for name, value in pairs if value not in (None, "", "null")}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise UnreadableRow("the attributes are not a JSON object") from None


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _id(row: Row, name: str) -> str:
    """An id, without the blanks that some exports pad their cells with; empty for none."""
    return row.get(name, "").strip()


def _first(row: Row, names: tuple[str, ...]) -> str:
    return next((clean(row[name]) for name in names if clean(row.get(name, ""))), "")


def _name(row: Row) -> str:
    parts = " ".join(filter(None, (_first(row, ("first_name",)), _first(row, ("last_name",)))))
    return parts or _first(row, ("full_name", "name"))


def _number(text: str) -> float:
    if not re.fullmatch(r"[+-]?\d{1,15}(?:\.\d{1,15})?", text):
        raise UnreadableRow("the score is not a number")
    return float(text)


def _account(row: Row) -> dict[str, str] | None:
    """The company; without ``externalCompanyId`` its id is made of its name, so that colleagues share one account.

    Shortened to what an account holds, because a lead whose account is refused is refused too. The id is made of the
    whole name: two companies do not become one by their first 200 characters.
    """
    name = _first(row, _COMPANY)
    account_id = _id(row, "external_company_id")
    if not name and not account_id:
        return None
    digest = hashlib.sha256(name.casefold().encode()).hexdigest()[:24]
    account = {"id": account_id or f"marketo-company-{digest}"}
    if name:
        account["name"] = shortened(name, _LONGEST_NAME)
    address = ", ".join(filter(None, (_first(row, names) for names in _ADDRESS)))
    if address:
        account["address"] = shortened(address, _LONGEST_ADDRESS)
    url = _website(_first(row, ("website",)))
    if url:
        account["url"] = url
    return account


def _website(text: str) -> str | None:
    """A company's web address, if it is one."""
    try:
        return _WEBSITE.validate_python(text)
    except ValidationError:
        return None
