"""How one user's new entries are found: most by the inbox's own key, the others by their positions.

Moments come in the order in which they happen, nearly all of them. One is *in order* when it happened after everything
that was recorded before it, and not in our future; any other is *late*. A moment's **watermark** is the latest instant
at which something in order happened, up to its position in the log. So among entries that are in order, positions rise
with the inbox's key (``occurred_at``, ``moment_id``), and what came in order after a position did not happen before
that position's watermark. Only late ones need an index by position; all others are spared it at every ingest
(docs/decisions/0025).

It holds whatever is deleted: watermarks never fall from one position to the next, and the nearest one that is left
before a position is as good a bound as any, if further off. Entries by backfill (not ``live``) are neither; they are
told of as changes.

SQL to be put together, with the organisation as ``$1``. Knows no statement and executes none.
"""

LATE = "e.live AND e.late"
# Live and not late, said so that no statistics are asked: where all entries are late, as they are after an upgrade,
# PostgreSQL would expect to find nothing by the key, and read every entry there is for it.
IN_ORDER = "e.live::int > e.late::int"


def watermark(position: str) -> str:
    """The watermark at a position: ``-infinity`` where no moment that has one is left.

    Moments without one were written by the version before, while this one took over.
    """
    return f"""coalesce((
    SELECT w.watermark FROM moment w WHERE w.org_id = $1 AND w.position <= {position} AND w.watermark > '-infinity'
    ORDER BY w.position DESC LIMIT 1
  ), '-infinity')"""


def raised(before: str, occurred_at: str, now: str) -> str:
    """The watermark of a moment, from the one before its transaction. Of several, sorted by time, each one's."""
    return f"greatest({before}, least({occurred_at}, {now}))"


def is_late(before: str, occurred_at: str, now: str) -> str:
    """Whether a moment is late, given the watermark before its transaction."""
    return f"({occurred_at} <= {before} OR {occurred_at} > {now})"


def live_between(user: str, after: str, up_to: str) -> str:
    """SELECT of a user's live entries at positions above ``after`` and up to ``up_to``, in no order.

    The limits are none: a user has one entry at a position at most. They speak for walking the index.
    """
    most = f"{up_to}::bigint - {after}::bigint"
    return f"""
  (SELECT * FROM feed_entry e WHERE e.org_id = $1 AND e.user_id = {user} AND {LATE}
    AND e.position > {after} AND e.position <= {up_to} ORDER BY e.position LIMIT {most})
  UNION ALL
  (SELECT * FROM feed_entry e WHERE e.org_id = $1 AND e.user_id = {user} AND {IN_ORDER}
    AND e.occurred_at >= {watermark(after)} AND e.occurred_at <= {watermark(up_to)}
    AND e.position > {after} AND e.position <= {up_to} ORDER BY e.occurred_at, e.moment_id LIMIT {most})
"""


def live_positions_after(user: str, after: str, most: str) -> str:
    """SELECT of the positions of a user's first live entries above ``after``: so many, and perhaps some more."""
    return f"""
    (SELECT e.position FROM feed_entry e WHERE e.org_id = $1 AND e.user_id = {user} AND {LATE}
     AND e.position > {after} ORDER BY e.position LIMIT {most})
    UNION ALL
    (SELECT e.position FROM feed_entry e WHERE e.org_id = $1 AND e.user_id = {user} AND {IN_ORDER}
     AND e.occurred_at >= {watermark(after)} AND e.position > {after} ORDER BY e.occurred_at, e.moment_id LIMIT {most})
"""


def last_change(user: str) -> str:
    """The position of the last thing that changed in a user's feed, 0 for none, by four index probes.

    ``user`` is SQL: a parameter's number, or a column. First what is found by position; then whether anything in order
    came after that. OFFSET 0: the first is asked once, though it is used twice.
    """
    return f"""
(SELECT greatest(known.position, (
    SELECT e.position FROM feed_entry e WHERE e.org_id = $1 AND e.user_id = {user} AND {IN_ORDER}
    AND e.occurred_at >= {watermark("known.position")} ORDER BY e.occurred_at DESC, e.moment_id DESC LIMIT 1))
  FROM (SELECT greatest(
    (SELECT max(e.position) FROM feed_entry e WHERE e.org_id = $1 AND e.user_id = {user} AND {LATE}),
    (SELECT max(c.position) FROM feed_change c WHERE c.org_id = $1 AND c.user_id = {user}), 0) AS position OFFSET 0
  ) known)
"""
