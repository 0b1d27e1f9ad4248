"""Everything together against the written rules: whatever happens, what is mailed is what the rules say, once.

The oracle keeps plain lists and looks at every recipient each time; the worker looks only where it was told to. Times
are those of ``digest``, which has tests of its own against clocks.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from leadfeed_api.settings import Settings
from leadfeed_api.subscriptions.digest import FREQUENCIES, Wishes, after_quiet, due_at
from leadfeed_api.subscriptions.letters import letter
from leadfeed_api.subscriptions.match import Occasion, Rule, matches
from post import Clock, Post, address_of, just_now, open_post, subscribe, text_of
from world import Service, World, ok

pytestmark = [pytest.mark.anyio, pytest.mark.alone]
USERS = ("ana", "bob")
LEADS = {"l1": "acme", "l2": "acme", "l3": "other"}
TYPES = ("web", "email")
TEXTS = ("pricing", "demo pricing")


@dataclass
class Sub:
    """A subscription as its owner left it. ``since`` is how many moments there were when it began to count."""

    user: str
    rule: Rule
    frequency: str
    recipients: tuple[str, ...]
    since: int
    paused: bool = False


@dataclass
class Waits:
    """Why and since when a moment waits for somebody."""

    noticed: datetime
    held: bool = False


@dataclass
class Oracle:
    """The rules of docs/subscriptions.md, the slow way."""

    owners: dict[str, str | None]
    watches: set[tuple[str, str]] = field(default_factory=set)
    moments: list[tuple[str, str, str]] = field(default_factory=list)  # lead, type, text
    noticed: int = 0
    subs: dict[int, Sub] = field(default_factory=dict)
    read: set[tuple[str, int]] = field(default_factory=set)
    muted: set[tuple[str, str]] = field(default_factory=set)
    wishes: dict[str, Wishes] = field(default_factory=lambda: {user: Wishes(ZoneInfo("UTC")) for user in USERS})
    counted: dict[str, tuple[date, int]] = field(default_factory=dict)
    waiting: dict[tuple[str, int, int], Waits] = field(default_factory=dict)  # recipient, moment, subscription

    def sees(self, user: str, lead: str) -> bool:
        """Whether the lead is in the user's feed."""
        return self.owners[lead] == user or (user, lead) in self.watches

    def matches(self, sub: Sub, moment: int) -> bool:
        """The rule, as things are now."""
        lead, kind, text = self.moments[moment]
        owned, watched = self.owners[lead] == sub.user, (sub.user, lead) in self.watches
        return matches(sub.rule, Occasion(lead, LEADS[lead], kind, text, owned=owned, watched=watched))

    def forget(self, number: int) -> None:
        """Nothing waits because of this subscription any more."""
        self.waiting = {key: why for key, why in self.waiting.items() if key[2] != number}

    def work(self, now: datetime) -> list[tuple[str, frozenset[int]]]:
        """What a worker has to mail now: recipient and moments, in the order of mails to one recipient."""
        for moment in range(self.noticed, len(self.moments)):
            for number, sub in self.subs.items():
                if not sub.paused and moment >= sub.since and self.matches(sub, moment):
                    for recipient in sub.recipients:
                        self.waiting.setdefault((recipient, moment, number), Waits(now))
        self.noticed = len(self.moments)
        return [mail for user in USERS for mail in self._mails(user, now)]

    def _mails(self, user: str, now: datetime) -> Iterator[tuple[str, frozenset[int]]]:
        how = self.wishes[user]
        while True:
            mine = {key: why for key, why in self.waiting.items() if key[0] == user}
            due = [
                self._frequency(key, why)
                for key, why in mine.items()
                if due_at(self._frequency(key, why), self._first(mine, key), how) <= now  # type: ignore[arg-type]
            ]
            if not due or after_quiet(now, how) > now:
                return
            slowest = max(due, key=FREQUENCIES.index)
            taken = [
                key for key, why in mine.items()
                if FREQUENCIES.index(self._frequency(key, why)) <= FREQUENCIES.index(slowest)
            ]  # fmt: skip
            day, count = self.counted.get(user, (None, 0))
            count = count if day == how.today(now) else 0
            if slowest != "daily" and count >= how.daily_cap:
                for key in taken:
                    self.waiting[key] = Waits(now, held=True)
                continue
            told = {moment for _, moment, number in taken if self._may_tell(user, moment, self.subs[number])}
            self.waiting = {
                key: why for key, why in self.waiting.items()
                if key not in taken and not (key[0] == user and key[1] in told)
            }  # fmt: skip
            if told:
                if slowest != "daily":
                    self.counted[user] = (how.today(now), count + 1)
                yield user, frozenset(told)

    def _first(self, mine: dict[tuple[str, int, int], Waits], like: tuple[str, int, int]) -> datetime:
        """When the first of the same frequency was noticed."""
        wanted = self._frequency(like, mine[like])
        return min(why.noticed for key, why in mine.items() if self._frequency(key, why) == wanted)

    def _frequency(self, key: tuple[str, int, int], why: Waits) -> str:
        return "daily" if why.held else self.subs[key[2]].frequency

    def _may_tell(self, user: str, moment: int, sub: Sub) -> bool:
        lead, kind, _ = self.moments[moment]
        silent = (user, moment) in self.read or (user, lead) in self.muted or (user, kind) in self.muted
        return not silent and not sub.paused and user in sub.recipients and self.matches(sub, moment)


