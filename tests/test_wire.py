"""What may come in: strict JSON, cleaned text, ids, instants, links, as properties."""

import json
import math
import unicodedata
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from leadfeed_api.fields import CrmId, Description, Instant, Link, Name, OptionalLine, Website, clean, instant
from leadfeed_api.wire import strict_json

any_text = st.text(alphabet=st.characters(codec=None))  # unpaired surrogates too
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.floats(-1e308, 1e308) | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=12,
)


def refused(kind: Any, value: object) -> str:
    """Why a value is not of this kind; fails when it is."""
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(kind).validate_python(value)
    return str(raised.value.errors()[0]["msg"])


@given(json_values)
def test_what_is_json_is_read_as_it_was_written(value: object) -> None:
    assert strict_json(json.dumps(value).encode()) == value


def test_a_number_beyond_64_bits_is_left_to_its_field_to_refuse() -> None:
    assert strict_json(b'{"score": 100000000000000000000000}') == {"score": 1e23}


@pytest.mark.parametrize("number", [b"1e400", b"-1e999", b"9" * 100_000])
def test_so_is_a_number_beyond_all_bounds(number: bytes) -> None:
    assert abs(strict_json(number)) == math.inf


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused_and_nothing_else(body: bytes) -> None:
    with suppress(json.JSONDecodeError):
        json.dumps(strict_json(body))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "it is not JSON at line 1, column 1"),
        (b'{"a": 1} {}', "it is not JSON at line 1, column 10"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "an object names one key twice"),
        (b'{"a": 1, "\\u0061": 2}', "an object names one key twice"),
        (b'{"a": NaN}', "NaN and Infinity are not JSON"),
        (b"[Infinity]", "NaN and Infinity are not JSON"),
        (b"-Infinity", "NaN and Infinity are not JSON"),
        (b"[" * 100_000, "the body is nested too deeply"),
        (b'{"a":' * 100_000, "the body is nested too deeply"),
        (b"\xef\xbb\xbf{}", "the body starts with a byte-order mark"),
        ("{}".encode("utf-16"), "the body is not UTF-8"),
        ("{}".encode("utf-16-le"), "it is not JSON at line 1, column 2"),
        (b'"\xed\xa0\x80"', "the body is not UTF-8"),
        (b'[1,\n"a\nb"]', "it is not JSON at line 2, column 3"),
        (b"{'a': 1}", "it is not JSON at line 1, column 2"),
    ],
    ids=lambda value: repr(value[:12]) if isinstance(value, bytes) else None,
)
def test_what_is_not_strict_json_is_refused_with_the_reason_and_without_an_echo(body: bytes, reason: str) -> None:
    with pytest.raises(json.JSONDecodeError) as raised:
        strict_json(body)
    assert raised.value.msg.startswith(reason)


@given(any_text)
def test_cleaned_text_is_one_line_that_a_database_holds_and_cleaning_it_again_changes_nothing(text: str) -> None:
    line = clean(text)

    assert clean(line) == line == line.strip()
    assert "\x00" not in line
    assert "  " not in line
    assert not {unicodedata.category(character) for character in line} & {"Cc", "Cs", "Zl", "Zp"}
    line.encode("utf-8")


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S", "M"])))
def test_cleaning_leaves_what_people_write(text: str) -> None:
    assert clean(text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\x00b", "a b"),
        ("a\ud800b", "a b"),
        (" a\r\n\t  b ", "a b"),
        ("a\u2028b\u2029c", "a b c"),
        ("a\x85b\x9fc\x7fd", "a b c d"),
        ("\U0001f600 \u202eabc", "\U0001f600 \u202eabc"),
        ("\x00\x01", ""),
    ],
)
def test_controls_and_unpaired_surrogates_become_one_blank(text: str, line: str) -> None:
    assert clean(text) == line


@pytest.mark.parametrize("kind", [Name, Description])
@pytest.mark.parametrize(
    "value",
    ["", "   ", "\x00\r\n", "\ud800", "\u3000", "\u200b", "\u200b\u2060\ufeff", "\u200e \u00ad", "\u2066\u2069"],
)
def test_a_text_without_a_visible_character_is_refused(kind: Any, value: str) -> None:
    assert refused(kind, value) == "must contain at least one visible character"


@pytest.mark.parametrize(("kind", "longest"), [(Name, 200), (Description, 1_000), (OptionalLine, 500)])
def test_the_length_counts_after_cleaning(kind: Any, longest: int) -> None:
    fits = "é" * longest
    assert TypeAdapter(kind).validate_python(f"\r\n{fits}\x00") == fits
    assert refused(kind, fits + "x") == f"must have at most {longest} characters"


@pytest.mark.parametrize("text", ["\U0001f469\u200d\U0001f4bb", "می\u200cخواهم", "a\u200bb", "\u202eabc"])
def test_what_joins_and_directs_visible_characters_stays(text: str) -> None:
    assert TypeAdapter(Name).validate_python(text) == text


@pytest.mark.parametrize("text", [" \x00 ", "\u200b\u2060"])
def test_an_optional_line_without_content_is_none(text: str) -> None:
    assert TypeAdapter(OptionalLine).validate_python(text) is None


