"""Carriers of mail, and what can become of a message on the way. The mail server is ``smtp``'s; here is the folder.

Owns the words that ``sending`` acts on: a carrier returns when the message was taken, and raises one of three
otherwise. Knows nothing of moments or recipients.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

from leadfeed_api.subscriptions.letters.message import Envelope

# Called right before the message leaves; raises when it must not.
HandOver = Callable[[], Awaitable[None]]


class Refused(Exception):
    """The server said no, and why. ``blames``: the address for good, this message, or nobody (then later it may do)."""

    def __init__(self, answer: str, blames: Literal["address", "message", "nobody"]) -> None:
        super().__init__(answer)
        self.blames = blames


class Unreachable(Exception):
    """The server cannot be used now, whichever the message. Nothing was handed over."""


class Uncertain(Exception):
    """The message was handed over and no answer came: it may or may not have been taken."""


class Carrier(Protocol):
    """What takes messages away."""

    async def reach(self) -> None:
        """Makes sure that messages can be taken now, so that none is written in vain. Raises ``Unreachable``."""

    async def carry(self, envelope: Envelope, hand_over: HandOver) -> None:
        """Takes one message. Raises ``Refused``, ``Unreachable`` or ``Uncertain``."""

    async def close(self) -> None:
        """Lets go of connections."""


class Mailbox:
    """A folder of ``.eml`` files, one a message: where mail goes while no mail server is set.

    A message carried twice is one file, so nothing has to be noted down before it leaves. Who runs the service may read
    them, and nobody else on the machine: their links work.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def reach(self) -> None:
        """It is always there."""

    async def carry(self, envelope: Envelope, _hand_over: HandOver) -> None:
        """Writes the file whole or not at all; raises ``Unreachable`` when the folder cannot be written."""
        try:
            await asyncio.to_thread(self._write, envelope)
        except OSError as error:
            raise Unreachable(f"{self.folder}: {error.strerror}") from error

    async def close(self) -> None:
        """Nothing is open."""

    def _write(self, envelope: Envelope) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self.folder / f".{envelope.name}"
        with open(unfinished, "wb", opener=partial(os.open, mode=0o600)) as file:
            file.write(envelope.message)
        os.replace(unfinished, self.folder / f"{envelope.name}.eml")
