"""``leadfeed retier``: the nightly re-tiering of an organisation, now and watched."""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from leadfeed_api.best_bets import cutoffs
from leadfeed_api.best_bets import retier as tiering
from leadfeed_api.best_bets.lease import Superseded
from leadfeed_api.best_bets.retier import Progress, Retiered, Watch
from leadfeed_api.best_bets.tiers import Rules
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
from leadfeed_api.organizations.identity import org_number
from leadfeed_api.organizations.tier_settings import Source
from leadfeed_api.settings import Settings

_MEASURES: Mapping[Source, str] = {"score": "a score", "change": "a rise"}


@plain_errors
def retier(org: Org, as_json: AsJson = False) -> None:
    """Recomputes stars and flames now, as the nightly run does. Running it again changes nothing."""

    async def work(settings: Settings, watch: Watch) -> Retiered:
        async with opened(settings) as database:
            async with database.read() as connection:
                await demand_organization(connection, org)
            return await tiering.retier(database, org_number(org), watch)

    try:
        with having_database(load_settings()) as settings, _bar(org) as watch:
            done = asyncio.run(work(settings, watch))
    except Superseded:
        fail(f"{org} is being re-tiered by a later run; this one has stopped in its favour.")
    shown = _shown(org, done)
    sys.stdout.write(json.dumps(shown) + "\n" if as_json else _text(shown, done.rules))


def _shown(org: str, done: Retiered) -> dict[str, Any]:
    return {
        "org": org,
        "leads": done.progress.leads,
        "changed": done.progress.changed,
        "stars": cutoffs.shown(done.rules.stars),
        "flames": cutoffs.shown(done.rules.flames),
        "seconds": round(done.seconds, 2),
        "longest_lock_ms": round(done.progress.longest_lock_s * 1_000, 1),
        "next_at": done.next_due.isoformat().replace("+00:00", "Z"),
    }


def _text(shown: dict[str, Any], rules: Rules) -> str:
    cuts = {name: ", ".join("–" if cut is None else f"{cut:g}" for cut in shown[name]) for name in ("stars", "flames")}
    leads = "1 lead" if shown["leads"] == 1 else f"{shown['leads']:,} leads"
    return (
        f"{shown['org']}: {leads}, {shown['changed']:,} changed tier ({shown['seconds']} s).\n"
        f"One, two, three stars from {_MEASURES[rules.stars_by]} of {cuts['stars']}; "
        f"flames from {_MEASURES[rules.flames_by]} of {cuts['flames']}.\n"
    )


@contextmanager
def _bar(org: str) -> Iterator[Watch]:
    """A bar on a terminal's stderr; nothing elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task(org, total=None)

        def watch(progress: Progress) -> None:
            bars.update(task, completed=progress.done, total=progress.leads)

        yield watch
