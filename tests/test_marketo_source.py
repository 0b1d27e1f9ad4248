"""Reading Marketo's exports: three shapes, and every row either understood or left out with its reason."""

import csv
import io
import json
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadfeed_api.ingestion.interpret import Candidate
from leadfeed_api.ingestion.sources.marketo import MarketoExport, NotInteresting, Reading, UnknownShape, Unreadable
from leadfeed_api.ingestion.sources.marketo_rows import LeadRecord, snake_case, timestamp
from leadfeed_api.ingestion.sources.marketo_types import (
    ActivityTypes,
    UnusableTypes,
    operator_types,
    packaged_types,
    presentable,
)
from leadfeed_api.wire import clean

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


def read(path: Path, types: ActivityTypes | None = None) -> list[Reading]:
    with MarketoExport(path, types or packaged_types(), NOW) as export:
        return list(export)


def read_text(folder: Path, text: str | bytes) -> list[Reading]:
    path = folder / "export.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path)


def bulk(folder: Path, *rows: Sequence[object], columns: Sequence[str] = BULK) -> list[Reading]:
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


def only_moment(readings: list[Reading]) -> Candidate:
    [moment] = readings
    assert isinstance(moment, Candidate), moment
    return moment


def only_reason(readings: list[Reading]) -> str:
    [unreadable] = readings
    assert isinstance(unreadable, Unreadable), unreadable
    return unreadable.reason


def test_an_interesting_moment_of_a_bulk_extract_says_what_marketo_says(tmp_path: Path) -> None:
    attributes = {"Description": "Asked for a demo", "Source": "Demo form", "Date": "2026-11-19T09:00:00+0100"}
    moment = only_moment(bulk(tmp_path, activity(46, "Milestone", attributes)))
    assert moment == Candidate(
        source="marketo",
        external_id="783957693",
        lead_id="5414087",
        type="milestone",
        description="Asked for a demo",
        url=None,
        bot=None,
        occurred_at=datetime(2026, 11, 19, 8, tzinfo=UTC),
    )


def test_an_interesting_moment_without_a_readable_date_happened_when_marketo_recorded_it(tmp_path: Path) -> None:
    moment = only_moment(bulk(tmp_path, activity(46, "Web", {"Description": "Read three pages", "Date": "2026-11-19"})))
    assert (moment.type, moment.occurred_at) == ("web", datetime(2026, 11, 20, 14, 6, 20, tzinfo=UTC))


def test_attributes_may_come_as_a_list_of_names_and_values(tmp_path: Path) -> None:
    attributes = [{"name": "Description", "value": "Read the case study"}, {"name": "Source", "value": None}]
    assert only_moment(bulk(tmp_path, activity(46, "Email", attributes))).description == "Read the case study"


@pytest.mark.parametrize("missing", [{}, {"Description": None}, {"Description": "null"}, {"Description": " "}])
def test_a_moment_without_description_says_so(tmp_path: Path, missing: dict[str, object]) -> None:
    moment = only_moment(bulk(tmp_path, activity(46, "Web", missing)))
    assert moment.description == "An interesting moment (no description given)"


def test_a_moment_of_a_type_that_no_feed_has_is_left_out_with_the_reason(tmp_path: Path) -> None:
    reason = only_reason(bulk(tmp_path, activity(46, "Smoke signal", {"Description": "Saw smoke"})))
    assert "none of web, email, milestone" in reason
    assert "smoke" not in reason.lower()


