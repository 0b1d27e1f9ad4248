"""``python -m bench [page|ingest|feeds …] [--runs N] [--seconds S] [--moments N] [--smoke] [--no-peers]``.

Writes ``bench/results/latest.json`` and the table in ``docs/performance.md``. ``--smoke`` proves that the code runs
and writes nothing.
"""

import argparse

from rich.console import Console
from rich.table import Table

from bench import e2e, feeds, growth, ingest, ingest_shapes, ingest_sql, mixed, page, stream
from bench.cores import here, keep_to_measured
from bench.figures import Figure, machine, save
from bench.peers import ingest as peers_ingest
from bench.peers import page as peers
from bench.report import write_table
from bench.world import filled, settle

# In this order: pages and feeds are compared on rows that are the same for all, and what writes most comes last: no
# other is to run on tables that are larger where writing is faster.
BENCHES = {
    "page": page.run,
    "peers": peers.run,
    "feeds": feeds.run,
    "mixed": mixed.run,
    "e2e": e2e.run,
    "stream": stream.run,
    "ingest": ingest.run,
    "ingest_sql": ingest_sql.run,
    "ingest_shapes": ingest_shapes.run,
    "peers_ingest": peers_ingest.run,
}
NEED_PEERS = {"peers", "peers_ingest"}  # installed by ``make bench``; other benches leave out what is not there
ALONE = "growth"  # takes minutes to fill; only when it is asked for


def main() -> None:
    """Runs the benches that were asked for, all by default, on one PostgreSQL."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("names", nargs="*", choices=[*BENCHES, ALONE, []], help="which; all by default")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--moments", type=int, default=120_000)
    parser.add_argument("--largest", type=int, default=growth.SIZES[-1], help="moments that growth goes up to")
    parser.add_argument("--smoke", action="store_true", help="one short run; writes nothing")
    parser.add_argument("--no-peers", action="store_true", help="all but those that cannot run without their peers")
    asked = parser.parse_args()
    runs, seconds, moments = (1, 0.1, 3_000) if asked.smoke else (asked.runs, asked.seconds, asked.moments)
    keep_to_measured(here())
    on = machine()
    console = Console()
    figures: list[Figure] = []
    names = asked.names or [name for name in BENCHES if not (asked.no_peers and name in NEED_PEERS)]
    settings = {"runs": runs, "seconds": seconds, "moments": moments}

    def keep(found: list[Figure], **more: int) -> None:
        """At once: what comes next may fail."""
        figures.extend(found)
        if not asked.smoke:
            save(found, on, {**settings, **more})

    if ALONE in names:
        with console.status("Filling a PostgreSQL with millions …"):
            keep(growth.run(asked.largest, runs, seconds), moments=asked.largest)
        names.remove(ALONE)
    if names:
        with console.status("Filling a PostgreSQL …") as status, filled(moments) as world:
            for place, name in enumerate(names):
                if place:
                    settle(world)
                status.update(f"{name}: {runs} runs, ours and the reference in turn …")
                keep(BENCHES[name](world, runs, seconds))
    console.print(_table(figures))
    if not asked.smoke:
        write_table()


def _table(figures: list[Figure]) -> Table:
    table = Table("figure", "median", "min", "max", "target", "met")
    for figure in figures:
        row = figure.as_dict()
        table.add_row(figure.name, *(str(row[name]) for name in ("median", "min", "max", "target", "met")))
    return table


if __name__ == "__main__":
    main()
