"""``/v1/subscriptions`` and ``/v1/mail-preferences``: what I am mailed about, and how.

Owns what may be asked for; the storing is ``queries``' and ``recipients``'.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Response

from leadfeed_api.db.session import Connection
from leadfeed_api.errors import MailDisabled, SubscriptionLimit, SubscriptionNotFound
from leadfeed_api.organizations.auth import Data, Reader, Rep
from leadfeed_api.organizations.identity import Caller
from leadfeed_api.organizations.queries import settings_of, take_turns
from leadfeed_api.subscriptions import consent, queries, recipients
from leadfeed_api.subscriptions.match import Rule
from leadfeed_api.subscriptions.queries import Subscription, Wanted
from leadfeed_api.subscriptions.recipients import Recipient
from leadfeed_api.subscriptions.schemas import (
    Delivery,
    MailPreferences,
    MailPreferencesPatch,
    MatchOut,
    SubscriptionIn,
    SubscriptionOut,
    SubscriptionPatch,
    Subscriptions,
)
from leadfeed_api.wire import StrictRoute, otherwise, refusals

router = APIRouter(prefix="/v1", tags=["Subscriptions"], route_class=StrictRoute)
SubscriptionId = Annotated[UUID, otherwise(SubscriptionNotFound), Path(description="The subscription's id.")]


@router.get("/subscriptions", summary="List my subscriptions", response_description="My subscriptions.")
async def list_subscriptions(who: Reader, data: Data) -> Subscriptions:
    """My subscriptions, oldest first, and whether each recipient is mailed now."""
    async with data.read() as connection:
        stored = await queries.subscriptions_of(connection, who.org_id, who.user)
        return Subscriptions(items=await _shown(connection, who, stored))


@router.post(
    "/subscriptions",
    summary="Subscribe",
    response_description="The new subscription.",
    status_code=201,
    responses=refusals(MailDisabled, SubscriptionLimit),
)
async def subscribe(wanted: SubscriptionIn, who: Rep, data: Data, response: Response) -> SubscriptionOut:
    """Mails matching moments to the recipients from now on; to me, if none are named.

    A lead or an account matches whoever owns it; a type or a description matches among the leads I own, or, with
    `"scope": "feed"`, also among those I watch. Words match as whole words, in any order and case. A recipient is a
    user of the organisation, or somebody outside it, who is asked to confirm first.
    """
    now, user_id = datetime.now(UTC), who.user
    async with data.write() as connection:
        await take_turns(connection, who.org_id, user_id)
        await _demand_mail(connection, who)
        ids = await _recipients(connection, who, wanted.recipients, now)
        rule = Rule(wanted.match.kind, wanted.match.value, wanted.scope)
        made = Wanted(rule, ids, wanted.frequency, wanted.paused)
        subscription_id = await queries.insert(connection, who.org_id, user_id, made, now)
        stored = await queries.find(connection, who.org_id, user_id, subscription_id)
        (shown,) = await _shown(connection, who, [stored])
    response.headers["Location"] = f"/v1/subscriptions/{subscription_id}"
    return shown


@router.get(
    "/subscriptions/{subscription_id}",
    summary="Show a subscription",
    response_description="The subscription.",
    responses=refusals(SubscriptionNotFound),
)
async def show_subscription(subscription_id: SubscriptionId, who: Reader, data: Data) -> SubscriptionOut:
    """One of my subscriptions, whether paused or not."""
    async with data.read() as connection:
        stored = await queries.find(connection, who.org_id, who.user, subscription_id)
        (shown,) = await _shown(connection, who, [stored])
    return shown


@router.patch(
    "/subscriptions/{subscription_id}",
    summary="Change, pause or resume a subscription",
    response_description="The subscription after the change.",
    responses=refusals(SubscriptionNotFound, MailDisabled),
)
async def change_subscription(
    subscription_id: SubscriptionId, change: SubscriptionPatch, who: Rep, data: Data
) -> SubscriptionOut:
    """Changes the fields that the body names.

    A changed match applies from now on; after resuming, only new moments are mailed: what happened during the pause
    is in my feed, not in my mail.
    """
    now, user_id = datetime.now(UTC), who.user
    async with data.write() as connection:
        await take_turns(connection, who.org_id, user_id)
        await _demand_mail(connection, who)
        before = await queries.find(connection, who.org_id, user_id, subscription_id)
        ids = before.recipient_ids
        if change.recipients is not None:
            ids = await _recipients(connection, who, change.recipients, now)
        await queries.update(connection, who.org_id, user_id, before, _changed(before, change, ids), now)
        if change.paused is False:
            await consent.readmit(connection, who.org_id, ids)
            await consent.ask_unconfirmed(connection, who.org_id, ids, now)
        stored = await queries.find(connection, who.org_id, user_id, subscription_id)
        (shown,) = await _shown(connection, who, [stored])
    return shown


@router.delete(
    "/subscriptions/{subscription_id}",
    summary="Unsubscribe",
    response_description="The subscription is deleted.",
    status_code=204,
    response_class=Response,
    responses=refusals(SubscriptionNotFound),
)
async def delete_subscription(subscription_id: SubscriptionId, who: Rep, data: Data) -> None:
    """Deletes the subscription, and any mail waiting only because of it."""
    async with data.write() as connection:
        await take_turns(connection, who.org_id, who.user)
        await queries.delete(connection, who.org_id, who.user, subscription_id)


@router.get("/mail-preferences", summary="Show how I am mailed", response_description="My mail preferences.")
async def show_mail_preferences(who: Rep, data: Data) -> MailPreferences:
    """My language and time zone, the hour of my daily digest, my quiet hours, and whether I am mailed."""
    async with data.write() as connection:
        me = await recipients.of_user(connection, who.org_id, who.user, datetime.now(UTC))
    return _preferences(me)


@router.patch(
    "/mail-preferences",
    summary="Change how I am mailed",
    response_description="My mail preferences after the change.",
)
async def change_mail_preferences(change: MailPreferencesPatch, who: Rep, data: Data) -> MailPreferences:
    """Changes the preferences that the body names. Mail that is already waiting follows them too."""
    now, user_id = datetime.now(UTC), who.user
    async with data.write() as connection:
        me = await recipients.of_user(connection, who.org_id, user_id, now)
        if change.unsubscribed is True:
            await consent.unsubscribe(connection, who.org_id, me, now)
        elif change.unsubscribed is False:
            await consent.resubscribe(connection, who.org_id, me)
        await recipients.lock(connection, who.org_id, [me.recipient_id])  # last: those lock all who share the address
        await recipients.save_wishes(connection, who.org_id, me.recipient_id, _wishes(change))
        await recipients.look_at(connection, who.org_id, [me.recipient_id], now)
        return _preferences(await recipients.of_user(connection, who.org_id, user_id, now))


async def _demand_mail(connection: Connection, who: Caller) -> None:
    if not (await settings_of(connection, who.org_id))["mail_enabled"]:
        raise MailDisabled


async def _recipients(connection: Connection, who: Caller, addresses: list[str], now: datetime) -> list[UUID]:
    """Who is named. Naming oneself takes one's own unsubscribing back; somebody outside is asked."""
    user_id = who.user
    ids = await recipients.named(connection, who.org_id, user_id, addresses, now)
    for one in (await recipients.by_id(connection, who.org_id, ids)).values():
        if one.user_id == user_id and one.standing == "unsubscribed":
            await consent.resubscribe(connection, who.org_id, one, along=ids)
    await recipients.lock(connection, who.org_id, ids)
    await consent.ask_unconfirmed(connection, who.org_id, ids, now)
    return ids


