"""The feed by mail: a reader of the log with a position of its own.

What one asks for is in this room: ``match`` is the rule of what a subscription is about, ``digest`` of when a mail goes
out, ``recipients`` who may be mailed, ``consent`` what they said to it. What a mail says is in ``letters``, all of it
pure; how it gets there is in ``delivery``. Its door in the feed: ``subscribed`` on every item, selected by
``feed.queries``. The rules for people are in docs/subscriptions.md.
"""
