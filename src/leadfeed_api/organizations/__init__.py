"""Customer organisations: their settings, API keys and users' tokens; who is asking.

The only place where credentials are read. Knows nothing of feeds.
"""
