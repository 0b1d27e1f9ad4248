"""Noticing that this process is to end, early enough to say goodbye.

uvicorn ends the lifespan only after every response has ended, so it cannot be what ends the streams. sse-starlette
watches uvicorn's signal handler; this reads the same two signs, once for all streams.
"""

import asyncio
import signal

from sse_starlette.sse import AppStatus

LOOK_EVERY_S = 0.1


async def asked_to_leave() -> None:
    """Returns once the server was told to exit, by a signal or by its own ``should_exit``."""
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)  # it listens before the application begins
    while not (AppStatus.should_exit or getattr(server, "should_exit", False)):  # noqa: ASYNC110  neither can be awaited
        await asyncio.sleep(LOOK_EVERY_S)
