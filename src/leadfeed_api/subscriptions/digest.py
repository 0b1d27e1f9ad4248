"""When a mail goes out, and what goes into it. Pure: times and wishes in, a plan out.

Owns the rules of frequency, quiet hours and the day's cap, as docs/subscriptions.md writes them. Knows neither the
database nor the clock: the time is always given.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from leadfeed_api.fields import EPOCH

Frequency = Literal["instant", "hourly", "daily"]
FREQUENCIES: tuple[Frequency, ...] = ("instant", "hourly", "daily")  # from the fastest to the slowest
GATHER = timedelta(seconds=10)  # what happens this soon after a moment goes into the same instant mail
QUARTER = timedelta(minutes=15)  # every zone's offset, and every change of clocks, is in whole quarters


@dataclass(frozen=True, slots=True)
class Wishes:
    """How somebody wants to be mailed. ``quiet`` is (from, until) in minutes after midnight of their own clock."""

    zone: ZoneInfo
    daily_hour: int = 8
    quiet: tuple[int, int] | None = None
    daily_cap: int = 30

    def today(self, now: datetime) -> date:
        """The date on their calendar."""
        return now.astimezone(self.zone).date()


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do for one recipient now.

    ``send`` goes into one mail; ``hold`` has to wait for the daily digest, because the day's cap is reached; at
    ``wake_at`` there will be something to do again (None: nothing waits).
    """

    send: tuple[Frequency, ...] = ()
    hold: tuple[Frequency, ...] = ()
    wake_at: datetime | None = None


def plan(waiting: Mapping[Frequency, datetime], wishes: Wishes, counted: int, now: datetime) -> Plan:
    """What goes out now, given when the first waiting moment of each frequency was noticed.

    A mail takes along whatever waits for a faster one. ``counted`` is how many instant and hourly mails went out today;
    the daily digest is not among them, and is never held.
    """
    ready = [frequency for frequency in waiting if _turn(frequency, waiting[frequency], wishes, now) <= now]
    if not ready:
        return Plan(wake_at=_earliest(waiting, wishes, now))
    slowest = max(ready, key=FREQUENCIES.index)
    taken = tuple(one for one in FREQUENCIES[: FREQUENCIES.index(slowest) + 1] if one in waiting)
    rest = {frequency: noticed for frequency, noticed in waiting.items() if frequency not in taken}
    if slowest == "daily" or counted < wishes.daily_cap:
        return Plan(send=taken, wake_at=_earliest(rest, wishes, now))
    rest["daily"] = min(rest.get("daily", now), now)
    return Plan(hold=taken, wake_at=_earliest(rest, wishes, now))


def due_at(frequency: Frequency, noticed: datetime, wishes: Wishes) -> datetime:
    """When a mail is due for what was noticed then, quiet hours apart."""
    if frequency == "instant":
        return noticed + GATHER
    if frequency == "hourly":
        return next_full_hour(noticed, wishes.zone)
    return next_daily(noticed, wishes)


def next_full_hour(after: datetime, zone: ZoneInfo) -> datetime:
    """The first instant after ``after`` at which the clock in ``zone`` shows a full hour."""
    instant = after
    while True:
        local = instant.astimezone(zone)
        past = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        instant += timedelta(hours=1) - past
        if instant.astimezone(zone).minute == 0:  # not so where the clocks changed by half an hour meanwhile
            return instant


def next_daily(after: datetime, wishes: Wishes) -> datetime:
    """The first instant after ``after`` at which the recipient's clock shows the hour of the daily digest.

    On the day the clocks skip that hour it is the moment they do; on the day it comes twice, the first time.
    """
    day = wishes.today(after)
    while True:
        instant = _first_at(datetime.combine(day, time(wishes.daily_hour), wishes.zone))
        if instant > after:
            return instant
        day += timedelta(days=1)


def _first_at(wall: datetime) -> datetime:
    """When a clock first shows this; where it never does because it skips it, the moment it does that.

    Of a time that is skipped the library gives an instant too late: by as much as it is after the last one shown.
    """
    instant = wall.astimezone(UTC)
    skipped = instant.astimezone(wall.tzinfo).replace(tzinfo=None) != wall.replace(tzinfo=None)
    offset = instant.astimezone(wall.tzinfo).utcoffset()
    while skipped and (instant - QUARTER).astimezone(wall.tzinfo).utcoffset() == offset:
        instant -= QUARTER
    return instant


def after_quiet(at: datetime, wishes: Wishes) -> datetime:
    """``at`` itself, or the end of the quiet hours that it falls into."""
    while _is_quiet(at, wishes):
        at += QUARTER - (at - EPOCH) % QUARTER
    return at


def _is_quiet(at: datetime, wishes: Wishes) -> bool:
    if wishes.quiet is None:
        return False
    begin, end = wishes.quiet
    local = at.astimezone(wishes.zone)
    minute = local.hour * 60 + local.minute
    return begin <= minute < end if begin < end else minute >= begin or minute < end


def _turn(frequency: Frequency, noticed: datetime, wishes: Wishes, now: datetime) -> datetime:
    """When it may go out: an overdue one at once, unless it is quiet now."""
    return after_quiet(max(due_at(frequency, noticed, wishes), now), wishes)


def _earliest(waiting: Mapping[Frequency, datetime], wishes: Wishes, now: datetime) -> datetime | None:
    return min((_turn(frequency, noticed, wishes, now) for frequency, noticed in waiting.items()), default=None)
