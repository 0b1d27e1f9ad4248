"""One mail from its claim to its end: compose it, carry it, and note down what became of it.

Owns the meaning of each outcome: what is final, what is tried again and when, what is set aside for somebody to look
at. A mail that cannot be built is set aside with its error, and nobody else's mail waits for it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import stamina

from leadfeed_api.clock import Clock
from leadfeed_api.db.session import Database
from leadfeed_api.errors import Unavailable
from leadfeed_api.subscriptions.delivery import composing, outbox, trouble
from leadfeed_api.subscriptions.delivery.carriers import Carrier, Refused, Uncertain
from leadfeed_api.subscriptions.delivery.composing import Moments, Nothing, NotNow, Question
from leadfeed_api.subscriptions.delivery.outbox import MAX_DOUBTS, Mail
from leadfeed_api.subscriptions.letters import render
from leadfeed_api.subscriptions.letters.message import Envelope, envelope
from leadfeed_api.subscriptions.letters.render import Links
from leadfeed_api.subscriptions.links import write_token
from leadfeed_api.subscriptions.recipients import Recipient
from leadfeed_api.telemetry import Metrics, log

FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=30), timedelta(hours=1)  # of a mail that the server put off
GIVE_UP = timedelta(days=4)
# Refusals, within two hours, until one is believed: it may have been the server's hour. A mail that waited longer than
# ``GIVE_UP`` for a worker or a server has as many: a server that puts strangers off for a while gets to know it first.
INSIST = 8
REASONS = ("put-off", "refused", "unreachable", "no-answer", "uncertain", "unbuildable", "expired")
LOST_TWICE = "It was handed over twice and no answer came: it may have arrived, and is not sent a third time."
EXPIRED = "The mail server put it off for four days."


class TakenOver(Exception):
    """Another worker has this mail now: this one must not hand it over."""


@dataclass(frozen=True, slots=True)
class Written:
    """A message, and what it settles once it was taken."""

    envelope: Envelope
    recipient: Recipient
    mailed: tuple[UUID, ...] = ()


class Sender:
    """Sends claimed mails, one call each."""

    def __init__(
        self,
        database: Database,
        carrier: Carrier,
        metrics: Metrics,
        *,
        server: str,
        base_url: str,
        mail_from: str,
        clock: Clock,
    ) -> None:
        self._database = database
        self._carrier = carrier
        self._metrics = metrics
        self._server = server
        self._base_url = base_url
        self._mail_from = mail_from
        self._clock = clock
        for reason in REASONS:  # so that each is seen to be 0
            metrics.mails_failed.labels(reason)

    async def send(self, mail: Mail) -> bool:
        """Brings one mail to its end, or puts it off; whether the mail server took part in that.

        Raises ``Unreachable`` when the server cannot be used at all, and ``Unavailable`` when the database left; the
        mail is taken over after its lease.
        """
        if mail.doubts >= MAX_DOUBTS:
            await self._set_aside(mail, "uncertain", LOST_TWICE)
            return False
        # Composing is the costly part: while the server is away, an attempt is no more than a connection.
        await self._carrier.reach()
        written = await self._written(mail, self._clock())
        if written is not None:
            await self._carry(mail, written)
        return written is not None

    async def _written(self, mail: Mail, now: datetime) -> Written | None:
        """The message as it has to be now; None when there is none to send, which has been noted down."""
        try:
            async with self._database.read() as connection:
                content = await composing.compose(connection, mail, now)
            match content:
                case Nothing(reason):
                    await self._settled(mail, "dropped", reason=reason)
                    return None
                case NotNow(at):
                    await outbox.put_off(self._database, mail, at, "It is quiet where the recipient is.")
                    return None
                case Moments() | Question():
                    return self._message(mail, content, now)
        except Unavailable:
            raise
        except Exception as error:  # Intentional: whatever it is, it is this mail's alone
            log.exception("mail-unbuildable", org_id=mail.org_id, mail_id=str(mail.id))
            await self._set_aside(mail, "unbuildable", f"{type(error).__name__}: {error}"[:1_000])
            return None

    def _message(self, mail: Mail, content: Moments | Question, now: datetime) -> Written:
        recipient = content.recipient
        links, reader = self._links(mail.org_id, recipient), recipient.addressee
        if isinstance(content, Question):
            rendered = render.question(reader, content.introducer, links)
        else:
            rendered = render.moments(reader, content.letter, mail.digest or "instant", links, now)
        message = envelope(mail.id, mail.org_id, reader, rendered, links, sender=self._mail_from, now=now)
        return Written(message, recipient, () if isinstance(content, Question) else content.letter.mailed)

    def _links(self, org_id: int, recipient: Recipient) -> Links:
        address = recipient.address or ""
        stop = write_token(org_id, recipient.recipient_id, recipient.secret, "unsubscribe", address)
        agree = write_token(org_id, recipient.recipient_id, recipient.secret, "confirm", address)
        return Links(
            feed=recipient.panel_url or f"{self._base_url}/panel",
            unsubscribe=f"{self._base_url}/mail/{stop}/unsubscribe",
            confirm=f"{self._base_url}/mail/{agree}/confirm",
        )

    async def _carry(self, mail: Mail, written: Written) -> None:
        async def hand_over() -> None:
            if not await outbox.hand_over(self._database, mail, self._clock()):
                raise TakenOver

        try:
            await self._carrier.carry(written.envelope, hand_over)
        except TakenOver:
            return
        except Refused as refusal:
            await self._refused(mail, written, refusal)
        except Uncertain as doubt:
            await self._in_doubt(mail, str(doubt))
        else:
            counts = mail.kind == "moments" and mail.digest != "daily"
            await self._settled(mail, "sent", mailed=written.mailed, counts_for=written.recipient if counts else None)
            self._metrics.mails_sent.labels(mail.digest or mail.kind).inc()
            log.info("mail-sent", org_id=mail.org_id, mail_id=str(mail.id), moments=len(written.mailed))
            await trouble.over(self._database, self._server)

    async def _refused(self, mail: Mail, written: Written, refusal: Refused) -> None:
        address = written.envelope.recipient
        if refusal.blames == "address" and await trouble.believed(self._database, self._server):
            await self._end(mail, "failed", "refused", str(refusal), refused_address=address)
        elif refusal.blames == "message" and mail.refusals >= INSIST:
            await self._set_aside(mail, "refused", str(refusal))
        elif mail.refusals >= INSIST and self._clock() - mail.created_at > GIVE_UP:
            await self._end(mail, "failed", "expired", EXPIRED)
        else:
            pause = min(FIRST_RETRY * 2 ** min(mail.refusals, 10), LONGEST_RETRY)
            await outbox.put_off(self._database, mail, self._clock() + pause, str(refusal), refused=True)
            self._metrics.mails_failed.labels("put-off").inc()

    async def _in_doubt(self, mail: Mail, reason: str) -> None:
        self._metrics.mails_failed.labels("no-answer").inc()
        now = self._clock()
        next_at = await trouble.lost(self._database, self._server, now, tries=mail.tries_until is not None)
        log.warning("mail-server-unusable", reason=reason, seconds=(next_at - now).total_seconds())
        if mail.doubts + 1 >= MAX_DOUBTS:
            await self._set_aside(mail, "uncertain", LOST_TWICE)
        else:
            await outbox.put_off(self._database, mail, now + outbox.DOUBT_PAUSE, reason, in_doubt=True)

    async def _set_aside(self, mail: Mail, reason_code: str, reason: str) -> None:
        await self._end(mail, "set_aside", reason_code, reason)

    async def _end(
        self, mail: Mail, state: outbox.State, reason_code: str, reason: str, *, refused_address: str | None = None
    ) -> None:
        self._metrics.mails_failed.labels(reason_code).inc()
        log.warning("mail-not-sent", org_id=mail.org_id, mail_id=str(mail.id), state=state, reason=reason_code)
        await self._settled(mail, state, reason=reason, refused_address=refused_address)

    async def _settled(
        self,
        mail: Mail,
        state: outbox.State,
        *,
        reason: str | None = None,
        mailed: tuple[UUID, ...] = (),
        counts_for: Recipient | None = None,
        refused_address: str | None = None,
    ) -> None:
        """Notes the end down, patiently: a message that was taken but not noted as such would be sent again."""
        async for attempt in stamina.retry_context(on=Unavailable, attempts=6, timeout=30):
            with attempt:
                await outbox.finish(
                    self._database,
                    mail,
                    state,
                    self._clock(),
                    reason=reason,
                    mailed=mailed,
                    counts_for=counts_for,
                    refused_address=refused_address,
                )
