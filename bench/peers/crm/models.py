"""The CRM's tables, as Django likes them: numbers for keys, and an inbox with an index for its page."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models


class Account(models.Model):
    """A company."""

    crm_id = models.CharField(max_length=128)
    name = models.TextField()


class Lead(models.Model):
    """A person."""

    crm_id = models.CharField(max_length=128)
    name = models.TextField()
    title = models.TextField(null=True)
    starred = models.BooleanField(default=False)
    stars = models.SmallIntegerField(default=0)
    flames = models.SmallIntegerField(default=0)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)
    account = models.ForeignKey(Account, models.CASCADE, null=True)


class Watch(models.Model):
    """Who follows whom."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    lead = models.ForeignKey(Lead, models.CASCADE)

    class Meta:
        """One row a pair."""

        unique_together: ClassVar = [("user", "lead")]


class Moment(models.Model):
    """What a person did."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    lead = models.ForeignKey(Lead, models.CASCADE)
    type = models.CharField(max_length=16)
    description = models.TextField()
    occurred_at = models.DateTimeField()
    url = models.TextField(null=True)
    source = models.TextField()
    external_id = models.TextField()
    bot = models.TextField(null=True)

    class Meta:
        """One row an identity."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["source", "external_id"], name="moment_identity")]


class Entry(models.Model):
    """The inbox: a moment in somebody's feed."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    moment = models.ForeignKey(Moment, models.CASCADE)
    occurred_at = models.DateTimeField()
    read = models.BooleanField(default=False)

    class Meta:
        """A page is a piece of this index."""

        indexes: ClassVar = [models.Index(fields=["user", "-occurred_at", "-moment"], name="entry_newest")]
