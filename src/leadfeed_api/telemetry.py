"""What an operator sees: log lines, request ids, metrics.

Owns the access log and the Prometheus registry. Secrets never reach either: a feed link's token is cut from the
path, and query strings (stream tokens) are not logged at all.
"""

import io
import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECRET = re.compile(r"(/(?:feeds|mail)/+|\btoken=)[^/]+", re.IGNORECASE)
LONGEST_PATH_SHOWN = 1_000
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = structlog.stdlib.get_logger("leadfeed")


def redact_path(path: str) -> str:
    """A decoded path without the secret that a feed's link, or one in a mail, carries in it; cut where it is long.

    Also of an address that was mangled on its way: with a blank before the secret, or a query's question mark encoded.
    """
    shown = path if len(path) <= LONGEST_PATH_SHOWN else f"{path[:LONGEST_PATH_SHOWN]}…"
    return _SECRET.sub(r"\1…", shown)


def configure_logging(log_format: Literal["console", "json"], *, quiet: bool = False) -> None:
    """Log lines to stderr, for people or for machines; ``quiet`` keeps warnings and errors only.

    What libraries log, warnings and errors, has the same form. uvicorn's own access log is off: ours has the redaction.
    """
    level = logging.WARNING if quiet else logging.INFO
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    marked: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    written: list[structlog.typing.Processor] = [structlog.processors.format_exc_info, renderer]
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *marked, *written],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=_LINES),
        cache_logger_on_first_use=True,
    )
    RequestLines.write = staticmethod(_no_line if quiet else _json_line if log_format == "json" else _plain_line)
    others = logging.StreamHandler(_LINES)
    others.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *marked],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *written],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[others])
    logging.getLogger("uvicorn.access").disabled = True


class _Lines(io.TextIOBase):
    """Standard error, which may be a full disk, or a pipe that nobody reads any more: that ends no work of ours.

    Whoever polls or delivers says what went wrong where it did. Were that to fail, they would have ended for good.
    """

    def write(self, line: str, /) -> int:
        """A line at once: several processes write to the same place."""
        with suppress(OSError, ValueError):
            sys.stderr.write(line)
        return len(line)

    def flush(self) -> None:
        """Sends it on its way."""
        with suppress(OSError, ValueError):
            sys.stderr.flush()


_LINES: Any = _Lines()
Line = Callable[[str, Mapping[str, Any]], None]


def _structured_line(level: str, facts: Mapping[str, Any]) -> None:
    getattr(log, level)("request", **facts)


def _json_line(level: str, facts: Mapping[str, Any]) -> None:
    _LINES.write(json.dumps({"event": "request", **facts, "level": level, "timestamp": _now()}) + "\n")


def _plain_line(level: str, facts: Mapping[str, Any]) -> None:
    # Intentional: a path may hold anything; what is not printable must not reach a terminal.
    line = f"{_now()} [{level}] request {' '.join([f'{name}={value}' for name, value in facts.items()])}"
    _LINES.write((line if line.isprintable() else ascii(line)) + "\n")


def _no_line(level: str, facts: Mapping[str, Any]) -> None:
    """Warnings are still written."""
    if level == "warning":
        _structured_line(level, facts)


class RequestLines:
    """How the line of a request is written, of which there is one for each: straight, once logging is configured.

    5 µs; by structlog's chain of processors and its renderer for people 90, a fifth of a page. All else goes that way.
    """

    write: ClassVar[Line] = staticmethod(_structured_line)


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


