"""What operators and their machines ask: is it alive, can it serve, what does it measure."""

import asyncio
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from leadfeed_api.db.revision import NEWEST, current_revision
from leadfeed_api.errors import Unavailable
from leadfeed_api.organizations.auth import Data
from leadfeed_api.telemetry import Metrics
from leadfeed_api.wire import example

router = APIRouter(tags=["Operations"])


class Health(BaseModel):
    """It lives."""

    model_config = example(status="ok")

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """It can serve."""

    model_config = example(status="ready", schema_version="0001")

    status: Literal["ready"] = "ready"
    schema_version: str


@router.get("/healthz", summary="Does the process live?")
async def healthz() -> Health:
    """Answers as long as the process runs; asks nobody else."""
    return Health()


@router.get("/readyz", summary="Can it serve?")
async def readyz(data: Data) -> Readiness:
    """Ready when the database answers and its schema is this version's; else 503 with the reason."""
    async with data.read() as connection:
        found = await current_revision(connection)
    if found != NEWEST:
        raise Unavailable("The database's schema is not this version's. Run `leadfeed migrate`.")
    return Readiness(schema_version=found)


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request) -> Response:
    """The Prometheus text format. Keep it from the public with your proxy: it tells how busy you are."""
    measured: Metrics = request.app.state.metrics
    measured.pool_in_use.set(request.app.state.database.checked_out)
    measured.tasks.set(len(asyncio.all_tasks()))
    return Response(measured.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")
