"""Systems whose own records become moments: one module per system, pure, no database and no web.

Each turns a file's rows, or messages, into :class:`~leadfeed_api.ingestion.interpret.Candidate` moments and says of
every record it leaves out why. Refuses to know who stores them.
"""
