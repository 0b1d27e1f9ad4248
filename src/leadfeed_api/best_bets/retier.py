"""Re-tiering an organisation: new cut-offs from all its scores, and every lead placed by them.

The cut-offs come from one pass without a lock. Then the leads are read range by range, again without one; only those
that stand elsewhere now are written, under the organisation's lock, in batches so small that nobody waits for long.
Those who see changed leads are told at the end, many changes as one ``reset``.

Running it again changes nothing. A run that ends early (a crash, newer settings) is done again as a whole.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from time import perf_counter
from typing import NamedTuple

from leadfeed_api.best_bets import cutoffs, hiding, lease, placing, scoring
from leadfeed_api.best_bets.lease import Claim
from leadfeed_api.best_bets.telling import AT_A_TIME, Audience, tell_cards, tell_resets
from leadfeed_api.best_bets.tiers import Rules
from leadfeed_api.best_bets.turns import Hold, Pace, TookTooLong, Turns
from leadfeed_api.clock import Clock, utc_now
from leadfeed_api.db.session import Connection, Database
from leadfeed_api.feed import entries
from leadfeed_api.feed.log import Log

COUNT = "SELECT count(*) FROM lead WHERE org_id = $1"
RANGE = """
SELECT max(r.lead_id) AS last, count(*) AS leads FROM (
  SELECT l.lead_id FROM lead l WHERE l.org_id = $1 AND l.lead_id > $2 ORDER BY l.lead_id LIMIT 5000
) r
"""
# Also who is switched off: once on again they go on from where they were.
USERS = "SELECT user_id FROM app_user WHERE org_id = $1 AND user_id > $2 ORDER BY user_id LIMIT $3"


@dataclass(slots=True)
class Progress:
    """How far a run has come, in leads; and the longest that the organisation's lock was held, in seconds."""

    leads: int = 0
    done: int = 0
    changed: int = 0
    longest_lock_s: float = 0.0
    told: int = 0
    resets: int = 0


@dataclass(frozen=True, slots=True)
class Retiered:
    """What a finished run did, by which rules, and when the next is due."""

    progress: Progress
    rules: Rules
    seconds: float
    next_due: datetime


class Stretch(NamedTuple):
    """Leads by id up to ``last``: how many, and which of them stand elsewhere by the new rules."""

    last: str
    leads: int
    elsewhere: list[str]


Watch = Callable[[Progress], None]


async def retier(database: Database, org_id: int, watch: Watch = lambda _: None, clock: Clock = utc_now) -> Retiered:
    """Re-tiers the organisation now, whether it is due or not; a run under way elsewhere stops in its favour.

    Raises ``NotFound`` when there is no such organisation, ``lease.Superseded`` when a later run took over.
    """
    async with database.write() as connection:
        claimed = await lease.claim(connection, org_id, clock(), whether_due_or_not=True)
    if claimed is None:
        raise lease.Superseded
    return await Run(database, claimed, watch, clock).carry_out()


async def retier_if_due(
    database: Database, org_id: int, watch: Watch = lambda _: None, clock: Clock = utc_now
) -> Retiered | None:
    """Re-tiers the organisation if it is due and no other process does."""
    async with database.write() as connection:
        claimed = await lease.claim(connection, org_id, clock())
    return None if claimed is None else await Run(database, claimed, watch, clock).carry_out()


