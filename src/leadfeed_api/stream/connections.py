"""All open streams of this process: who follows, and how many may.

Owns the limits. A stream is in here from before it reads its history until its client is gone: so nothing live is
missed, and nothing is pushed to nobody.
"""

from collections.abc import Iterator, Mapping

from leadfeed_api.errors import TooMany
from leadfeed_api.stream.connection import Connection
from leadfeed_api.telemetry import Metrics

_Audience = dict[str, list[Connection]]
_NOBODY: _Audience = {}


class Connections:
    """The register of streams, by organisation and user."""

    def __init__(self, *, per_user: int, per_process: int, metrics: Metrics) -> None:
        self._per_user = per_user
        self._per_process = per_process
        self._metrics = metrics
        self._audiences: dict[int, _Audience] = {}
        self._count = 0
        self.admitted = 0  # since the process began

    def admit(self, connection: Connection) -> None:
        """Registers a stream. Raises ``TooMany`` when its user, or the process, has as many as it may."""
        if self._count >= self._per_process:
            raise TooMany("This server has as many streams open as it may. Wait as long as Retry-After says.")
        audience = self._audiences.setdefault(connection.org_id, {})
        streams = audience.setdefault(connection.user_id, [])
        if len(streams) >= self._per_user:
            raise TooMany("This user has as many streams open as they may. Close one, or share one between tabs.")
        streams.append(connection)
        self.admitted += 1
        self._counted(+1)

    def dismiss(self, connection: Connection) -> None:
        """Forgets a stream; one that is not registered is no error."""
        audience = self._audiences.get(connection.org_id, _NOBODY)
        streams = audience.get(connection.user_id, [])
        if connection in streams:
            streams.remove(connection)
            self._counted(-1)
            if not streams:
                del audience[connection.user_id]
            if not audience:
                del self._audiences[connection.org_id]

    def audience(self, org_id: int) -> Mapping[str, list[Connection]]:
        """The organisation's streams by user. Not to be kept across an ``await``: it is a live view."""
        return self._audiences.get(org_id, _NOBODY)

    def organizations(self) -> list[int]:
        """The organisations that have streams here."""
        return list(self._audiences)

    def __iter__(self) -> Iterator[Connection]:
        """Every stream; what opens or closes meanwhile does not disturb."""
        return iter([one for audience in self._audiences.values() for streams in audience.values() for one in streams])

    def __len__(self) -> int:
        return self._count

    def _counted(self, step: int) -> None:
        self._count += step
        self._metrics.connections.set(self._count)
