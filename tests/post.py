"""A post office for tests: a mail worker whose clock stands still until moved, and a carrier that keeps what it takes.

What was mailed is read from the messages themselves, as a recipient would.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast

from leadfeed_api.db.session import Database
from leadfeed_api.settings import Settings
from leadfeed_api.subscriptions.delivery.carriers import Carrier, HandOver
from leadfeed_api.subscriptions.delivery.worker import Deliverer
from leadfeed_api.subscriptions.letters.message import Envelope
from leadfeed_api.telemetry import Metrics
from world import World, ok

Fault = Callable[[Envelope], Exception | None]


@dataclass
class Clock:
    """A clock that a test moves. Starts at the real time, because that is when the API says subscriptions were made."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        """The time."""
        return self.now

    def move(self, **by: float) -> datetime:
        """Goes on, by hours, minutes, seconds."""
        self.now += timedelta(**by)
        return self.now


def at(hour: int, minute: int = 0) -> Clock:
    """Tomorrow at that time, UTC: a time of day that does not depend on when the tests run."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    return Clock(tomorrow.replace(hour=hour, minute=minute, second=0, microsecond=0))


@dataclass
class Letterbox:
    """A carrier that keeps every message it takes; ``fault`` says what happens to one instead."""

    taken: list[Envelope] = field(default_factory=list)
    fault: Fault = lambda _: None
    attempts: int = 0

    async def reach(self) -> None:
        """It is always there."""

    async def carry(self, envelope: Envelope, hand_over: HandOver) -> None:
        """Takes it, or raises what ``fault`` says."""
        self.attempts += 1
        trouble = self.fault(envelope)
        if trouble is not None:
            raise trouble
        await hand_over()
        self.taken.append(envelope)

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class Post:
    """A worker, its clock and what it sent."""

    deliverer: Deliverer
    clock: Clock
    box: Letterbox
    metrics: Metrics

    async def go(self, **by: float) -> list[EmailMessage]:
        """Moves the clock and does what is due then; the mails sent meanwhile."""
        self.clock.move(**by)
        before = len(self.box.taken)
        await self.deliverer.drain()
        return [read(envelope.message) for envelope in self.box.taken[before:]]

    async def instant(self) -> list[EmailMessage]:
        """Notices what happened, waits as long as an instant mail gathers, and sends it."""
        return [*await self.go(), *await self.go(seconds=11)]

    def counted(self, name: str, **labels: str) -> float:
        """A metric's value now."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def open_post(
    settings: Settings, carrier: Carrier | None = None, clock: Clock | None = None
) -> AsyncIterator[Post]:
    """A post office on the tests' database; its letterbox stays empty when the mail goes by another carrier."""
    box, clock, metrics = Letterbox(), clock or Clock(), Metrics()
    async with Database(settings.database_url or "", pool_size=6) as database:
        yield Post(Deliverer(database, carrier or box, settings, metrics, clock=clock), clock, box, metrics)


def read(message: bytes) -> EmailMessage:
    """A message as mail programs read it."""
    return message_from_bytes(message, policy=default)


def text_of(mail: EmailMessage) -> str:
    """Its plain text."""
    body = mail.get_body(("plain",))
    assert body is not None
    return cast("str", body.get_content())


def html_of(mail: EmailMessage) -> str:
    """Its HTML."""
    body = mail.get_body(("html",))
    assert body is not None
    return cast("str", body.get_content())


def address_of(mail: EmailMessage) -> str:
    """Whom it goes to."""
    return cast("str", mail["To"].addresses[0].addr_spec)


def path_of(url: str) -> str:
    """What of a link goes to the service."""
    return "/" + url.split("/", 3)[3]


def unsubscribe_path(mail: EmailMessage) -> str:
    """Where its List-Unsubscribe leads."""
    return path_of(str(mail["List-Unsubscribe"]).strip("<>"))


def confirm_path(question: EmailMessage) -> str:
    """Where the link leads by which an address outside agrees."""
    (link,) = [line for line in text_of(question).splitlines() if line.endswith("/confirm")]
    return path_of(link)


async def administer(world: World, **fields: Any) -> None:
    """Changes settings of the organisation."""
    ok(await world.client.patch("/v1/settings", headers=world.machine, json=fields))


async def subscribe(world: World, user_id: str, kind: str, value: str, **fields: Any) -> dict[str, Any]:
    """A subscription of the user's, as the API answers it."""
    body = {"match": {"kind": kind, "value": value}, **fields}
    answer = await world.client.post("/v1/subscriptions", headers=world.rep(user_id), json=body)
    return ok(answer, 201)


async def standing(world: World, user: str) -> dict[str, Any]:
    """How the first subscription of a user says its first recipient fares."""
    answer = ok(await world.client.get("/v1/subscriptions", headers=world.rep(user)))
    delivery: dict[str, Any] = answer["items"][0]["deliveries"][0]
    return delivery


def just_now(world: World, lead_id: str, description: str, **fields: Any) -> dict[str, Any]:
    """A moment that happened when it is reported."""
    fields.setdefault("occurred_at", datetime.now(UTC).isoformat())
    return world.moment(lead_id, description=description, **fields)
