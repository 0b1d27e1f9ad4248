"""What happens in the demo's organisation: four weeks of moments, a watch list, and fresh moments without end.

Pure and repeatable: the same seed and clock tell the same story. Owns how stories unfold (who, when, what is true of
the lead by then); who they are is ``demo_people``'s, the words are ``demo_phrases``'. Stores nothing.
"""

import random
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from leadfeed_api.cli import demo_phrases as phrases
from leadfeed_api.cli.demo_people import DemoAccount, DemoLead, DemoUser, clocks, companies, people, reps
from leadfeed_api.cli.demo_phrases import Arc
from leadfeed_api.clock import Clock
from leadfeed_api.ingestion.interpret import Candidate

DAYS = 28
MOMENTS = 3_000
WATCHED = 25
SOURCES = {"web": "web-tracking", "email": "mailings", "milestone": "campaigns"}


@dataclass(frozen=True, slots=True)
class Story:
    """Everything the demo begins with. ``rep`` is the user whose panel is shown; moments run from old to new."""

    users: tuple[DemoUser, ...]
    accounts: tuple[DemoAccount, ...]
    leads: tuple[DemoLead, ...]
    rep: str
    watchlist: tuple[str, ...]
    moments: tuple[Candidate, ...]

    def people(self) -> dict[str, list[dict[str, object]]]:
        """The body of one ``POST /v1/sync``: users, accounts and leads."""
        return {
            "users": [asdict(user) for user in self.users],
            "accounts": [asdict(account) for account in self.accounts],
            "leads": [asdict(lead) for lead in self.leads],
        }


class Planned(NamedTuple):
    """A beat with its time and lead, not yet put into words."""

    at: datetime
    lead_id: str
    beat: str
    about: Mapping[str, str]


def tell(rng: random.Random, now: datetime) -> Story:
    """The whole story up to ``now``: about 3,000 moments of 300 leads at 40 accounts in the last 28 days."""
    users = reps()
    leads = people(rng, users)
    rep = users[0].id
    others = [lead.id for lead in leads if lead.owner_id != rep]
    own = [lead.id for lead in leads if lead.owner_id == rep]
    watchlist = (*rng.sample(others, WATCHED - 4), *rng.sample(own, 4))
    planned = sorted(_plan(rng, leads, now), key=lambda one: (one.at, one.lead_id))
    narrator = _Narrator(rng, "demo", leads)
    moments = tuple(narrator.say(one) for one in planned)
    return Story(users, companies(), leads, rep, watchlist, moments)


def arrivals(rng: random.Random, story: Story, clock: Clock) -> Iterator[Candidate]:
    """Moments as they happen, without end; each is dated by the clock when it is asked for.

    Several stories run at once, so that a visitor sees a person open a mail, follow its link and ask for a demo; six
    in ten are about leads in the shown rep's feed. Identities are new in every run.
    """
    identity = f"live-{clock():%Y%m%d%H%M%S}-{rng.randrange(16**6):06x}"
    narrator = _Narrator(rng, identity, story.leads, forgets_after=timedelta(hours=1))
    for moment in story.moments:
        narrator.remember(moment)
    mine = [lead for lead in story.leads if lead.owner_id == story.rep or lead.id in story.watchlist]
    arcs = [arc for arc in phrases.ARCS if arc.live]
    running: list[tuple[DemoLead, Mapping[str, str], list[str]]] = []
    while True:
        if len(running) < 6:
            lead = _active(rng, mine if rng.random() < 0.6 else story.leads)
            arc = rng.choices(arcs, [arc.weight for arc in arcs])[0]
            running.append((lead, _subject(rng), [beat for _, beat in arc.steps]))
        thread = rng.choice(running)
        lead, about, beats = thread
        yield narrator.say(Planned(clock(), lead.id, beats.pop(0), about))
        if not beats:
            running.remove(thread)


def _active(rng: random.Random, leads: Sequence[DemoLead]) -> DemoLead:
    """Somebody, the more likely the higher their score: interest is what a score measures."""
    return rng.choices(leads, [4 + lead.score for lead in leads])[0]


def _subject(rng: random.Random) -> dict[str, str]:
    """What one story is about; a story keeps to it from its first beat to its last."""
    return {
        "mail": rng.choice(phrases.MAILS),
        "personal": rng.choice(phrases.PERSONAL_MAILS),
        "link": rng.choice(phrases.LINKS),
        "webinar": rng.choice(phrases.WEBINARS),
        "guide": rng.choice(phrases.GUIDES),
        "story": rng.choice(phrases.STORIES),
        "event": rng.choice(phrases.EVENTS),
        "note": rng.choice(phrases.NOTES),
        "search": rng.choice(phrases.SEARCHES),
        "vans": str(rng.choice((8, 12, 20, 35, 60, 120, 240))),
    }