class Metrics:
    """Everything measured, in a registry of its own: one per application, so that tests do not share counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        make = self.registry
        self.requests = Histogram(
            "leadfeed_request_seconds",
            "Seconds from a request to its last byte, by route.",
            ("method", "route", "status"),
            registry=make,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
        )
        self.moments = Counter("leadfeed_moments_total", "Moments received, by verdict.", ("verdict",), registry=make)
        self.ingest_groups = Histogram(
            "leadfeed_ingest_group_moments",
            "Moments that one transaction was given, of one request or several.",
            registry=make,
            buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500, 1000),
        )
        self.connections = Gauge("leadfeed_stream_connections", "Streams open in this process.", registry=make)
        self.deliveries = Counter("leadfeed_stream_deliveries_total", "Events handed to streams.", registry=make)
        self.wakeups = Counter(
            "leadfeed_stream_wakeups_total", "Wake-ups heard, by origin.", ("origin",), registry=make
        )
        self.catch_ups = Counter("leadfeed_stream_catch_ups_total", "Reads of the log by the tail.", registry=make)
        self.resets = Counter("leadfeed_stream_resets_total", "Streams told to reload.", ("reason",), registry=make)
        self.slow_disconnects = Counter(
            "leadfeed_stream_slow_disconnects_total", "Streams cut because their client did not read.", registry=make
        )
        self.lag = Gauge("leadfeed_stream_lag_positions", "Positions written, not yet delivered here.", registry=make)
        self.lag_seconds = Gauge(
            "leadfeed_stream_lag_seconds", "For how long something written has not been delivered here.", registry=make
        )
        self.retier_runs = Counter(
            "leadfeed_retier_runs_total", "Re-tierings, by outcome.", ("outcome",), registry=make
        )
        self.retier_leads = Counter(
            "leadfeed_retier_leads_total", "Leads that re-tiering looked at and changed.", ("outcome",), registry=make
        )
        self.retier_progress = Gauge(
            "leadfeed_retier_progress_ratio", "How far a re-tiering here has come; 1 between runs.", registry=make
        )
        self.retier_progress.set(1)  # also where nobody re-tiers
        self.retier_lock = Gauge(
            "leadfeed_retier_longest_lock_seconds", "The longest lock of the latest re-tiering here.", registry=make
        )
        self.purged = Counter(
            "leadfeed_moments_purged_total", "Moments deleted here because their retention ended.", registry=make
        )
        self.mails_queued = Gauge("leadfeed_mails_queued", "Mails on their way, all organisations.", registry=make)
        self.oldest_mail = Gauge("leadfeed_mail_oldest_seconds", "Age of the oldest mail on its way.", registry=make)
        self.unread_mail = Gauge(
            "leadfeed_mail_unread_seconds", "For how long the oldest moment waits for a mail worker.", registry=make
        )
        self.mails_sent = Counter("leadfeed_mails_sent_total", "Mails taken by the server.", ("kind",), registry=make)
        self.mails_failed = Counter(
            "leadfeed_mails_failed_total", "Attempts at a mail that did not end in it being taken.", ("reason",),
            registry=make,
        )  # fmt: skip
        self.pool_in_use = Gauge("leadfeed_database_connections_in_use", "Connections checked out.", registry=make)
        self.tasks = Gauge("leadfeed_tasks", "Tasks of the event loop; an idle stream has none.", registry=make)

    def exposition(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self.registry)


class Telemetry:
    """Pure ASGI middleware: a request id in and out, one log line and one observation per request."""

    def __init__(self, app: ASGIApp, metrics: Metrics, clock: Callable[[], float] = time.perf_counter) -> None:
        self.app = app
        self.metrics = metrics
        self.clock = clock
        self._observers: dict[tuple[str, str, int], Histogram] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on; adds ``X-Request-ID``."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = self.clock()
        request_id = scope.setdefault("state", {})["request_id"] = _request_id(scope)
        status = 500

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode("ascii"))]
            await send(message)

        try:
            await self.app(scope, receive, observed)
        finally:
            self._observe(scope, request_id, status, self.clock() - started)

    def _observe(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        key = _series(scope["method"], route, status)
        if key not in self._observers:
            self._observers[key] = self.metrics.requests.labels(*map(str, key))
        self._observers[key].observe(seconds)
        if route not in _QUIET or status >= 500:
            facts = {
                "method": scope["method"],
                "path": redact_path(scope["path"]),
                "status": status,
                "ms": round(seconds * 1000, 1),
                "request_id": request_id,
            }
            if "reason" in scope["state"]:  # why it is unavailable, or the token not taken
                facts["reason"] = scope["state"]["reason"]
            RequestLines.write("warning" if status >= 500 else "info", facts)


def _series(method: str, route: str, status: int) -> tuple[str, str, int]:
    """A request's labels. A series stays for good: what strangers make up must not make more than a few."""
    return (method if method in _METHODS else "other", route if status != 405 else "unmatched", status)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


def _request_id(scope: Scope) -> str:
    """The caller's, when it is harmless to log; else our own."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    for name, value in headers:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(text := value.decode("latin-1")):
            return text
    return os.urandom(16).hex()
