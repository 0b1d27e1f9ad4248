"""Which channel wake-ups travel by: what the settings say."""

from leadfeed_api.db.postgres_channel import PostgresChannel
from leadfeed_api.db.session import Database
from leadfeed_api.db.wakeups import Channel
from leadfeed_api.errors import Misconfigured
from leadfeed_api.settings import Settings


def channel_for(settings: Settings, database: Database) -> Channel:
    """NATS where its URL is set, else the database's own. Raises ``Misconfigured`` when NATS's client is missing."""
    if settings.nats_url is None:
        return PostgresChannel(database, settings.listen_url or database.url)
    try:
        from leadfeed_api.db.nats_channel import NatsChannel  # noqa: PLC0415  the client is an extra
    except ImportError as missing:
        raise Misconfigured(
            "LEADFEED_NATS_URL is set, but the client is missing: install leadfeed-api[nats]."
        ) from missing
    return NatsChannel(settings.nats_url)
