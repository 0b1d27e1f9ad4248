"""Documents rendered not long ago, so that a feed which many devices poll is rendered once a change.

Owns memory within a bound, nothing else: whether a document may be served is decided before anyone looks here.
"""

from collections import OrderedDict

MAX_BYTES = 32 * 1024 * 1024  # some 480 feeds of 50 entries with all their contact details (68 kB each)
MAX_DOCUMENTS = 1_000


class Rendered:
    """The least recently used leave first. One document a key: a newer version takes its predecessor's place."""

    def __init__(self, *, max_bytes: int = MAX_BYTES, max_documents: int = MAX_DOCUMENTS) -> None:
        self._kept: OrderedDict[object, tuple[str, bytes]] = OrderedDict()
        self._max_bytes = max_bytes
        self._max_documents = max_documents
        self.bytes = 0

    def find(self, key: object, tag: str) -> bytes | None:
        """The document kept under ``key``, if it is the one with this entity tag."""
        kept = self._kept.get(key)
        if kept is None or kept[0] != tag:
            return None
        self._kept.move_to_end(key)
        return kept[1]

    def keep(self, key: object, tag: str, document: bytes) -> None:
        """Keeps a document, and lets go of others until both bounds hold."""
        _, replaced = self._kept.pop(key, ("", b""))
        self._kept[key] = (tag, document)
        self.bytes += len(document) - len(replaced)
        while self.bytes > self._max_bytes or len(self._kept) > self._max_documents:
            _, (_, oldest) = self._kept.popitem(last=False)
            self.bytes -= len(oldest)
