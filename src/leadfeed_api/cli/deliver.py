"""``leadfeed deliver``: the mail worker as a process of its own. Several may run, on one machine or on many."""

import asyncio
import signal
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
    once: Annotated[
        bool,
        typer.Option(
            "--once",
            help="Send what is due now, then exit: for a scheduler. Exit code 1 if the mail server cannot be used or "
            "something failed.",
        ),
    ] = False,
    metrics_port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Serve Prometheus metrics on this port.")
    ] = None,
    metrics_host: Annotated[str, typer.Option(help="Address to serve metrics on, with --metrics-port.")] = "127.0.0.1",
) -> None:
    """Sends subscription mails. They go to the server of LEADFEED_SMTP_URL or, without one, into a mailbox folder."""
    given = load_settings()
    configure_logging(given.log_format)
    metrics = Metrics()
    with having_database(given) as settings:
        if metrics_port is not None:
            _expose(metrics, metrics_host, metrics_port)
        try:
            why_not = uvloop.run(_work(settings, metrics, once=once))
        except Misconfigured as error:
            fail(str(error))
    if why_not is not None:
        fail(f"{why_not}; what waits is tried again by the next run")


def _expose(metrics: Metrics, host: str, port: int) -> None:
    try:
        start_http_server(port, addr=host, registry=metrics.registry)
    except OSError as error:
        why = f"({error.strerror}). Choose another with --metrics-port or --metrics-host."
        fail(f"cannot serve metrics on {host}:{port} {why}")


async def _work(settings: Settings, metrics: Metrics, *, once: bool) -> str | None:
    """Until a signal ends it or, ``once``, nothing is due; why the mail server cannot be used, if that was the end."""
    stop, why_not = asyncio.Event(), None
    async with open_deliverer(settings, metrics) as deliverer:
        if not once:
            for ending in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(ending, stop.set)
        log.info("mail-worker-started", to=str(mailbox_folder(settings) or "the mail server"))
        if once:
            why_not = await deliverer.drain()
        else:
            await deliverer.run(stop)
        log.info("mail-worker-stopped")
    return why_not
