"""The mail worker: reads each organisation's log on, makes mails of what is due, and sends them. Several may run.

Owns the loop, how much is under way at once, whose turn it is, and the pause while the mail server is away. It is a
reader of the log like any other: nothing that is written waits for it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from leadfeed_api.clock import Clock, utc_now
from leadfeed_api.db.session import Database
from leadfeed_api.errors import Busy, Misconfigured, Unavailable
from leadfeed_api.settings import Settings, is_loopback, is_unspecified
from leadfeed_api.subscriptions.addresses import mail_address
from leadfeed_api.subscriptions.delivery import noticing, outbox, trouble
from leadfeed_api.subscriptions.delivery.backlog import measuring
from leadfeed_api.subscriptions.delivery.carriers import Carrier, Mailbox, Unreachable
from leadfeed_api.subscriptions.delivery.outbox import Mail
from leadfeed_api.subscriptions.delivery.sending import Sender
from leadfeed_api.subscriptions.delivery.smtp import CONNECTIONS, MailServer, Smtp
from leadfeed_api.telemetry import Metrics, log

MAILBOX = "mailbox"  # the folder below DATA_DIR that mail goes to while no mail server is set
POLL_S = 1.0
STEPS = 50  # of one organisation in a row, before the next one has its turn
AT_ONCE = CONNECTIONS  # mails under way in one worker
POOL_SIZE = AT_ONCE + 2
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(minutes=1)  # while the mail server is away
LOSES = "it took a message and did not answer"
TRIM_EVERY = timedelta(days=1)
STOP_S = 20.0  # for mails under way when the worker is told to stop
# Two at once touched the same rows, somebody held one for too long, or something was deleted in between: nothing was
# done, and the next turn does it.
PASSING = (asyncpg.TransactionRollbackError, asyncpg.IntegrityConstraintViolationError, Busy)


class Deliverer:
    """One worker."""

    def __init__(
        self,
        database: Database,
        carrier: Carrier,
        settings: Settings,
        metrics: Metrics,
        *,
        clock: Clock = utc_now,
    ) -> None:
        _demand_sender(settings)
        _demand_links(settings)
        self._database = database
        self._metrics = metrics
        self._clock = clock
        self._server = urlsplit(settings.smtp_url or "").netloc.rpartition("@")[2]
        self._sender = Sender(
            database,
            carrier,
            metrics,
            server=self._server,
            base_url=settings.base_url,
            mail_from=settings.mail_from,
            clock=clock,
        )
        self._under_way: set[asyncio.Task[None]] = set()
        self._pause = timedelta(0)
        self._paused_until = datetime.min.replace(tzinfo=UTC)
        self._why_paused: str | None = None  # until sending begins again
        self._loses = False  # the mail server does, and it is too early to try it, or somebody does
        self._fault: str | None = None  # the last of ours, or the database's, that ended a turn or an attempt
        self._trimmed: dict[int, datetime] = {}
        self._served = 0  # the organisation whose mail was begun last

    async def run(self, stop: asyncio.Event) -> None:
        """Works until ``stop`` is set; then lets the mails under way end."""
        stopping = asyncio.create_task(stop.wait())
        try:
            async with measuring(self._database, self._metrics, clock=self._clock):
                while not stop.is_set():
                    busy = await self._careful_round()
                    waited_for = {stopping, *self._under_way}
                    await asyncio.wait(waited_for, timeout=0 if busy else POLL_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            if self._under_way:
                await asyncio.wait(self._under_way, timeout=STOP_S)

    async def drain(self) -> str | None:
        """Does what is due now, until nothing is; returns why something is left undone, if it is.

        That is the mail server, which cannot be used, or a fault that is in the log.
        """
        self._fault = None
        while await self.round() or self._under_way:
            if self._under_way:
                await asyncio.wait(self._under_way)
        why = LOSES if self._loses else self._why_paused
        return f"the mail server cannot be used: {why}" if why else self._fault

    async def round(self) -> bool:
        """One look at every organisation with something to do; whether anything was done."""
        now = self._clock()
        async with self._database.read() as connection:
            loss = await trouble.loss(connection, self._server)
            self._loses = loss is not None and now < loss.next_at
            sending = now >= self._paused_until and len(self._under_way) < AT_ONCE and not self._loses
            found = await outbox.organizations_with_work(connection, now, sending=sending)
        # From the one after the last that was served: else a wave of one organisation's mails takes all room each time.
        in_turn = sorted(found, key=lambda org_id: (org_id <= self._served, org_id))
        done = [await self._tend(org_id, now) for org_id in in_turn]
        return any(done)

    async def _tend(self, org_id: int, now: datetime) -> bool:
        """Reads on, plans and begins to send, for one organisation; another one's trouble is not its own."""
        try:
            read = await _repeatedly(lambda: noticing.read_on(self._database, org_id, now))
            planned = await _repeatedly(lambda: outbox.plan_due(self._database, org_id, now))
            begun = await self._begin(org_id, now)
            if now - self._trimmed.get(org_id, datetime.min.replace(tzinfo=UTC)) > TRIM_EVERY:
                self._trimmed[org_id] = now
                await outbox.trim(self._database, org_id, now)
        except PASSING as error:
            log.info("mail-turn-postponed", org_id=org_id, reason=type(error).__name__)
            return False
        except Unavailable:
            raise
        except Exception as error:  # Intentional: a fault of ours ends this organisation's turn, and no other's
            self._fault = f"something failed ({type(error).__name__})"
            log.exception("mail-failed", org_id=org_id)
            return False
        return read or planned or begun

    async def _begin(self, org_id: int, now: datetime) -> bool:
        # After a pause one mail tries the server for all.
        room = (1 if self._pause else AT_ONCE) - len(self._under_way)
        if room <= 0 or now < self._paused_until or self._loses:
            return False
        self._why_paused = None
        mails = await outbox.claim(self._database, org_id, now, room, self._server)
        for mail in mails:
            self._served = org_id
            task = asyncio.create_task(self._send(mail))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        return bool(mails)

    async def _send(self, mail: Mail) -> None:
        try:
            if await self._attempt(mail):
                self._pause = timedelta(0)
        except Unavailable as error:
            self._fault = "the database left"
            log.warning("mail-database-left", org_id=mail.org_id, mail_id=str(mail.id), reason=_why(error))
        except Exception as error:  # Intentional: a fault of ours ends this attempt, not the worker
            self._fault = f"something failed ({type(error).__name__})"
            log.exception("mail-failed", org_id=mail.org_id, mail_id=str(mail.id))

    async def _attempt(self, mail: Mail) -> bool:
        """Whether the mail server took part; while it cannot be used, this mail waits, and with it all others."""
        try:
            return await self._sender.send(mail)
        except Unreachable as error:
            self._metrics.mails_failed.labels("unreachable").inc()
            self._rest(str(error))
            await outbox.put_off(self._database, mail, self._clock(), str(error))
            return False
        finally:
            if mail.tries_until is not None:
                await trouble.tried(self._database, self._server, mail.tries_until, self._clock())

    def _rest(self, why: str) -> None:
        """No mail is begun for a while, twice as long each time; one answer of the server ends it."""
        now = self._clock()
        if now < self._paused_until:
            return  # begun before the pause
        self._pause = min(max(self._pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
        self._paused_until = now + self._pause
        self._why_paused = why
        log.warning("mail-server-unusable", reason=why, seconds=self._pause.total_seconds())

    async def _careful_round(self) -> bool:
        try:
            return await self.round()
        except Unavailable as error:
            log.warning("mail-database-away", reason=_why(error))
        except Exception:  # Intentional: the worker outlives a fault of ours
            log.exception("mail-failed")
        return False


def _why(error: Unavailable) -> str:
    """For whoever runs the worker; the error's own words are for callers over HTTP."""
    return repr(error.__cause__) if error.__cause__ else error.detail


async def _repeatedly(step: Callable[[], Awaitable[bool]]) -> bool:
    """Steps until there is nothing left to do, or others should have their turn; whether anything was done."""
    for number in range(STEPS):
        if not await step():
            return number > 0
    return True


def mailbox_folder(settings: Settings) -> Path | None:
    """Where mail is put while no mail server is set; None when one is."""
    return settings.data_dir.absolute() / MAILBOX if settings.smtp_url is None else None


def demand_usable(settings: Settings) -> None:
    """Raises ``Misconfigured`` when no mail could be sent by these settings, or none that leads back; opens nothing."""
    _demand_sender(settings)
    carrier_for(settings)
    _demand_links(settings)


def _demand_sender(settings: Settings) -> None:
    if mail_address(parseaddr(settings.mail_from)[1]) is None:
        raise Misconfigured("LEADFEED_MAIL_FROM is not a sender: expected Name <address@example.com>.")


def _demand_links(settings: Settings) -> None:
    """What links to this machine opens nothing on its reader's, not even "stop". A server here may be a trial's own."""
    server = urlsplit(settings.smtp_url or "").hostname or ""
    here = urlsplit(settings.base_url).hostname or ""
    if server and not is_loopback(server) and (is_loopback(here) or is_unspecified(here)):
        raise Misconfigured(
            "LEADFEED_PUBLIC_URL must be a URL that readers of mail can open, like https://leads.example.com. "
            f"Their links would lead to {settings.base_url}."
        )


def carrier_for(settings: Settings) -> Carrier:
    """The mail server of these settings, or the folder. Raises ``Misconfigured`` for an address that is none."""
    folder = mailbox_folder(settings)
    if folder is not None:
        return Mailbox(folder)
    try:
        return Smtp(MailServer.at(settings.smtp_url or ""))
    except ValueError as error:
        raise Misconfigured(f"LEADFEED_SMTP_URL: {error}.") from None


@asynccontextmanager
async def open_deliverer(settings: Settings, metrics: Metrics) -> AsyncIterator[Deliverer]:
    """A worker with connections of its own, to the database and the mail server; closed at the end."""
    carrier = carrier_for(settings)
    outside = settings.listen_url is not None
    async with Database(settings.database_url or "", pool_size=POOL_SIZE, pooled_outside=outside) as database:
        try:
            yield Deliverer(database, carrier, settings, metrics)
        finally:
            await carrier.close()


@asynccontextmanager
async def delivering(settings: Settings, metrics: Metrics) -> AsyncIterator[None]:
    """A worker that runs for as long as the block does: what ``serve --with-delivery`` and the demo enter."""
    stop = asyncio.Event()
    async with open_deliverer(settings, metrics) as deliverer:
        running = asyncio.create_task(deliverer.run(stop))
        try:
            yield
        finally:
            stop.set()
            await running
