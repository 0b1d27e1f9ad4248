"""Pages of other origins: a browser's preflight for those that the operator named, and for all others."""

import pytest

from leadfeed_api.settings import Settings
from world import problem, running_app

pytestmark = pytest.mark.anyio
PAGE = "https://crm.example"
ASKING = {"Origin": PAGE, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}


def allowing(settings: Settings, origins: str) -> Settings:
    """The settings, read as from the environment: a copy would take the origins as they are."""
    return Settings(**{**settings.model_dump(), "cors_origins": origins})


async def test_a_page_may_call_although_its_origin_was_named_with_a_slash(settings: Settings) -> None:
    async with running_app(allowing(settings, f"{PAGE}/")) as service:
        answer = await service.client.options("/v1/feed", headers=ASKING)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PAGE


async def test_a_page_may_send_every_header_that_is_heeded(settings: Settings) -> None:
    heeded = "authorization, content-type, leadfeed-user, last-event-id, x-request-id, if-none-match, if-modified-since"
    async with running_app(allowing(settings, PAGE)) as service:
        answer = await service.client.options("/v1/feed", headers={**ASKING, "Access-Control-Request-Headers": heeded})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"Origin": "https://elsewhere.example"}, "LEADFEED_CORS_ORIGINS"),
        ({"Access-Control-Request-Method": "TRACE"}, "only these methods: DELETE, GET"),
        ({"Access-Control-Request-Headers": "authorization, x-mine"}, "these headers: Accept, "),
        ({"Access-Control-Request-Private-Network": "true"}, "no private network"),
    ],
)
async def test_a_refused_preflight_is_a_problem_that_says_what_is_allowed(
    settings: Settings, asked: dict[str, str], named: str
) -> None:
    async with running_app(allowing(settings, PAGE)) as service:
        answer = await service.client.options("/v1/feed", headers={**ASKING, **asked})
    document = problem(answer, 400, "cross-origin")
    assert named in document["detail"]
    assert document["instance"] == "/v1/feed"
    assert document["request_id"] == answer.headers["x-request-id"]
    assert not any(part in answer.text for part in ("elsewhere", "TRACE", "x-mine")), "it echoes what was asked"
    assert ("access-control-allow-origin" in answer.headers) is ("Origin" not in asked)
