"""What the embedded server keeps on disk besides its data, and who may touch it when.

Owns the folder's locks, the socket's folder, and the reading and clearing of ``postmaster.pid``. Starts no process.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from leadfeed_api.db.binaries import PostgresUnavailable
from leadfeed_api.db.child import Account

PORT = "5432"  # names the socket's file; nothing listens on a port
LOCK_PATIENCE = 10.0  # seconds for the server of an owner that was just killed
_SOCKET_PATH_LIMIT = 103  # bytes on macOS; Linux takes 107


class AlreadyRunning(PostgresUnavailable):
    """Another process has this data folder in use."""


class DataFolderUnusable(PostgresUnavailable):
    """The data folder cannot be written, is root's, or holds the data of another major version."""

    @classmethod
    def for_the_system(cls, data_dir: Path, refusal: OSError) -> Self:
        """In the operating system's words."""
        return cls(f"cannot keep PostgreSQL's data in {data_dir}: {refusal}")


@dataclass(frozen=True)
class PostmasterFile:
    """The lines of ``postmaster.pid`` we use: see "postmaster.pid" in PostgreSQL's ``src/include/utils/pidfile.h``."""

    pid: int
    socket_folder: str
    status: str

    @classmethod
    def read(cls, data: Path) -> Self | None:
        """The server that runs, or last ran, on the folder ``data``; ``None`` without a whole file."""
        try:
            lines = (data / "postmaster.pid").read_text().splitlines()
            return cls(pid=int(lines[0]), socket_folder=lines[4], status=lines[7].strip())
        except (OSError, ValueError, IndexError):
            return None

    def answers(self) -> bool:
        """Whether somebody listens on the socket; the file and the socket both outlive a killed server."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(f"{self.socket_folder}/.s.PGSQL.{PORT}")
            except OSError:
                return False
        return True


def servers_on(data_dir: Path) -> list[PostmasterFile]:
    """The servers, of any major version, that run or last ran under ``data_dir``."""
    files = [PostmasterFile.read(path.parent) for path in data_dir.glob("postgres-*/postmaster.pid")]
    return [file for file in files if file is not None]


def refuse_other_versions(data: Path) -> None:
    """Raises ``DataFolderUnusable`` where ``data`` would be a new, empty database beside that of another version."""
    others = [path.name for path in data.parent.glob("postgres-*") if re.fullmatch(r"postgres-\d+", path.name)]
    if others and data.name not in others:
        raise DataFolderUnusable(
            f"{data.parent} holds data of {', '.join(sorted(others))}, but the PostgreSQL found is {data.name}: point "
            "LEADFEED_PG_BIN at the older programs, or choose another LEADFEED_DATA_DIR"
        )


def refuse_what_is_roots(data: Path, account: Account | None) -> None:
    """Raises ``DataFolderUnusable`` where ``account`` is to serve data that is root's, as a plain copy by root is."""
    if account is not None and data.exists() and data.stat().st_uid == 0:
        raise DataFolderUnusable(
            f"{data} belongs to root, and PostgreSQL must not run as root: `chown -R {account.name} {data}`"
        )


@contextlib.contextmanager
def locked(data_dir: Path) -> Iterator[int]:
    """Holds the folder's lock; yields its descriptor, for the server to inherit.

    Inherited, it is held until the last server process is gone, and not only until its owner is: so a free lock means
    that nobody touches the data, and a start right after a crash waits here. Raises ``AlreadyRunning`` at once when the
    owner lives, otherwise after ``LOCK_PATIENCE`` seconds.
    """
    lock = os.open(data_dir / "embedded.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + LOCK_PATIENCE
        while not _try_lock(lock):
            owner = os.pread(lock, 20, 0).decode().strip()
            if owner.isdigit() and _alive(int(owner)):
                raise AlreadyRunning(
                    f"the embedded PostgreSQL of {data_dir} is already running: process {owner} has started it"
                )
            if time.monotonic() > deadline:
                raise AlreadyRunning(
                    f"the embedded PostgreSQL of {data_dir} still runs (process {_pids(data_dir)}) although its owner, "
                    f"process {owner}, is gone: end it with `kill -INT`"
                )
            time.sleep(0.02)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield lock
    finally:
        os.close(lock)


@contextlib.contextmanager
def counted_in(data_dir: Path) -> Iterator[int]:
    """Counts this process among those that use the folder's server; yields the descriptor for ``wait_for_others``.

    Waits where the server is being ended. Raises ``DataFolderUnusable``.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        users = os.open(data_dir / "embedded.users", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as refusal:
        raise DataFolderUnusable.for_the_system(data_dir, refusal) from refusal
    try:
        fcntl.flock(users, fcntl.LOCK_SH)
        yield users
    finally:
        os.close(users)


def wait_for_others(users: int, say: Callable[[], None]) -> None:
    """Returns when nobody else is counted in, nor can be until this process is counted out; ``say`` before it waits."""
    if not _try_lock(users):
        say()
        fcntl.flock(users, fcntl.LOCK_EX)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _alive(pid: int) -> bool:
    """Whether the process still runs; one that was killed and waits for its parent to notice does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _pids(data_dir: Path) -> str:
    return ", ".join(str(server.pid) for server in servers_on(data_dir)) or "unknown"


def discard_leftovers(data: Path, socket_folder: Path) -> None:
    """Removes what a killed server left behind. To be called with the lock held.

    PostgreSQL would do it too, unless the process id in the file is in use again, by anything: after a reboot or in a
    new container it often is, and then it refuses to start. Raises ``AlreadyRunning`` when a server that was started by
    hand is at work there, since the lock does not know of that one.
    """
    server = PostmasterFile.read(data)
    if server is not None and (server.answers() or _works_in(server.pid, data)):
        raise AlreadyRunning(f"a PostgreSQL that we did not start runs on {data}: process {server.pid}")
    for leftover in (
        data / "postmaster.pid",
        socket_folder / f".s.PGSQL.{PORT}",
        socket_folder / f".s.PGSQL.{PORT}.lock",
    ):
        leftover.unlink(missing_ok=True)


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return os.path.samefile(f"/proc/{pid}/cwd", folder)
    except OSError:
        return False


@contextlib.contextmanager
def socket_folder_for(data: Path, account: Account | None) -> Iterator[Path]:
    """A folder for the socket that only the server's user may enter: the data folder itself, or a short one.

    A socket's whole path is limited to about a hundred bytes, and commas or colons in it mislead clients; as another
    user the server may not be able to walk to its data. The short folder is found again through ``postmaster.pid``.
    """
    if account is None and _suits_a_socket(data):
        yield data
        return
    name = f"leadfeed-{hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}"
    parents = [Path("/run")] if account is not None else []
    for parent in (*parents, Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108  see _make_private
        folder = parent / name
        if _suits_a_socket(folder) and _make_private(folder, account):
            break
    else:
        raise DataFolderUnusable(f"no folder with a short name for the socket of {data}")
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _suits_a_socket(folder: Path) -> bool:
    path = str(folder / f".s.PGSQL.{PORT}")
    return len(os.fsencode(path)) <= _SOCKET_PATH_LIMIT and re.fullmatch(r"[\w./-]+", path, re.ASCII) is not None


def _make_private(folder: Path, account: Account | None) -> bool:
    """Makes ``folder`` for the server's user alone; ``False`` if it cannot be, or somebody else made it first."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.geteuid(), account.uid if account else -1}:
            return False
        folder.chmod(0o700)
        if account is not None:
            account.own(folder)
    except OSError:
        return False
    return True