@dataclass
class Play:
    """The same things done to the service and to the oracle."""

    world: World
    post: Post
    oracle: Oracle
    ids: list[str] = field(default_factory=list)
    subscription_ids: dict[int, str] = field(default_factory=dict)
    mailed: list[tuple[str, frozenset[int]]] = field(default_factory=list)

    async def do(self, name: str, *what: Any) -> None:
        """One operation."""
        await getattr(self, f"_{name}")(*what)

    async def _moment(self, lead: str, kind: str, text: str) -> None:
        number = len(self.oracle.moments)
        self.ids += await self.world.report(just_now(self.world, lead, f"{text} no{number}end", type=kind))
        self.oracle.moments.append((lead, kind, text))

    async def _subscribe(
        self, user: str, kind: str, choice: int, scope: str, often: str, whom: tuple[str, ...]
    ) -> None:
        values = {"lead": ["l1", "l3"], "account": ["acme", "other"], "type": TYPES, "description": ["pricing", "DEMO"]}
        rule = Rule(kind, values[kind][choice], scope)  # type: ignore[arg-type]
        made = await subscribe(self.world, user, kind, rule.value, scope=scope, frequency=often,
                               recipients=[f"{one}@crm.example" for one in whom])  # fmt: skip
        number = len(self.subscription_ids)
        self.subscription_ids[number] = made["id"]
        self.oracle.subs[number] = Sub(user, rule, often, whom, len(self.oracle.moments))

    async def _change(self, number: int, **fields: Any) -> Sub | None:
        sub = self.oracle.subs.get(number)
        if sub is not None:
            path = f"/v1/subscriptions/{self.subscription_ids[number]}"
            ok(await self.world.client.patch(path, headers=self.world.rep(sub.user), json=fields))
        return sub

    async def _pause(self, number: int, paused: bool) -> None:
        sub = await self._change(number, paused=paused)
        if sub is not None and (sub.paused or paused):
            sub.paused, sub.since = paused, len(self.oracle.moments)
            self.oracle.forget(number)

    async def _frequency(self, number: int, often: str) -> None:
        sub = await self._change(number, frequency=often)
        if sub is not None:
            sub.frequency = often
            if sub.paused:
                sub.since = len(self.oracle.moments)

    async def _delete(self, number: int) -> None:
        sub = self.oracle.subs.get(number)
        if sub is not None:
            path = f"/v1/subscriptions/{self.subscription_ids[number]}"
            assert (await self.world.client.delete(path, headers=self.world.rep(sub.user))).status_code == 204
            self.oracle.forget(number)
            del self.oracle.subs[number]

    async def _own(self, lead: str, owner: str | None) -> None:
        path = f"/v1/leads/{lead}/owner"
        answer = await self.world.client.put(path, headers=self.world.machine, json={"owner_id": owner})
        assert answer.status_code == 204
        self.oracle.owners[lead] = owner

    async def _watch(self, user: str, lead: str, watched: bool) -> None:
        method = "PUT" if watched else "DELETE"
        answer = await self.world.client.request(method, f"/v1/watchlist/{lead}", headers=self.world.rep(user))
        assert answer.status_code == 204
        (self.oracle.watches.add if watched else self.oracle.watches.discard)((user, lead))

    async def _read(self, user: str, back: int) -> None:
        moment = len(self.ids) - 1 - back
        if moment >= 0:
            rep = self.world.rep(user)
            ok(await self.world.client.post("/v1/feed/read", headers=rep, json={"ids": [self.ids[moment]]}))
            if self.oracle.sees(user, self.oracle.moments[moment][0]):
                self.oracle.read.add((user, moment))

    async def _mute(self, user: str, what: str) -> None:
        kind = "leads" if what in LEADS else "types"
        rep = self.world.rep(user)
        answer = await self.world.client.put(f"/v1/mutes/{kind}/{what}", headers=rep, json={"until": None})
        assert answer.status_code == 204, answer.text
        self.oracle.muted.add((user, what))

    async def _prefer(self, user: str, zone: str, hour: int, quiet: tuple[int, int] | None, cap: int) -> None:
        def clock(hour_of_day: int | None) -> str | None:
            return None if hour_of_day is None else f"{hour_of_day:02d}:00"

        begin, end = quiet or (None, None)
        fields = {"time_zone": zone, "daily_hour": hour, "daily_cap": cap, "quiet_from": clock(begin),
                  "quiet_until": clock(end)}  # fmt: skip
        ok(await self.world.client.patch("/v1/mail-preferences", headers=self.world.rep(user), json=fields))
        minutes = None if quiet is None else (quiet[0] * 60, quiet[1] * 60)
        self.oracle.wishes[user] = Wishes(ZoneInfo(zone), hour, minutes, cap)

    async def _work(self, seconds: int) -> None:
        mails = await self.post.go(seconds=seconds)
        ours = [mail for mail in mails if f"<{self.world.org_id:x}." in mail["List-Id"]]
        sent = [(address_of(mail).partition("@")[0], self._numbers(text_of(mail))) for mail in ours]
        expected = self.oracle.work(self.post.clock.now)
        for user in USERS:
            assert [mail for mail in sent if mail[0] == user] == [mail for mail in expected if mail[0] == user]
        self.mailed += sent

    def _numbers(self, text: str) -> frozenset[int]:
        return frozenset(number for number in range(len(self.ids)) if f"no{number}end" in text)


