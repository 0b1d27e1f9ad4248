"""Reading Marketo's files: odd bytes, broken rows, other shapes, progress, memory; nothing raises, nothing vanishes."""

import json
import tracemalloc
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadfeed_api.fields import clean
from leadfeed_api.ingestion.interpret import Candidate
from leadfeed_api.ingestion.sources.marketo import LONGEST_CELL, MarketoExport, NotInteresting, UnknownShape, Unreadable
from leadfeed_api.ingestion.sources.marketo_rows import LeadRecord
from leadfeed_api.ingestion.sources.marketo_types import packaged_types
from marketo_exports import BULK, FLAT, NOW, bulk, only_moment, read_text


def test_lines_are_counted_through_cells_that_span_several(tmp_path: Path) -> None:
    text = f'{FLAT}\n2026-11-20 10:00:00,10,1,7,"two\nlines",,\nbroken,10,2,7,,,\n'
    moment, left_out = read_text(tmp_path, text)
    assert isinstance(moment, Candidate)
    assert moment.description == "Opened “two lines”"
    assert isinstance(left_out, Unreadable)
    assert left_out.line == 4


def test_a_quote_that_is_never_closed_swallows_nothing_in_silence(tmp_path: Path) -> None:
    rows = "".join(f"2026-11-20 10:00:0{n},10,{n},7,,,\n" for n in range(5))
    *before, left_out = read_text(tmp_path, f'{FLAT}\n{rows}2026-11-20 10:00:09,10,9,7,"open,,\n{rows}')
    assert len(before) == 5
    assert isinstance(left_out, Unreadable)
    assert left_out.line == 7
    assert "never closed" in left_out.reason
    assert "lines 7-12" in left_out.reason


def test_reading_goes_on_after_a_cell_that_is_too_long(tmp_path: Path) -> None:
    long = "x" * (1024 * 1024 + 1)
    left_out, moment = read_text(
        tmp_path, f"{FLAT}\n2026-11-20 10:00:00,10,1,7,{long},,\n2026-11-20 10:00:00,10,2,7,,,\n"
    )
    assert isinstance(left_out, Unreadable)
    assert "too long" in left_out.reason
    assert isinstance(moment, Candidate)


def test_nul_bytes_are_dropped_and_windows_text_is_understood(tmp_path: Path) -> None:
    row = b"2026-11-20 10:00:00,10,1,7,\x00Caf\xe9\r\x96 d\x00emo,,\r\r\n"
    assert only_moment(read_text(tmp_path, FLAT.encode() + b"\r\n" + row)).description == "Opened “Café – demo”"


@pytest.mark.parametrize(("encoding", "mark"), [("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")])
@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_an_export_saved_as_unicode_text_holds_the_same_moments(
    tmp_path: Path, encoding: str, mark: bytes, delimiter: str
) -> None:
    lead = "id,email,firstName\r\n100,ana@initech.example,Ána\U0001f600 上\r\n"
    guid = (
        "marketoGUID,leadId,activityDate,activityTypeId,primaryAttributeValue\r\nmg-1,10,2026-11-20 10:00:00,7,Café\r\n"
    )
    for commas in (lead, guid, f"{FLAT}\r\n2026-11-20 10:00:00,10,1,7,Café ਊ,,\r\n"):
        text = commas.replace(",", delimiter)
        plain = read_text(tmp_path, text)
        assert not isinstance(plain[0], Unreadable)
        assert read_text(tmp_path, mark + text.encode(encoding)) == plain


def test_unicode_text_that_was_cut_is_read_up_to_the_cut(tmp_path: Path) -> None:
    text = f"{FLAT}\n2026-11-20 10:00:00,10,1,7,Demo,,\n2026-11-20 10:00:00,10,2,7,Demo,,".encode("utf-16")
    assert len(read_text(tmp_path, text[:-1])) == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_the_row_that_a_file_was_cut_off_in_is_not_read(tmp_path: Path, encoding: str) -> None:
    text = "id,email,firstName,company\n1,ana@initech.example,Ana,Initech\n2,bo@ini"
    whole, stump = read_text(tmp_path, text.encode(encoding))
    assert isinstance(whole, LeadRecord)
    assert stump == Unreadable(3, "the file ends in the middle of this row")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("last", ["2,bo@initech.example,Bo,", "2,bo@initech.example\n", "2,bo@initech.example\r\n"])
