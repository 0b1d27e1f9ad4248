"""A connection that has become a stream is HTTP's no more: what uvicorn keeps for a request is let go of.

As with one that becomes a websocket, the transport is given another protocol. What remains of a stream is that, the
transport and the conversation: 3 KiB instead of 14, and no task while nothing is to be done (docs/decisions/0008).

``leadfeed serve`` runs uvicorn with ``HandingOver``. On another server a stream stays a response (``response``).

It also writes the head of every answer together with its first bytes, as ASGI asks of servers: a write of its own, a
packet and a waking of the client are a tenth of what a small answer costs. What is no HTTP, or begins without end, it
answers with a problem, like everything else.
"""

import asyncio
import secrets
import socket
import sys
from collections.abc import MutableSet
from typing import Any

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from leadfeed_api.errors import BadRequest
from leadfeed_api.stream.conversation import Conversation
from leadfeed_api.stream.lent import lent

EXTENSION = "leadfeed.protocol"
_UNREADABLE = BadRequest(
    "What arrived is no HTTP request that can be read. Its method is unknown, its address is longer than 64 KB or has "
    "text outside ASCII that is not percent-encoded, or its form is wrong."
)
_ENDLESS = BadRequest(
    "The address and the headers of a request may have 64 KB together, and so may what ends its body."
)
LOOSE_BYTES = 64 * 1024  # and what one read brings besides; uvicorn would collect them until the memory is full
PIPELINED = 50  # requests of a connection that wait; uvicorn would keep all that it reads, some KB for each
# A client that is gone without a word acknowledges nothing: the kernel alone would try for a quarter of an hour.
UNACKNOWLEDGED_MS = 30_000
SOCKET_BUFFER_BYTES = 32 * 1024  # left to itself the kernel's grows to megabytes for a client that never reads


class HandingOver(HttpToolsProtocol):
    """For ``uvicorn.Config(http=HandingOver)``."""

    _answering: RequestResponseCycle  # uvicorn's ``cycle`` is the request read last: of several at once, the last
    _in_head = False  # a request has begun, and its headers are not complete
    _got_on = False  # with what is being read: a request began, its headers were complete, or a piece of its body came
    _loose = 0  # bytes read since it last did
    _deaf = False  # nothing is read any more

    def data_received(self, data: bytes) -> None:
        """Something arrived."""
        if self._deaf:
            return
        self._got_on = False
        super().data_received(data)
        self._loose = 0 if self._got_on else self._loose + len(data)
        if self._loose > LOOSE_BYTES and not self.transport.is_closing():
            self._refuse(_ENDLESS, "A request has no end.")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = self._got_on = True
        self.scope["extensions"] = {EXTENSION: self}  # type: ignore[dict-item] # ours, not ASGI's

    def on_headers_complete(self) -> None:
        """It is known what is asked. Of too many at once the last is that with which the connection ends.

        Raises to end the reading. What was read is answered; the rest may be asked again (RFC 9112, section 9.3.2).
        """
        self._in_head, self._got_on = False, True
        if len(self.pipeline) == PIPELINED:
            self.pipeline[0][0].keep_alive = False
            self._deaf = True
            raise OverflowError("too many requests at once")
        super().on_headers_complete()
        if not self.parser.should_upgrade():
            self.headers = []  # what follows a body in chunks is no part of its head (RFC 9110, section 6.5.1)

    def on_body(self, body: bytes) -> None:
        """A piece of the body arrived."""
        self._got_on = True
        super().on_body(body)

    def on_response_complete(self) -> None:
        """A request is answered; nothing more is read before all that wait are being answered."""
        super().on_response_complete()
        if self.pipeline:
            self.flow.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, and with it whatever it asked."""
        self.pipeline.clear()
        if self._asked:
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What cannot be parsed never reaches the application: it is refused here, and the connection ends."""
        if not self._deaf:
            self._refuse(_UNREADABLE, msg)

    def _refuse(self, problem: BadRequest, msg: str) -> None:
        request_id = secrets.token_hex(16)
        self.logger.warning("%s Its request id is %s.", msg, request_id)
        if self._may_answer():
            self._answer(problem, request_id)
        self.transport.close()

    @property
    def _asked(self) -> bool:
        """Whether anything was; so there is what is being answered, or was last."""
        return hasattr(self, "_answering")

    def _may_answer(self) -> bool:
        """Whether what is refused is what has to be answered next, and nothing of its answer has been sent."""
        if not self._asked:
            return True
        if self._in_head:
            return self.cycle.response_complete
        return self.cycle is self._answering and not self.cycle.response_started

    def _answer(self, problem: BadRequest, request_id: str) -> None:
        body = problem.document(instance="", request_id=request_id)
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/problem+json"),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            (b"x-request-id", request_id.encode("ascii")),
            (b"connection", b"close"),
        ]
        head = b"".join([b"%b: %b\r\n" % header for header in headers])
        self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[400], head, body))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        if cycle.scope["method"] != "HEAD":  # of whose answer there are no first bytes
            cycle.transport = HeadWithBody(cycle)  # type: ignore[assignment]  # all that a cycle asks of a transport
        super()._start_asgi_task(cycle, app)

    def open_end(self) -> None:
        """The response that begins has no end in sight: what HTTP/1.1 sends in chunks, to HTTP/1.0 ends the connection.

        uvicorn alone would send chunks to either (RFC 9112, section 6.1).
        """
        if self._answering.scope["http_version"] != "1.1":
            self._answering.chunked_encoding, self._answering.expected_content_length = False, sys.maxsize

    def hand_over(self, conversation: Conversation) -> None:
        """The connection, on which a response was begun, goes on as a conversation. The application may return."""
        # Intentional: for HTTP it is lost. So the request ends without another byte, and its parser goes.
        self._answering.disconnected = True
        if self.transport.is_closing():
            conversation.client_left()
            return
        self._answering.scope["extensions"] = {}  # was a circle
        self.connection_lost(ConnectionAbortedError())
        chunked = bool(self._answering.chunked_encoding)
        StreamProtocol(self.transport, self.connections, conversation, chunked=chunked).begin()


