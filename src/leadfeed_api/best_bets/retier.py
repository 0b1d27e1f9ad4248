"""Re-tiering an organisation: new cut-offs from all its scores, and every lead placed by them.

The cut-offs come from one pass without a lock. Then the leads are read range by range, again without one; only those
that stand elsewhere now are written, under the organisation's lock, in batches so small that nobody waits for long.
Those who see changed leads are told at the end, many changes as one ``reset``.

Running it again changes nothing. A run that ends early (a crash, newer settings) is done again as a whole.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from time import perf_counter
from typing import NamedTuple

from leadfeed_api.best_bets import cutoffs, hiding, lease, placing, scoring
from leadfeed_api.best_bets.lease import Claim
from leadfeed_api.best_bets.telling import AT_A_TIME, Audience, tell_cards, tell_resets
from leadfeed_api.best_bets.tiers import Rules
from leadfeed_api.db.session import Database
from leadfeed_api.feed import entries
from leadfeed_api.feed.log import Log, appending

COUNT = "SELECT count(*) FROM lead WHERE org_id = $1"
RANGE = """
SELECT max(r.lead_id) AS last, count(*) AS leads FROM (
  SELECT l.lead_id FROM lead l WHERE l.org_id = $1 AND l.lead_id > $2 ORDER BY l.lead_id LIMIT 5000
) r
"""
# Intentional: a plan kept from when the history was empty reads all of it in every batch, until statistics catch up.
FRESH_PLANS = "SET LOCAL plan_cache_mode = force_custom_plan"
# Intentional: what a batch places is derived. Should the machine fail before it is on disk, the run is not finished
# either (its end is written after it, and waits) and is done again. The lock need not wait for the disk meanwhile.
COMMIT_WITHOUT_WAITING = "SET LOCAL synchronous_commit = off"
ACTIVE_USERS = """
SELECT user_id FROM app_user WHERE org_id = $1 AND active AND user_id > $2 ORDER BY user_id LIMIT $3
"""


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


class Pace:
    """How many leads are written under one lock: as many as stay well below the 50 ms that nobody should notice."""

    TARGET_S = 0.020
    SMALLEST, LARGEST = 25, 1_000

    def __init__(self) -> None:
        self.size = 100

    def observe(self, worked_s: float) -> None:
        """Adapts to how long the last batch took under the lock, its commit apart: that is not of its size."""
        if worked_s > self.TARGET_S:
            self.size = max(self.SMALLEST, self.size // 2)
        elif worked_s < self.TARGET_S / 2:
            self.size = min(self.LARGEST, self.size + self.size // 4)


Watch = Callable[[Progress], None]
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


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
        self._worked_s = 0.0

    async def carry_out(self) -> Retiered:
        """All of it. Raises ``lease.Superseded``."""
        began, today = perf_counter(), scoring.local_day(self._clock(), self._claim.time_zone)
        async with self._database.read() as connection:
            self._progress.leads = await connection.fetchval(COUNT, self._org_id)
            rules = await cutoffs.find_rules(connection, self._org_id, self._claim.tiers, today)
        await self._save(rules)
        await self._place_everyone(rules, today)
        await self._tell()
        async with self._database.write() as connection:
            await scoring.forget_before(connection, self._org_id, cutoffs.window_opens(today, rules.window_days))
            await hiding.forget_past(connection, self._org_id, self._clock())
            then = await lease.finish(connection, self._claim, self._progress.leads, self._clock())
        return Retiered(self._progress, rules, perf_counter() - began, then)

    @asynccontextmanager
    async def _locked(self, *, durable: bool = True) -> AsyncIterator[Log]:
        """The organisation's lock, held for as long as the block and its commit take, which is measured."""
        async with appending(self._database, self._org_id) as log:
            if not durable:
                await log.connection.execute(f"{FRESH_PLANS}; {COMMIT_WITHOUT_WAITING}")
            await log.lock()
            granted = perf_counter()
            await lease.confirm(log.connection, self._claim)
            yield log
            self._worked_s = perf_counter() - granted
        self._progress.longest_lock_s = max(self._progress.longest_lock_s, perf_counter() - granted)

    async def _save(self, rules: Rules) -> None:
        """Under the lock: who stores a score after this places it by the new cut-offs, who did before is in range."""
        async with self._locked() as log:
            await log.connection.execute(cutoffs.SAVE_RULES, self._org_id, self._claim.run, cutoffs.stored(rules))

    async def _place_everyone(self, rules: Rules, today: date) -> None:
        after = ""
        while (stretch := await self._next_stretch(rules, today, after)) is not None:
            elsewhere = stretch.elsewhere
            while elsewhere:
                batch, elsewhere = elsewhere[: self._pace.size], elsewhere[self._pace.size :]
                await self._place(rules, today, batch)
            after = stretch.last
            self._progress.done += stretch.leads
            self._watch(self._progress)

    async def _next_stretch(self, rules: Rules, today: date, after: str) -> Stretch | None:
        async with self._database.write() as connection:
            await connection.execute(FRESH_PLANS)
            await lease.prolong(connection, self._claim, self._clock())
            row = await connection.fetchrow(RANGE, self._org_id, after)
            if row is None or row["last"] is None:
                return None
            last = row["last"]
            elsewhere = await placing.misplaced(connection, self._org_id, rules, today, after=after, up_to=last)
        return Stretch(last, row["leads"], elsewhere)

    async def _place(self, rules: Rules, today: date, batch: Sequence[str]) -> None:
        async with self._locked(durable=False) as log:
            changed = await placing.place_leads(log.connection, self._org_id, rules, today, batch)
        self._pace.observe(self._worked_s)
        self._progress.changed += len(changed)
        # Without the lock: who comes to see a lead in between is told of that, and loads the lead as it is by then.
        async with self._database.read() as connection:
            self._audience.add(await entries.entitled(connection, self._org_id, changed))

    async def _keep_lease(self) -> None:
        """While many are told, too: each telling waits for the disk, and thousands of them outlast a lease."""
        async with self._database.write() as connection:
            await lease.prolong(connection, self._claim, self._clock())

    async def _tell(self) -> None:
        """After an interrupted run everyone loads anew: whom that one should have told is not known any more."""
        if self._claim.interrupted:
            await self._reset_everyone()
            return
        for pairs in self._audience.cards():
            await self._keep_lease()
            async with self._locked() as log:
                await tell_cards(log, pairs)
            self._progress.told += len(pairs)
        for users in self._audience.resets():
            await self._reset(users)

    async def _reset_everyone(self) -> None:
        after = ""
        while True:
            async with self._database.read() as connection:
                rows = await connection.fetch(ACTIVE_USERS, self._org_id, after, AT_A_TIME)
            if not rows:
                return
            await self._reset([row["user_id"] for row in rows])
            after = rows[-1]["user_id"]

    async def _reset(self, users: Sequence[str]) -> None:
        await self._keep_lease()
        async with self._locked() as log:
            await tell_resets(log, users)
        self._progress.resets += len(users)