users, leads = st.sampled_from(USERS), st.sampled_from([*LEADS])
often = st.sampled_from(FREQUENCIES)
numbers = st.integers(0, 4)
hours = st.integers(0, 23)
spans = st.sampled_from([0, 3, 11, 11, 60, 1_800, 3_600, 3_600, 6 * 3_600, 12 * 3_600, 86_400])
work = st.tuples(st.just("work"), spans)
moment = st.tuples(st.just("moment"), leads, st.sampled_from(TYPES), st.sampled_from(TEXTS))
new = st.tuples(
    st.just("subscribe"), users, st.sampled_from(["lead", "account", "type", "type", "description"]), st.integers(0, 1),
    st.sampled_from(["owned", "feed"]), often, st.sampled_from([("ana",), ("bob",), ("ana", "bob")]),
)  # fmt: skip
changes = st.one_of(
    new,
    st.tuples(st.just("pause"), numbers, st.booleans()),
    st.tuples(st.just("frequency"), numbers, often),
    st.tuples(st.just("delete"), numbers),
    st.tuples(st.just("own"), leads, st.sampled_from([*USERS, None])),
    st.tuples(st.just("watch"), users, leads, st.booleans()),
    st.tuples(st.just("read"), users, st.integers(0, 3)),
    st.tuples(st.just("mute"), users, st.sampled_from(["l1", "email"])),
    st.tuples(
        st.just("prefer"), users, st.sampled_from(["Europe/Paris", "Australia/Lord_Howe", "America/New_York", "UTC"]),
        hours, st.none() | st.tuples(hours, hours).filter(lambda two: two[0] != two[1]), st.integers(1, 2),
    ),
)  # fmt: skip
# Something happens, perhaps something changes, and time goes on: dense enough that most histories mail something.
rounds = st.tuples(
    st.lists(moment, max_size=3), st.lists(changes, max_size=2), st.lists(moment, max_size=1),
    st.lists(changes, max_size=1), work.map(lambda one: [one]),
).map(lambda parts: [operation for part in parts for operation in part])  # fmt: skip
# Right before clocks change, and at no particular time; far ahead, as a change of wishes is looked at by the real time.
beginnings = st.sampled_from(
    ["2094-03-27T23:00:00Z", "2094-10-30T22:00:00Z", "2094-04-03T12:00:00Z", "2094-03-13T20:00:00Z",
     "2094-07-01T09:59:50Z"]
).map(datetime.fromisoformat)  # fmt: skip


