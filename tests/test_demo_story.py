"""The demo's story: repeatable, fit to be stored, true to itself, and never out of moments."""

import asyncio
import itertools
import random
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from leadfeed_api.cli import demo
from leadfeed_api.cli.demo_story import DAYS, Story, arrivals, tell
from leadfeed_api.db.session import Database
from leadfeed_api.errors import Busy, Unavailable
from leadfeed_api.ingestion.interpret import Candidate, interpret
from leadfeed_api.people.records import read_records

NOW = datetime(2026, 11, 23, 14, 7, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def story() -> Story:
    return tell(random.Random(2026), NOW)


def live(story: Story, count: int, seed: int = 1) -> list[Candidate]:
    ticks = (NOW + timedelta(seconds=3 * tick) for tick in itertools.count())
    return list(itertools.islice(arrivals(random.Random(seed), story, lambda: next(ticks)), count))


def test_the_same_seed_and_clock_tell_the_same_story(story: Story) -> None:
    assert tell(random.Random(2026), NOW) == story
    assert tell(random.Random(2027), NOW) != story
    assert live(story, 50) == live(story, 50)


def test_it_has_the_size_of_a_small_customer(story: Story) -> None:
    assert (len(story.users), len(story.accounts), len(story.leads)) == (6, 40, 300)
    assert 3_000 <= len(story.moments) <= 3_010
    assert len(story.watchlist) == len(set(story.watchlist)) == 25
    assert story.rep in {user.id for user in story.users}


def test_sync_takes_all_its_people_as_they_are(story: Story) -> None:
    for inbox in read_records(story.people()):
        assert inbox.results == {}
        assert len(inbox.given) == len({record["id"] for record in inbox.given.values()})


def test_everybody_belongs_somewhere(story: Story) -> None:
    accounts = {account.id for account in story.accounts}
    owners = {user.id for user in story.users}
    leads = {lead.id: lead for lead in story.leads}
    assert {lead.account_id for lead in story.leads} == accounts
    assert {lead.owner_id for lead in story.leads} == {*owners, None}
    assert set(story.watchlist) <= leads.keys()
    assert {moment.lead_id for moment in story.moments} <= leads.keys()
    owned = Counter(lead.owner_id for lead in story.leads)
    assert 30 <= owned[story.rep] <= 90
    assert sum(leads[watched].owner_id != story.rep for watched in story.watchlist) == 21


def test_nobody_can_be_reached_by_mistake(story: Story) -> None:
    fictional = re.compile(
        r"\+1 \d{3} 555 01\d\d|\+44 1632 960\d{3}|\+44 7700 900\d{3}|\+33 1 99 00 \d\d \d\d|\+33 6 39 98 \d\d \d\d"
        r"|\+49 30 23125 \d{3}|\+46 8 465 004 \d\d|\+61 2 5550 \d{4}"
    )
    numbers = [number for lead in story.leads for number in (lead.phone, lead.mobile, lead.fax) if number]
    assert len(numbers) > 150
    assert all(fictional.fullmatch(number) for number in numbers)
    addresses = [user.email for user in story.users] + [lead.email for lead in story.leads]
    assert all(re.fullmatch(r"[a-z.-]+@[a-z]+\.example", address) for address in addresses)
    assert all(re.fullmatch(r"https://www\.[a-z]+\.example/", account.url) for account in story.accounts)
    urls = {moment.url for moment in story.moments if moment.url}
    assert all(url.startswith("https://www.harborline.example/") for url in urls)


def test_names_come_from_many_countries_and_nobody_has_anothers(story: Story) -> None:
    names = [lead.name for lead in story.leads]
    assert len(set(names)) == len(names)
    assert sum(not name.isascii() for name in names) > 60


def test_scores_spread_like_those_of_a_real_customer(story: Story) -> None:
    scores = sorted(lead.score for lead in story.leads)
    assert scores[0] >= 0
    assert scores[-1] <= 180
    assert scores[150] < 45
    assert scores[-15] > 60


def test_every_moment_would_be_accepted_over_http(story: Story) -> None:
    for moment in (*story.moments, *live(story, 500)):
        item = {
            name: getattr(moment, name) for name in ("source", "external_id", "lead_id", "type", "description", "url")
        }
        judged = interpret({**item, "bot": moment.bot, "occurred_at": moment.occurred_at.isoformat()}, NOW)
        assert judged == moment


def test_no_two_moments_share_an_identity_not_even_across_runs(story: Story) -> None:
    later = tell(random.Random(2026), NOW + timedelta(minutes=10))
    runs = [story.moments, live(story, 300, seed=1), live(later, 300, seed=2)]
    identities = [(moment.source, moment.external_id) for run in runs for moment in run]
    assert len(set(identities)) == len(identities)


def test_moments_lie_in_the_last_four_weeks_in_order_and_mostly_in_working_hours(story: Story) -> None:
    times = [moment.occurred_at for moment in story.moments]
    assert times == sorted(times)
    assert NOW - timedelta(days=DAYS) - timedelta(seconds=1) <= times[0]
    assert times[-1] <= NOW
    assert NOW - times[-1] < timedelta(hours=2)
    weekends = sum(time.weekday() >= 5 for time in times)
    assert weekends < len(times) / 20
    assert all(day in {time.date() for time in times} for day in (NOW.date(), (NOW - timedelta(days=10)).date()))


def test_all_types_occur_and_a_few_are_machines(story: Story) -> None:
    types = Counter(moment.type for moment in story.moments)
    assert all(types[kind] > 450 for kind in ("web", "email", "milestone"))
    bots = [moment for moment in story.moments if moment.bot]
    assert 10 <= len(bots) <= 150
    assert any("mail scanner: clicked" in (moment.bot or "") for moment in bots)


def test_descriptions_are_many_short_and_complete(story: Story) -> None:
    descriptions = {moment.description for moment in story.moments}
    assert len(descriptions) > 300
    assert all(len(text) <= 90 and not set("{}") & set(text) for text in descriptions)


def test_what_a_person_does_once_is_told_once(story: Story) -> None:
    told: Counter[tuple[str, str]] = Counter()
    for moment in story.moments:
        for deed in ("Started a 30-day trial", "Asked for a demo", "Registered for the webinar", "Lead score passed"):
            if moment.description.startswith(deed):
                subject = moment.description if "webinar" in deed else deed
                told[moment.lead_id, subject] += 1
    assert told
    assert set(told.values()) == {1}


def test_a_score_said_to_be_passed_is_below_the_leads_score(story: Story) -> None:
    scores = {lead.id: lead.score for lead in story.leads}
    passed = [
        (scores[moment.lead_id], int(moment.description.removeprefix("Lead score passed ")))
        for moment in story.moments
        if moment.description.startswith("Lead score passed ")
    ]
    assert passed
    assert all(score >= threshold for score, threshold in passed)


def test_who_is_said_to_return_was_away_for_so_long(story: Story) -> None:
    last: dict[str, datetime] = {}
    returns = 0
    for moment in story.moments:
        found = re.match(r"(?:Back|Returned) after (\d+) days", moment.description)
        if found:
            returns += 1
            assert (moment.occurred_at - last[moment.lead_id]).days == int(found[1]) >= 3
        last[moment.lead_id] = moment.occurred_at
    assert returns > 20


def test_counted_visits_are_the_visits_that_were_told(story: Story) -> None:
    visits: defaultdict[tuple[str, str], list[datetime]] = defaultdict(list)
    counted = 0
    for moment in story.moments:
        if moment.type == "web" and moment.url:
            seen = visits[moment.lead_id, moment.url]
            seen.append(moment.occurred_at)
            within = sum(moment.occurred_at - one < timedelta(days=7) for one in seen)
            found = re.search(r": (\d+) times in a week", moment.description)
            if found:
                counted += 1
                assert int(found[1]) == within >= 3
            elif moment.description.endswith(" again"):
                assert within == 2
    assert counted > 20


def test_a_demo_is_asked_for_by_somebody_seen_before(story: Story) -> None:
    seen: set[str] = set()
    strangers = 0
    demos = 0
    for moment in story.moments:
        if moment.description.startswith("Asked for a demo"):
            demos += 1
            strangers += moment.lead_id not in seen
        seen.add(moment.lead_id)
    assert demos > 30
    # Only where the story's earlier beats lie before the four weeks.
    assert strangers <= demos / 20


def test_fresh_moments_are_dated_by_the_clock_and_never_run_out(story: Story) -> None:
    fresh = live(story, 2_000)
    assert [moment.occurred_at for moment in fresh] == [NOW + timedelta(seconds=3 * n) for n in range(1, 2_001)]
    assert len({moment.description for moment in fresh[-500:]}) > 60
    assert {moment.type for moment in fresh[:40]} == {"web", "email", "milestone"}


def test_fresh_moments_are_mostly_about_the_shown_reps_leads(story: Story) -> None:
    feed = {lead.id for lead in story.leads if lead.owner_id == story.rep} | set(story.watchlist)
    share = sum(moment.lead_id in feed for moment in live(story, 1_000)) / 1_000
    assert 0.5 < share < 0.9


@pytest.mark.parametrize("day", range(7))
def test_the_story_can_be_told_on_any_day(day: int) -> None:
    now = NOW + timedelta(days=day, hours=day * 3)
    moments = tell(random.Random(day), now).moments
    assert len(moments) >= 3_000
    assert moments[-1].occurred_at <= now


@pytest.mark.anyio
async def test_moments_keep_arriving_after_the_database_was_away(
    story: Story, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived: asyncio.Queue[Candidate] = asyncio.Queue()
    outcomes = iter([None, Unavailable(), Busy()])

    async def record(_: Database, __: int, moments: Sequence[Candidate]) -> None:
        if error := next(outcomes, None):
            raise error
        arrived.put_nowait(moments[0])

    monkeypatch.setattr(demo, "record_moments", record)
    monkeypatch.setattr(demo, "PAUSE_S", (0, 0))
    arriving = asyncio.create_task(demo._keep_arriving(database, story))
    async with asyncio.timeout(10):
        ids = [(await arrived.get()).external_id for _ in range(3)]
    arriving.cancel()
    assert len(set(ids)) == 3