@pytest.mark.parametrize(
    ("number", "primary", "attributes", "expected"),
    [
        (1, "www.initech.example/pricing", "null", ("web", "Visited “www.initech.example/pricing”", None)),
        (
            1,
            "null",
            {"Webpage URL": "https://www.initech.example/pricing?utm_source=x"},
            ("web", "Visited “initech.example/pricing”", "https://www.initech.example/pricing?utm_source=x"),
        ),
        (2, "GL_2026.Demo request", "null", ("milestone", "Filled out the form “GL_2026.Demo request”", None)),
        (
            3,
            "https://initech.example/guide.pdf",
            "null",
            ("web", "Clicked “initech.example/guide.pdf” on the website", "https://initech.example/guide.pdf"),
        ),
        (10, "Autumn news", "null", ("email", "Opened “Autumn news”", None)),
        (10, "c855f36564686f674595d29070ee6b4e", "null", ("email", "Opened an email", None)),
        (
            11,
            "Autumn news",
            {"Link": "https://initech.example/a"},
            ("email", "Clicked a link in “Autumn news”", "https://initech.example/a"),
        ),
        (11, "1810", {"Link": "javascript:alert(1)"}, ("email", "Clicked a link in an email", None)),
        (41, "Our call", "null", ("email", "Clicked a link in the sales email “Our call”", None)),
    ],
)
def test_each_activity_reads_as_a_person_would_say_it(
    tmp_path: Path, number: int, primary: str, attributes: object, expected: tuple[str, str, str | None]
) -> None:
    moment = only_moment(bulk(tmp_path, activity(number, primary, attributes)))
    assert (moment.type, moment.description, moment.url) == expected


@pytest.mark.parametrize(
    ("number", "name"),
    [(7, "Email Delivered"), (32, "Merge Leads"), (22, "Change Score"), (100042, "activity type 100042")],
)
def test_what_is_no_moment_is_counted_by_the_name_of_its_type(tmp_path: Path, number: int, name: str) -> None:
    assert bulk(tmp_path, activity(number, attributes="{broken")) == [NotInteresting(2, name)]


def test_an_action_that_marketo_skipped_did_not_happen(tmp_path: Path) -> None:
    rows = [[*activity(46, "Web", {"Description": "Visited"}), result] for result in ("succeeded", "skipped", "failed")]
    first, second, third = bulk(tmp_path, *rows, columns=[*BULK, "actionResult"])
    assert isinstance(first, Candidate)
    assert second == NotInteresting(3, "Interesting Moment (skipped in Marketo)")
    assert third == NotInteresting(4, "Interesting Moment (failed in Marketo)")


def test_a_flattened_export_is_read_despite_its_byte_order_mark_and_zoneless_times(tmp_path: Path) -> None:
    row = "2020-04-30 08:05:11.000,11,58851192,1124755,Invite 3,https://initech.example/?a=1,Mozilla/5.0 (Macintosh)"
    moment = only_moment(read_text(tmp_path, f"\ufeff{FLAT}\r\n{row}\r\n"))
    assert moment == Candidate(
        source="marketo",
        external_id="58851192",
        lead_id="1124755",
        type="email",
        description="Clicked a link in “Invite 3”",
        url="https://initech.example/?a=1",
        bot=None,
        occurred_at=datetime(2020, 4, 30, 8, 5, 11, tzinfo=UTC),
    )


def test_columns_may_come_in_any_order_and_unknown_ones_do_no_harm(tmp_path: Path) -> None:
    text = "Activity Type ID\tMystery\tLead ID\tActivity Date\n10\tx\t42\t2026-11-20 10:00:00\n"
    assert only_moment(read_text(tmp_path, text)).lead_id == "42"


def test_an_activity_keeps_its_identity_from_bulk_extract_to_warehouse(tmp_path: Path) -> None:
    from_bulk = only_moment(bulk(tmp_path, activity(10, marketoGUID="783957693")))
    from_warehouse = only_moment(read_text(tmp_path, f"{FLAT}\n2026-11-20 14:06:20.000,10,783957693,5414087,,,\n"))
    assert from_bulk.external_id == from_warehouse.external_id


