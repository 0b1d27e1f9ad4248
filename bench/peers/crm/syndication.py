"""The feed by Django's syndication framework, by the token in its address."""

from typing import Any

from django.contrib.syndication.views import Feed
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from rest_framework.authtoken.models import Token

from crm.feed import newest
from crm.models import Entry


class Rss(Feed):
    """``GET /rss/{token}``: the newest 50."""

    title = "Lead feed"
    link = "/"
    description = "What your leads did"

    def get_object(self, request: HttpRequest, token: str) -> Any:
        """Whose feed it is."""
        return get_object_or_404(Token.objects.select_related("user"), key=token).user

    def items(self, user: Any) -> list[Entry]:
        """Mine."""
        return list(newest(user)[:50])

    def item_title(self, item: Entry) -> str:
        """Who."""
        return f"{item.moment.lead.name}: {item.moment.description}"

    def item_description(self, item: Entry) -> str:
        """What."""
        return str(item.moment.description)

    def item_link(self, item: Entry) -> str:
        """Where."""
        return f"/moments/{item.moment_id}"

    def item_guid(self, item: Entry) -> str:
        """Which."""
        return str(item.moment_id)

    def item_pubdate(self, item: Entry) -> Any:
        """When."""
        return item.occurred_at

    def item_categories(self, item: Entry) -> tuple[str]:
        """Of what kind."""
        return (item.moment.type,)
