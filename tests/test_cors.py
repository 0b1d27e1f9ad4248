"""Pages of other origins: a browser's preflight for those that the operator named, and for all others."""

import pytest

from leadfeed_api.settings import Settings
from world import running_app

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
