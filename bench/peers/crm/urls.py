"""Where everything is."""

from django.http import HttpResponse
from django.urls import path

from crm.activity import Activity, ActivityInBulk
from crm.feed import Feed
from crm.moments import Moments
from crm.syndication import Rss

urlpatterns = [
    path("healthz", lambda _: HttpResponse("ok")),
    path("feed", Feed.as_view()),
    path("moments", Moments.as_view()),
    path("activity", Activity.as_view()),
    path("activity-in-bulk", ActivityInBulk.as_view()),
    path("rss/<str:token>", Rss()),
]