@pytest.mark.parametrize(
    ("value", "link"),
    [
        ("www.initech.example", "https://www.initech.example"),
        (" Initech.Example/en?a=1 ", "https://Initech.Example/en?a=1"),
        ("initech.example:8080/", "https://initech.example:8080/"),
        ("münchen.example#top", "https://münchen.example#top"),
        ("http://initech", "http://initech"),
    ],
)
def test_a_website_without_a_scheme_is_https(value: str, link: str) -> None:
    assert TypeAdapter(Website).validate_python(value) == link


@pytest.mark.parametrize(
    "value",
    ["", "n/a", "initech", "info@initech.example", "www.initech.example (old)", "ftp://initech.example", "//a.example",
     "javascript:a.example", "mailto:a.example", "www.a.example:x", "www..example", ".example", "www.a.example:0"],
)  # fmt: skip
def test_a_website_is_no_other_scheme_and_nothing_that_looks_like_no_host(value: str) -> None:
    refused(Website, value)


@given(any_text)
def test_an_id_is_taken_exactly_as_it_comes_or_not_at_all(text: str) -> None:
    if 1 <= len(text) <= 128 and text.isprintable():
        assert TypeAdapter(CrmId).validate_python(text) == text
        text.encode("utf-8")
    else:
        assert refused(CrmId, text) == "expected 1-128 printable characters"


@pytest.mark.parametrize("value", [7, True, None, 1.5, b"x", ["x"]])
def test_an_id_is_text_and_nothing_is_made_into_one(value: object) -> None:
    refused(CrmId, value)


@given(
    st.datetimes(datetime(1970, 1, 3), datetime(9999, 12, 29)),  # noqa: DTZ001  the offset comes from the next line
    st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_an_instant_of_any_offset_is_the_same_instant_in_utc(when: datetime, offset: timezone) -> None:
    aware = when.replace(tzinfo=offset)
    read = instant(aware.isoformat())
    assert (read, read.tzinfo) == (aware, UTC)


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2026-11-23T09:12:00Z", datetime(2026, 11, 23, 9, 12, tzinfo=UTC)),
        ("2026-11-23t09:12:00z", datetime(2026, 11, 23, 9, 12, tzinfo=UTC)),
        ("2026-11-23 09:12:00+00:00", datetime(2026, 11, 23, 9, 12, tzinfo=UTC)),
        ("2026-11-23T09:12:00.5-01:30", datetime(2026, 11, 23, 10, 42, 0, 500_000, tzinfo=UTC)),
        ("2026-11-23T09:12:00.123456789Z", datetime(2026, 11, 23, 9, 12, 0, 123_456, tzinfo=UTC)),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999998Z", datetime(9999, 12, 31, 23, 59, 59, 999_998, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12-31T15:59:60.25-08:00", datetime(2017, 1, 1, 0, 0, 0, 250_000, tzinfo=UTC)),
    ],
)
def test_the_spellings_of_rfc_3339_are_understood(text: str, when: datetime) -> None:
    assert instant(text) == when


@pytest.mark.parametrize(
    "value",
    [
        1_790_000_000, 1_790_000_000.5, "1790000000", True, "", "now", "2026-11-23", "2026-11-23T09:12:00",
        "2026-11-23T09:12Z", "2026-11-23T09:12:00Z\n", "2026-02-30T00:00:00Z", "2026-11-23T24:00:00Z",
        "2026-11-23T23:59:61Z", "2026-11-23T09:12:60Z", "2016-12-31T23:59:60-08:00", "2026-11-23T09:60:00Z",
        "9999-12-31T23:59:60Z", "9999-12-31T23:59:59.999999Z",
        "2026-11-23T09:12:00+24:00", "1969-12-31T23:59:59Z", "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "२०२६-११-२३T०९:१२:००Z", "infinity", "-infinity",
        "P1D", "2026-W47-1T09:12:00Z", math.inf, math.nan,
    ],
)  # fmt: skip
def test_what_is_no_instant_is_refused(value: object) -> None:
    assert refused(Instant, value).startswith("expected RFC 3339")


@pytest.mark.parametrize(
    "value",
    ["https://acme.example/a?b=c#d", "http://acme.example:8080", "HTTPS://ACME.example/", "https://münchen.example/ä"],
)
def test_a_link_is_http_or_https(value: str) -> None:
    assert TypeAdapter(Link).validate_python(f" {value} ") == value


@pytest.mark.parametrize(
    "value",
    [
        "javascript:alert(1)", "ftp://acme.example", "//acme.example", "acme.example", "https://", "https:///path",
        "https://acme.example/ a", 'https://acme.example/"', "https://acme.example/<b>", "https://acme.example/\\",
        "https://acme.example/\x00", "https://acme.example/\ud800", "https://acme.example:99999", "https://[::1",
        "https://acme.example:0", "https://acme.example/" + "a" * 2_000, "data:text/html,x", "\nhttps:x",
    ],
)  # fmt: skip
def test_anything_else_is_no_link(value: str) -> None:
    assert refused(Link, value) == "expected an http or https URL of at most 2,000 characters"


@given(any_text)
def test_what_passes_as_a_link_is_safe_in_an_attribute(text: str) -> None:
    try:
        link = TypeAdapter(Link).validate_python("https://acme.example/" + text)
    except ValidationError:
        return
    assert not set(link) & set(' "<>\\\n\t')
    assert link.isprintable()
