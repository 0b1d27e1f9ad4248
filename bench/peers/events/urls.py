"""Where everything is."""

import django_eventstream
from django.http import HttpRequest, HttpResponse
from django.urls import include, path


def say(request: HttpRequest, channel: str) -> HttpResponse:
    """``POST /say/{channel}``: to all who listen."""
    django_eventstream.send_event(channel, "moment", request.body.decode(), json_encode=False)
    return HttpResponse(headers={"Content-Length": "0"})


urlpatterns = [
    path("healthz", lambda _: HttpResponse("ok")),
    path("say/<str:channel>", say),
    path("listen/<str:channel>", include(django_eventstream.urls), {"format-channels": ["{channel}"]}),
]
