"""The mail server: one address, a few connections kept open, and a careful hand-over (RFC 5321, by aiosmtplib).

Owns the reading of ``LEADFEED_SMTP_URL``, connections and timeouts; what an answer means is ``answers``'. A password
never travels in the clear, except to this machine itself.
"""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from leadfeed_api.fields import clean
from leadfeed_api.settings import is_loopback
from leadfeed_api.subscriptions.delivery.answers import Stage, blame
from leadfeed_api.subscriptions.delivery.carriers import HandOver, Refused, Uncertain, Unreachable
from leadfeed_api.subscriptions.letters.message import Envelope

CONNECTIONS = 4
COMMAND_S = 30.0  # for one answer before the message
READY_S = 90.0  # until there is a connection; and again, until the server waits for the message
ANSWER_S = 300.0  # for the answer to the message: servers scan it first, and who gives up early sends it twice
SAID = 300  # characters of an answer that are kept
MESSAGES = 100  # on one connection: servers cut longer ones
_DOT = re.compile(rb"(?m)^\.")


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where ``smtp://`` or ``smtps://`` leads. ``tls``: from the first byte, by STARTTLS, if offered, or never."""

    host: str
    port: int
    tls: str
    username: str | None
    password: str | None

    @classmethod
    def at(cls, url: str) -> Self:
        """Reads ``smtps://user:password@host:465``, or ``smtp://host:587?starttls=required|optional|never``.

        STARTTLS is required when there is a password and the host is another machine, else taken if offered. Raises
        ``ValueError`` with what is wrong, never with the password.
        """
        try:
            parts = urlsplit(url)
            usable = parts.scheme in {"smtp", "smtps"} and bool(parts.hostname) and parts.port != 0
        except ValueError:  # a port that is none, perhaps because it is a part of the password
            usable = False
        if not usable or parts.hostname is None or parts.fragment:
            raise ValueError(
                "expected smtp://host:25, smtp://user:password@host:587 or smtps://user:password@host:465; in a "
                "password # is written %23, / is %2F, and ? is %3F"
            )
        options = parse_qs(parts.query, keep_blank_values=True)
        if options.keys() - {"starttls"}:  # not named: it may be a part of the password
            raise ValueError("there is no other option than starttls=required, optional or never")
        asked = options.get("starttls", [None])[-1]
        if asked not in {None, "required", "optional", "never"} or (asked and parts.scheme == "smtps"):
            raise ValueError("starttls must be required, optional or never; smtps does not need it")
        exposed = parts.username is not None and not is_loopback(parts.hostname)
        if exposed and asked in {"optional", "never"}:
            raise ValueError("a password goes to another machine only encrypted: use smtps://, or starttls=required")
        tls = "wrapped" if parts.scheme == "smtps" else asked or ("required" if exposed else "optional")
        return cls(
            host=parts.hostname,
            port=parts.port or (465 if tls == "wrapped" else 587 if parts.username else 25),
            tls=tls,
            username=unquote(parts.username) if parts.username is not None else None,
            password=unquote(parts.password or "") if parts.username is not None else None,
        )


