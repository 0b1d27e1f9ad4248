"""Small Marketo exports for tests, written as Marketo or a warehouse would write them, and read back."""

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from leadfeed_api.ingestion.interpret import Candidate
from leadfeed_api.ingestion.sources.marketo import MarketoExport, RowRead, Unreadable
from leadfeed_api.ingestion.sources.marketo_types import ActivityTypes, packaged_types

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BULK = [
    "marketoGUID",
    "leadId",
    "activityDate",
    "activityTypeId",
    "campaignId",
    "primaryAttributeValueId",
    "primaryAttributeValue",
    "attributes",
]
FLAT = "activity_date,activity_type_id,id,lead_id,primary_attribute_value,link,user_agent"


def read(path: Path, types: ActivityTypes | None = None) -> list[RowRead]:
    with MarketoExport(path, types or packaged_types(), NOW) as export:
        return list(export)


def read_text(folder: Path, text: str | bytes) -> list[RowRead]:
    path = folder / "export.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path)


def bulk(folder: Path, *rows: Sequence[object], columns: Sequence[str] = BULK) -> list[RowRead]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([json.dumps(cell) if isinstance(cell, (dict, list)) else cell for cell in row])
    return read_text(folder, buffer.getvalue())


def activity(number: int, primary: str = "null", attributes: object = "null", **changed: object) -> list[object]:
    row: dict[str, object] = {
        "marketoGUID": "783957693",
        "leadId": "5414087",
        "activityDate": "2026-11-20T14:06:20Z",
        "activityTypeId": number,
        "campaignId": "null",
        "primaryAttributeValueId": 1670,
        "primaryAttributeValue": primary,
        "attributes": attributes,
    }
    return list({**row, **changed}.values())


def only_moment(readings: list[RowRead]) -> Candidate:
    [moment] = readings
    assert isinstance(moment, Candidate), moment
    return moment


def only_reason(readings: list[RowRead]) -> str:
    [unreadable] = readings
    assert isinstance(unreadable, Unreadable), unreadable
    return unreadable.reason
