"""The feed by mail: a reader of the log with a position of its own.

Its door in the feed: ``subscribed`` on every item, selected by ``feed.queries``.
"""
