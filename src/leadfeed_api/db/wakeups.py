"""Wake-ups: telling every process, this one first, that an organisation's log has moved.

A wake-up is a hint, ``organisation:position``. The log is the truth, and whoever waits for wake-ups also polls it: a
lost one costs a second, a false one costs a look. So they are sent after the commit, outside its transaction (a NOTIFY
inside would take a lock over the whole cluster), and gathered for a moment, since one says as much as twenty.

Owns the gathering and what a wake-up looks like. How it travels is a :class:`Channel`'s business; what a log holds,
nobody's here.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Literal, Protocol, Self

from leadfeed_api.db.session import Database
from leadfeed_api.telemetry import Metrics, log

Origin = Literal["local", "channel", "poll"]
GATHER_S = 0.0015
# Where batches follow one another, two of them share a wake-up of other processes: one for each, right at the commit,
# took a fiftieth of a batch's time (docs/performance.md). Nobody waits for so many at once by the millisecond.
BATCH, AFTER_BATCH_S = 100, 0.020
SEND_TIMEOUT_S = 5
CANCEL_AGAIN_S = 0.5
_LONGEST = 40  # two 64-bit numbers and a colon


class Channel(Protocol):
    """A way for wake-ups to travel between processes."""

    async def send(self, payloads: Sequence[str]) -> None:
        """Tells every process. Raises whatever keeps it from that."""

    async def listen(self, heard: Callable[[str], None], resumed: Callable[[], None]) -> None:
        """Hears until cancelled; calls ``resumed`` whenever hearing begins anew: what came before was not heard."""

    async def close(self) -> None:
        """Ends what sending and listening opened."""


class Wakeups:
    """One process's end of the channel. ``async with Wakeups(…)`` announces for the database and listens.

    ``heard`` and ``resumed`` are set by whoever wants to be woken: the first is told (organisation, position, origin),
    the second that wake-ups may have been missed.
    """

    def __init__(self, database: Database, channel: Channel, metrics: Metrics) -> None:
        self._database = database
        self._channel = channel
        self._metrics = metrics
        self._unsent: dict[int, int] = {}
        self._some = asyncio.Event()
        self._soon: asyncio.TimerHandle | None = None  # when what batches announced is sent at the latest
        self._open = False
        self._before = database.announce
        self._tasks: list[asyncio.Task[None]] = []
        self.heard: Callable[[int, int, Origin], None] = _nobody_waits
        self.resumed: Callable[[], None] = _nothing_missed

    async def __aenter__(self) -> Self:
        self._open = True
        self._database.announce = self.announce
        listening = self._channel.listen(self._hear, self._resume)
        self._tasks = [asyncio.create_task(self._send_gathered()), asyncio.create_task(listening)]
        return self

    async def __aexit__(self, *_: object) -> None:
        sending, listening = self._tasks
        self._database.announce = self._before
        self._open = False
        self._some.set()
        await asyncio.gather(sending, return_exceptions=True)  # the channel may send by what it listens with
        while not listening.done():  # a client that connects may pass over being told to end
            listening.cancel()
            await asyncio.wait({listening}, timeout=CANCEL_AGAIN_S)
        await self._channel.close()

    def announce(self, org_id: int, position: int, given: int = 1, /) -> None:
        """Wakes this process at once and the others in a moment."""
        self._metrics.wakeups.labels("local").inc()
        self.heard(org_id, position, "local")
        self._unsent[org_id] = max(position, self._unsent.get(org_id, 0))
        if given < BATCH:
            self._some.set()
        elif self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(AFTER_BATCH_S, self._some.set)

    async def _send_gathered(self) -> None:
        """The first after a silence at once, whatever follows it in a moment: nobody waits for others to gather."""
        last = False
        while not last:
            await self._some.wait()
            last = not self._open  # what was announced before closing is sent
            self._some.clear()
            gathered, self._unsent = self._unsent, {}
            if self._soon is not None:
                self._soon.cancel()
                self._soon = None
            if gathered:
                await self._send([f"{org_id}:{position}" for org_id, position in gathered.items()])
            await asyncio.sleep(0 if last else GATHER_S)

    async def _send(self, payloads: Sequence[str]) -> None:
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._channel.send(payloads)
        except Exception as error:  # Intentional: whatever it was, those who wait also poll, and the next are sent
            log.warning("wakeups-unsent", organisations=len(payloads), reason=repr(error))

    def _hear(self, payload: str) -> None:
        org_id, _, position = payload.partition(":")
        if len(payload) <= _LONGEST:
            with suppress(ValueError):  # anyone who may connect may also send: not ours, not heard
                self._metrics.wakeups.labels("channel").inc()
                self.heard(int(org_id), int(position), "channel")

    def _resume(self) -> None:
        self.resumed()


def _nobody_waits(org_id: int, position: int, origin: Origin) -> None:
    """Nobody was set to be woken."""


def _nothing_missed() -> None:
    """Nobody was set to be told."""
