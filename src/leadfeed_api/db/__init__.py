"""Where data lives: the schema, connections, wake-ups and the embedded server.

Knows PostgreSQL; knows nothing of what the rows mean.
"""
