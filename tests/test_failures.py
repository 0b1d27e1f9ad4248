"""A failure of ours: answered as a problem like any other, to a page of another origin too, and logged once."""

from unittest.mock import Mock

import pytest

from leadfeed_api import problems
from leadfeed_api.settings import Settings
from world import running_app

pytestmark = pytest.mark.anyio
PAGE = "https://crm.example"


@pytest.mark.parametrize("path", ["/v1/feed", "/v1/watchlist", "/v1/feed/stream"])
async def test_a_failure_is_a_problem_that_has_its_request_id_and_that_a_page_may_read(
    settings: Settings, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged = Mock()
    monkeypatch.setattr(problems, "log", logged)
    async with running_app(settings.model_copy(update={"cors_origins": [PAGE]})) as service:
        world = await service.new_world()
        await world.people("ana", leads={})
        with monkeypatch.context() as broken:
            for part in ("database", "pages", "live"):
                broken.setattr(service.app.state, part, None)
            answer = await service.client.get(path, headers={**world.machine, "Origin": PAGE})

    document = answer.json()
    assert (answer.status_code, document["type"]) == (500, "/problems/internal-error")
    assert answer.headers.get_list("x-request-id") == [document["request_id"]]
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "x-request-id" in answer.headers["access-control-expose-headers"].lower()
    assert answer.headers["connection"] == "close"
    assert answer.headers["cache-control"] == "no-store"
    assert [call.kwargs["request_id"] for call in logged.error.call_args_list] == [document["request_id"]]
