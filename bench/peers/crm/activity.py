"""The feed by django-activity-stream: the actions of whomever the user follows, the actors fetched in bulk."""

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
    """``GET /activity``: the newest 50."""

    def get(self, request: Request) -> Response:
        """Mine."""
        actions = user_stream(request.user).prefetch_related("actor__account")[:50]
        return Response({"results": ActionItem(actions, many=True).data})