CALM = hypothesis_settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=15
)
histories = given(beginnings, st.lists(new, min_size=2, max_size=4), st.lists(rounds, min_size=4, max_size=10))


@CALM
@histories
async def test_what_is_mailed_is_what_the_rules_say_and_each_moment_at_most_once_a_recipient(
    service: Service, settings: Settings, monkeypatch: pytest.MonkeyPatch, beginning: datetime, subscriptions: Any,
    history: Any,
) -> None:  # fmt: skip
    await compare(service, settings, monkeypatch, beginning, subscriptions, history)


@pytest.mark.soak
@hypothesis_settings(parent=CALM, max_examples=400)
@histories
async def test_what_is_mailed_is_what_the_rules_say_in_many_more_histories(
    service: Service, settings: Settings, monkeypatch: pytest.MonkeyPatch, beginning: datetime, subscriptions: Any,
    history: Any,
) -> None:  # fmt: skip
    await compare(service, settings, monkeypatch, beginning, subscriptions, history)


async def compare(
    service: Service,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    beginning: datetime,
    subscriptions: list[tuple[Any, ...]],
    history: list[list[tuple[Any, ...]]],
) -> None:
    """Plays a history and compares at each step; at its end, lets everything that waits go out."""
    monkeypatch.setattr(letter, "SHOWN_MOMENTS", 1_000)  # every moment is in the text, to be counted
    world = await service.new_world()
    await world.people(*USERS, leads={"l1": "ana", "l2": "bob", "l3": None})
    await world.sync(accounts=[{"id": "other", "name": "Other"}], leads=[{"id": "l3", "account_id": "other"}])
    oracle = Oracle({"l1": "ana", "l2": "bob", "l3": None})
    async with open_post(settings, clock=Clock(beginning)) as post:
        play = Play(world, post, oracle)
        for operation in [*subscriptions, *(operation for one in history for operation in one)]:
            await play.do(*operation)
        for _ in range(72):  # by the hour: quiet hours may leave no more than one of a day
            if not oracle.waiting:
                break
            await play.do("work", int(timedelta(hours=1).total_seconds()))
        await play.do("work", int(timedelta(days=2).total_seconds()))  # and nothing comes after it
    assert not oracle.waiting
    told = [(recipient, number) for recipient, numbers_told in play.mailed for number in numbers_told]
    assert len(told) == len(set(told))
