"""The feed: one ordered log an organisation, one inbox a user, and the only queries that anyone renders.

Imports none of its neighbours: what an item says of *me* it selects from their tables.
"""
