"""The feed by django-activity-stream: the actions of whomever the user follows."""

from actstream.models import Action, user_stream
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import CharField, ModelSerializer
from rest_framework.views import APIView

from crm.feed import LeadCard


class ActionItem(ModelSerializer):
    """An action and who did it."""

    type = CharField(source="verb")
    actor = LeadCard()

    class Meta:
        """What is shown."""

        model = Action
        fields = ("id", "type", "description", "timestamp", "actor")


class Activity(APIView):
    """``GET /activity``: the newest 50, as its guide shows it; it fetches the actors in bulk by itself."""

    def get(self, request: Request) -> Response:
        """Mine."""
        return Response({"results": ActionItem(user_stream(request.user)[:50], many=True).data})


class ActivityInBulk(APIView):
    """``GET /activity-in-bulk``: the same, the actors' companies fetched in bulk too."""

    def get(self, request: Request) -> Response:
        """Mine."""
        actions = user_stream(request.user).prefetch_related("actor__account")[:50]
        return Response({"results": ActionItem(actions, many=True).data})
