"""Moments coming in by Django REST framework: validated item by item, written in bulk, one transaction a batch."""

import uuid
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import CharField, ChoiceField, DateTimeField, Serializer, URLField
from rest_framework.views import APIView

from crm.models import Entry, Lead, Moment

MOST = 1_000


class MomentIn(Serializer):
    """A moment as a caller sends it."""

    source = CharField(max_length=256)
    external_id = CharField(max_length=256)
    lead_id = CharField(max_length=128)
    type = ChoiceField(["web", "email", "milestone"])
    description = CharField(max_length=1_000)
    occurred_at = DateTimeField(required=False)
    url = URLField(required=False)
    bot = CharField(required=False, max_length=500)


class Moments(APIView):
    """``POST /moments``."""

    def post(self, request: Request) -> Response:
        """Records what is new and has a lead; one verdict each, in order."""
        sent = request.data.get("moments")
        if not isinstance(sent, list) or not 1 <= len(sent) <= MOST:
            raise ValidationError({"moments": "expected a list"})
        items = MomentIn(data=sent, many=True)
        items.is_valid(raise_exception=True)
        with transaction.atomic():
            results = _record(items.validated_data, timezone.now())
        count = [one["status"] for one in results].count
        return Response(
            {
                "accepted": count("accepted"),
                "duplicates": count("duplicate"),
                "rejected": count("rejected"),
                "results": results,
            }
        )


def _record(items: list[dict[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """Six statements whatever the size: leads, their watchers, what is stored, and moments and entries in bulk."""
    leads = {
        lead.crm_id: lead
        for lead in Lead.objects.filter(crm_id__in={item["lead_id"] for item in items}).prefetch_related("watch_set")
    }
    stored = Moment.objects.filter(
        source__in={item["source"] for item in items}, external_id__in={item["external_id"] for item in items}
    )
    known = {(source, number): one for source, number, one in stored.values_list("source", "external_id", "id")}
    moments, entries, results = [], [], []
    for index, item in enumerate(items):
        identity, lead = (item["source"], item["external_id"]), leads.get(item["lead_id"])
        if identity in known:
            results.append({"index": index, "status": "duplicate", "id": known[identity]})
        elif lead is None:
            results.append({"index": index, "status": "rejected", "problem": "unknown-lead"})
        else:
            moment = _moment(item, lead, now)
            known[identity] = moment.id
            moments.append(moment)
            entries += _entries(moment, lead)
            results.append({"index": index, "status": "accepted", "id": moment.id})
    Moment.objects.bulk_create(moments)
    Entry.objects.bulk_create(entries)
    return results


def _moment(item: dict[str, Any], lead: Lead, now: datetime) -> Moment:
    return Moment(
        id=uuid.uuid4(),
        lead=lead,
        source=item["source"],
        external_id=item["external_id"],
        type=item["type"],
        description=item["description"],
        occurred_at=item.get("occurred_at", now),
        url=item.get("url"),
        bot=item.get("bot"),
    )


def _entries(moment: Moment, lead: Lead) -> list[Entry]:
    users = {watch.user_id for watch in lead.watch_set.all()} | ({lead.owner_id} - {None})
    return [Entry(user_id=user, moment=moment, occurred_at=moment.occurred_at) for user in users]
