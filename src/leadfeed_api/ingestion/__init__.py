"""How an outside event becomes a moment: interpret (pure), then record (one transaction).

Knows the shapes that systems send. Refuses to know who reads the feed, or how.
"""
