"""When a reader is told 304, by RFC 9110; and what is kept of what was rendered."""

from datetime import UTC, datetime, timedelta

import pytest

from leadfeed_api.syndication.freshness import entity_tag, http_date, tag_matches, unmodified_since
from leadfeed_api.syndication.rendered import Rendered

TAG = entity_tag("rss", 7)
STRONG = TAG.removeprefix("W/")
CHANGED = datetime(2026, 11, 23, 9, 12, 30, 999_999, tzinfo=UTC)


def test_tag_is_weak_and_differs_when_any_part_does() -> None:
    assert TAG.startswith('W/"')
    assert len({TAG, entity_tag("rss", 8), entity_tag("atom", 7), entity_tag("rss7"), entity_tag("rss", "7")}) == 5
    assert entity_tag("\ud800")


@pytest.mark.parametrize(
    "lines",
    [
        [TAG],
        [STRONG],
        ["*"],
        [" * "],
        [f'"a", {TAG}'],
        [f'W/"a",{STRONG} , "b"'],
        ['"a"', f'"b", {TAG}'],
        [f'"a,b", {TAG}'],
    ],
)
def test_tag_is_recognised_weakly_in_lists_and_by_a_star(lines: list[str]) -> None:
    assert tag_matches(lines, TAG)


@pytest.mark.parametrize("lines", [[], [""], ['"other"'], [STRONG.strip('"')], ['"*"'], [f'"{TAG}"'], [TAG[:-2] + '"']])
def test_other_tags_are_not_ours(lines: list[str]) -> None:
    assert not tag_matches(lines, TAG)


@pytest.mark.parametrize(
    "date",
    [
        "Mon, 23 Nov 2026 09:12:30 GMT",
        "Monday, 23-Nov-26 09:12:30 GMT",
        "Mon Nov 23 09:12:30 2026",
        "Mon, 23 Nov 2026 09:12:31 GMT",
        "Tue, 01 Jan 2036 00:00:00 GMT",
    ],
)
def test_nothing_changed_since_a_date_in_any_of_the_three_forms(date: str) -> None:
    assert unmodified_since([date], CHANGED)


@pytest.mark.parametrize(
    "dates",
    [
        [],
        ["Mon, 23 Nov 2026 09:12:29 GMT"],
        ["yesterday"],
        [""],
        ["Mon, 99 Nov 2026 09:12:29 GMT"],
        ["Mon, 23 Nov 2026 09:12:30 +99999999999999999999"],
        ["Mon, 23 Nov 2026 09:12:30 GMT", "Mon, 23 Nov 2026 09:12:31 GMT"],
    ],
)
def test_earlier_unreadable_or_several_dates_do_not_count(dates: list[str]) -> None:
    assert not unmodified_since(dates, CHANGED)


def test_date_we_send_is_one_we_accept() -> None:
    assert http_date(CHANGED) == "Mon, 23 Nov 2026 09:12:30 GMT"
    assert unmodified_since([http_date(CHANGED)], CHANGED)
    assert not unmodified_since([http_date(CHANGED)], CHANGED + timedelta(seconds=1))


def test_document_is_found_by_its_tag_only() -> None:
    rendered = Rendered()
    rendered.keep("ana", "v1", b"one")

    assert rendered.find("ana", "v1") == b"one"
    assert rendered.find("ana", "v2") is None
    assert rendered.find("ben", "v1") is None


def test_newer_version_takes_the_place_of_the_older() -> None:
    rendered = Rendered()
    rendered.keep("ana", "v1", b"one")
    rendered.keep("ana", "v2", b"three")

    assert rendered.find("ana", "v1") is None
    assert rendered.find("ana", "v2") == b"three"
    assert rendered.bytes == 5


def test_least_recently_used_documents_leave_when_there_are_too_many() -> None:
    rendered = Rendered(max_documents=2)
    rendered.keep("ana", "v", b"1")
    rendered.keep("ben", "v", b"2")
    rendered.find("ana", "v")
    rendered.keep("cem", "v", b"3")

    assert [name for name in ("ana", "ben", "cem") if rendered.find(name, "v")] == ["ana", "cem"]


def test_documents_never_take_more_bytes_than_allowed() -> None:
    rendered = Rendered(max_bytes=10)
    for name in ("ana", "ben", "cem"):
        rendered.keep(name, "v", b"1234")
    rendered.keep("dan", "v", b"x" * 11)

    assert rendered.bytes == 0
    assert rendered.find("dan", "v") is None