class _Calendar:
    """When mailings go out, webinars are held and events take place, in the weeks before ``now`` and the one after."""

    def __init__(self, now: datetime) -> None:
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        days = [today + timedelta(days=day) for day in range(-DAYS, 8)]
        mailing_days = [day for day in days if day.weekday() in {1, 3} and day < today]
        webinar_days = [day for day in days if day.weekday() == 2]
        event_days = [day for day in days if day.weekday() == 0 and day < today]
        self.mailings = {
            mail: day + timedelta(hours=8, minutes=30) for mail, day in zip(phrases.MAILS, mailing_days, strict=False)
        }
        self.webinars = {
            webinar: day + timedelta(hours=15) for webinar, day in zip(phrases.WEBINARS, webinar_days[1:], strict=False)
        }
        self.events = {
            event: day + timedelta(hours=9) for event, day in zip(phrases.EVENTS, event_days[::2], strict=False)
        }

    def start(self, rng: random.Random, arc: Arc, about: dict[str, str], now: datetime) -> tuple[datetime, datetime]:
        """When a story begins and when its occasion is; ``about`` is made to name what takes place then."""
        if arc.start in {"mail", "delivery"}:
            about["mail"], sent = rng.choice(list(self.mailings.items()))
            wait = timedelta(seconds=rng.choice((1, 1, 2))) if arc.start == "delivery" else _hours(rng.expovariate(0.1))
            return sent + wait, sent
        if arc.start == "webinar":
            about["webinar"], held = rng.choice(list(self.webinars.items()))
            return held - _hours(rng.uniform(3, 200)), held + timedelta(minutes=rng.uniform(58, 63))
        if arc.start == "event":
            about["event"], opened = rng.choice(list(self.events.items()))
            held = opened + timedelta(days=rng.choice((0, 1)), hours=rng.uniform(0, 8))
            return held, held
        begin = now - timedelta(days=rng.uniform(0, DAYS))
        return begin, begin


def _plan(rng: random.Random, leads: Sequence[DemoLead], now: datetime) -> Iterator[Planned]:
    """Stories until there are enough moments; what would lie before the four weeks or after ``now`` is left out.

    Nobody has two stories about the same mailing, webinar or event, nor the same story twice.
    """
    calendar = _Calendar(now)
    hours = clocks(leads)
    weights = [arc.weight for arc in phrases.ARCS]
    told: set[tuple[str, object]] = set()
    count = 0
    while count < MOMENTS:
        arc = rng.choices(phrases.ARCS, weights)[0]
        lead = _active(rng, leads)
        about = _subject(rng)
        begin, occasion = calendar.start(rng, arc, about, now)
        subject = {"mail": "mail", "delivery": "mail", "webinar": "webinar", "event": "event"}.get(arc.start)
        key = (lead.id, about[subject] if subject else arc)
        if key in told:
            continue
        told.add(key)
        for at, beat in _unfold(rng, arc, begin, occasion, hours[lead.id]):
            if now - timedelta(days=DAYS) <= at <= now:
                count += 1
                yield Planned(at, lead.id, beat, about)


def _unfold(
    rng: random.Random, arc: Arc, begin: datetime, occasion: datetime, hours: float
) -> Iterator[tuple[datetime, str]]:
    """The beats of a story with their times: people act in their working hours, machines at once."""
    at = begin
    for wait, beat in arc.steps:
        if wait is None:
            at = occasion
        else:
            at += _hours(rng.uniform(*wait))
            fresh = wait[1] == 0 or wait[0] > 1
            if fresh and arc.start != "delivery":
                at = _in_working_hours(rng, at, hours)
        yield at, beat


def _in_working_hours(rng: random.Random, at: datetime, hours: float) -> datetime:
    """The same time if the person is at work then, else a morning soon after; one in eight reads mail at any hour."""
    local = at + _hours(hours)
    if rng.random() < 0.12:
        return at
    if local.weekday() < 5 and 8 <= local.hour < 18:
        return at
    morning = local.replace(hour=8, minute=0) + timedelta(days=0 if local.hour < 8 else 1)
    while morning.weekday() >= 5:
        morning += timedelta(days=1)
    return morning + timedelta(minutes=rng.uniform(0, 150)) - _hours(hours)


