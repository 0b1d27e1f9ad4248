"""Telling feeds that leads look different: one by one while they are few, one ``reset`` when they are many.

Owns how many is many over a whole re-tiering. Knows users and leads by their ids only.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from leadfeed_api.feed.log import FLOOD, Change, Log

AT_A_TIME = 100  # told in one transaction: what they hold the organisation's lock for stays short


async def tell_cards(log: Log, seen: Sequence[tuple[str, str]]) -> None:
    """Tells each user of each lead (pairs of lead and user): one position a lead."""
    leads = sorted({lead_id for lead_id, _ in seen})
    if leads:
        before = await log.advance(len(leads)) - len(leads)
        at = {lead_id: before + n for n, lead_id in enumerate(leads, 1)}
        await log.tell([Change(user_id, at[lead_id], "lead", lead_id) for lead_id, user_id in sorted(seen)])


async def tell_resets(log: Log, user_ids: Sequence[str]) -> None:
    """Tells these users to load their page anew: one position for all of them."""
    if user_ids:
        position = await log.advance(1)
        await log.tell([Change(user_id, position, "reset", None) for user_id in user_ids])


class Audience:
    """Who sees which changed leads, gathered over many small transactions; no more than ``FLOOD`` leads a user.

    Intentional: kept by user and by lead, so that nothing has to be sorted in the end: that held up the process, and
    every stream in it, for 37 ms where 30,000 cards were told.
    """

    def __init__(self) -> None:
        self._leads: dict[str, set[str]] = {}
        self._users: dict[str, set[str]] = {}
        self.flooded: set[str] = set()

    def add(self, seen: Iterable[tuple[str, str]]) -> None:
        """Pairs of a changed lead and a user who sees it."""
        for lead_id, user_id in seen:
            if user_id in self.flooded:
                continue
            leads = self._leads.setdefault(user_id, set())
            leads.add(lead_id)
            self._users.setdefault(lead_id, set()).add(user_id)
            if len(leads) > FLOOD:
                self._flood(user_id)

    def _flood(self, user_id: str) -> None:
        self.flooded.add(user_id)
        for lead_id in self._leads.pop(user_id):
            users = self._users[lead_id]
            users.remove(user_id)
            if not users:
                del self._users[lead_id]

    def cards(self) -> Iterator[list[tuple[str, str]]]:
        """What is told one by one, as pairs of lead and user, in parts of at most ``AT_A_TIME``."""
        pairs = ((lead_id, user_id) for lead_id, users in self._users.items() for user_id in users)
        while part := list(islice(pairs, AT_A_TIME)):
            yield part

    def resets(self) -> Iterator[list[str]]:
        """Who is told to load the page anew, in parts."""
        users = iter(sorted(self.flooded))
        while part := list(islice(users, AT_A_TIME)):
            yield part
