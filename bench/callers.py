"""Whoever asks at a given time, or says something that streams must hear: kept connections, and answers checked."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from bench.load import Request

ENTRY, ELEMENT = '"description":"', "<item>"  # what each item of a page, and of an RSS document, has once
LAST_BYTES = 100  # of the last one: its text is in there, and no other has that
Saying = Sequence[tuple[int, bytes]]  # a request to each of these ports, one after the other


class Caller:
    """Somebody with a connection of their own to each port."""

    def __init__(self) -> None:
        self._connections: dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}

    async def say(self, saying: Saying) -> None:
        """Sends requests that must all succeed; to one port those in a row together, without waiting in between."""
        for port, together in itertools.groupby(saying, key=lambda one: one[0]):
            requests = [request for _, request in together]
            for answer in await self._answers(port, requests):
                if b" 20" not in answer[:12]:
                    raise SystemExit(f"refused: {answer[:600]!r}")

    async def ask(self, port: int, request: Request) -> bytes:
        """Sends one request, whose answer must be what it is to be; returns that, head and all."""
        (answer,) = await self._answers(port, [request.head + request.body])
        if int(answer[9:12]) != request.status or request.holds not in answer:
            raise SystemExit(f"a wrong answer to {request.head[:200]!r}: {answer[:600]!r}")
        return answer

    async def _answers(self, port: int, requests: Sequence[bytes]) -> list[bytes]:
        kept = port in self._connections
        try:
            return await self._exchange(port, requests)
        except (EOFError, ConnectionError):
            if not kept:
                raise
        # The server had closed it, because nothing was said on it for some seconds; as every client, once more.
        self._connections.pop(port)[1].close()
        return await self._exchange(port, requests)

    async def _exchange(self, port: int, requests: Sequence[bytes]) -> list[bytes]:
        if port not in self._connections:
            self._connections[port] = await asyncio.open_connection("127.0.0.1", port)
        reader, writer = self._connections[port]
        writer.writelines(requests)
        answers = [await _answer(reader) for _ in requests]
        if any(b"\r\nconnection: close" in one.partition(b"\r\n\r\n")[0].lower() for one in answers):
            writer.close()
            del self._connections[port]
        return answers

    def close(self) -> None:
        """Hangs up everywhere."""
        for _, writer in self._connections.values():
            writer.close()


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return head + await reader.readexactly(int(line[15:]))
    return head


def proven(port: int, request: Request, item: str, count: int = 50) -> Request:
    """The request, now that one answer to it was seen to hold so many items: each has to hold the last of them."""

    async def once() -> bytes:
        caller = Caller()
        try:
            return await caller.ask(port, request)
        finally:
            caller.close()

    answer, begins = asyncio.run(once()), item.encode()
    if answer.count(begins) != count:
        raise SystemExit(f"{answer.count(begins)} items where {count} should be: {answer[:600]!r}")
    return replace(request, holds=answer[answer.rindex(begins) :][:LAST_BYTES])


async def in_time(count: int, first: float, every: float, do: Callable[[Caller, int], Awaitable[None]]) -> list[float]:
    """Begins something ``every`` so many seconds, whether or not what was begun before is done, by as many as it takes.

    Number ``n`` is due at ``first + n * every``. Returns the seconds from then until it was done, in order.
    """
    idle: list[Caller] = []
    took: list[float] = []

    async def begin(number: int) -> None:
        due = first + number * every
        await asyncio.sleep(due - time.perf_counter())
        caller = idle.pop() if idle else Caller()
        await do(caller, number)
        took.append(time.perf_counter() - due)
        idle.append(caller)

    await asyncio.gather(*map(begin, range(count)))
    for caller in idle:
        caller.close()
    return sorted(took)
