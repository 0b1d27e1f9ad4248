"""How scores become stars, flames and best bets.

Its door in the schema: a lead's ``starred``, ``stars`` and ``flames``, which every feed item shows.
"""
