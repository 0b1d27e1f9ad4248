"""The feed by Django REST framework: 50 items a page, by cursor, in one statement besides authentication."""

from typing import Any, ClassVar

from django.db.models import Exists, F, OuterRef, QuerySet
from rest_framework.generics import ListAPIView
from rest_framework.pagination import CursorPagination
from rest_framework.serializers import BooleanField, ModelSerializer, SerializerMethodField

from crm.models import Account, Entry, Lead, Moment, Watch


class AccountCard(ModelSerializer):
    """A company."""

    class Meta:
        """What is shown."""

        model = Account
        fields: ClassVar = ["crm_id", "name"]


class LeadCard(ModelSerializer):
    """A person."""

    account = AccountCard()

    class Meta:
        """What is shown."""

        model = Lead
        fields: ClassVar = ["crm_id", "name", "title", "starred", "stars", "flames", "account"]


class MomentCard(ModelSerializer):
    """What a person did."""

    lead = LeadCard()

    class Meta:
        """What is shown."""

        model = Moment
        fields: ClassVar = ["id", "type", "description", "occurred_at", "url", "source", "bot", "lead"]


class EntryItem(ModelSerializer):
    """An item of the feed, and why it is in it."""

    moment = MomentCard()
    watched = BooleanField()
    owned = SerializerMethodField()

    class Meta:
        """What is shown."""

        model = Entry
        fields: ClassVar = ["moment", "read", "watched", "owned"]

    def get_owned(self, entry: Entry) -> bool:
        """Whether it is the reader's own lead."""
        return bool(entry.moment.lead.owner_id == entry.user_id)


class Pages(CursorPagination):
    """The newest first."""

    page_size = 50
    ordering = ("-occurred_at", "-moment_id")


def newest(user: Any) -> QuerySet[Entry]:
    """A user's inbox with all that an item shows."""
    watching = Watch.objects.filter(user=user, lead=OuterRef("moment__lead"))
    return (
        Entry.objects.filter(user=user)
        .select_related("moment__lead__account")
        .annotate(watched=Exists(watching))
        .order_by(F("occurred_at").desc(), F("moment_id").desc())
    )


class Feed(ListAPIView):
    """``GET /feed``."""

    serializer_class = EntryItem
    pagination_class = Pages

    def get_queryset(self) -> QuerySet[Entry]:
        """Mine."""
        return newest(self.request.user)
