"""The feed for readers: one secret link a user, and behind it the newest moments as RSS, Atom and JSON Feed.

Reading path: ``routes`` -> ``feed/queries`` -> ``render``. Knows neither how moments came in nor who else reads them.
"""