class Run:
    """One run, from a claim to its end."""

    def __init__(self, database: Database, claimed: Claim, watch: Watch, clock: Clock) -> None:
        self._database = database
        self._claim = claimed
        self._org_id = claimed.org_id
        self._watch = watch
        self._clock = clock
        self._progress = Progress()
        self._audience = Audience()
        self._pace = Pace()
        self._turns = Turns(database, claimed, self._held)

    async def carry_out(self) -> Retiered:
        """All of it. Raises ``lease.Superseded``."""
        began, today = perf_counter(), scoring.local_day(self._clock(), self._claim.time_zone)
        async with self._database.read() as connection:
            self._progress.leads = await connection.fetchval(COUNT, self._org_id)
            if self._claim.is_filling_up(self._progress.leads):
                await placing.analyse(connection)
            rules = await cutoffs.find_rules(connection, self._org_id, self._claim.tiers, today)
        await self._save(rules)
        await self._place_everyone(rules, today)
        await self._tell()
        async with self._database.write() as connection:
            await scoring.forget_before(connection, self._org_id, cutoffs.window_opens(today, rules.window_days))
            await hiding.forget_past(connection, self._org_id, self._clock())
            then = await lease.finish(connection, self._claim, self._progress.leads, self._clock())
        return Retiered(self._progress, rules, perf_counter() - began, then)

    def _held(self, hold: Hold) -> None:
        self._progress.longest_lock_s = max(self._progress.longest_lock_s, hold.total_s)

    async def _save(self, rules: Rules) -> None:
        """Under the lock: who stores a score after this places it by the new cut-offs, who did before is in range.

        A run that the machine's failure cut short may have lost a part of what it told, and its positions with it;
        somebody may have read up to them. They are passed over, so that what comes now is news to everyone.
        """

        async def save(log: Log) -> None:
            if self._claim.interrupted:
                await log.advance(AT_A_TIME)
            await log.connection.execute(cutoffs.SAVE_RULES, self._org_id, self._claim.run, cutoffs.stored(rules))

        await self._in_turn(save)

    async def _place_everyone(self, rules: Rules, today: date) -> None:
        after = ""
        while (stretch := await self._next_stretch(rules, today, after)) is not None:
            elsewhere = stretch.elsewhere
            while elsewhere:
                batch = elsewhere[: self._pace.size]
                if await self._place(rules, today, batch):
                    elsewhere = elsewhere[len(batch) :]
                await self._turns.rest()
            after = stretch.last
            self._progress.done += stretch.leads
            self._watch(self._progress)

    async def _next_stretch(self, rules: Rules, today: date, after: str) -> Stretch | None:
        async with self._database.write() as connection:
            await lease.prolong(connection, self._claim, self._clock())
            row = await connection.fetchrow(RANGE, self._org_id, after)
            if row is None or row["last"] is None:
                return None
            last = row["last"]
            elsewhere = await placing.misplaced(connection, self._org_id, rules, today, after=after, up_to=last)
        return Stretch(last, row["leads"], elsewhere)

    async def _place(self, rules: Rules, today: date, batch: Sequence[str]) -> bool:
        """One turn; False when it took too long, so that nothing of it was done."""

        async def place(connection: Connection, lead_ids: Sequence[str]) -> list[str]:
            return await placing.place_leads(connection, self._org_id, rules, today, lead_ids)

        try:
            async with self._turns.take(lambda connection: place(connection, [])) as log:
                changed = await place(log.connection, batch)
        except TookTooLong:
            self._pace.slow_down()
            return False
        self._pace.observe(self._turns.last.work_s)
        self._progress.changed += len(changed)
        # Without the lock: who comes to see a lead in between is told of that, and loads the lead as it is by then.
        async with self._database.read() as connection:
            self._audience.add(await entries.entitled(connection, self._org_id, changed))
        return True

    async def _tell(self) -> None:
        """After an interrupted run everyone loads anew: whom that one should have told is not known any more."""
        if self._claim.interrupted:
            await self._reset_everyone()
            return
        for pairs in self._audience.cards():
            await self._tell_in_turn(partial(tell_cards, seen=pairs))
            self._progress.told += len(pairs)
        for users in self._audience.resets():
            await self._reset(users)

    async def _reset_everyone(self) -> None:
        after = ""
        while True:
            async with self._database.read() as connection:
                rows = await connection.fetch(USERS, self._org_id, after, AT_A_TIME)
            if not rows:
                return
            await self._reset([row["user_id"] for row in rows])
            after = rows[-1]["user_id"]

    async def _reset(self, users: Sequence[str]) -> None:
        await self._tell_in_turn(partial(tell_resets, user_ids=users))
        self._progress.resets += len(users)

    async def _tell_in_turn(self, telling: Callable[[Log], Awaitable[None]]) -> None:
        """What is told is on disk before readers are woken for it: prolonging the lease commits durably."""
        log = await self._in_turn(telling)
        async with self._database.write() as connection:
            await lease.prolong(connection, self._claim, self._clock())
        if log.position is not None:
            self._database.announce(self._org_id, log.position, log.given)
        await self._turns.rest()

    async def _in_turn(self, work: Callable[[Log], Awaitable[None]]) -> Log:
        """Work that cannot be made smaller, tried until it is done in time."""
        while True:
            with suppress(TookTooLong):
                async with self._turns.take() as log:
                    await work(log)
                return log
            await self._turns.rest()