def _changed(before: Subscription, change: SubscriptionPatch, ids: Sequence[UUID]) -> Wanted:
    match = change.match or before.rule
    return Wanted(
        rule=Rule(match.kind, match.value, change.scope or before.rule.scope),
        recipient_ids=ids,
        frequency=change.frequency or before.frequency,
        paused=before.paused if change.paused is None else change.paused,
    )


async def _shown(connection: Connection, who: Caller, stored: list[Subscription]) -> list[SubscriptionOut]:
    wanted = {recipient_id for one in stored for recipient_id in one.recipient_ids}
    known = await recipients.by_id(connection, who.org_id, sorted(wanted))
    return [_out(one, [known[recipient_id] for recipient_id in one.recipient_ids]) for one in stored]


def _out(stored: Subscription, named: list[Recipient]) -> SubscriptionOut:
    return SubscriptionOut(
        id=stored.id,
        match=MatchOut(kind=stored.rule.kind, value=stored.rule.value),
        label=stored.label,
        scope=stored.rule.scope,
        recipients=[one.address for one in named if one.address is not None],
        deliveries=[Delivery(address=one.address, status=one.standing, reason=one.reason) for one in named],
        frequency=stored.frequency,
        paused=stored.paused,
        created_at=stored.created_at,
    )


def _preferences(me: Recipient) -> MailPreferences:
    quiet_from, quiet_until = (None, None) if me.wishes.quiet is None else map(_on_the_clock, me.wishes.quiet)
    return MailPreferences(
        address=me.address,
        status=me.standing,
        reason=me.reason,
        language=me.language,
        time_zone=me.wishes.zone.key,
        daily_hour=me.wishes.daily_hour,
        quiet_from=quiet_from,
        quiet_until=quiet_until,
        daily_cap=me.wishes.daily_cap,
        unsubscribed=me.unsubscribed,
    )


def _wishes(change: MailPreferencesPatch) -> dict[str, object]:
    """The columns to set. What cannot be null stays when it is."""
    given = change.model_dump(include=change.model_fields_set - {"unsubscribed"})
    fixed = {"daily_hour", "daily_cap"}
    kept = {name: value for name, value in given.items() if value is not None or name not in fixed}
    return {name: _minutes(value) if name.startswith("quiet_") else value for name, value in kept.items()}


def _on_the_clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _minutes(clock: str | None) -> int | None:
    return None if clock is None else int(clock[:2]) * 60 + int(clock[3:])
