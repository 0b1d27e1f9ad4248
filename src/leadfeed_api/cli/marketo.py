"""``leadfeed import marketo``: reads Marketo's exports into an organisation.

Owns the order of things (leads before moments, batches of 500), the progress bar and the exit code. What a row means
is the reader's; what is stored, and how, is ingestion's and people's. Reading the same files again changes nothing.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from leadfeed_api.cli.context import (
    AsJson,
    Org,
    demand_organization,
    fail,
    having_database,
    load_settings,
    opened,
    plain_errors,
)
from leadfeed_api.cli.marketo_leads import make_leads, store_leads
from leadfeed_api.cli.marketo_tally import Tally
from leadfeed_api.db.session import Database
from leadfeed_api.ingestion.interpret import Candidate
from leadfeed_api.ingestion.record import record_moments
from leadfeed_api.ingestion.sources.marketo import MarketoExport, NotInteresting, UnknownShape, Unreadable
from leadfeed_api.ingestion.sources.marketo_rows import LeadRecord
from leadfeed_api.ingestion.sources.marketo_types import ActivityTypes, UnusableTypes, operator_types, packaged_types
from leadfeed_api.organizations.identity import org_number
from leadfeed_api.settings import Settings

BATCH = 500
Watch = Callable[[MarketoExport], None]


@plain_errors
def import_marketo(
    org: Org,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="CSV files of activities or leads.")],
    create_missing_leads: Annotated[
        bool, typer.Option("--create-missing-leads", help="Create a lead for every id that is not known yet.")
    ] = False,
    types: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="TOML file: which activity types become moments, and how they read."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Imports Marketo exports: activities as moments, leads as leads.

    Takes bulk extracts and the flattened tables of a warehouse, in any mix. Exit code 1 if a file is no such export,
    or if not a single row could be read.
    """
    with ExitStack() as stack:
        # Every file is looked at before anything is stored: a wrong one among ten must not leave nine half done.
        exports = [stack.enter_context(export) for export in open_exports(files, _types(types))]
        with having_database(load_settings()) as settings, _progress(exports) as watch:
            tally = asyncio.run(_import(settings, org, exports, watch, create_missing_leads=create_missing_leads))
    sys.stdout.write(json.dumps({"org": org, **tally.as_dict()}) + "\n" if as_json else tally.as_text())
    if tally.unreadable and not tally.rows:
        raise typer.Exit(1)


def open_exports(files: Sequence[Path], types: ActivityTypes) -> Iterator[MarketoExport]:
    """The files, opened and recognised, leads before activities: a moment needs its lead.

    Ends the command when one cannot be opened or is no export.
    """
    now = datetime.now(UTC)
    found: list[MarketoExport] = []
    try:
        for path in files:
            found.append(MarketoExport(path, types, now))
    except (UnknownShape, OSError) as error:
        for export in found:
            export.close()
        fail(f"{path}: {error.strerror}" if isinstance(error, OSError) else str(error))
    return iter(sorted(found, key=lambda export: export.shape != "leads"))


async def import_exports(
    database: Database,
    org_id: int,
    exports: Sequence[MarketoExport],
    watch: Watch = lambda _: None,
    *,
    create_missing_leads: bool = False,
) -> Tally:
    """Stores what the exports hold, batch by batch, in order; ``watch`` is called every 500 rows."""
    tally = Tally()
    for export in exports:
        moments: list[Candidate] = []
        leads: list[LeadRecord] = []
        for row, reading in enumerate(export, 1):
            match reading:
                case Candidate():
                    moments.append(reading)
                case LeadRecord():
                    leads.append(reading)
                case NotInteresting():
                    tally.skipped[reading.activity] += 1
                case Unreadable():
                    tally.could_not_read(f"{export.path.name}, line {reading.line}", reading.reason)
            if len(moments) + len(leads) == BATCH:
                await _store(database, org_id, moments, leads, tally, create_missing_leads=create_missing_leads)
                moments, leads = [], []
            if row % BATCH == 0:
                watch(export)
        await _store(database, org_id, moments, leads, tally, create_missing_leads=create_missing_leads)
        watch(export)
    return tally


async def _store(
    database: Database,
    org_id: int,
    moments: Sequence[Candidate],
    leads: Sequence[LeadRecord],
    tally: Tally,
    *,
    create_missing_leads: bool,
) -> None:
    if leads:
        await store_leads(database, org_id, leads, tally)
    left_out = await _record(database, org_id, moments, tally) if moments else []
    if left_out and create_missing_leads:
        await make_leads(database, org_id, [one.lead_id for one in left_out], tally)
        left_out = await _record(database, org_id, left_out, tally)
    for one in left_out:
        tally.rejected["unknown-lead"] += 1
        tally.unknown_leads[one.lead_id] = tally.unknown_leads.get(one.lead_id, 0) + 1


async def _record(database: Database, org_id: int, moments: Sequence[Candidate], tally: Tally) -> list[Candidate]:
    """Records moments and counts their verdicts; returns those whose lead is unknown, uncounted."""
    left_out = []
    for moment, verdict in zip(moments, await record_moments(database, org_id, moments), strict=True):
        if verdict.status == "rejected":  # its lead is unknown: what came by a file is well formed
            left_out.append(moment)
        else:
            tally.accepted += verdict.status == "accepted"
            tally.duplicates += verdict.status == "duplicate"
    return left_out


async def _import(
    settings: Settings, org: str, exports: Sequence[MarketoExport], watch: Watch, *, create_missing_leads: bool
) -> Tally:
    async with opened(settings) as database:
        async with database.read() as connection:
            await demand_organization(connection, org)
        return await import_exports(
            database, org_number(org), exports, watch, create_missing_leads=create_missing_leads
        )


def _types(path: Path | None) -> ActivityTypes:
    try:
        return packaged_types() if path is None else operator_types(path)
    except UnusableTypes as error:
        fail(str(error))


@contextmanager
def _progress(exports: Sequence[MarketoExport]) -> Iterator[Watch]:
    """A bar per file on a terminal's stderr; nothing elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks = {export: bars.add_task(export.path.name, total=export.bytes_total or None) for export in exports}
        yield lambda export: bars.update(tasks[export], completed=export.bytes_read)
