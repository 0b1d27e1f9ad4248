"""``POST /v1/moments``, and what Segment forwards to ``POST /v1/moments/segment``: moments come in.

The answer is written by orjson from dictionaries: objects of :class:`BatchResult` cost more than reading
the batch. The schema stays what is documented; a test holds the two equal, byte by byte.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from starlette.routing import Route

from leadfeed_api.ingestion.envelopes import Batch, open_envelope, open_messages
from leadfeed_api.ingestion.interpret import Candidate, Rejection
from leadfeed_api.ingestion.record import Verdict
from leadfeed_api.ingestion.schemas import EXAMPLE_ANSWER, MESSAGES_BODY, REQUEST_BODY, BatchResult
from leadfeed_api.ingestion.sources.segment import Forwarding
from leadfeed_api.organizations.auth import Ingester, caller, ingester
from leadfeed_api.organizations.identity import Caller
from leadfeed_api.wire import SHORT, QueryNames, StrictRoute, announced_length, demand_json, json_document, read_body

router = APIRouter(prefix="/v1", tags=["Ingestion"], route_class=StrictRoute)
NO_NAMES = QueryNames(known=())


@router.post(
    "/moments",
    summary="Report moments",
    response_description="One result per item, in order.",
    openapi_extra={"requestBody": REQUEST_BODY},
    responses={200: {"content": {"application/json": {"example": EXAMPLE_ANSWER}}}},
    response_model=BatchResult,
)
async def report_moments(request: Request, who: Ingester) -> Response:
    """Takes 1-1,000 moments, at most 4 MB, and answers with one result for each, in order.

    A moment is identified by (`source`, `external_id`), so sending a batch again is harmless. A rejected item says why
    and where, and affects no other. Accepted moments are on disk when the answer arrives. CloudEvents 1.0 are accepted
    too: structured, batched, or binary (`ce-` headers).
    """
    return await _record(request, who, await _opened(request))


@router.post(
    "/moments/segment",
    summary="Report moments as Segment forwards them",
    response_description="One result per message, in order.",
    openapi_extra={"requestBody": MESSAGES_BODY},
    responses={200: {"content": {"application/json": {"example": EXAMPLE_ANSWER}}}},
    response_model=BatchResult,
)
async def report_messages(request: Request, who: Ingester, said: Annotated[Forwarding, Query()]) -> Response:
    """Takes what a webhook of a customer data platform sends: a message, an array of up to 1,000, or `{"batch": […]}`.

    `page` and `screen` become web moments, emails opened and clicked email moments, other `track` calls milestones. Any
    other message is `rejected` as `no-moment`, which is nothing to mend. A message is identified by its `messageId`.
    """
    demand_json(request.headers)
    now = datetime.now(UTC)
    batch = await read_body(lambda body: open_messages(json_document(body), said, now), request)
    return await _record(request, who, batch)


async def serve_moments(request: Request) -> Response:
    """What is documented as :func:`report_moments`, without the framework's solving of dependencies."""
    request.scope["route"] = express  # for the metrics, as the framework does for its own
    return await _record(request, *await _who_and_what(request))


express = Route("/v1/moments", serve_moments, methods=["POST"], include_in_schema=False)


async def _who_and_what(request: Request) -> tuple[Caller, Batch]:
    """The caller, and what they sent: a short body is read while PostgreSQL looks the key up.

    Whoever has no key hears of that alone, and at once.
    """
    state = request.app.state
    asking = caller(request, state.database, state.tokens)
    length = announced_length(request.headers)
    if length is None or length >= SHORT:
        return await ingester(await asking), await _opened(request)
    reading = asyncio.create_task(_opened(request))
    try:
        who = await ingester(await asking)
    except BaseException:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)  # or what it found would be called forgotten
        raise
    return who, await reading


async def _opened(request: Request) -> Batch:
    NO_NAMES.demand(request.query_params)
    return await read_body(lambda body: open_envelope(request.headers, body, datetime.now(UTC)), request)


async def _record(request: Request, who: Caller, batch: Batch) -> Response:
    state = request.app.state
    request.scope["batch"] = batch  # Intentional: whoever waits for the answer need not wait until 500 are freed
    candidates = [item for item in batch.items if isinstance(item, Candidate)]
    verdicts = await state.grouping.record(who.org_id, candidates) if candidates else []
    ids = tuple([verdict.id for verdict in verdicts if verdict.status == "accepted"])
    if len(ids) == len(batch.items):
        state.metrics.moments.labels("accepted").inc(len(ids))
        return Response(_all_accepted(len(ids)) % ids, media_type="application/json")
    results = _results(batch, verdicts)
    count: Counter[str] = Counter([result["status"] for result in results])
    for verdict, times in count.items():
        state.metrics.moments.labels(verdict).inc(times)
    answer = {
        "accepted": count["accepted"],
        "duplicates": count["duplicate"],
        "rejected": count["rejected"],
        "results": results,
    }
    return Response(orjson.dumps(answer), media_type="application/json")


@lru_cache(maxsize=16)  # up to 60 KB each
def _all_accepted(moments: int) -> str:
    """What nearly every answer is, but for the ids: written anew it takes a quarter of what reading the batch does."""
    results = [{"index": index, "status": "accepted", "id": "%s"} for index in range(moments)]
    return orjson.dumps({"accepted": moments, "duplicates": 0, "rejected": 0, "results": results}).decode()


def _results(batch: Batch, verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """The verdicts in the body's order, each with its pointer; what a ``Result`` leaves out is left out."""
    recorded = iter(verdicts)
    results: list[dict[str, Any]] = []
    for index, item in enumerate(batch.items):
        if isinstance(item, Rejection):
            results.append(_rejected(index, item.problem, batch.place(index, item.pointer), item.detail))
            continue
        status, moment_id, problem = next(recorded)
        if problem is None:
            results.append({"index": index, "status": status, "id": moment_id})
        else:
            place = batch.place(index, batch.lead_pointer)
            results.append(_rejected(index, problem, place, "no lead has this id"))
    return results


def _rejected(index: int, problem: str, place: Mapping[str, str], detail: str) -> dict[str, Any]:
    return {"index": index, "status": "rejected", "problem": problem, **place, "detail": detail}
