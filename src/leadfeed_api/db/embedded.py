"""A real PostgreSQL as a child of this process: what demos, development and tests run on without an installation.

Owns the server's whole life: making its data, its settings, its start, and its end in every way this process can end.
Refuses to know what is stored in it, and is not for production: that is ``LEADFEED_DATABASE_URL``. Linux and macOS.

In ``DATA_DIR`` it keeps::

    postgres-18/       the data, mode 0700; another major version cannot read it, hence the number
    postgres-18.log    what the server says; the log of the run before is postgres-18.log.1
    embedded.lock      one owner at a time; inside, the owner's process id
    embedded.users     shared by the commands that use it: the one that has started it ends it after the others

How it ends with us: leaving the ``with`` block asks for a fast shutdown (clients are cut, what was committed stays).
Without that (SIGKILL, or SIGTERM, which uvicorn raises again so that neither ``finally`` nor atexit runs) Linux sends
the server the same request when we die. On macOS a killed process leaves its server behind, and the next start says
what to do. The server has a session of its own: Ctrl-C in the terminal reaches us, and not it behind our back.

As root the server runs as the owner of existing data, or ``postgres``, or ``nobody``. No folder above the data is
opened up for that user: where it may not walk to the data (a checkout in /root), it is put there (``db/child.py``).
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from leadfeed_api.db.binaries import Binaries, PostgresUnavailable, find_binaries
from leadfeed_api.db.child import Account, account_for, child_command
from leadfeed_api.db.data_folder import (
    LOCK_PATIENCE,
    PORT,
    AlreadyRunning,
    DataFolderUnusable,
    PostmasterFile,
    counted_in,
    discard_leftovers,
    locked,
    refuse_other_versions,
    refuse_what_is_roots,
    servers_on,
    socket_folder_for,
    wait_for_others,
)

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",  # only a socket, in a folder that only its owner may enter: hence no password
    "port": PORT,
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "fsync": "on",  # acknowledged means durable, here too
    "jit": "off",  # compiling costs more than our short statements take
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    "cluster_name": "leadfeed",
}
START_PATIENCE = 60.0  # seconds; after a crash the log since the last checkpoint is replayed first
STOP_PATIENCE = 30.0  # seconds before a fast shutdown becomes an immediate one, and again before that becomes force
LINES_SHOWN = 15  # of what PostgreSQL said last, in an error
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")


class StartFailed(PostgresUnavailable):
    """PostgreSQL ended, or never got ready; the message ends with what it said last."""


class EmbeddedPostgres:
    """A real PostgreSQL server as a child of this process, with one database, ``leadfeed``.

    ``with EmbeddedPostgres(Path("data")) as server: server.dsn``. Synchronous: start it before the event loop.

    Args:
        data_dir: where its data lies; made on first use.
        pg_bin: the folder of ``postgres`` and ``initdb``; default: the wheel's, then the newest system package's.
        options: server settings that win over ``SETTINGS``, by name.
    """

    def __init__(self, data_dir: Path, *, pg_bin: Path | None = None, options: Mapping[str, str] | None = None) -> None:
        self._data_dir = data_dir.resolve()
        self._pg_bin = pg_bin
        self._options = dict(options or {})
        self._dsn: str | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._cleanup = contextlib.ExitStack()

    @property
    def dsn(self) -> str:
        """``postgresql://leadfeed@/leadfeed?host=SOCKET_FOLDER&port=5432``, as asyncpg and SQLAlchemy take it."""
        if self._dsn is None:
            raise RuntimeError("the server is not running")
        return self._dsn

    @property
    def runs(self) -> bool:
        """Whether it has been started, and not been stopped since."""
        return self._process is not None

    def __enter__(self) -> Self:
        """As ``start``."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> str:
        """Starts the server, making its data on first use; returns the DSN once it accepts connections.

        Raises a ``PostgresUnavailable``: ``PostgresNotFound``, ``AlreadyRunning``, ``DataFolderUnusable`` or
        ``StartFailed``.
        """
        if self._process is not None:
            raise RuntimeError("the server is running already")
        try:
            self._dsn = self._start()
        except OSError as refusal:
            self.stop()
            raise DataFolderUnusable.for_the_system(self._data_dir, refusal) from refusal
        except BaseException:
            self.stop()
            raise
        return self._dsn

    def stop(self) -> None:
        """Ends the server (fast shutdown) and waits for it. Calling it again, or before a start, does nothing."""
        process, self._process, self._dsn = self._process, None, None
        try:
            if process is not None:
                _end(process)
        finally:
            self._cleanup.close()

    def _start(self) -> str:
        account = _account(self._data_dir)
        binaries = find_binaries(self._pg_bin, account)
        data = self._data_dir / f"postgres-{binaries.major}"
        self._data_dir.mkdir(parents=True, exist_ok=True)
        installation = _Installation(binaries, account, self._cleanup.enter_context(locked(self._data_dir)))
        refuse_other_versions(data)
        refuse_what_is_roots(data, account)
        # Linux ties "tell the child when I die" to the thread that forked. This thread lives as long as we do,
        # whichever thread called us; it ends with stop(), or with the interpreter.
        keeper = self._cleanup.enter_context(ThreadPoolExecutor(1, thread_name_prefix="embedded-postgres"))
        settings = {**SETTINGS, **self._options}
        if not data.exists():
            keeper.submit(_make_data, installation, data, durable=settings["fsync"] != "off").result()
        socket_folder = self._cleanup.enter_context(socket_folder_for(data, account))
        discard_leftovers(data, socket_folder)
        settings["unix_socket_directories"] = str(socket_folder)
        self._process = keeper.submit(_launch, installation, data, settings).result()
        _wait_until_ready(self._process, data)
        return _dsn(str(socket_folder))


def running_dsn(data_dir: Path) -> str | None:
    """The DSN of the server that some process runs on this folder and that takes connections now, or ``None``."""
    for server in servers_on(data_dir.resolve()):
        if server.status == "ready" and server.answers():
            return _dsn(server.socket_folder)
    return None


@contextlib.contextmanager
def attach_or_start(
    data_dir: Path, *, pg_bin: Path | None = None, say_it_waits: Callable[[], None] = lambda: None
) -> Iterator[str]:
    """The DSN of the server on this folder: the one that runs, else one of our own for the duration of the block.

    Waits up to ``LOCK_PATIENCE`` seconds for a server of another process that is not ready yet, or not gone yet; then
    raises ``AlreadyRunning``, or what ``EmbeddedPostgres.start`` raises. A server of our own ends when others that have
    attached to it in this way have left it, too; ``say_it_waits`` is called when that is not yet so.
    """
    server = EmbeddedPostgres(data_dir, pg_bin=pg_bin)
    with counted_in(data_dir.resolve()) as users:
        try:
            yield running_dsn(data_dir) or _start_or_join(server, data_dir)
        finally:
            try:
                if server.runs:
                    wait_for_others(users, say_it_waits)
            finally:
                server.stop()


def _start_or_join(server: EmbeddedPostgres, data_dir: Path) -> str:
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            return server.start()
        except AlreadyRunning:
            if dsn := running_dsn(data_dir):
                return dsn
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@dataclass(frozen=True)
class _Installation:
    """What every program of one server is run with: which, as whom, and the lock that it inherits."""

    binaries: Binaries
    account: Account | None
    lock: int

    def popen(self, program: Path, *arguments: str, folder: Path, stdin: int, output: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603  our own command line
            child_command(program, *arguments, folder=folder, account=self.account),
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Not ours whole: it may hold secrets, and PGOPTIONS or PGDATA would change what the server does.
            env={"LC_ALL": "C"} | {name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            start_new_session=True,
            pass_fds=(self.lock,),
        )

    def run(self, program: Path, *arguments: str, folder: Path, text: bytes = b"") -> None:
        pipe = subprocess.PIPE
        with self.popen(program, *arguments, folder=folder, stdin=pipe, output=pipe) as process:
            said, _ = process.communicate(text)
        if process.returncode != 0:
            raise StartFailed(f"{program.name} failed:\n{_tail(said)}")


def _account(data_dir: Path) -> Account | None:
    try:
        return account_for(next((path for path in data_dir.glob("postgres-*") if path.is_dir()), None))
    except LookupError as nobody:
        raise PostgresUnavailable(str(nobody)) from None


def _dsn(socket_folder: str) -> str:
    # The port is written out, or PGPORT in a client's environment would replace it.
    return f"postgresql://leadfeed@/leadfeed?host={quote(socket_folder)}&port={PORT}"


def _make_data(installation: _Installation, data: Path, *, durable: bool) -> None:
    """Makes the data and the database beside their place, then moves them in: either all is there or nothing."""
    unfinished = data.with_name(f"{data.name}.new")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(mode=0o700)
    if installation.account is not None:
        installation.account.own(unfinished)
    binaries = installation.binaries
    # Sorted by code point and of no system locale, so that an index made here is right on any machine. The builtin
    # provider, new in 17, also knows the case of é; before it, the C library's C.UTF-8 does.
    builtin = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    locale = builtin if binaries.major >= 17 else ["--locale=C.UTF-8"]
    place = ["-D", str(unfinished)]
    shape = ["--username=leadfeed", "--auth=trust", "--encoding=UTF8", "--data-checksums", *locale]
    installation.run(binaries.initdb, *place, *shape, *([] if durable else ["--no-sync"]), folder=unfinished)
    alone = ["--single", *([] if durable else ["-F"]), *place, "-c", "exit_on_error=on", "postgres"]
    installation.run(binaries.postgres, *alone, folder=unfinished, text=b"CREATE DATABASE leadfeed\n")
    unfinished.rename(data)
    parent = os.open(data.parent, os.O_RDONLY)
    try:
        os.fsync(parent)  # or a power cut could undo the move after rows were acknowledged
    finally:
        os.close(parent)


def _launch(installation: _Installation, data: Path, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
    log = _log(data)
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))
    arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    # For us alone: a failed statement is logged with what it was given.
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb") as output:
        server = installation.binaries.postgres
        return installation.popen(
            server, "-D", str(data), *arguments, folder=data, stdin=subprocess.DEVNULL, output=output.fileno()
        )


def _log(data: Path) -> Path:
    return data.with_name(f"{data.name}.log")


def _wait_until_ready(process: subprocess.Popen[bytes], data: Path) -> None:
    deadline = time.monotonic() + START_PATIENCE
    while True:
        server = PostmasterFile.read(data)
        if server is not None and server.pid == process.pid and server.status == "ready":
            return
        if (code := process.poll()) is not None:
            raise StartFailed(f"PostgreSQL ended with {code} instead of starting:\n{_tail(_log(data).read_bytes())}")
        if time.monotonic() > deadline:
            raise StartFailed(f"PostgreSQL was not ready in {START_PATIENCE:.0f} s:\n{_tail(_log(data).read_bytes())}")
        time.sleep(0.01)


def _tail(said: bytes) -> str:
    return "\n".join(said.decode(errors="replace").strip().splitlines()[-LINES_SHOWN:])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Fast shutdown; where that takes too long, immediate shutdown (recovery at the next start); then force."""
    for request in (signal.SIGINT, signal.SIGQUIT):
        process.send_signal(request)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_PATIENCE)
            return
    process.kill()
    process.wait()