def test_a_last_row_without_its_line_end_or_without_its_empty_cells_is_read(
    tmp_path: Path, last: str, encoding: str
) -> None:
    [lead] = read_text(tmp_path, f"id,email,firstName,company\n{last}".encode(encoding))
    assert isinstance(lead, LeadRecord)
    assert lead.lead["email"] == "bo@initech.example"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n\n",
        "name,age\nAna,3\n",
        "leadId,activityDate\n1,2\n",
        "\x00\x01PK\xff",
        pytest.param('{"result":"' + "x" * LONGEST_CELL + '"}', id="JSON in one line, longer than a cell may be"),
    ],
)
def test_a_file_of_another_shape_is_one_clear_error(tmp_path: Path, content: str) -> None:
    with pytest.raises(UnknownShape) as error:
        read_text(tmp_path, content)
    assert str(tmp_path / "export.csv") in str(error.value)
    assert "leadId, activityDate and activityTypeId" in str(error.value)
    assert str(error.value).isprintable()


def test_the_error_says_which_columns_were_found(tmp_path: Path) -> None:
    with pytest.raises(UnknownShape, match=r"found name, age$"):
        read_text(tmp_path, "\ufeffname,age\r\nAna,3\r\n")


def test_progress_comes_in_bytes_and_ends_at_the_size_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text(FLAT + "\n" + "2026-11-20 10:00:00,10,1,7,é,,\n" * 100)
    with MarketoExport(path, packaged_types(), NOW) as export:
        seen = [export.bytes_read for _ in export]
        assert export.bytes_total == path.stat().st_size == export.bytes_read
    assert seen == sorted(seen)
    assert len(set(seen)) == 100


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    rows = 4_000
    with path.open("w") as file:
        file.write(FLAT + "\n")
        file.writelines(f"2026-11-20 10:00:00,10,{n},7,{'x' * 600},,\n" for n in range(rows))
    with MarketoExport(path, packaged_types(), NOW) as export:
        readings = iter(export)
        for _ in range(100):
            next(readings)
        tracemalloc.start()
        try:
            assert sum(1 for _ in readings) == rows - 100
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < path.stat().st_size / 8


@given(body=st.binary(max_size=400), shape=st.sampled_from([FLAT, ",".join(BULK), "id,email,leadScore,company"]))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_after_a_header_ever_raise(tmp_path: Path, body: bytes, shape: str) -> None:
    for reading in read_text(tmp_path, shape.encode() + b"\n" + body):
        assert isinstance(reading, Candidate | LeadRecord | Unreadable | NotInteresting)


CELLS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["null", "46", "10", "1", "2026-11-20T14:06:20Z", "Web", "https://x.example/a b", "{}"]),
    st.dictionaries(
        st.sampled_from(["Description", "Date", "Link", "Webpage URL", "User Agent", "Is Bot Activity"]),
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30), st.lists(st.integers())),
        max_size=4,
    ).map(json.dumps),
)


@given(cells=st.lists(CELLS, min_size=8, max_size=8), number=st.sampled_from([1, 2, 3, 10, 11, 46]))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_row_holds_a_moment_that_comes_out_keeps_the_rules(
    tmp_path: Path, cells: list[str], number: int
) -> None:
    row = [*cells[:2], "2026-11-20T14:06:20Z", str(number), *cells[4:]]
    row = [cell.encode("utf-8", "replace").decode() for cell in row]
    for moment in bulk(tmp_path, row):
        if isinstance(moment, Candidate):
            assert moment.type in {"web", "email", "milestone"}
            assert 1 <= len(moment.description) <= 1_000
            assert clean(moment.description) == moment.description
            assert moment.url is None or moment.url.lower().startswith(("http://", "https://"))
            assert moment.occurred_at.tzinfo is UTC
            assert 1 <= len(moment.lead_id) <= 128
