"""All open streams of this process: who follows, and how many may.

Owns the limits. A stream is in here from before it reads its history until its client is gone: so nothing live is
missed, and nothing is pushed to nobody.
"""

from collections.abc import Collection, Iterator

from leadfeed_api.errors import TooMany
from leadfeed_api.stream.connection import Stream
from leadfeed_api.telemetry import Metrics


class Audience:
    """One organisation's streams. A live view: not to be kept across an ``await``."""

    def __init__(self) -> None:
        self._by_user: dict[str, list[Stream]] = {}
        self._in_order: dict[Stream, str] = {}

    @property
    def users(self) -> Collection[str]:
        """Who follows."""
        return self._by_user.keys()

    @property
    def streams(self) -> Collection[Stream]:
        """All streams, in the order in which they were opened."""
        return self._in_order.keys()

    @property
    def owners(self) -> Collection[str]:
        """Whose each of the streams is, in the same order."""
        return self._in_order.values()

    def of(self, user_id: str) -> Collection[Stream]:
        """One user's streams."""
        return self._by_user.get(user_id, ())

    def add(self, stream: Stream) -> None:
        """One that is not in here."""
        self._by_user.setdefault(stream.user_id, []).append(stream)
        self._in_order[stream] = stream.user_id

    def remove(self, stream: Stream) -> None:
        """One that is in here."""
        del self._in_order[stream]
        streams = self._by_user[stream.user_id]
        streams.remove(stream)
        if not streams:
            del self._by_user[stream.user_id]


_NOBODY = Audience()


class Connections:
    """The register of streams, by organisation and user."""

    def __init__(self, *, per_user: int, per_process: int, metrics: Metrics) -> None:
        self._per_user = per_user
        self._per_process = per_process
        self._metrics = metrics
        self._audiences: dict[int, Audience] = {}
        self._count = 0
        self.admitted = 0  # since the process began

    def admit(self, stream: Stream) -> None:
        """Registers a stream. Raises ``TooMany`` as :meth:`demand_room` does."""
        self.demand_room(stream.org_id, stream.user_id)
        self._audiences.setdefault(stream.org_id, Audience()).add(stream)
        self.admitted += 1
        self._counted(+1)

    def demand_room(self, org_id: int, user_id: str) -> None:
        """Raises ``TooMany`` when a user, or the process, has as many streams as it may."""
        if self._count >= self._per_process:
            raise TooMany("This server has reached its limit of open streams. Wait as long as Retry-After says.")
        if len(self.audience(org_id).of(user_id)) >= self._per_user:
            raise TooMany("This user has reached the limit of open streams. Close one, or share one between tabs.")

    def dismiss(self, stream: Stream) -> None:
        """Forgets a stream; one that is not registered is no error."""
        audience = self._audiences.get(stream.org_id, _NOBODY)
        if stream in audience.streams:
            audience.remove(stream)
            self._counted(-1)
            if not audience.streams:
                del self._audiences[stream.org_id]

    def audience(self, org_id: int) -> Audience:
        """The organisation's streams."""
        return self._audiences.get(org_id, _NOBODY)

    def organizations(self) -> list[int]:
        """The organisations that have streams here."""
        return list(self._audiences)

    def __iter__(self) -> Iterator[Stream]:
        """Every stream; what opens or closes meanwhile does not disturb."""
        return iter([stream for audience in self._audiences.values() for stream in audience.streams])

    def __len__(self) -> int:
        return self._count

    def _counted(self, step: int) -> None:
        self._count += step
        self._metrics.connections.set(self._count)
