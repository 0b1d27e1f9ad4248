"""What operators and their machines ask: is it alive, can it serve, what does it measure."""

import asyncio
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from leadfeed_api.db.revision import NEWEST, current_state
from leadfeed_api.db.session import OLD_SCHEMA
from leadfeed_api.errors import Unavailable
from leadfeed_api.fields import example
from leadfeed_api.organizations.auth import Data
from leadfeed_api.telemetry import Metrics

router = APIRouter(tags=["Operations"])

NOW = {"Cache-Control": "no-store"}  # a cache on the way would say that a process lives which has died

SOME_METRICS = """\
# HELP leadfeed_stream_connections Streams open in this process.
# TYPE leadfeed_stream_connections gauge
leadfeed_stream_connections 12.0
"""


class Health(BaseModel):
    """The process is running."""

    model_config = example(status="ok")

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Ready to serve."""

    model_config = example(status="ready", schema_version=NEWEST)

    status: Literal["ready"] = "ready"
    schema_version: str = Field(description="The revision of the database's schema.")


@router.get("/healthz", summary="Is the process running?", response_description="The process is running.")
async def healthz(response: Response) -> Health:
    """Answers as long as the process runs; depends on nothing else."""
    response.headers.update(NOW)
    return Health()


@router.get("/readyz", summary="Is the service ready?", response_description="Ready to serve.")
async def readyz(data: Data, response: Response) -> Readiness:
    """Ready when the database answers, takes writes and has the schema this version needs; else 503 with the reason.

    A newer schema will do: it suits the version before it too, so that an upgrade takes nobody out of service.
    """
    async with data.read() as connection:
        found = await current_state(connection)
    if found.revision is None or not found.suits_us:
        raise Unavailable(OLD_SCHEMA)
    if not found.takes_writes:
        raise Unavailable("The database takes no writes. It is a standby, or was made read-only.")
    response.headers.update(NOW)
    return Readiness(schema_version=found.revision)


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_description="All metrics, as text.",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": SOME_METRICS}}}},
)
async def metrics(request: Request) -> Response:
    """The Prometheus text format. Block it at your proxy: it tells the public how busy you are."""
    measured: Metrics = request.app.state.metrics
    measured.pool_in_use.set(request.app.state.database.checked_out)
    measured.tasks.set(len(asyncio.all_tasks()))
    # Beside the loop: after a while there are thousands of lines, and every stream would wait a tenth of a second.
    text = await asyncio.to_thread(measured.exposition)
    return Response(text, headers=NOW, media_type="text/plain; version=0.0.4; charset=utf-8")
