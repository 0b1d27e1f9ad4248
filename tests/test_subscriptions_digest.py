"""When mails go out: hours, days, quiet and caps, held against clocks that are read minute by minute."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadfeed_api.subscriptions.digest import (
    FREQUENCIES,
    GATHER,
    Frequency,
    Plan,
    Wishes,
    after_quiet,
    due_at,
    next_daily,
    next_full_hour,
    plan,
)

MINUTE = timedelta(minutes=1)
# Changes of clocks by an hour, by half an hour, at midnight, on another day; an offset of three quarters; none at all.
ZONES = ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Santiago", "Asia/Beirut",
         "Asia/Kathmandu", "Pacific/Chatham", "UTC"]  # fmt: skip
zones = st.sampled_from(ZONES).map(ZoneInfo)
# Weeks in which some of these clocks change, and any other time.
around_changes = st.sampled_from(
    ["2027-03-28", "2026-10-25", "2027-03-14", "2026-11-01", "2027-04-04", "2026-10-04", "2027-04-30", "2026-10-30",
     "2026-09-06", "2027-09-26"]
).map(lambda day: datetime.fromisoformat(f"{day}T00:00:00Z"))  # fmt: skip
instants = st.builds(
    lambda day, seconds: day + timedelta(seconds=seconds), around_changes,
    st.integers(-2 * 86_400, 2 * 86_400),
)  # fmt: skip
quiet_hours = st.none() | st.tuples(st.integers(0, 95), st.integers(0, 95)).filter(lambda two: two[0] != two[1]).map(
    lambda two: (two[0] * 15, two[1] * 15)
)
wishes = st.builds(Wishes, zone=zones, daily_hour=st.integers(0, 23), quiet=quiet_hours, daily_cap=st.integers(1, 5))


def minute_after(instant: datetime) -> datetime:
    """The first full minute after an instant."""
    return instant.replace(second=0, microsecond=0) + MINUTE


@given(instants, zones)
def test_the_hourly_digest_is_due_when_the_clock_next_shows_a_full_hour(noticed: datetime, zone: ZoneInfo) -> None:
    reading = minute_after(noticed)
    while reading.astimezone(zone).minute:
        reading += MINUTE
    assert next_full_hour(noticed, zone) == reading


@settings(max_examples=60)
@given(instants, wishes)
def test_the_daily_digest_is_due_when_the_clock_next_comes_to_its_hour(noticed: datetime, how: Wishes) -> None:
    """Reading the clock each minute: it came to the hour when it shows it or later, and had not on that date before."""
    reading, came_on = minute_after(noticed) - 2 * MINUTE - timedelta(days=1), set()
    while True:
        local = reading.astimezone(how.zone)
        if local.hour >= how.daily_hour and local.date() not in came_on:
            came_on.add(local.date())
            if reading > noticed:
                break
        reading += MINUTE
    assert next_daily(noticed, how) == reading


@settings(max_examples=60)
@given(instants, wishes)
def test_quiet_hours_end_with_the_first_minute_that_is_not_quiet(at: datetime, how: Wishes) -> None:
    def quiet(instant: datetime) -> bool:
        if how.quiet is None:
            return False
        begin, end = how.quiet
        local = instant.astimezone(how.zone)
        minute = local.hour * 60 + local.minute
        return (begin <= minute < end) if begin < end else not end <= minute < begin

    expected = at
    while quiet(expected):
        expected = minute_after(expected)
    assert after_quiet(at, how) == expected


waiting = st.dictionaries(st.sampled_from(FREQUENCIES), st.integers(0, 40 * 3_600), min_size=1, max_size=3)


@settings(max_examples=300)
@given(instants, wishes, waiting, st.integers(0, 6))
def test_a_plan_keeps_every_rule(now: datetime, how: Wishes, ages: dict[Frequency, int], counted: int) -> None:
    noticed = {frequency: now - timedelta(seconds=age) for frequency, age in ages.items()}
    made = plan(noticed, how, counted, now)
    due = {frequency for frequency, instant in noticed.items() if due_at(frequency, instant, how) <= now}

    if after_quiet(now, how) > now or not due:
        assert not made.send
        assert not made.hold
        assert made.wake_at is not None
        assert made.wake_at > now
        assert after_quiet(made.wake_at, how) == made.wake_at
        return
    slowest = max(FREQUENCIES.index(frequency) for frequency in due)
    taken = tuple(frequency for frequency in FREQUENCIES[: slowest + 1] if frequency in noticed)
    capped = FREQUENCIES[slowest] != "daily" and counted >= how.daily_cap
    assert (made.hold if capped else made.send) == taken
    assert not (made.send if capped else made.hold)
    left = set(noticed) - set(taken) | ({"daily"} if capped else set())
    assert (made.wake_at is None) == (not left)
    assert made.wake_at is None or made.wake_at > now


@given(instants, wishes)
def test_what_is_woken_for_is_then_sent(now: datetime, how: Wishes) -> None:
    for frequency in FREQUENCIES:
        noticed: dict[Frequency, datetime] = {frequency: now}
        waits = plan(noticed, how, 0, now)
        assert waits.wake_at is not None
        assert plan(noticed, how, 0, waits.wake_at).send == (frequency,)
        assert not plan(noticed, how, 0, waits.wake_at - timedelta(microseconds=1)).send


def test_an_instant_mail_gathers_for_ten_seconds_from_its_first_moment() -> None:
    now = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    how = Wishes(ZoneInfo("UTC"))
    assert plan({"instant": now}, how, 0, now) == Plan(wake_at=now + GATHER)
    assert plan({"instant": now}, how, 0, now + GATHER).send == ("instant",)
    assert timedelta(seconds=30) > GATHER


def test_a_digest_takes_along_what_waits_for_a_faster_one() -> None:
    now = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    noticed: dict[Frequency, datetime] = {frequency: now - timedelta(seconds=5) for frequency in FREQUENCIES}
    assert plan(noticed, Wishes(ZoneInfo("UTC")), 0, now).send == FREQUENCIES
    assert plan(noticed, Wishes(ZoneInfo("UTC"), daily_hour=9), 0, now).send == ("instant", "hourly")


def test_after_the_cap_the_rest_waits_for_the_daily_digest_which_is_never_held() -> None:
    now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    how = Wishes(ZoneInfo("UTC"), daily_cap=3)
    noticed: dict[Frequency, datetime] = {"instant": now - timedelta(minutes=1)}
    assert plan(noticed, how, 2, now).send == ("instant",)
    held = plan(noticed, how, 3, now)
    assert (held.hold, held.wake_at) == (("instant",), datetime(2026, 11, 24, 8, 0, tzinfo=UTC))
    assert plan({"daily": now - timedelta(days=1)}, how, 3, now).send == ("daily",)


@pytest.mark.parametrize(
    ("noticed", "due"),
    [
        ("2027-03-27T07:00:00+01:00", "2027-03-28T03:00:00+02:00"),  # 02:30 does not come that night
        ("2027-03-28T03:00:00+02:00", "2027-03-29T02:00:00+02:00"),
        ("2026-10-24T12:00:00+02:00", "2026-10-25T02:00:00+02:00"),  # 02:00 comes twice
        ("2026-10-25T02:00:00+02:00", "2026-10-26T02:00:00+01:00"),
    ],
)
def test_a_day_with_a_change_of_clocks_has_one_daily_digest(noticed: str, due: str) -> None:
    how = Wishes(ZoneInfo("Europe/Paris"), daily_hour=2)
    assert next_daily(datetime.fromisoformat(noticed).astimezone(UTC), how) == datetime.fromisoformat(due)


@pytest.mark.parametrize(
    ("zone", "hour", "noticed", "due"),
    [
        ("Pacific/Chatham", 3, "2026-09-26T12:00:00Z", "2026-09-26T14:00:00Z"),  # 02:45 is followed by 03:45
        ("Antarctica/Troll", 2, "2027-03-27T12:00:00Z", "2027-03-28T01:00:00Z"),  # 01:00 is followed by 03:00
    ],
)
def test_an_hour_amid_what_the_clock_skips_is_the_moment_it_does(zone: str, hour: int, noticed: str, due: str) -> None:
    how = Wishes(ZoneInfo(zone), daily_hour=hour)
    assert next_daily(datetime.fromisoformat(noticed), how) == datetime.fromisoformat(due)


@pytest.mark.parametrize(
    ("noticed", "due"),
    [("2027-04-03T14:45:00Z", "2027-04-03T15:30:00Z"), ("2026-10-03T15:20:00Z", "2026-10-03T16:00:00Z")],
    ids=["half an hour comes twice", "half an hour is skipped"],
)
def test_a_full_hour_is_one_on_a_clock_that_changes_by_half_an_hour(noticed: str, due: str) -> None:
    found = next_full_hour(datetime.fromisoformat(noticed), ZoneInfo("Australia/Lord_Howe"))
    assert found == datetime.fromisoformat(due)
