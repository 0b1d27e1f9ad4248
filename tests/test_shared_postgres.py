"""The PostgreSQL that tests share: migrated once, cloned for each, gone at the end."""

import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from postgres import clone_database, create_template, drop_database, start_shared_server
from server_owner import values


def test_the_shared_server_clones_what_was_migrated_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEADFEED_TEST_DATABASE_URL", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    shared = start_shared_server()
    try:
        migrated: list[str] = []

        def migrate(dsn: str) -> None:
            migrated.append(dsn)
            values(dsn, "CREATE TABLE ledger (n int)")

        template = create_template(shared.dsn, migrate)
        one, two = (clone_database(shared.dsn, template, name) for name in ("one", "two"))
        values(one, "INSERT INTO ledger VALUES (1)")
        assert (values(one, "SELECT n FROM ledger"), values(two, "SELECT n FROM ledger")) == ([1], [])
        assert len(migrated) == 1
        for name in ("one", "two", template, "never there"):
            drop_database(shared.dsn, name)
        assert values(shared.dsn, "SELECT datname FROM pg_database WHERE datname ~ 'one|two|template_'") == []
        assert int(values(shared.dsn, "SHOW max_connections")[0]) >= 300
    finally:
        shared.stop()
    assert not list(tmp_path.iterdir())


def test_a_migration_that_fails_leaves_no_half_template(postgres: tuple[str, str]) -> None:
    admin_dsn, _ = postgres
    tried: list[str] = []

    def migrate(dsn: str) -> None:
        tried.append(urlsplit(dsn).path.strip("/"))
        raise ValueError("no such column")

    with pytest.raises(ValueError, match="no such column"):
        create_template(admin_dsn, migrate)
    assert tried[0] not in values(admin_dsn, "SELECT datname FROM pg_database")


def test_a_test_run_can_use_a_server_that_is_given(postgres: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADFEED_TEST_DATABASE_URL", postgres[0])
    shared = start_shared_server()
    assert shared.dsn == postgres[0]
    shared.stop()
    assert values(shared.dsn, "SELECT 1") == [1], "a server that was given was ended"
