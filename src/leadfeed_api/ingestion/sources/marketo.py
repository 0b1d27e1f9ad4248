"""Marketo's exports, read as a stream: a file in, moments and leads out, and every row left out with its reason.

Three shapes are told apart by their header, whatever the order of columns and however they are spelled (camelCase,
snake_case, words):

* activities as the bulk extract writes them: attributes as JSON in one cell, ``null`` for what is missing;
* activities as warehouses flatten them: one column per attribute;
* leads.

Owns the reading of files: encoding, delimiter, broken rows, progress. What a row means is ``marketo_rows``'s; which
activities count is ``marketo_types``'s. Memory does not grow with the file. Knows no database.
"""

import csv
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import Literal, Self

from leadfeed_api.ingestion.interpret import Candidate
from leadfeed_api.ingestion.sources.marketo_rows import (
    LeadRecord,
    Row,
    UnreadableRow,
    activity_number,
    lead_from,
    moment_from,
    snake_case,
)
from leadfeed_api.ingestion.sources.marketo_types import ActivityTypes

Shape = Literal["activities", "leads"]
LONGEST_CELL = 1024 * 1024  # a quote that is never closed swallows at most so much
LONGEST_LINE = 4 * 1024 * 1024
_ACTIVITY_COLUMNS = {"lead_id", "activity_date", "activity_type_id"}
_LEAD_COLUMNS = {"email", "email_address", "first_name", "last_name"}


class UnknownShape(Exception):
    """A file is none of the exports: the message names it, what it lacks and what it has."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        found = ", ".join(filter(str.isprintable, columns))[:200] or "nothing readable"
        super().__init__(
            f"{path} is not a Marketo export: expected a CSV file with the columns leadId, activityDate and "
            f"activityTypeId (activities), or id with email, firstName or lastName (leads); found {found}"
        )


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that could not be read. ``line`` counts from 1, the header included."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class NotInteresting:
    """An activity that is no interesting moment, by the name of its type."""

    line: int
    activity: str


RowRead = Candidate | LeadRecord | Unreadable | NotInteresting


class MarketoExport:
    """One file, read once: ``with MarketoExport(path, types, now) as export: for reading in export: …``.

    ``bytes_read`` of ``bytes_total`` (0 when the size is unknown, as for a pipe) tell how far it has come.
    """

    def __init__(self, path: Path, types: ActivityTypes, now: datetime) -> None:
        """Opens the file and reads its header.

        Args:
            path: the file.
            types: which activities are moments.
            now: the clock that a time in the future is judged by.

        Raises:
            UnknownShape: the header is none of the known ones.
            OSError: the file cannot be opened.
        """
        self.path = path
        self.bytes_read = 0
        self._cut = False  # whether the line read last is the file's end without a line end
        self._types = types
        self._now = now
        self._file: BufferedReader = path.open("rb")
        try:
            self.bytes_total = path.stat().st_size
            self._lines = self._decoded()
            self.shape, self._columns, self._delimiter = self._header(path)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets the file go; ``with`` does it by itself."""
        self._file.close()

    def __iter__(self) -> Iterator[RowRead]:
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
        # Intentional: strict. Otherwise a quote left open on one row quietly swallows all rows after it.
        rows = csv.reader(self._lines, delimiter=self._delimiter, strict=True)
        while True:
            line = self._header_line + rows.line_num + 1
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                last = self._header_line + rows.line_num
                reach = f", and took lines {line}-{last} with it" if last > line else ""
                yield Unreadable(line, f"broken CSV ({_why(error)}){reach}")
                continue
            if cells:
                yield self._read(line, cells)

    def _read(self, line: int, cells: list[str]) -> RowRead:
        if any(cells[len(self._columns) :]):
            return Unreadable(line, f"has {len(cells)} cells where the header has {len(self._columns)}")
        # Excel leaves out empty cells at the end of a row, others the last line end: both together is a file cut off.
        if self._cut and len(cells) < len(self._columns):
            return Unreadable(line, "the file ends in the middle of this row")
        row = {
            column: cell for column, cell in zip(self._columns, cells, strict=False) if cell.strip() not in {"", "null"}
        }
        try:
            return lead_from(row) if self.shape == "leads" else self._activity(line, row)
        except UnreadableRow as error:
            return Unreadable(line, str(error))

    def _activity(self, line: int, row: Row) -> RowRead:
        number = activity_number(row)
        known = self._types.by_id.get(number)
        if known is None or not known.is_moment:
            return NotInteresting(line, self._types.name_of(number))
        result = row.get("action_result", "succeeded").lower()
        if result in {"skipped", "failed"}:
            return NotInteresting(line, f"{known.name} ({result} in Marketo)")
        return moment_from(row, number, self._types, self._now)

    def _header(self, path: Path) -> tuple[Shape, list[str], str]:
        """The shape, the columns in snake_case and the delimiter: Marketo writes commas, tabs or semicolons."""
        self._header_line = 0
        header = ""
        for header in self._lines:
            self._header_line += 1
            if header.strip():
                break
        for delimiter in ",\t;":
            with suppress(csv.Error):  # a cell longer than any header's
                columns = [snake_case(name) for name in next(csv.reader([header], delimiter=delimiter), [])]
                shape = _shape(set(columns))
                if shape:
                    return shape, columns, delimiter
        raise UnknownShape(path, [name.strip() for name in header[:1_000].split(",")])

    def _decoded(self) -> Iterator[str]:
        """Line by line, without NULs and stray carriage returns.

        UTF-16 where a byte-order mark says so (Excel's "Unicode text"), else UTF-8, or Windows-1252 (Excel's "CSV").
        """
        if self._file.peek(2)[:2] in {BOM_UTF16_LE, BOM_UTF16_BE}:
            yield from self._decoded_from_utf16()
            return
        while line := self._file.readline(LONGEST_LINE):
            self.bytes_read += len(line)
            self._cut = not line.endswith(b"\n") and len(line) < LONGEST_LINE
            line = line.replace(b"\0", b"")
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError:
                text = line.decode("cp1252", "replace")
            yield _one_line(text)

    def _decoded_from_utf16(self) -> Iterator[str]:
        with TextIOWrapper(self._file, "utf-16", "replace", newline="\n") as text:
            while line := text.readline(LONGEST_LINE):
                self.bytes_read += 2 * len(line)
                self._cut = not line.endswith("\n") and len(line) < LONGEST_LINE
                yield _one_line(line.replace("\0", ""))


def _one_line(text: str) -> str:
    return text.lstrip("\ufeff").rstrip("\r\n").replace("\r", " ") + "\n"


def _shape(columns: set[str]) -> Shape | None:
    if columns >= _ACTIVITY_COLUMNS:
        return "activities"
    return "leads" if "id" in columns and columns & _LEAD_COLUMNS and "lead_id" not in columns else None


def _why(error: csv.Error) -> str:
    if "end of data" in str(error):
        return "a quote is never closed"
    return "a cell is too long, or a quote is not closed" if "limit" in str(error) else "text after a closing quote"
