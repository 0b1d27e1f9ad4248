"""leadfeed-api: the lead feed for any CRM.

One idea carries everything. Each organisation has **one ordered log** of what changed in its feeds; every reader
(page, stream, RSS, mail) reads from what that log wrote.

Writers on one side, readers on the other, the feed between them; nothing crosses the middle but the log and the inbox::

     writers                     the feed                      readers
     ingestion   people    ->    log  .  entries  .  queries   ->   feed pages   stream   syndication
     watchlist   best_bets   triage                                 subscriptions   panel

Imports run one way, and ``lint-imports`` holds them to it::

    cli -> app -> documentation | express | operations | problems
               | panel | stream | syndication | subscriptions | triage | ingestion | people | watchlist
        -> best_bets -> feed -> organizations -> db -> wire -> clock | errors | faults | fields | settings | telemetry

Where to start reading:

* a page of the feed: ``feed/routes.py`` -> ``feed/paging.py`` -> ``feed/queries.py``
* a moment coming in: ``ingestion/routes.py`` -> ``ingestion/interpret.py`` -> ``ingestion/record.py``
  -> ``feed/entries.py``
* the live feed: ``stream/routes.py`` -> ``stream/replay.py`` -> ``feed/queries.py``, then ``stream/tail.py``
* RSS: ``syndication/routes.py`` -> ``feed/queries.py`` -> ``syndication/render.py``
* mail: ``subscriptions/routes.py``; its worker: ``subscriptions/delivery/worker.py``
"""

__version__ = "0.1.0"
