"""Cursors and stream positions: what went in comes out, and nothing but that."""

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadfeed_api.errors import InvalidCursor
from leadfeed_api.feed.cursor import Place, Positions, read_place, write_place

KEY = b"a key that signs cursors in these tests"
instants = st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  hypothesis adds the zone
texts = st.text(alphabet=st.characters(codec=None), max_size=40)
PLACE = Place(datetime(2026, 11, 23, 9, 12, 0, 123_456, tzinfo=UTC), UUID("019ab1de-8c3e-7d4b-9f0a-2b6f2f1f8a01"), 41)
places = st.builds(Place, instants, st.uuids(), st.integers(0, 2**63 - 1))


@given(texts, places)
def test_a_cursor_leads_back_to_the_item_it_was_made_of(binding: str, place: Place) -> None:
    cursor = write_place(KEY, binding, place)

    assert read_place(KEY, binding, cursor) == place
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,128}", cursor)


@given(st.data())
def test_a_cursor_that_was_touched_anywhere_is_refused(data: st.DataObject) -> None:
    cursor = write_place(KEY, "ana", PLACE)
    place = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.characters(codec=None).filter(lambda character: character != cursor[place]))
    touched = data.draw(
        st.sampled_from(
            [
                cursor[:place] + other + cursor[place + 1 :],
                cursor[:place] + other + cursor[place:],
                cursor[:place] + cursor[place + 1 :],
                cursor[:place],
                cursor + other,
            ]
        ).filter(lambda text: text != cursor)
    )
    with pytest.raises(InvalidCursor):
        read_place(KEY, "ana", touched)


@given(texts)
def test_no_text_is_a_cursor_by_chance(text: str) -> None:
    with pytest.raises(InvalidCursor):
        read_place(KEY, "ana", text)


@given(texts, texts)
def test_a_cursor_is_good_for_its_own_binding_and_key_only(mine: str, other: str) -> None:
    cursor = write_place(KEY, mine, PLACE)
    if mine != other:
        with pytest.raises(InvalidCursor):
            read_place(KEY, other, cursor)
    with pytest.raises(InvalidCursor):
        read_place(KEY + b"!", mine, cursor)


def test_two_spellings_of_one_cursor_are_not_one() -> None:
    cursor = write_place(KEY, "ana", PLACE)
    for spelling in (cursor + "=", cursor + "==", cursor.replace("-", "+").replace("_", "/") + "=", f" {cursor}"):
        with pytest.raises(InvalidCursor):
            read_place(KEY, "ana", spelling)


@given(st.integers(0, 10**18 - 1), texts)
def test_a_position_is_read_back_and_fits_an_event_id(position: int, user_id: str) -> None:
    positions = Positions(KEY, 7, user_id)
    text = positions.write(position)

    assert positions.read(text) == position
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,128}", text)


@given(st.tuples(st.integers(0, 9), texts), st.tuples(st.integers(0, 9), texts))
def test_a_position_of_another_user_or_organisation_is_none_of_mine(mine: Any, other: Any) -> None:
    text = Positions(KEY, *other).write(5)
    assert Positions(KEY, *mine).read(text) == (5 if mine == other else None)


@given(texts)
def test_a_malformed_position_is_none(tail: str) -> None:
    positions = Positions(KEY, 7, "ana")
    prefix = positions.write(0)[:-1]

    assert positions.read(tail) is None
    expected = int(tail) if re.fullmatch("[0-9]{1,18}", tail) else None
    assert positions.read(prefix + tail) == expected


@pytest.mark.parametrize("digits", ["", "-1", "+1", "1.0", "1e3", " 1", "1\n", "٣", "9" * 19, "0x1"])
def test_a_position_is_plain_digits_below_two_to_the_sixty_third(digits: str) -> None:
    positions = Positions(KEY, 7, "ana")
    assert positions.read(positions.write(0)[:-1] + digits) is None
