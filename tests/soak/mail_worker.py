"""A mail worker in a hurry, to be killed: the real one, with its pauses shortened to what a test can wait for.

    python mail_worker.py DATABASE_URL SMTP_URL

Says "ready" when it begins. Every moment is in the text of its mail, so that a test can count them.
"""

import asyncio
import sys
from datetime import timedelta

import uvloop

from leadfeed_api.settings import Settings
from leadfeed_api.subscriptions import digest
from leadfeed_api.subscriptions.delivery import outbox, worker
from leadfeed_api.subscriptions.letters import letter
from leadfeed_api.telemetry import Metrics, configure_logging


async def work(database_url: str, smtp_url: str) -> None:
    """Until it is killed."""
    digest.GATHER = timedelta(milliseconds=200)
    letter.SHOWN_MOMENTS = 100_000
    outbox.LEASE = outbox.ANSWER_LEASE = timedelta(seconds=4)
    worker.POLL_S = 0.05
    settings = Settings(database_url=database_url, smtp_url=smtp_url)
    async with worker.open_deliverer(settings, Metrics()) as deliverer:
        print("ready", flush=True)
        await deliverer.run(asyncio.Event())


if __name__ == "__main__":
    configure_logging("console", quiet=True)
    uvloop.run(work(*sys.argv[1:]))