def test_without_guid_and_id_the_row_itself_is_the_identity(tmp_path: Path) -> None:
    text = (
        "leadId,activityDate,activityTypeId\n1,2026-11-20T10:00:00Z,10\n1,2026-11-20T10:00:01Z,10\n"
        "1,2026-11-20T10:00:00Z,10\n"
    )
    first, second, again = (only_moment([reading]).external_id for reading in read_text(tmp_path, text))
    assert first == again != second
    assert read_text(tmp_path, text) == read_text(tmp_path, text)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2023-01-16T23:32:19Z", "2023-01-16T23:32:19Z"),
        ("2014-09-17T22:31:49+0000", "2014-09-17T22:31:49+00:00"),
        ("2014-09-17T22:31:49-05:30", "2014-09-17T22:31:49-05:30"),
        ("2020-04-30 08:05:11.000", "2020-04-30T08:05:11.000Z"),
        ("2020-04-30 08:05:11 UTC", "2020-04-30T08:05:11Z"),
        ("2020-04-30", None),
        ("30/04/2020 08:05", None),
        ("2020-04-30 08:05:11 Europe/Paris", None),
        ("٢٠٢٠-04-30 08:05:11", None),
    ],
)
def test_times_are_read_in_every_form_marketo_writes(written: str, meant: str | None) -> None:
    assert timestamp(written) == meant


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (activity(10, activityDate="2026-13-40T00:00:00Z"), "occurred_at"),
        (activity(10, activityDate="yesterday"), "time"),
        (activity(10, activityDate="2031-01-01T00:00:00Z"), "in the future"),
        (activity(10, leadId="null"), "no lead"),
        (activity(10, activityTypeId="ten"), "no number"),
        (activity(10, activityTypeId="²"), "no number"),
        (activity(10, attributes='{"Date": '), "no JSON"),
        (activity(10, attributes="[" * 100_000), "no JSON"),
        (activity(10, attributes="17"), "no JSON"),
        (activity(10, marketoGUID="x" * 300), "external_id"),
        ([*activity(10), "", "surplus"], "10 cells where the header has 8"),
    ],
)
def test_a_row_that_cannot_be_read_is_left_out_with_its_line_and_reason(
    tmp_path: Path, row: list[object], reason: str
) -> None:
    before, left_out, after = bulk(tmp_path, activity(10), row, activity(10, marketoGUID="2"))
    assert isinstance(before, Candidate)
    assert isinstance(after, Candidate)
    assert isinstance(left_out, Unreadable)
    assert left_out.line == 3
    assert reason in left_out.reason


def test_reasons_never_quote_what_the_row_held(tmp_path: Path) -> None:
    secret = "jo.private@initech.example"
    rows = [activity(10, activityDate=secret), activity(secret, attributes=secret), activity(10, attributes=secret)]  # type: ignore[arg-type]
    for reading in bulk(tmp_path, *rows):
        assert isinstance(reading, Unreadable)
        assert "private" not in reading.reason


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


def test_a_description_is_one_clean_line_of_at_most_1000_characters(tmp_path: Path) -> None:
    given_text = "\ud83dA\tfew\u2028words\x07 " + "é" * 2_000
    moment = only_moment(bulk(tmp_path, activity(46, "Web", {"Description": given_text})))
    assert moment.description.startswith("A few words éé")
    assert len(moment.description) == 1_000
    assert moment.description.endswith("…")
    assert moment.description.isprintable()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Autumn news", "Autumn news"),
        ("WBN - 2020-04-23 - Webinar.01c - Invite 3", "WBN - 2020-04-23 - Webinar.01c - Invite 3"),
        ("https://www.initech.example/pricing/?utm_source=mail", "initech.example/pricing"),
        ("A001BBD75FB31A039ED239E69E331FDA", None),
        ("a001bbd75fb31a039ed239e69e331fda.1fee90fa8f4fc63c254b33f0bfd681ba", None),
        ("0193a6d1-7b1c-7cc1-9f0e-3f5b1c2d4e5f", None),
        ("1810", None),
        ("31", "31"),
        ("", None),
        (None, None),
        ("Facade", "Facade"),
    ],
)
def test_names_no_person_can_read_are_not_shown(value: str | None, shown: str | None) -> None:
    assert presentable(value) == shown


GMAIL_PREFETCH = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0"
)
GOOGLE_PROXY = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"


