"""Wake-ups by NATS: for many processes, where NOTIFY would make the database wake each of them.

Owns the connection to the NATS server. The client reconnects by itself, but closes after most errors that the server
reports: then another takes its place. Each time listening begins anew, whoever waits is told that something may have
been missed.
"""

import asyncio
from collections.abc import Callable, Sequence

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error

from leadfeed_api.telemetry import log

SUBJECT = "leadfeed.wakeups"
PING_EVERY_S = 5
PAUSE_S = 1.0


class NatsChannel:
    """One connection for sending and hearing, opened when it is first needed."""

    def __init__(self, urls: str) -> None:
        """``urls`` as ``settings.nats_urls`` makes them: the servers', with commas between."""
        self._urls = urls.split(",")
        self._client = Client()
        self._connecting = asyncio.Lock()
        self._resumed: Callable[[], None] = _nobody_listens

    async def send(self, payloads: Sequence[str]) -> None:
        """Publishes each, and waits until the server has them. Raises ``OSError`` when it cannot."""
        try:
            client = await self._connect()
            for payload in payloads:
                await client.publish(SUBJECT, payload.encode())
            await client.flush(timeout=2)
        except Error as error:
            raise ConnectionError(repr(error)) from error

    async def listen(self, heard: Callable[[str], None], resumed: Callable[[], None]) -> None:
        """Hears until cancelled, anew whenever the client was closed. A server that is not there yet is waited for."""

        async def hear(message: Msg) -> None:
            heard(message.data.decode("ascii", "replace"))

        self._resumed = resumed
        while True:
            try:
                client = await self._connect()
                await client.subscribe(SUBJECT, cb=hear)
                await client.flush(timeout=2)
                resumed()
                while not client.is_closed:  # noqa: ASYNC110  not each way to its end is told
                    await asyncio.sleep(PAUSE_S)
                log.warning("listening-lost")
            except Exception as error:  # Intentional: whatever it was, nobody else would listen again
                log.warning("listening-failed", reason=repr(error), again_in_s=PAUSE_S)
            await asyncio.sleep(PAUSE_S)

    async def close(self) -> None:
        """Ends the connection, if there is one, or is to be. The client cannot close what was never opened."""
        if self._client.is_connected or self._client.is_reconnecting or self._client.is_connecting:
            try:
                await self._client.close()
            except Exception as error:  # Intentional: it writes what is unsent to a connection that may be gone
                log.warning("nats-not-closed", reason=repr(error))

    async def _connect(self) -> Client:
        async with self._connecting:
            if self._client.is_closed:
                self._client = Client()  # Intentional: the other may still be letting go of what it is given
            if not self._client.is_connected and not self._client.is_reconnecting:
                await self._client.connect(
                    self._urls,
                    name="leadfeed",
                    connect_timeout=2,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=1,
                    ping_interval=PING_EVERY_S,
                    max_outstanding_pings=2,
                    reconnected_cb=self._reconnected,
                    error_cb=_note,
                )
            return self._client

    async def _reconnected(self) -> None:
        self._resumed()


async def _note(error: Exception) -> None:
    log.warning("nats", reason=repr(error))


def _nobody_listens() -> None:
    """Only sending: nothing can be missed."""
