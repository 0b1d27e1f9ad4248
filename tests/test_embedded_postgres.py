"""The embedded PostgreSQL starts, keeps what was committed, and never outlives its owner, however that ends."""

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from leadfeed_api.cli.serve import own_database
from leadfeed_api.db import binaries, data_folder, embedded
from leadfeed_api.db.child import account_for, child_command
from leadfeed_api.db.data_folder import AlreadyRunning
from leadfeed_api.db.embedded import EmbeddedPostgres, StartFailed, attach_or_start, running_dsn
from leadfeed_api.settings import Settings
from leadfeed_api.subscriptions.delivery.worker import POOL_SIZE
from server_owner import data_in, owner, processes_in, server_in, socket_folder, until, values

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which the server has run before. Shared: a test leaves it without a server, that is all."""
    folder = tmp_path_factory.mktemp("once") / "data"
    with EmbeddedPostgres(folder):
        pass
    yield folder
    with EmbeddedPostgres(folder):  # still whole; and what killed servers left beside it is cleared away
        pass


def test_what_was_committed_is_there_after_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there yet"
    with EmbeddedPostgres(folder) as server:
        values(server.dsn, "CREATE TABLE ledger AS SELECT 'seen the pricing page' AS line")
    with EmbeddedPostgres(folder) as server:
        assert values(server.dsn, "SELECT line FROM ledger") == ["seen the pricing page"]


def test_the_server_is_durable_private_and_the_same_on_every_machine(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        settings = ["fsync", "full_page_writes", "synchronous_commit", "data_checksums", "listen_addresses", "jit"]
        shown = [values(server.dsn, f"SHOW {name}")[0] for name in [*settings, "timezone", "server_encoding"]]
        assert shown == ["on", "on", "on", "on", "", "off", "UTC", "UTF8"]
        assert values(server.dsn, "SELECT lower('É')") == ["é"]
        assert values(server.dsn, "SELECT x FROM unnest(ARRAY['a', 'B', 'é']) AS x ORDER BY x") == ["B", "a", "é"]
        assert values(server.dsn, "SELECT current_database() || current_user") == ["leadfeedleadfeed"]
        for folder in (data_in(data_dir), socket_folder(server.dsn)):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        log = data_in(data_dir).with_suffix(".log")
        assert stat.S_IMODE(log.stat().st_mode) == 0o600
        assert "ready to accept connections" in log.read_text()


def test_the_major_version_is_in_the_folders_name(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        [version] = values(server.dsn, "SHOW server_version_num")
    assert data_in(data_dir).name == f"postgres-{int(version) // 10_000}"


def test_options_win_over_the_defaults(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, options={"max_connections": "31"}) as server:
        assert values(server.dsn, "SHOW max_connections") == ["31"]


def test_it_has_room_for_the_connections_of_all_workers(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, with_delivery=True)
    with own_database(settings, workers=20) as url:
        assert int(values(url, "SHOW max_connections")[0]) > 20 * (settings.pool_size + 1 + POOL_SIZE)


def test_the_environment_of_the_service_does_not_reach_the_server(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGDATA": "/nowhere", "PGPORT": "1", "PGOPTIONS": "-c fsync=off", "PGHOST": "/nowhere"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LEADFEED_JWT_SECRET", "not for the server")
    with EmbeddedPostgres(data_dir) as server:
        monkeypatch.delenv("PGOPTIONS")  # that one a client sends along
        assert values(server.dsn, "SHOW fsync") == ["on"]
        if sys.platform == "linux":
            for process in processes_in(data_in(data_dir)):
                assert b"LEADFEED_JWT_SECRET" not in Path(f"/proc/{process}/environ").read_bytes()


def test_stopping_twice_or_before_the_start_does_nothing(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    server.stop()
    server.start()
    server.stop()
    server.stop()
    assert running_dsn(data_dir) is None
    with pytest.raises(RuntimeError, match="not running"):
        _ = server.dsn


def test_a_second_start_says_in_one_line_who_has_the_folder(data_dir: Path) -> None:
    with owner(data_dir, committed=1) as process:
        with pytest.raises(AlreadyRunning) as refusal, EmbeddedPostgres(data_dir):
            pass
        said = str(refusal.value)
        assert said == f"the embedded PostgreSQL of {data_dir} is already running: process {process.pid} has started it"
        assert running_dsn(data_dir) is not None, "the refused start disturbed the server that runs"


def test_a_second_start_in_the_same_process_is_refused_too(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        with pytest.raises(AlreadyRunning, match=str(os.getpid())), EmbeddedPostgres(data_dir):
            pass
        assert values(server.dsn, "SELECT 1") == [1]


def test_a_running_server_is_spared_even_if_somebody_deletes_the_lock_file(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        (data_dir / "embedded.lock").unlink()
        with pytest.raises(AlreadyRunning, match=str(server_in(data_in(data_dir)))), EmbeddedPostgres(data_dir):
            pass
        assert values(server.dsn, "SELECT 1") == [1]


def test_a_command_attaches_to_the_server_that_another_process_runs(data_dir: Path) -> None:
    assert running_dsn(data_dir) is None
    with owner(data_dir, committed=1):
        dsn = running_dsn(data_dir)
        assert dsn is not None
        assert values(dsn, "SELECT count(*) > 0 FROM ledger") == [True]
        with attach_or_start(data_dir) as attached:
            assert attached == dsn
        assert running_dsn(data_dir) == dsn, "leaving the block stopped a server that was not its own"


def test_a_command_without_a_running_server_starts_one_for_its_duration(data_dir: Path) -> None:
    with attach_or_start(data_dir) as dsn:
        assert values(dsn, "SELECT 1") == [1]
    assert running_dsn(data_dir) is None


def test_commands_that_start_together_share_one_server(data_dir: Path) -> None:
    answers: list[int] = []

    def command() -> None:
        for _ in range(3):
            with attach_or_start(data_dir) as dsn:
                answers.extend(values(dsn, "SELECT 1"))

    threads = [threading.Thread(target=command) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [1] * 9, "a server was ended under a command that had attached to it"
    assert running_dsn(data_dir) is None


def test_the_command_that_started_the_server_says_that_it_waits_for_the_others(data_dir: Path) -> None:
    attached, waits = threading.Event(), threading.Event()

    def starts_it() -> None:
        with attach_or_start(data_dir, say_it_waits=waits.set):
            assert attached.wait(timeout=30)

    first = threading.Thread(target=starts_it)
    first.start()
    until(lambda: running_dsn(data_dir), "the server is ready")
    with attach_or_start(data_dir) as dsn:
        attached.set()
        assert waits.wait(timeout=30)
        assert values(dsn, "SELECT 1") == [1]
    first.join()
    assert running_dsn(data_dir) is None, "nobody uses it any more"


@only_linux
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP], ids=lambda how: how.name)
def test_a_killed_owner_takes_the_server_along_and_nothing_acknowledged_is_lost(
    data_dir: Path, how: signal.Signals
) -> None:
    with owner(data_dir, committed=50) as killed:
        killed.process.send_signal(how)
        ending, last = killed.ended()
    assert ending == -how
    data = data_in(data_dir)
    until(lambda: not processes_in(data), "no server process is left")
    assert "received fast shutdown request" in data.with_suffix(".log").read_text(), "it had to be recovered"
    with EmbeddedPostgres(data_dir) as server:
        assert set(range(1, last + 1)) <= set(values(server.dsn, "SELECT n FROM ledger"))


@only_linux
def test_ctrl_c_lets_the_owner_finish_its_requests_first(data_dir: Path) -> None:
    with owner(data_dir, committed=50) as interrupted:
        os.killpg(interrupted.pid, signal.SIGINT)  # as a terminal does: to the whole foreground process group
        ending, last = interrupted.ended()
    assert ending == 0, "the server was gone before its owner had finished"
    assert not processes_in(data_in(data_dir))
    with EmbeddedPostgres(data_dir) as server:
        assert values(server.dsn, "SELECT n FROM ledger ORDER BY n") == list(range(1, last + 1))


@only_linux
def test_killing_owner_and_server_at_once_loses_nothing_that_was_acknowledged(data_dir: Path) -> None:
    with owner(data_dir, committed=50) as killed:
        os.kill(server_in(data_in(data_dir)), signal.SIGKILL)
        killed.process.kill()
        _, last = killed.ended()
    with EmbeddedPostgres(data_dir) as server:  # at once: while processes of the killed server may still be about
        assert set(range(1, last + 1)) <= set(values(server.dsn, "SELECT n FROM ledger"))
    until(lambda: not processes_in(data_in(data_dir)), "no server process is left")


@only_linux
def test_a_start_right_after_a_crash_waits_for_the_old_server_to_go(data_dir: Path) -> None:
    with owner(data_dir, committed=50) as killed:
        killed.process.kill()
        _, last = killed.ended()
    with EmbeddedPostgres(data_dir) as server:
        assert set(range(1, last + 1)) <= set(values(server.dsn, "SELECT n FROM ledger"))


@only_linux
def test_a_server_that_outlives_its_owner_is_named_with_the_way_to_end_it(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_folder, "LOCK_PATIENCE", 0.2)
    with owner(data_dir, committed=1) as killed:
        server = server_in(data_in(data_dir))
        os.kill(server, signal.SIGSTOP)
        try:
            killed.process.kill()
            killed.process.wait(timeout=20)
            with pytest.raises(AlreadyRunning, match=f"{server}.*kill -INT"), EmbeddedPostgres(data_dir):
                pass
        finally:
            os.kill(server, signal.SIGCONT)
    until(lambda: not processes_in(data_in(data_dir)), "no server process is left")


@only_linux
def test_the_server_outlives_the_thread_that_started_it(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    started_by: list[int] = []

    def start() -> None:
        started_by.append(threading.get_native_id())
        server.start()

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    try:
        until(lambda: not Path(f"/proc/self/task/{started_by[0]}").exists(), "the thread is gone")
        assert [values(server.dsn, "SELECT 1") for _ in range(50)] == [[1]] * 50
    finally:
        server.stop()


def test_a_server_that_does_not_react_is_ended_by_force(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "STOP_PATIENCE", 0.1)
    server = EmbeddedPostgres(data_dir)
    values(server.start(), "CREATE TABLE IF NOT EXISTS survives AS SELECT 1 AS n")
    os.kill(server_in(data_in(data_dir)), signal.SIGSTOP)
    server.stop()
    monkeypatch.undo()
    with EmbeddedPostgres(data_dir) as server:
        assert values(server.dsn, "SELECT n FROM survives") == [1]


@only_linux
def test_a_child_whose_parent_is_gone_already_does_not_become_the_program(tmp_path: Path) -> None:
    started = tmp_path / "started"
    touch = child_command(Path("/usr/bin/touch"), str(started), folder=tmp_path, account=None)
    orphan = [str(os.getpid() + 1) if part == str(os.getpid()) else part for part in touch]
    assert subprocess.run(orphan, check=False, capture_output=True).returncode != 0
    assert not started.exists()
    subprocess.run(touch, check=True)
    assert started.exists()


def test_files_of_a_crash_whose_process_ids_live_again_do_not_prevent_a_start(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        sockets = socket_folder(server.dsn)
    data = data_in(data_dir)
    account = account_for(data)
    with subprocess.Popen(["sleep", "60"], user=account.uid if account else None) as somebody:
        try:
            sockets.mkdir(mode=0o700, exist_ok=True)
            lines = f"{somebody.pid}\n{data}\n1\n5432\n{sockets}\n\n\nready\n"
            (data / "postmaster.pid").write_text(lines)
            (sockets / ".s.PGSQL.5432.lock").write_text(lines)
            assert running_dsn(data_dir) is None
            with EmbeddedPostgres(data_dir) as server:
                assert values(server.dsn, "SELECT 1") == [1]
        finally:
            somebody.kill()


def test_an_interrupted_first_start_is_begun_again(tmp_path: Path) -> None:
    major = binaries.find_binaries(None, account_for(None)).major
    half = tmp_path / f"postgres-{major}.new"
    half.mkdir()
    (half / "PG_VERSION").write_text(f"{major}\n")
    with EmbeddedPostgres(tmp_path) as server:
        assert values(server.dsn, "SELECT 1") == [1]
    assert not half.exists()


def test_a_failed_start_shows_what_the_server_said_and_leaves_the_folder_free(data_dir: Path) -> None:
    failed = EmbeddedPostgres(data_dir, options={"shared_buffers": "a lot"})
    with pytest.raises(StartFailed, match='invalid value for parameter "shared_buffers"'):
        failed.start()
    with EmbeddedPostgres(data_dir) as server:
        assert values(server.dsn, "SELECT 1") == [1]
    failed.stop()
