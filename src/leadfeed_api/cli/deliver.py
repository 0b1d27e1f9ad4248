"""``leadfeed deliver``: the mail worker as a process of its own. Several may run, on one machine or on many."""

import asyncio
import signal
import sys
from typing import Annotated

import typer
import uvloop
from prometheus_client import start_http_server

from leadfeed_api.cli.context import fail, having_database, load_settings, plain_errors
from leadfeed_api.errors import Misconfigured
from leadfeed_api.settings import Settings
from leadfeed_api.subscriptions.delivery.worker import mailbox_folder, open_deliverer
from leadfeed_api.telemetry import Metrics, configure_logging, log


@plain_errors
def deliver(
    once: Annotated[bool, typer.Option("--once", help="Send what is due now, then exit: for a scheduler.")] = False,
    metrics_port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Serve Prometheus metrics on this port of 127.0.0.1.")
    ] = None,
) -> None:
    """Sends subscription mails. They go to the server of LEADFEED_SMTP_URL or, without one, into a mailbox folder."""
    given = load_settings()
    configure_logging(given.log_format)
    with having_database(given) as settings:
        try:
            uvloop.run(_work(settings, once=once, metrics_port=metrics_port))
        except Misconfigured as error:
            fail(str(error))


async def _work(settings: Settings, *, once: bool, metrics_port: int | None) -> None:
    metrics, stop = Metrics(), asyncio.Event()
    async with open_deliverer(settings, metrics) as deliverer:
        if metrics_port is not None:
            start_http_server(metrics_port, addr="127.0.0.1", registry=metrics.registry)
        folder = mailbox_folder(settings)
        print(f"Mail goes to {folder or 'the mail server'}.", file=sys.stderr)
        if once:
            await deliverer.drain()
            return
        for ending in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(ending, stop.set)
        log.info("mail worker started")
        await deliverer.run(stop)
        log.info("mail worker stopped")