@pytest.mark.parametrize(
    ("number", "attributes", "bot"),
    [
        (10, {"Is Bot Activity": True, "Bot Activity Pattern": "Proximity"}, "marked as a bot by Marketo (Proximity)"),
        (11, {"Is Bot Activity": "true", "Bot Activity Pattern": "N/A"}, "marked as a bot by Marketo"),
        (10, {"Is Bot Activity": False, "User Agent": "Barracuda Sentinel (EE)"}, None),
        (11, {"User Agent": "Barracuda Sentinel (EE)"}, "likely a mail scanner (Barracuda)"),
        (10, {"User Agent": GMAIL_PREFETCH}, "likely automatic: Gmail loads images before it shows the message"),
        (10, {"User Agent": GOOGLE_PROXY}, None),
        (
            10,
            {"User Agent": "Mozilla/5.0"},
            "likely automatic: Apple Mail loads images whether or not the message is read",
        ),
        (11, {"User Agent": "Mozilla/5.0"}, None),
        (10, {"User Agent": "Mozilla/4.0 (compatible; ms-office; MSOffice 16)"}, None),
        (11, {"User Agent": "Mozilla/5.0 (Linux; Android 10; CUBOT X18) AppleWebKit/537.36"}, None),
        (10, {}, None),
    ],
)
def test_machines_are_labelled_only_where_something_says_so(
    tmp_path: Path, number: int, attributes: dict[str, object], bot: str | None
) -> None:
    assert only_moment(bulk(tmp_path, activity(number, "News", attributes))).bot == bot


def test_leads_are_read_with_their_company(tmp_path: Path) -> None:
    text = (
        "id,email,firstName,lastName,company,phone,mobilePhone,fax,leadScore,title,website,billingStreet,billingCity,"
        "billingState,billingPostalCode,billingCountry,externalSalesPersonId,externalCompanyId\n"
        "7,ana@initech.example,Ana,Ruiz,Initech,+1 512 555 0101,+1 512 555 0102,+1 512 555 0103,42,CTO,"
        'www.initech.example,"4120 Freidrich Lane\nSuite 5",Austin,TX,78744,US,u-9,a-3\n'
    )
    [record] = read_text(tmp_path, text)
    assert record == LeadRecord(
        {
            "id": "7",
            "email": "ana@initech.example",
            "title": "CTO",
            "phone": "+1 512 555 0101",
            "mobile": "+1 512 555 0102",
            "fax": "+1 512 555 0103",
            "score": 42.0,
            "owner_id": "u-9",
            "name": "Ana Ruiz",
            "account_id": "a-3",
        },
        {
            "id": "a-3",
            "name": "Initech",
            "address": "4120 Freidrich Lane Suite 5, 78744, Austin, TX, US",
            "url": "https://www.initech.example",
        },
        stand_in="Ana Ruiz",
    )


def test_leads_of_a_warehouse_bring_only_what_they_have(tmp_path: Path) -> None:
    text = "id,created_at,email,first_name,last_name\r\n7,2019-12-29 08:15:15.000,x@y.example,,null\r\n8,,,,\r\n"
    first, second = read_text(tmp_path, text)
    assert first == LeadRecord({"id": "7", "email": "x@y.example"}, None, stand_in="x@y.example")
    assert second == LeadRecord({"id": "8"}, None, stand_in="Marketo lead 8")


def test_colleagues_meet_in_one_account_even_without_its_id(tmp_path: Path) -> None:
    text = (
        "Id,First Name,Email Address,Company Name\n1,Ana,a@b.example,Initech\n2,Bo,b@b.example,INITECH \n3,Cy,,Globex\n"
    )
    first, second, third = read_text(tmp_path, text)
    assert isinstance(first, LeadRecord)
    assert isinstance(second, LeadRecord)
    assert isinstance(third, LeadRecord)
    assert first.account is not None
    assert first.lead["account_id"] == first.account["id"] == second.lead["account_id"] != third.lead["account_id"]


def test_a_lead_without_id_or_with_a_score_that_is_none_is_left_out(tmp_path: Path) -> None:
    assert "no id" in only_reason(read_text(tmp_path, "id,email\n,a@b.example\n"))
    assert "score" in only_reason(read_text(tmp_path, "id,email,leadScore\n1,a@b.example,high\n"))


