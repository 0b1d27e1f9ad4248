"""A program run as our child: it cannot outlive us, hears no Ctrl-C meant for us, and is never root.

Owns how a process ends with its parent, and what has to happen between the fork and the program: in a fresh interpreter
rather than in ``preexec_fn`` (which may deadlock once there are threads). The same file is both sides:
``child_command`` builds the command line, and run as a script the file carries it out. Hence standard library only.
Knows nothing of databases.
"""

import os
import pwd
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Account:
    """The system user a child runs as, because we are root and it must not be."""

    name: str
    uid: int
    gid: int

    def own(self, path: Path) -> None:
        """Gives ``path`` to this user: that one path, nothing above or below it."""
        os.chown(path, self.uid, self.gid)

    @property
    def groups(self) -> list[int]:
        """Every group this user is in, its own among them."""
        return os.getgrouplist(self.name, self.gid)


def account_for(existing: Path | None) -> Account | None:
    """Who a child of ours runs as: ``None`` for ourselves, otherwise (we are root) somebody lesser.

    That is the owner of the ``existing`` data folder, or ``postgres``, or ``nobody``. Raises ``LookupError`` when this
    system has neither.
    """
    if os.geteuid() != 0:
        return None
    if existing is not None and (owner := existing.stat()).st_uid != 0:
        return Account(_user_name(owner.st_uid), owner.st_uid, owner.st_gid)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise LookupError("PostgreSQL refuses to run as root, and this system has no user 'postgres' or 'nobody' to run as")


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def child_command(program: Path, *arguments: str, folder: Path, account: Account | None) -> list[str]:
    """The command line that becomes ``program`` as ``account``, sent SIGINT when we die (Linux only).

    "We" is the *thread* that starts it: Linux ties the signal to that. Where the program's arguments name ``folder``
    and the account may not walk to it, they are replaced by a name for it that needs no walking.
    """
    identity = "" if account is None else ":".join(map(str, (account.uid, account.gid, *account.groups)))
    here = [sys.executable, "-I", "-S", __file__, str(os.getpid()), identity, str(folder)]
    return [*here, str(program), *arguments]


def end_with(parent: int, told: signal.Signals) -> None:
    """Has this process ``told`` to end when the thread of ``parent`` that started it ends (Linux only).

    Where the parent is gone already, it ends at once. On other systems nothing happens.
    """
    import ctypes  # noqa: PLC0415  a hundredth of a second that most commands have no use for

    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if sys.platform == "linux" and prctl is not None:
        prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(told), 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("the parent was gone before its death could be subscribed to")


def _become(parent: int, identity: str, folder: str, program: str, arguments: list[str]) -> NoReturn:
    import ctypes  # noqa: F401, PLC0415  for ``end_with``, while its library can still be read

    # Whoever started us may have been told to ignore it ("leadfeed serve &" in a script); ignoring is inherited.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.umask(0o077)
    os.chdir("/")
    if identity:
        inside = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        uid, gid, *groups = map(int, identity.split(":"))
        os.setgroups(groups)
        os.setgid(gid)
        os.setuid(uid)
        if not os.access(folder, os.X_OK) and os.path.isdir(f"/proc/self/fd/{inside}"):
            # Intentional: some folder above is closed to this user (a checkout in /root). We hold the one below open,
            # and this name for it needs no walking, so nothing has to be opened up. Not /proc/self/cwd: before version
            # 16 PostgreSQL's programs leave the working directory for a moment and could not return.
            os.set_inheritable(inside, True)
            arguments = [f"/proc/self/fd/{inside}" if argument == folder else argument for argument in arguments]
    end_with(parent, signal.SIGINT)  # after setuid, which would clear it; it survives exec
    os.execv(program, [program, *arguments])  # noqa: S606  no shell is wanted


if __name__ == "__main__":
    _, _parent, _identity, _folder, _program, *_arguments = sys.argv
    try:
        _become(int(_parent), _identity, _folder, _program, _arguments)
    except OSError as refusal:
        sys.exit(f"cannot run {_program}: {refusal}")
