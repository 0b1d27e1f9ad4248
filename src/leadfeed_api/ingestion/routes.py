"""``POST /v1/moments``: moments come in.

The answer is written by orjson from dictionaries: objects of :class:`BatchResult` cost more than reading
the batch. The schema stays what is documented; a test holds the two equal, byte by byte.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from leadfeed_api.ingestion.envelopes import Batch, open_envelope
from leadfeed_api.ingestion.grouping import Grouping
from leadfeed_api.ingestion.interpret import Candidate, Rejection
from leadfeed_api.ingestion.record import Verdict
from leadfeed_api.ingestion.schemas import EXAMPLE_ANSWER, REQUEST_BODY, BatchResult
from leadfeed_api.organizations.auth import Ingester

router = APIRouter(prefix="/v1", tags=["Ingestion"])


async def grouping(request: Request) -> Grouping:
    """The process's one place where moments are grouped into transactions."""
    shared: Grouping = request.app.state.grouping
    return shared


@router.post(
    "/moments",
    summary="Report moments",
    openapi_extra={"requestBody": REQUEST_BODY},
    responses={200: {"content": {"application/json": {"example": EXAMPLE_ANSWER}}}},
    response_model=BatchResult,
)
async def report_moments(request: Request, who: Ingester, grouped: Annotated[Grouping, Depends(grouping)]) -> Response:
    """Takes 1-1,000 moments, at most 4 MB, and answers with one verdict each, in order.

    Identity is (`source`, `external_id`): sending a batch again is harmless. A rejected item says why and where, and
    spoils no other. What is accepted is on disk when the answer arrives. CloudEvents 1.0 are taken too: structured,
    batched, or binary (`ce-` headers).
    """
    batch = open_envelope(request.headers, await request.body(), datetime.now(UTC))
    candidates = [item for item in batch.items if isinstance(item, Candidate)]
    verdicts = await grouped.record(who.org_id, candidates) if candidates else []
    results = _results(batch, verdicts)
    count: Counter[str] = Counter(result["status"] for result in results)
    _count(request, count)
    answer = {
        "accepted": count["accepted"],
        "duplicates": count["duplicate"],
        "rejected": count["rejected"],
        "results": results,
    }
    # The driver's UUIDs are its own and written as text.
    return Response(orjson.dumps(answer, default=str), media_type="application/json")


def _results(batch: Batch, verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """The verdicts in the body's order, each with its pointer; what a ``Result`` leaves out is left out."""
    recorded = iter(verdicts)
    results: list[dict[str, Any]] = []
    for index, (item, pointer) in enumerate(zip(batch.items, batch.pointers, strict=True)):
        if isinstance(item, Rejection):
            results.append(_rejected(index, item.problem, pointer + item.pointer, item.detail))
            continue
        verdict = next(recorded)
        if verdict.problem is None:
            results.append({"index": index, "status": verdict.status, "id": verdict.id})
        else:
            results.append(_rejected(index, verdict.problem, pointer + batch.lead_pointer, "no lead has this id"))
    return results


def _rejected(index: int, problem: str, pointer: str, detail: str) -> dict[str, Any]:
    return {"index": index, "status": "rejected", "problem": problem, "pointer": pointer, "detail": detail}


def _count(request: Request, count: Counter[str]) -> None:
    for verdict, times in count.items():
        request.app.state.metrics.moments.labels(verdict).inc(times)