class HeadWithBody:
    """A cycle's transport until the head of its answer is written: with the first bytes of the body."""

    __slots__ = ("_cycle", "_head", "_transport")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._transport = cycle.transport
        self._head = b""

    def write(self, data: bytes) -> None:
        """Holds the first piece, and writes it with the second."""
        if not self._head and self._cycle.response_started:
            self._head = data
            return
        self._transport.write(self._head + data)
        if self._head:
            self._cycle.transport = self._transport

    def is_closing(self) -> bool:
        """Whether the connection is."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Ends the connection after what was held."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""
        self._transport.close()


class StreamProtocol(asyncio.Protocol):
    """The connection of a stream. What a client says on it is not listened to, but that it leaves.

    Only ``chunked`` ones are lent, because whoever has a socket writes chunks to it.
    """

    __slots__ = ("_chunked", "_connections", "_conversation", "_drained", "_transport", "direct")

    def __init__(
        self, transport: Any, connections: MutableSet[Any], conversation: Conversation, *, chunked: bool
    ) -> None:
        self._transport = transport
        self._connections = connections
        self._conversation = conversation
        self._drained: asyncio.Future[None] | None = None
        self._chunked = chunked
        self.direct = lent(transport) if chunked else None

    def begin(self) -> None:
        """Takes the connection over."""
        self._connections.add(self)  # uvicorn's, which waits for them when it ends
        self._transport.set_protocol(self)
        self._transport.resume_reading()
        # So the transport pauses as soon as, and for as long as, it has anything in its buffer.
        self._transport.set_write_buffer_limits(high=0)
        own: socket.socket = self._transport.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
        if sys.platform == "linux" and own.family != socket.AF_UNIX:
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
        self._conversation.begin(self)

    @property
    def unsent(self) -> int:
        """What the transport has in its buffer."""
        size: int = self._transport.get_write_buffer_size()
        return size

    async def send(self, data: bytes) -> None:
        """Waits until all that was sent before is the kernel's, then sends."""
        if self.unsent:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained
        self.say(data)

    def say(self, data: bytes) -> None:
        """Sends after all that was sent before."""
        if not self._transport.is_closing():
            self._transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    async def finish(self) -> None:
        """The response is complete; the connection ends when that was read."""
        if not self._transport.is_closing():
            if self._chunked:
                self._transport.write(b"0\r\n\r\n")
            self._transport.close()

    def cut(self) -> None:
        """The connection ends at once."""
        self._transport.abort()

    def pause_writing(self) -> None:
        """The client reads more slowly than it is written to."""
        self._conversation.hold()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._go_on()
        self._conversation.release()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._connections.discard(self)
        self._conversation.client_left()
        if self.direct is not None:
            self.direct.give_back()
        self._go_on()

    def shutdown(self) -> None:
        """The server is ending, which streams are told otherwise (``leaving``)."""

    def _go_on(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)


def handing_over(scope: Scope) -> HandingOver | None:
    """The protocol that a request came by, where the server can hand its connection over."""
    found: HandingOver | None = (scope.get("extensions") or {}).get(EXTENSION)
    return found
