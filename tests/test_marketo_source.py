"""What the rows of Marketo's exports mean: moments, leads, and reasons for what is left out."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from leadfeed_api.ingestion.interpret import Candidate
from leadfeed_api.ingestion.sources.marketo import NotInteresting, Unreadable
from leadfeed_api.ingestion.sources.marketo_rows import LeadRecord, snake_case, timestamp
from marketo_exports import BULK, FLAT, activity, bulk, only_moment, only_reason, read_text


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
    assert "not web, email or milestone" in reason
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
        (activity(10, activityTypeId="ten"), "not a number"),
        (activity(10, activityTypeId="²"), "not a number"),
        (activity(10, attributes='{"Date": '), "not a JSON"),
        (activity(10, attributes="[" * 100_000), "not a JSON"),
        (activity(10, attributes="17"), "not a JSON"),
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


def test_a_description_is_one_clean_line_of_at_most_1000_characters(tmp_path: Path) -> None:
    given_text = "\ud83dA\tfew\u2028words\x07 " + "é" * 2_000
    moment = only_moment(bulk(tmp_path, activity(46, "Web", {"Description": given_text})))
    assert moment.description.startswith("A few words éé")
    assert len(moment.description) == 1_000
    assert moment.description.endswith("…")
    assert moment.description.isprintable()


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


def test_blanks_around_an_id_make_nobody_and_nothing_new(tmp_path: Path) -> None:
    leads = "id,email,externalCompanyId\n{0}100{0},ana@initech.example,{0}a-3{0}\n"
    activities = "marketoGUID,leadId,activityDate,activityTypeId\n{0}mg-1{0},{0}100{0},2026-11-20 10:00:00,7\n"
    for text in (leads, activities):
        assert read_text(tmp_path, text.format(" ")) == read_text(tmp_path, text.format(""))


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