@pytest.mark.parametrize("content", ["", "\n\n", "name,age\nAna,3\n", "leadId,activityDate\n1,2\n", "\x00\x01PK\xff"])
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
    rows = 20_000
    with path.open("w") as file:
        file.write(FLAT + "\n")
        file.writelines(f"2026-11-20 10:00:00,10,{n},7,{'x' * 100},,\n" for n in range(rows))
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


def test_an_operators_table_is_laid_over_the_packaged_one(tmp_path: Path) -> None:
    table = tmp_path / "types.toml"
    table.write_text(
        """
        [activity.100042]
        name = "Attend Webinar"
        moment = "milestone"
        descriptions = ["Attended “{primary_attribute_value}” for {minutes} minutes", "Attended a webinar"]
        url = ["recording"]
        [activity.10]
        moment = "skip"
        [activity.46]
        moment = "milestone"
        [activity.11]
        descriptions = ["Clicked!"]
        [[scanner]]
        contains = "acme"
        reason = "our own link checker"
        """
    )
    path = tmp_path / "export.csv"
    buffer = io.StringIO()
    csv.writer(buffer).writerows(
        [
            BULK,
            activity(100042, "Autumn webinar", '{"Minutes": 31, "Recording": "https://initech.example/r"}'),
            activity(100042, "Autumn webinar"),
            activity(10, "News"),
            activity(46, "Smoke signal", '{"Description": "Saw smoke"}'),
            activity(11, "News", '{"User Agent": "ACME checker"}'),
            activity(2, "Demo"),
        ]
    )
    path.write_text(buffer.getvalue())
    attended, without, opened, smoke, clicked, form = read(path, operator_types(table))
    assert isinstance(attended, Candidate)
    assert (attended.description, attended.url) == (
        "Attended “Autumn webinar” for 31 minutes",
        "https://initech.example/r",
    )
    assert isinstance(without, Candidate)
    assert without.description == "Attended a webinar"
    assert opened == NotInteresting(4, "Open Email")
    assert isinstance(smoke, Candidate)
    assert smoke.type == "milestone"
    assert isinstance(clicked, Candidate)
    assert (clicked.description, clicked.bot) == ("Clicked!", "our own link checker")
    assert isinstance(form, Candidate)


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("[activity.x]\nname='X'", "number of the activity type"),
        ("[activity.5]\nmoment='web'\ndescriptions=['x']", "activity.5.name"),
        ("[activity.10]\nmoment='fax'", "activity.10.moment"),
        ("[activity.10]\ndescriptions=['Opened {primary_attribute_value}']", "without {attributes}"),
        ("[activity.10]\ncolour='red'", "activity.10.colour"),
        ("[[scanner]]\nreason='x'", "`contains` or `equals`"),
        ("activity = 3", "expected [activity.ID] tables"),
        ("[activity]\n10 = 3", "expected [activity.ID] tables"),
        ("scanner = 'x'", "scanner"),
        ("not toml", "types.toml"),
    ],
)
def test_an_operators_table_that_cannot_be_used_is_one_clear_line(tmp_path: Path, table: str, complaint: str) -> None:
    path = tmp_path / "types.toml"
    path.write_text(table)
    with pytest.raises(UnusableTypes) as error:
        operator_types(path)
    assert str(error.value).startswith(str(path))
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_table_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UnusableTypes, match=r"absent\.toml"):
        operator_types(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("name", "snake"),
    [
        ("marketoGUID", "marketo_guid"),
        ("Client IP Address", "client_ip_address"),
        ("primaryAttributeValueId", "primary_attribute_value_id"),
        ("Is Bot Activity", "is_bot_activity"),
        (" lead_id ", "lead_id"),
        ("externalSalesPersonId", "external_sales_person_id"),
    ],
)
def test_names_of_columns_are_told_apart_however_they_are_spelled(name: str, snake: str) -> None:
    assert snake_case(name) == snake


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
