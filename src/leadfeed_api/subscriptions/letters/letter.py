"""What one mail tells, before it is worded: people, what each of them did, and why its reader is told. Pure.

Owns the choice of what is shown and in which order: best bets first, then whoever did something last; the newest
moment first; a bounded number of both, and how many more there are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import quote
from uuid import UUID
from zoneinfo import ZoneInfo

from leadfeed_api.subscriptions.letters.wording import LanguageCode
from leadfeed_api.subscriptions.match import Rule

SHOWN_LEADS = 12
SHOWN_MOMENTS = 5  # of one lead


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whom a mail speaks to, and on whose behalf. ``user_id`` and ``name`` are those of a user, empty for others."""

    user_id: str | None
    name: str
    address: str
    language: LanguageCode
    zone: ZoneInfo
    organization: str


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Whose subscription it was, and what it is called: ``label`` is the lead's or the account's name."""

    rule: Rule
    label: str | None
    user_id: str
    user_name: str


@dataclass(frozen=True, slots=True)
class Told:
    """One moment as it is told."""

    id: UUID
    type: str
    description: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Person:
    """A lead and what they did, newest first; ``more`` of it is not shown. ``url`` leads to their record."""

    id: str
    name: str
    title: str | None
    account: str | None
    starred: bool
    url: str | None
    moments: tuple[Told, ...] = ()
    more: int = 0

    @property
    def all_moments(self) -> int:
        """Shown or not."""
        return len(self.moments) + self.more


@dataclass(frozen=True, slots=True)
class Telling:
    """A moment that may be told, of whom, and because of which subscription."""

    person: Person
    moment: Told
    because: Subscriber


@dataclass(frozen=True, slots=True)
class Letter:
    """Everything a mail says of moments. ``more_people`` did something too, and are not shown."""

    people: tuple[Person, ...]
    more_people: int
    moments: int
    because: tuple[Subscriber, ...]
    mailed: tuple[UUID, ...]


def write(tellings: Iterable[Telling]) -> Letter:
    """A letter of these; a moment that came by several subscriptions is told once."""
    people: dict[str, Person] = {}
    told: dict[str, dict[UUID, Told]] = {}
    because: dict[tuple[Rule, str], Subscriber] = {}
    for telling in tellings:
        people.setdefault(telling.person.id, telling.person)
        told.setdefault(telling.person.id, {})[telling.moment.id] = telling.moment
        because.setdefault((telling.because.rule, telling.because.user_id), telling.because)
    complete = [_with_moments(person, told[key].values()) for key, person in people.items()]
    complete.sort(key=lambda person: (person.starred, person.moments[0].occurred_at, person.id), reverse=True)
    mailed = tuple(moment_id for of_person in told.values() for moment_id in of_person)
    return Letter(
        people=tuple(complete[:SHOWN_LEADS]),
        more_people=max(0, len(complete) - SHOWN_LEADS),
        moments=len(mailed),
        because=tuple(because.values()),
        mailed=mailed,
    )


def _with_moments(person: Person, moments: Iterable[Told]) -> Person:
    newest: Sequence[Told] = sorted(moments, key=lambda one: (one.occurred_at, one.id), reverse=True)
    return replace(person, moments=tuple(newest[:SHOWN_MOMENTS]), more=max(0, len(newest) - SHOWN_MOMENTS))


def record_url(template: str | None, lead_id: str) -> str | None:
    """Where a lead's record is, by the organisation's template; None without one."""
    return template.replace("{lead_id}", quote(lead_id, safe="")) if template else None
