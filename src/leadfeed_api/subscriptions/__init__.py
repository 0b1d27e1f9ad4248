"""The feed by mail: a reader of the log with a position of its own.

A moment's way: ``noticing`` reads the log on and notes who is to be told; ``outbox`` makes mails of what is due, when
``digest`` says so; ``composing`` judges what a mail may say by now, ``letter`` and ``render`` put it into words;
``sending`` hands it to a carrier (``mailer``, ``smtp``) and notes what became of it. ``deliver`` is the loop around.

``match`` is the rule of what a subscription is about. Its door in the feed: ``subscribed`` on every item, selected by
``feed.queries``. The rules for people are in docs/subscriptions.md.
"""
