"""What stands around the service on a real network: a NATS server, a transaction pooler, a wire that can go dead.

Real programs on ports of the kernel's choice, ended when the block ends; of the wire's behaviour tests are in charge.
"""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tools import needs


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def accepts(port: int) -> None:
    """Waits until something listens on ``port``."""
    async with asyncio.timeout(10):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)


@contextmanager
def program(command: list[str], *, user: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a program, silently, until the block ends."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=user)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def nats_server(port: int | None = None) -> AsyncIterator[str]:
    """A NATS server; yields its URL."""
    port = port or free_port()
    with program([str(needs("nats-server")), "--addr", "127.0.0.1", "--port", str(port)]):
        await accepts(port)
        yield f"nats://127.0.0.1:{port}"


def _socket_folder(dsn: str) -> Path:
    return Path(parse_qs(urlsplit(dsn).query)["host"][0])


def _socket(dsn: str) -> Path:
    port = parse_qs(urlsplit(dsn).query).get("port", ["5432"])[0]
    return _socket_folder(dsn) / f".s.PGSQL.{port}"


@asynccontextmanager
async def pgbouncer(dsn: str) -> AsyncIterator[str]:
    """A pgbouncer in transaction mode before the server behind ``dsn``; yields the DSN that leads through it."""
    parts, port = urlsplit(dsn), free_port()
    config = _pgbouncer_config(dsn, port)
    # The server's own user, because nobody else may use the server's socket.
    owner = _socket(dsn).stat().st_uid if os.geteuid() == 0 else None
    try:
        with program([str(needs("pgbouncer")), str(config)], user=owner):
            await accepts(port)
            yield f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}"
    finally:
        shutil.rmtree(config.parent)


def _pgbouncer_config(dsn: str, port: int) -> Path:
    parts, database = urlsplit(dsn), urlsplit(dsn).path.lstrip("/")
    folder = Path(tempfile.mkdtemp(prefix="leadfeed-pgbouncer-"))
    folder.chmod(0o755)
    users, config = folder / "users.txt", folder / "pgbouncer.ini"
    users.write_text(f'"{parts.username}" ""\n')
    config.write_text(
        f"[databases]\n{database} = host={_socket_folder(dsn)} port={_socket(dsn).suffix[1:]} dbname={database}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = trust\nauth_file = {users}\npool_mode = transaction\ndefault_pool_size = 5\n"
    )
    return config


@dataclass
class Wire:
    """A TCP connection to the database that can go dead: nothing passes, nothing is closed, nobody is told."""

    dsn: str
    dead: bool = False
    accepted: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                while data := await reader.read(65_536):
                    if self.dead:
                        continue
                    writer.write(data)
                    await writer.drain()
        finally:  # also when cancelled: what is left open keeps the event loop from closing
            writer.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        server_reader, server_writer = await asyncio.open_unix_connection(str(_socket(self.dsn)))
        for one in (self._carry(reader, server_writer), self._carry(server_reader, writer)):
            task = asyncio.create_task(one)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


@asynccontextmanager
async def wire(dsn: str, *, at_most: int | None = None) -> AsyncIterator[tuple[Wire, str]]:
    """A wire to the server behind ``dsn``, and the DSN that leads through it; ``at_most`` so many connections."""
    carried = Wire(dsn)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await carried._accept(reader, writer)
        if carried.accepted == at_most:
            server.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    parts = urlsplit(dsn)
    try:
        yield carried, f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}"
    finally:
        server.close()
        for task in list(carried._tasks):
            task.cancel()
        await asyncio.gather(*carried._tasks, return_exceptions=True)