def _hours(hours: float) -> timedelta:
    return timedelta(hours=hours)


class _Narrator:
    """Puts beats into words that are true by then: it remembers when each lead was last seen, and where."""

    def __init__(
        self,
        rng: random.Random,
        identity: str,
        leads: Sequence[DemoLead],
        *,
        forgets_after: timedelta = timedelta(days=DAYS),
    ) -> None:
        self._rng = rng
        self._identity = identity
        self._scores = {lead.id: lead.score for lead in leads}
        self._forgets_after = forgets_after
        self._count = 0
        self._last: dict[str, datetime] = {}
        self._visits: defaultdict[tuple[str, str], deque[datetime]] = defaultdict(lambda: deque(maxlen=40))
        self._told: dict[tuple[str, str], datetime] = {}

    def remember(self, moment: Candidate) -> None:
        """Take note of a moment told before."""
        self._last[moment.lead_id] = moment.occurred_at
        if moment.type == "web" and moment.url:
            self._visits[moment.lead_id, moment.url].append(moment.occurred_at)

    def say(self, planned: Planned) -> Candidate:
        """The moment of a beat. Beats come in order of time, per lead."""
        at = planned.at.replace(microsecond=0)
        page = "the pricing page" if planned.beat == "pricing" else self._rng.choice(list(phrases.PAGES))
        beat = phrases.BEATS[self._fitting(planned, page, at)]
        path = phrases.PAGES[page] if beat.path == "page" else beat.path
        self._count += 1
        facts = self._facts(planned, page, at)
        moment = Candidate(
            source=SOURCES[beat.type],
            external_id=f"{self._identity}-{self._count:05d}",
            lead_id=planned.lead_id,
            type=beat.type,
            description=self._rng.choice(beat.texts).format_map(facts),
            url=f"https://www.{phrases.SELLER}{path}" if path else None,
            bot=beat.bot.format_map(facts) if beat.bot else None,
            occurred_at=at,
        )
        self.remember(moment)
        return moment

    def _fitting(self, planned: Planned, page: str, at: datetime) -> str:
        """The beat that is true: nobody returns after half a day, a third visit is no first one, and so on."""
        beat = planned.beat
        if beat == "score" and self._scores[planned.lead_id] < 50:
            beat = "visit"
        if beat == "return" and self._days_away(planned.lead_id, at) < 3:
            beat = "visit"
        once = phrases.BEATS[beat].once
        if once and self._is_repeated(planned.lead_id, once.format_map(planned.about), at):
            beat = "visit"
        if beat in {"visit", "pricing"}:
            beat = {1: beat, 2: "again"}.get(self._times(planned.lead_id, page, at), "often")
        return beat

    def _is_repeated(self, lead_id: str, deed: str, at: datetime) -> bool:
        before = self._told.get((lead_id, deed))
        if before is not None and at - before < self._forgets_after:
            return True
        self._told[lead_id, deed] = at
        return False

    def _facts(self, planned: Planned, page: str, at: datetime) -> dict[str, str]:
        rng = self._rng
        score = self._scores[planned.lead_id]
        meeting = at + timedelta(days=rng.randint(1, 4))
        while meeting.weekday() >= 5:
            meeting += timedelta(days=1)
        return {
            **planned.about,
            "page": page,
            "days": str(self._days_away(planned.lead_id, at)),
            "times": str(self._times(planned.lead_id, page, at)),
            "weekday": f"{meeting:%A}",
            "hour": str(rng.choice((9, 10, 11, 14, 15, 16))),
            "threshold": str(max((one for one in (50, 75, 100, 150) if one <= score), default=50)),
            "minutes": str(rng.randint(2, 14)),
            "long": str(rng.randint(31, 58)),
            "few": str(rng.randint(2, 5)),
            "links": str(rng.randint(9, 21)),
            "number": f"{rng.choice((120, 340, 600, 1_200, 2_500)):,}",
        }

    def _days_away(self, lead_id: str, at: datetime) -> int:
        return (at - self._last.get(lead_id, at)).days

    def _times(self, lead_id: str, page: str, at: datetime) -> int:
        """Visits of a page within a week, this one included."""
        url = f"https://www.{phrases.SELLER}{phrases.PAGES[page]}"
        return 1 + sum(at - before < timedelta(days=7) for before in self._visits[lead_id, url])
