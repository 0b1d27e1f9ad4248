"""The administrator's addresses: settings and API keys."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Response

from leadfeed_api.errors import KeyNotFound
from leadfeed_api.organizations import queries
from leadfeed_api.organizations.auth import Administrator, Data
from leadfeed_api.organizations.schemas import (
    ApiKeyCreated,
    ApiKeyIn,
    ApiKeyOut,
    ApiKeys,
    OrganizationSettings,
    OrganizationSettingsPatch,
)
from leadfeed_api.wire import StrictRoute, otherwise, refusals

router = APIRouter(prefix="/v1", tags=["Administration"], route_class=StrictRoute)
KeyId = Annotated[UUID, otherwise(KeyNotFound), Path(description="The key's id, from `GET /v1/api-keys`.")]


@router.get("/settings", summary="Show the organisation's settings", response_description="The settings.")
async def show_settings(who: Administrator, data: Data) -> OrganizationSettings:
    """All settings in effect, defaults included."""
    async with data.read() as connection:
        return OrganizationSettings(**await queries.settings_of(connection, who.org_id))


@router.patch(
    "/settings", summary="Change the organisation's settings", response_description="The settings after the change."
)
async def change_settings(change: OrganizationSettingsPatch, who: Administrator, data: Data) -> OrganizationSettings:
    """Changes the settings that the body names.

    Switching `rss_enabled` off suspends every feed link at once, until it is on again. While it is on, a link is ended
    for good by `POST /v1/feed-link/rotate` or `DELETE /v1/feed-link`, sent by its user or in their name.

    Changed `tiers` take effect once all leads have been re-tiered, which starts within seconds.
    """
    async with data.queues.turn(who.org_id), data.write() as connection:
        current = await queries.settings_of(connection, who.org_id, to_change=True)
        wanted = {**current, **change.model_dump(exclude_none=True, exclude={"tiers"})}
        if change.tiers is not None:
            wanted["tiers"] = change.tiers.onto(current["tiers"])
        for link in {"lead_url", "panel_url"} & change.model_fields_set:  # null takes it away
            wanted[link] = getattr(change, link)
        await queries.save_settings(connection, who.org_id, wanted)
    return OrganizationSettings(**wanted)


@router.get("/api-keys", summary="List API keys", response_description="The keys in force.")
async def list_api_keys(who: Administrator, data: Data) -> ApiKeys:
    """The keys in force, oldest first, without their secrets."""
    async with data.read() as connection:
        stored = await queries.keys(connection, who.org_id)
    return ApiKeys(items=[ApiKeyOut(**asdict(key)) for key in stored])


@router.post(
    "/api-keys", summary="Create an API key", response_description="The new key, with its secret.", status_code=201
)
async def create_api_key(wanted: ApiKeyIn, who: Administrator, data: Data) -> ApiKeyCreated:
    """Creates a key. This answer alone shows its secret: only a hash of it is stored."""
    async with data.write() as connection:
        key, secret = await queries.create_key(connection, who.org_id, wanted.scopes, wanted.name, datetime.now(UTC))
    return ApiKeyCreated(**asdict(key), key=secret)


@router.delete(
    "/api-keys/{key_id}",
    summary="Revoke an API key",
    response_description="The key is revoked.",
    status_code=204,
    response_class=Response,
    responses=refusals(KeyNotFound),
)
async def revoke_api_key(key_id: KeyId, who: Administrator, data: Data) -> None:
    """Revokes a key: it is refused at once, and the streams it opened end within five seconds."""
    async with data.write() as connection:
        if not await queries.revoke_key(connection, who.org_id, key_id, datetime.now(UTC)):
            raise KeyNotFound
