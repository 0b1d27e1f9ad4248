"""A real mail server on loopback, made of aiosmtpd, that misbehaves when a test asks it to.

Owns what it kept and how often it was called; knows nothing of what is sent.
"""

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Misbehaviour:
    """What goes wrong; each is a function of the recipient's address, or a plain value."""

    greeting: str | None = None  # in place of 220, and the connection is closed
    mail: str | None = None  # an answer in place of 250
    rcpt: Callable[[str], str | None] = lambda _: None
    data: Callable[[str], str | bytes | None] = lambda _: None
    swallow: Callable[[str], bool] = lambda _: False  # take the message, then drop the connection without an answer
    keep_swallowed: bool = True
    tarpit_s: float = 0.0  # before every answer


class Turning(asyncio.Protocol):
    """Turns whoever comes away at the door."""

    def __init__(self, greeting: str) -> None:
        self._greeting = greeting

    def connection_made(self, transport: Any) -> None:
        asyncio.get_running_loop().call_soon(self._turn_away, transport)  # uvloop wants it open until then

    def _turn_away(self, transport: asyncio.Transport) -> None:
        transport.write(f"{self._greeting}\r\n".encode())
        transport.close()


@dataclass
class MailServer:
    """The server. ``kept`` are (recipient, message) in the order they were taken."""

    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    login: tuple[str, str] | None = None
    wrong: Misbehaviour = field(default_factory=Misbehaviour)
    kept: list[tuple[str, bytes]] = field(default_factory=list)
    connections: int = 0
    encrypted: list[bool] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    port: int = 0
    _server: asyncio.Server | None = None
    _inside: list[SMTP] = field(default_factory=list)

    async def start(self) -> None:
        """Listens; on the port it had before, if it had one."""
        loop = asyncio.get_running_loop()
        ssl_now = self.tls if self.implicit_tls else None
        self._server = await loop.create_server(self._session, "127.0.0.1", self.port, ssl=ssl_now)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self, *, at_once: bool = False) -> None:
        """Closes the door; whoever is inside may finish, unless it has to be ``at_once``."""
        for inside in self._inside if at_once else ():
            if isinstance(inside.transport, asyncio.Transport):
                inside.transport.abort()
        self._inside = [] if at_once else self._inside
        if self._server is not None:
            self._server.close()
            self._server = None

    def copies(self) -> Counter[str]:
        """How often each Message-ID was taken."""
        return Counter(message.split(b"Message-ID: <", 1)[1].split(b">", 1)[0].decode() for _, message in self.kept)

    def _session(self) -> asyncio.Protocol:
        self.connections += 1
        if self.wrong.greeting is not None:
            return Turning(self.wrong.greeting)
        self._inside.append(self._served())
        return self._inside[-1]

    def _served(self) -> SMTP:
        return SMTP(
            self,
            loop=asyncio.get_running_loop(),
            hostname="mail.test",
            tls_context=None if self.implicit_tls else self.tls,
            require_starttls=False,
            auth_require_tls=False,
            authenticator=self._authenticate,
        )

    def _authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        found = (given.login.decode(), given.password.decode())
        self.logins.append(found[0])
        return AuthResult(success=found == self.login, handled=False)

    async def handle_MAIL(self, _server: Any, _session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        await asyncio.sleep(self.wrong.tarpit_s)
        if self.wrong.mail is None:
            envelope.mail_from = address
        return self.wrong.mail or "250 OK"

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        await asyncio.sleep(self.wrong.tarpit_s)
        refusal = self.wrong.rcpt(address)
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str | bytes:  # noqa: N802
        await asyncio.sleep(self.wrong.tarpit_s)
        (address,) = envelope.rcpt_tos
        refusal = self.wrong.data(address)
        if refusal is not None:
            return refusal
        swallowed = self.wrong.swallow(address)
        if not swallowed or self.wrong.keep_swallowed:
            self.kept.append((address, envelope.original_content))
            self.encrypted.append(session.ssl is not None or self.implicit_tls)
        if swallowed:
            server.transport.abort()
        return "250 OK"


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[MailServer]:
    """A server for the length of a block."""
    server = MailServer(**options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def self_signed(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context for 127.0.0.1 and localhost, and the file that makes a client trust it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(time.time_ns())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted, private = folder / "trusted.pem", folder / "private.pem"
    trusted.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, private)
    return context, trusted