class Smtp:
    """A carrier over one mail server."""

    def __init__(
        self,
        server: MailServer,
        *,
        answer_s: float = ANSWER_S,
        command_s: float = COMMAND_S,
        ready_s: float = READY_S,
    ) -> None:
        self._server = server
        self._answer_s = answer_s
        self._command_s = command_s
        self._ready_s = ready_s
        self._idle: deque[_Line] = deque()
        self._room = asyncio.Semaphore(CONNECTIONS)

    async def reach(self) -> None:
        """Has a connection ready, greeted and logged in."""
        if not any(line.is_good for line in self._idle):
            async with self._room:
                self._idle.append(await self._in_time(self._open()))

    async def carry(self, envelope: Envelope, hand_over: HandOver) -> None:
        """Sends one message; ``hand_over`` is called when the server is ready for it."""
        async with self._room:
            line = await self._in_time(self._offered(envelope))
            try:
                await hand_over()
                await line.send(envelope.message, self._answer_s)
            except Refused:
                await self._keep(line)
                raise
            except BaseException:
                line.cut()
                raise
            await self._keep(line)

    async def close(self) -> None:
        """Says goodbye on every idle connection."""
        while self._idle:
            await self._idle.pop().leave()

    async def _in_time(self, ready: Awaitable["_Line"]) -> "_Line":
        try:
            async with asyncio.timeout(self._ready_s):
                return await ready
        except TimeoutError as error:
            raise Unreachable(f"not ready for a message within {self._ready_s:.0f} s") from error

    async def _offered(self, envelope: Envelope) -> "_Line":
        """A connection on which the server waits for this message."""
        while self._idle:
            kept = self._idle.pop()
            try:
                await self._offer(kept, envelope)
            except Unreachable:
                continue  # it had been closed over there meanwhile; a fresh one will tell how things are
            return kept
        fresh = await self._open()
        await self._offer(fresh, envelope)
        return fresh

    async def _offer(self, line: "_Line", envelope: Envelope) -> None:
        try:
            await line.offer(envelope)
        except Refused:
            await self._keep(line)
            raise
        except (SMTPException, TimeoutError, OSError) as error:
            line.cut()
            raise Unreachable(_said(error)) from error
        except BaseException:
            line.cut()
            raise

    async def _keep(self, line: "_Line") -> None:
        if line.is_good and line.carried < MESSAGES:
            self._idle.append(line)
        else:
            await line.leave()

    async def _open(self) -> "_Line":
        server = self._server
        client = SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            use_tls=server.tls == "wrapped",
            start_tls={"required": True, "optional": None}.get(server.tls, False),
            # Unasked-for encryption is better than none, whoever's certificate it is.
            validate_certs=server.tls != "optional",
            timeout=self._command_s,
        )
        try:
            await client.connect()
        except (SMTPException, TimeoutError, OSError, ValueError) as error:
            client.close()
            raise Unreachable(_said(error)) from error
        return _Line(client)


class _Line:
    """One connection, for one message after the other."""

    def __init__(self, client: SMTP) -> None:
        self._client = client
        self._begun = False  # a message that was not taken: the server may still have its beginning
        self.carried = 0

    @property
    def is_good(self) -> bool:
        """Whether another message may be tried on it."""
        return self._client.is_connected

    async def offer(self, envelope: Envelope) -> None:
        """Everything before the message. Raises ``Refused`` for the recipient, ``Unreachable`` for all else."""
        try:
            if self._begun:
                await self._client.rset()
            await self._client.mail(envelope.sender)
        except SMTPResponseException as error:
            # The sender is the same for every message: this is about us and the server, not about this one.
            raise Unreachable(_said(error)) from error
        self._begun = True
        try:
            await self._client.rcpt(envelope.recipient)
        except SMTPResponseException as error:
            raise _refusal(error.code, error.message, "recipient") from error
        answer = await self._client.execute_command(b"DATA")
        if answer.code != 354:
            raise _refusal(answer.code, answer.message, "message")

    async def send(self, message: bytes, answer_s: float) -> None:
        """The message itself. Raises ``Uncertain`` when no answer comes."""
        protocol = self._client.protocol
        if protocol is None:
            raise Unreachable("the connection was lost before the message")
        end = b".\r\n" if message.endswith(b"\r\n") else b"\r\n.\r\n"
        try:
            protocol.write(_DOT.sub(b"..", message) + end)
            answer = await protocol.read_response(timeout=answer_s)
        except (SMTPException, OSError) as error:
            raise Uncertain(_said(error)) from error
        self.carried += 1
        if answer.code >= 400:
            raise _refusal(answer.code, answer.message, "message")
        if answer.code // 100 != 2:
            raise Uncertain(f"{answer.code} is no answer to a message")
        self._begun = False

    async def leave(self) -> None:
        """QUIT, if the server still listens."""
        try:
            await self._client.quit(timeout=5)
        except (SMTPException, OSError):
            self.cut()

    def cut(self) -> None:
        """Without a word."""
        self._client.close()


def _refusal(code: int, answer: str, stage: Stage) -> Exception:
    said = f"{code} {clean(answer)}"[:SAID]
    blames = blame(code, answer, stage)
    return Unreachable(said) if blames == "server" else Refused(said, blames)


def _said(error: BaseException) -> str:
    if isinstance(error, SMTPResponseException):
        return f"{error.code} {clean(error.message)}"[:SAID]
    return clean(str(error))[:SAID] or type(error).__name__
