"""Reading what a CRM sends, and what each record would change. Pure: values in, values out.

Owns the per-record verdicts that need no transaction, and the merge of what is stored with what came.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from leadfeed_api.errors import Invalid
from leadfeed_api.faults import is_harmless, pointer_to, unknown, why
from leadfeed_api.people.schemas import MAX_RECORDS, AccountIn, Effect, Kind, LeadIn, SyncResult, UserIn

MODELS: Mapping[Kind, type[BaseModel]] = {"users": UserIn, "accounts": AccountIn, "leads": LeadIn}
DEFAULTS: Mapping[Kind, Mapping[str, Any]] = {"users": {"active": True}, "accounts": {}, "leads": {}}
KEEP_IF_NULL = frozenset({"name", "active"})  # these cannot be cleared


@dataclass(slots=True)
class Records:
    """The readable records of one kind, by their place in the body, and the verdicts so far."""

    kind: Kind
    given: dict[int, dict[str, Any]] = field(default_factory=dict)
    results: dict[int, SyncResult] = field(default_factory=dict)

    def reject(self, index: int, problem: str, name: str, detail: str, record_id: str | None = None) -> None:
        """Sets the record at ``index`` aside, pointing at its field ``name``. An unreadable one brings its id."""
        record = self.given.pop(index, {"id": record_id})
        pointer = f"/{self.kind}/{index}" + (f"/{name}" if name else "")
        self.results[index] = SyncResult(
            kind=self.kind,
            index=index,
            id=record.get("id"),
            status="rejected",
            problem=problem,
            pointer=pointer,
            detail=detail,
        )


def read_records(document: Any) -> list[Records]:
    """The three kinds of a body in the order they are stored. Raises ``Invalid`` when it is no batch."""
    if not isinstance(document, dict):
        raise Invalid(errors=[{"pointer": "", "detail": "expected a JSON object with users, accounts or leads"}])
    if not document.keys() <= MODELS.keys():
        strange = next(name for name in document if name not in MODELS)
        detail = "unknown field beside users, accounts and leads"
        raise Invalid(errors=[{"pointer": pointer_to(strange), "detail": detail}])
    return [_read(kind, document.get(kind, [])) for kind in MODELS]


def _read(kind: Kind, items: Any) -> Records:
    if not isinstance(items, list) or len(items) > MAX_RECORDS:
        raise Invalid(errors=[{"pointer": f"/{kind}", "detail": f"expected an array of at most {MAX_RECORDS:,} items"}])
    records = Records(kind)
    for index, item in enumerate(items):
        try:
            records.given[index] = MODELS[kind].model_validate(item).model_dump(exclude_unset=True)
        except ValidationError as error:
            _reject_unreadable(records, index, item, error)
    return records


def _reject_unreadable(records: Records, index: int, item: Any, error: ValidationError) -> None:
    found = error.errors(include_url=False, include_input=False)
    first = found[0]
    has_id = isinstance(item, dict) and ("id",) not in [fault["loc"][:1] for fault in found]
    record_id = item["id"] if has_id else None
    name = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        detail = unknown("field", MODELS[records.kind].model_fields)
        records.reject(index, "unknown-field", name if is_harmless(name) else "", detail, record_id)
    elif not name:
        records.reject(index, "invalid-record", "", "expected a JSON object")
    else:
        records.reject(index, f"invalid-{name.replace('_', '-')}", name, why(first), record_id)


def merge(
    records: Records, stored: Mapping[str, Mapping[str, Any]], columns: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """The rows to write, by id: what is stored, overlaid in order with what came; only rows that change.

    Gives every remaining record its verdict; a new record without a name is rejected.
    """
    rows: dict[str, dict[str, Any]] = {}
    for index, given in sorted(records.given.items()):
        current = rows.get(given["id"]) or stored.get(given["id"])
        if current is None and not given.get("name"):
            records.reject(index, "invalid-name", "name", "is required for a new record")
            continue
        base = current or {**dict.fromkeys(columns), **DEFAULTS[records.kind]}
        row = {
            **base,
            **{name: value for name, value in given.items() if value is not None or name not in KEEP_IF_NULL},
        }
        change: Effect = "created" if current is None else "unchanged" if row == dict(current) else "updated"
        records.results[index] = SyncResult(
            kind=records.kind, index=index, id=given["id"], status="accepted", change=change
        )
        if change != "unchanged":
            rows[given["id"]] = row
    return rows
